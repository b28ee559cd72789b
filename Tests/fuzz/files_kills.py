"""Kills a process at every call of the system that writes a file, and looks at what is left.

    python Tests/fuzz/files_kills.py [--rounds 1] [--seconds 60]

1. ``save`` over an old file: a child is ended before its n-th call, for every n, and with SIGKILL in the middle of a
   write. What is left is the old or the new file, whole, and the next save removes what the child left.
2. A training with checkpoints, ended before its n-th call, for every n: what goes on from the checkpoint has the same
   bits as a training that nobody ended.
3. Two processes that save to one path, ended by chance, and one that reads: it always has a whole one of the two.

Each kill is a fork whose ``os`` counts down to SIGKILL. Prints how many kills there were and files that were looked at.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

import seriatim
from seriatim import nn
from seriatim.models import GRUClassifier

CALLS = ("open", "write", "fsync", "replace", "rename", "unlink", "close", "fchmod", "mkdir", "scandir")
X = [np.random.default_rng(i).normal(size=(4 + i % 3, 2)) for i in range(8)]
Y = np.arange(8) % 2


def armed(number):
    """Let this process be killed before its n-th call; of a write half is written before."""
    left = [number]

    def wrapped(name, real):
        def call(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                if name == "write":
                    real(args[0], args[1][: len(args[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in CALLS:
        setattr(os, name, wrapped(name, getattr(os, name)))


def killed(number, work):
    """Return whether a child that does ``work`` was killed before its n-th call; it may have fewer."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            armed(number)
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise SystemExit(f"a child failed at call {number}")
    return os.WIFSIGNALED(status)


def save(folder):
    """Kill a save at every call; returns numbers of kills and of files that were loaded."""
    path = folder / "m"
    old, new = (nn.Linear(3, 4, rng=seed) for seed in range(2))
    weights = {model.weight.data.tobytes() for model in (old, new)}
    seen, number = set(), 0
    while True:
        number += 1
        seriatim.save(old, path)
        if not killed(number, lambda: seriatim.save(new, path)):
            break
        found = seriatim.load(path).weight.data.tobytes()
        assert found in weights, number
        seen.add(found)
        seriatim.save(old, path)
        assert os.listdir(folder) == ["m"], (number, os.listdir(folder))
    assert len(seen) == 2, "no kill came after the new file"
    return number - 1, number - 1


def fit(**parameters):
    """Return the weights of a small training."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GRUClassifier(
            hidden_size=2, max_epochs=3, random_state=0, n_estimators=1, scaling=None, augmentation=None, **parameters
        ).fit(X, Y)
    return b"".join(value.tobytes() for value in model.module_.state_dict().values())


def checkpoints(folder, step=1):
    """Kill a training at every ``step``-th call that writes; returns numbers of kills and of trainings that went on."""
    whole, number, rounds = fit(), 1 - step, 0
    while True:
        number += step
        if not killed(number, lambda: fit(checkpoint_dir=folder)):
            break
        # Once more, at another call, before it may end.
        killed(1 + number // 2, lambda: fit(checkpoint_dir=folder))
        assert fit(checkpoint_dir=folder) == whole, number
        assert not os.listdir(folder), (number, os.listdir(folder))
        rounds += 1
    return 2 * rounds, rounds


def race(folder, seconds, seed=0):
    """Two writers that are killed by chance, and a reader; returns numbers of kills and of files that were loaded."""
    path, rng = folder / "m", random.Random(seed)
    models = [nn.Linear(30, 30, rng=seed) for seed in range(2)]
    weights = {model.weight.data.tobytes() for model in models}
    seriatim.save(models[0], path)
    kills = reads = 0
    children: list[int] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        while len(children) < 2:
            children.append(os.fork())
            if children[-1] == 0:
                while True:
                    seriatim.save(models[len(children) - 1], path)
        for _ in range(rng.randrange(1, 20)):
            assert seriatim.load(path).weight.data.tobytes() in weights
            reads += 1
        child = children.pop(rng.randrange(2))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kills += 1
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    seriatim.save(models[0], path)
    assert os.listdir(folder) == ["m"]
    return kills + len(children), reads


def main():
    """Run all three."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    for word, work in (("save", save), ("checkpoints", checkpoints)):
        total = np.zeros(2, int)
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as folder:
                total += work(Path(folder))
        print(f"{word}: {total[0]} kills, {total[1]} files or trainings whole", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print("race: {} kills, {} files whole".format(*race(Path(folder), options.seconds)))


if __name__ == "__main__":
    sys.exit(main())
