"""Kill workers of a Dask cluster at random moments of a fit: no hang, no lost checkpoint, the same bits afterwards.

    python Tests/fuzz/dask_kills.py [--rounds 30] [--seed 0] [--workers 2]

Each round fits, with a folder for checkpoints, on data that Dask computes, and kills a random worker by SIGKILL: a
random time behind the call of ``fit``, or behind a random epoch. Then the same fit is called again, on a random number
of the workers. Held are

- the kind of the error, and the seconds from the kill to it: at most LIMIT;
- that the second fit goes on at the last epoch of which the first one told, or later;
- weights and history, bit by bit, against a fit in this process that nobody killed.

It needs dask and distributed, and ends with a line of figures; nothing held is an error.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import dask.bag
import numpy as np
from dask.distributed import Client, LocalCluster

from seriatim import models
from seriatim.dask import GRUClassifier
from seriatim.distributed import TeamError

# Seconds from the kill to the error. The timeout of the fit is larger: no wait may need it.
LIMIT = 15.0
TIMEOUT = 60.0
EPOCHS = 25
SETTINGS = {
    "hidden_size": 8, "batch_size": 8, "max_epochs": EPOCHS, "random_state": 0, "early_stopping": True,
    "n_iter_no_change": EPOCHS, "weight_averaging": 0.9, "validation_fraction": 0.3, "augmentation": "auto",
}  # fmt: skip


class Noting:
    """A callback that writes down, an epoch a line, how many epochs the history has."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, history: dict[str, list[float]]) -> None:
        with open(self.path, "a") as file:
            file.write(f"{len(history['loss'])}\n")

    def told(self) -> list[int]:
        return [int(line) for line in self.path.read_text().split()] if self.path.exists() else []


def bits(model):
    history = {name: column for name, column in model.history_.items() if name != "seconds"}
    return b"".join(array.tobytes() for array in model.module_.state_dict().values()), history


class Proof:
    """A cluster, and fits on it."""

    def __init__(self, folder: Path, n_workers: int, seed: int) -> None:
        self.folder, self.n_workers = folder, n_workers
        self.clusters = 0
        self.begin()
        self.draw = random.Random(seed)
        rng = np.random.default_rng(seed)
        self.y = np.arange(80) % 3
        lengths = rng.integers(3, 9, 80).tolist()
        self.X = [rng.normal(size=(n, 3)) + label for n, label in zip(lengths, self.y, strict=True)]
        self.wanted = bits(models.GRUClassifier(micro_shards=8, **SETTINGS).fit(self.X, self.y))
        self.ready()
        start = time.monotonic()
        model, error = self.fit(Noting(folder / "whole"), n_workers)
        assert error is None, error
        assert bits(model) == self.wanted
        self.epoch_seconds = (time.monotonic() - start) / EPOCHS
        self.killed = self.resumed = 0
        self.slowest = 0.0

    def begin(self) -> None:
        """Start a cluster."""
        self.cluster = LocalCluster(
            n_workers=self.n_workers, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=50
        )
        self.client, self.clusters = Client(self.cluster), self.clusters + 1

    def close(self) -> None:
        self.client.close()
        self.cluster.close()

    def ready(self) -> None:
        """Wait until all workers are there and have imported the library; a nanny may fail to start one again."""
        try:
            self.client.wait_for_workers(self.n_workers, 30)
        except TimeoutError:
            self.close()
            self.begin()
        self.client.run(lambda: __import__("seriatim.dask"))

    def fit(self, noting: Noting, n_workers: int) -> tuple[Any, Exception | None]:
        known = sorted(self.client.nthreads())
        model = GRUClassifier(
            client=self.client, timeout=TIMEOUT, checkpoint_dir=self.folder / "kept", callbacks=[noting],
            workers=self.draw.sample(known, min(n_workers, len(known))), **SETTINGS,
        )  # fmt: skip
        try:
            return model.fit(dask.bag.from_sequence(self.X, npartitions=6), self.y), None
        except Exception as error:
            return None, error

    def round(self, number: int) -> str:
        self.ready()
        noting = Noting(self.folder / f"first {number}")
        pids = self.client.run(os.getpid)
        victim = self.draw.choice(sorted(pids))
        # One of four in what comes before the first epoch.
        epoch = max(0, self.draw.randint(-8, EPOCHS - 1))
        delay = self.draw.uniform(0, 2.0 if epoch == 0 else self.epoch_seconds)
        killer = Killer(noting, pids[victim], epoch, delay)
        killer.start()
        model, error = self.fit(noting, self.n_workers)
        ended = time.monotonic()
        killer.join()
        while victim in self.client.nthreads():
            time.sleep(0.05)
        moment = f"round {number}: {delay:.3f} s behind epoch {epoch}"
        if error is None:
            assert bits(model) == self.wanted, f"{moment}: other bits"
            return f"{moment}, behind its end"
        took = ended - killer.at
        assert isinstance(error, TeamError), f"{moment}: {error!r}"
        assert took < LIMIT, f"{moment}: {took:.1f} s to {error!r}"
        self.killed, self.slowest = self.killed + 1, max(self.slowest, took)
        return f"{moment}, error after {took:.2f} s; {self.again(number, moment, len(noting.told()))}"

    def again(self, number: int, moment: str, told: int) -> str:
        """Call the fit again, which goes on."""
        self.ready()
        noting, size = Noting(self.folder / f"second {number}"), self.draw.randint(1, self.n_workers)
        model, error = self.fit(noting, size)
        assert error is None, f"{moment}: {error!r}"
        assert bits(model) == self.wanted, f"{moment}: other bits after going on"
        first = noting.told()[0]
        # An epoch is told of just before its file is written.
        assert first >= told, f"{moment}: {told} epochs were told of, and it went on with number {first}"
        assert not list((self.folder / "kept").glob("*")), f"{moment}: files are left"
        self.resumed += first > 1
        return f"{told} epochs told, on from number {first} by {size}"


class Killer(threading.Thread):
    """Kills a process some time behind an epoch, at the end of ten minutes at the latest."""

    def __init__(self, noting: Noting, pid: int, epoch: int, delay: float) -> None:
        super().__init__(daemon=True)
        self.noting, self.pid, self.epoch, self.delay, self.at = noting, pid, epoch, delay, 0.0

    def run(self) -> None:
        end = time.monotonic() + 600
        while len(self.noting.told()) < self.epoch and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(self.delay)
        self.at = time.monotonic()
        os.kill(self.pid, signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    # A cluster closes the nanny of a worker that is not there some time after it was lost: one that was killed twice.
    dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"})
    with tempfile.TemporaryDirectory() as folder:
        proof = Proof(Path(folder), options.workers, options.seed)
        for number in range(options.rounds):
            print(proof.round(number), flush=True)
        proof.close()
    print(
        f"{options.rounds} rounds: {proof.killed} fits were killed, {proof.resumed} went on from a checkpoint; the "
        f"slowest error came {proof.slowest:.2f} s after the kill; all bits the same; {proof.clusters} clusters"
    )


if __name__ == "__main__":
    main()
