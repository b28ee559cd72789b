"""What a second core, and a network, make of training in micro-batches: measured, and a model of it.

``python benchmarks/distributed.py`` measures, writes docs/scale.csv, and draws docs/scale.png and the tables of
docs/guide/scale.md from it; with ``--draw`` it only draws. It takes about five minutes, in which nothing else may run,
and root with ``ip`` and ``tc`` for the part with networks; without, that part stays away, and says why.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
from typing import Any

import distributed_report as report
import machine
import numpy as np
from distributed_ranks import Network, Ranks, why_not

DOCS = Path(__file__).parents[1] / "docs"
COLUMNS = (
    "what", "network", "ranks", "shards", "batch", "gigabits", "milliseconds", "size", "best", "median",
    "folds", "sums", "waits", "cpu",
)  # fmt: skip
SHARDS, BATCH, BATCHES = 8, 64, 4
# What batch normalisation of DeepGRU's classifier tells: three times so many numbers.
FOLDED = 256

Row = dict[str, Any]


def durations(found: list[Row]) -> np.ndarray:
    """Return how long each call took a team: from when the last rank came until all had done."""
    began = np.max([one["began"] for one in found], axis=0)
    return np.asarray(np.max([one["ended"] for one in found], axis=0) - began)


def step_durations(found: list[Row]) -> np.ndarray:
    """Return how long each of some steps took that follow each other: from when all had done the one before."""
    ended = np.max([one["ended"] for one in found], axis=0)
    return np.diff(ended, prepend=max(one["began"][0] for one in found))


class Steps:
    """Rounds of steps over the same mini-batches: of each, the round in which it was fastest."""

    def __init__(self, **what: Any) -> None:
        self.what = what
        self.rounds: list[np.ndarray] = []
        self.parts: list[list[Row]] = []
        self.size = 0

    def add(self, found: list[Row]) -> None:
        """Take one round of all ranks that had part in it."""
        self.rounds.append(step_durations(found))
        self.parts.append(found[0]["parts"])
        self.size = found[0]["size"]

    def row(self) -> Row:
        seconds = np.array(self.rounds)
        chosen = seconds.argmin(axis=0)
        parts = [self.parts[best][step] for step, best in enumerate(chosen)]
        means = {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}
        return {
            **self.what, **means, "size": self.size, "best": float(seconds.min(axis=0).mean()),
            "median": float(np.median(seconds, axis=0).mean()),
        }  # fmt: skip


def cores(options: argparse.Namespace, ranks: Ranks) -> Iterable[Row]:
    """Measure steps of one rank alone, of two that have nothing to do with each other, and of a team of two."""
    for network in options.networks:
        common = {"network": network, "batch": options.batch}
        alone = {shards: Steps(what="alone", ranks=1, shards=shards, **common) for shards in (0, 2, 4, SHARDS)}
        beside = Steps(what="beside", ranks=1, shards=SHARDS, **common)
        together = {True: Steps(what="overlap", ranks=2, shards=SHARDS, **common)}
        together[False] = Steps(what="serial", ranks=2, shards=SHARDS, **common)
        job = {**common, "n_batches": options.batches}
        for _ in range(options.turns[network]):
            for shards, steps in alone.items():
                steps.add([ranks.first("steps", **job, shards=shards, who="alone")])
            beside.add(ranks.all("steps", **job, shards=SHARDS, who="alone"))
            for overlap, steps in together.items():
                steps.add(ranks.all("steps", **job, shards=SHARDS, who="team", overlap=overlap))
        yield from (steps.row() for steps in (*alone.values(), beside, *together.values()))
        # What a micro-batch costs by its size.
        for batch in options.micro:
            steps = Steps(what="micro", network=network, ranks=1, shards=0, batch=batch)
            for _ in range(options.turns[network]):
                steps.add([ranks.first("steps", network=network, batch=batch, n_batches=4, shards=0, who="alone")])
            yield steps.row()
        moved = ranks.first("move", network=network, count=20)
        yield {"what": "move", "network": network, "size": moved["size"], **_summary([moved])}


def calls(options: argparse.Namespace, ranks: Ranks, sizes: Iterable[int], **link: Any) -> Iterable[Row]:
    """Measure folds and sums alone."""
    common = {"ranks": ranks.size, "shards": max(SHARDS, ranks.size), **link}
    found = ranks.all("folds", shards=common["shards"], numbers=FOLDED, count=options.count * 5)
    yield {"what": "fold", "size": 3 * FOLDED, **common, **_summary(found)}
    for size in sizes:
        count = options.count if size <= 2_000_000 else max(2, options.count // 4)
        found = ranks.all("sums", size=size, shards=common["shards"], count=count)
        yield {"what": "sum", "size": size, **common, **_summary(found)}


def _summary(found: list[Row]) -> Row:
    seconds = durations(found)
    cpu = float(np.median(np.max([one["cpu"] for one in found], axis=0)))
    return {"best": float(seconds.min()), "median": float(np.median(seconds)), "cpu": cpu}


def network_steps(options: argparse.Namespace, ranks: Ranks, **link: Any) -> Iterable[Row]:
    """Measure the step of a team behind a link."""
    for network in options.networks:
        common = {"network": network, "shards": SHARDS, "batch": options.batch}
        job = {**common, "n_batches": options.batches}
        alone = Steps(what="alone", ranks=1, **common, **link)
        together = {True: Steps(what="overlap", ranks=2, **common, **link)}
        together[False] = Steps(what="serial", ranks=2, **common, **link)
        for _ in range(max(2, options.turns[network] // 2)):
            # How fast the machine is just now.
            alone.add(ranks.all("steps", **job, who="alone"))
            for overlap, steps in together.items():
                steps.add(ranks.all("steps", **job, who="team", overlap=overlap))
        yield from (steps.row() for steps in (alone, *together.values()))


def measure(options: argparse.Namespace) -> Iterable[Row]:
    """Yield all rows, what they are of first."""
    with Ranks(2) as ranks:
        yield from cores(options, ranks)
        yield from calls(options, ranks, options.sizes)
    for size in options.more:
        # More ranks than cores: what a message costs, in time of the processor.
        with Ranks(size) as ranks:
            yield from calls(options, ranks, [1000, 100_000])
    reason = why_not() if options.gigabits else "not asked for"
    if reason:
        print(f"without networks: {reason}")
        return
    with Network(2, 1) as network, Ranks(2, network) as ranks:
        for gigabits, milliseconds in product(options.gigabits, options.milliseconds):
            ranks.be_far(gigabits, milliseconds)
            link = {"gigabits": gigabits, "milliseconds": milliseconds}
            yield from calls(options, ranks, options.sizes, **link)
            yield from network_steps(options, ranks, **link)
    for size in options.more:
        # A slow link, so that two cores are enough for all.
        with Network(size, 1) as network, Ranks(size, network) as ranks:
            ranks.be_far(1, 0.1)
            yield from calls(options, ranks, options.sizes[:2], gigabits=1, milliseconds=0.1)


def write(path: Path, rows: Iterable[Row], say: Callable[[str], None] = print) -> None:
    """Write rows as they come; seconds become milliseconds."""
    timed = ("best", "median", "folds", "sums", "waits", "cpu")
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        table.writerow({"what": "machine", "network": machine.cpu(), "ranks": os.cpu_count(), "size": _load()})
        for row in rows:
            table.writerow({k: f"{1e3 * v:.4g}" if k in timed else v for k, v in row.items()})
            file.flush()
            say(" ".join(f"{k}={1e3 * v:.3f}" if k in timed else f"{k}={v}" for k, v in row.items()))


def _load() -> str:
    """Return how busy the machine was in the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=["paper", "default"], choices=["paper", "default", "tiny"])
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--batches", type=int, default=BATCHES, help="mini-batches of a round")
    parser.add_argument("--rounds", type=int, nargs="+", default=[4, 30], help="for each network")
    parser.add_argument("--count", type=int, default=20, help="sums of a size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 5_000_000, 20_000_000])
    parser.add_argument("--micro", type=int, nargs="+", default=[2, 4, 8, 16, 32, 64])
    parser.add_argument("--more", type=int, nargs="*", default=[4, 8], help="ranks, where there are but two cores")
    parser.add_argument("--gigabits", type=float, nargs="*", default=[1, 10, 25], help="a second, of emulated links")
    parser.add_argument("--milliseconds", type=float, nargs="+", default=[0.1, 1], help="of their round trips")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where scale.csv, scale.png and guide/scale.md are")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    options = parser.parse_args(arguments)
    options.turns = dict(zip(options.networks, options.rounds, strict=False))
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    if not options.draw:
        write(options.docs / "scale.csv", measure(options))
    report.publish(options.docs)


if __name__ == "__main__":
    main()
