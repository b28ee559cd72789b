"""A model of how long a step takes on many machines, from what one machine with two cores shows.

A step of a team is

    micro-batches of a rank  x  time of one        computing
    + folds of batch normalisation and the loss    each: one way, and a message to and from every other rank
    + sums of gradients, piece by piece            each: the core's part (copies, additions, messages), beside what
                                                   the wire takes, and one way for each of two rounds
    + the optimiser's step

A piece goes when backward of the last micro-batch has come past its layer: what the wire takes of it is hidden by the
layers that are still to come; the core's part never is. Layers take time as their numbers. Everything but a link's rate
and round trip is fitted to measurements without a link.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seriatim.distributed._sum import SMALL
from seriatim.distributed._tree import largest_nodes, own
from seriatim.training._micro import BUCKET

Row = dict[str, Any]

# Which part of a micro-batch's time is backward.
BACKWARD = 2 / 3
# Of DeepGRU's two batch normalisations, forward and backward, and of the loss.
FOLDS = 5
# Bytes on the wire for each that is sent: frames of 1,514 bytes, and 24 of silence and checks, carry 1,448.
FRAMES = 1538 / 1448
# Which part of the core's work on a sum waits for the wire: what is added has to be there.
BEHIND = 0.25
# Which part of a network each of its layers is, the last ones first: DeepGRU's, as the paper has it.
LAYERS = (0.05, 0.04, 0.105, 0.16, 0.425, 0.22)


@dataclass(frozen=True)
class Link:
    """Of a machine: Gbit/s either way, and milliseconds of a round trip."""

    gigabits: float = math.inf
    milliseconds: float = 0.0

    def wire(self, n_bytes: float) -> float:
        """Return how long the wire takes for what goes out of a machine; as much comes in."""
        return n_bytes * FRAMES * 8e-9 / self.gigabits

    @property
    def way(self) -> float:
        """Seconds of one way."""
        return self.milliseconds / 2e3


NO_LINK = Link()


@dataclass(frozen=True)
class Costs:
    """What a machine takes; seconds.

    Attributes
    ----------
    fold, message : float
        Of a fold with one other rank, and what each further message adds.
    sums : sequence of (float, float)
        Numbers, and seconds of the core for their sum with one other rank: copies out and in, additions.
    micro : sequence of (float, float)
        Sequences of a micro-batch, and seconds of its forward and backward.
    move : float
        Of the optimiser's step.
    lockstep : float
        How much longer micro-batches take together than each alone.
    cores : int
        Of a machine, by which computing is so many times as fast; sums of gradients are one core's.
    size : int
        Numbers of the network.
    """

    fold: float
    message: float
    sums: Sequence[tuple[float, float]]
    micro: Sequence[tuple[float, float]]
    move: float
    size: int
    lockstep: float = 1.0
    cores: int = 1

    def compute(self, sequences: float) -> float:
        """Return the time of a micro-batch: between measured ones along a line, beyond them along the last."""
        return _along(self.micro, sequences) * self.lockstep / self.cores

    def core(self, n: float) -> float:
        """Return what the core does for a sum of n numbers with one other rank."""
        return _along(self.sums, n)

    def scaled(self, size: int, cores: int = 1) -> Costs:
        """Return the costs of a network of another size, with as many multiplications a number, on other machines."""
        ratio = size / self.size
        micro = [(sequences, seconds * ratio) for sequences, seconds in self.micro]
        return replace(self, micro=micro, move=self.move * ratio, size=size, cores=cores)


def _along(points: Sequence[tuple[float, float]], x: float) -> float:
    """Return y at x on the line through the two points nearest to it."""
    if len(points) == 1:
        return points[0][1] * x / points[0][0]
    place = int(np.clip(np.searchsorted([one[0] for one in points], x), 1, len(points) - 1))
    (x0, y0), (x1, y1) = points[place - 1 : place + 1]
    return max(0.0, y0 + (y1 - y0) * (x - x0) / (x1 - x0))


def sent(n: int, ranks: int, shards: int, width: int = 4) -> tuple[float, int]:
    """Return the bytes that go out of a rank for a sum of n numbers, and in how many rounds.

    The rank that has the most nodes of the tree counts: where ranks are no power of two, some have two or more.
    """
    if ranks == 1:
        return 0.0, 0
    owns = [own(rank, ranks, shards) for rank in range(ranks)]
    nodes = max(len(largest_nodes(some.start, some.stop, shards)) for some in owns)
    if width * n * (ranks - 1) <= SMALL:
        return float(width * n * nodes * (ranks - 1)), 1
    return width * n * (ranks - 1) / ranks * (nodes + 1), 2


def sum_time(costs: Costs, n: int, ranks: int, shards: int, link: Link, width: int = 4) -> float:
    """Return how long a sum takes alone."""
    if ranks == 1:
        return 0.0
    n_bytes, rounds = sent(n, ranks, shards, width)
    core = _core_time(costs, n, ranks, shards, width)
    return max(core, link.wire(n_bytes) + BEHIND * core) + rounds * link.way


def _core_time(costs: Costs, n: int, ranks: int, shards: int, width: int = 4) -> float:
    """Return what the core does for a sum: for bytes that go out, and as many that come; of two ranks, 4 a number."""
    n_bytes, rounds = sent(n, ranks, shards, width)
    return costs.core(n_bytes / 4) + rounds * (ranks - 2) * costs.message


def fold_time(costs: Costs, ranks: int, link: Link) -> float:
    """Return how long a fold takes."""
    return 0.0 if ranks == 1 else costs.fold + (ranks - 2) * costs.message + link.way


def step_time(
    costs: Costs, ranks: int, shards: int, batch: float, link: Link = NO_LINK, *, overlap: bool = True, width: int = 4
) -> float:  # fmt: skip
    """Return how long a step of a mini-batch of all ranks takes, cut into shards."""
    micro = costs.compute(batch / shards)
    known = -(-shards // ranks) * micro + costs.move
    if ranks == 1:
        return known
    known += FOLDS * fold_time(costs, ranks, link)
    # Backward of the last micro-batch is at `computed`, the sums at `summed`.
    backward = BACKWARD * micro
    computed = summed = 0.0
    for share in pieces(costs.size):
        computed += share * backward
        if not overlap:
            continue
        summed = max(computed, summed) + sum_time(costs, round(share * costs.size), ranks, shards, link, width)
        # What follows in backward waits for the core.
        computed += _core_time(costs, round(share * costs.size), ranks, shards, width)
    if not overlap:
        parts = (sum_time(costs, round(share * costs.size), ranks, shards, link, width) for share in pieces(costs.size))
        summed = computed + sum(parts)
    return known - backward + max(summed, computed)


def pieces(size: int) -> list[float]:
    """Return which shares of a network are summed at a time, the last layers first."""
    found, share = [], 0.0
    for layer in LAYERS:
        share += layer
        if share * size >= BUCKET:
            found.append(share)
            share = 0.0
    return [*found, share] if share else found


def fitted(rows: Sequence[Row], network: str) -> Costs:
    """Return the costs that rows without a link show."""
    plain = [row for row in rows if not row["gigabits"]]

    def find(what: str, **more: Any) -> list[Row]:
        return [row for row in plain if row["what"] == what and all(row[k] == v for k, v in more.items())]

    pair = find("fold", ranks=2)[0]
    # More ranks than cores take turns: what counts is their processors' time.
    many = [(row["ranks"], row["cpu"]) for row in find("sum", size=1000) if row["ranks"] > 2]
    message = max(0.0, np.polyfit(*zip(*many, strict=True), 1)[0]) if len(many) > 1 else pair["cpu"] / 2
    micro = sorted((row["batch"], row["best"]) for row in find("micro", network=network))
    move = find("move", network=network)[0]
    alone = find("alone", network=network)
    whole = next((row for row in alone if row["shards"] == 8), None)
    costs = Costs(
        fold=pair["best"], message=float(message),
        sums=sorted((row["size"], row["best"]) for row in find("sum", ranks=2)),
        # Each of these has moved the parameters, too.
        micro=[(batch, seconds - move["best"]) for batch, seconds in micro], move=move["best"], size=move["size"],
    )  # fmt: skip
    if whole is None:
        return costs
    predicted = step_time(costs, 1, 8, whole["batch"]) - costs.move
    return replace(costs, lockstep=(whole["best"] - costs.move) / predicted)


def checked(rows: Sequence[Row], costs: dict[str, Costs]) -> list[tuple[Row, float]]:
    """Return the measured points with a link, or of two ranks, each with what the model says of it."""
    found = []
    some = next(iter(costs.values()))
    for row in rows:
        link = Link(row["gigabits"] or math.inf, row["milliseconds"] or 0.0)
        if row["what"] in ("overlap", "serial") and row["network"] in costs:
            own_costs = _as_fast(costs[row["network"]], row, rows)
            said = step_time(own_costs, 2, row["shards"], row["batch"], link, overlap=row["what"] == "overlap")
        elif row["what"] == "sum" and row["gigabits"]:
            said = sum_time(some, row["size"], row["ranks"], row["shards"], link)
        elif row["what"] == "fold" and row["gigabits"] and row["ranks"] == 2:
            # More ranks than cores take turns, beside which the wire is nothing.
            said = fold_time(some, row["ranks"], link)
        else:
            continue
        found.append((row, said))
    return found


def _as_fast(costs: Costs, row: Row, rows: Sequence[Row]) -> Costs:
    """Return costs of the machine as fast as it was beside a row: its neighbours change from minute to minute."""
    same = ("network", "shards", "batch", "gigabits", "milliseconds")
    beside = [one for one in rows if one["what"] == "alone" and all(one[k] == row[k] for k in same)]
    if not beside:
        return costs
    said = step_time(costs, 1, row["shards"], row["batch"])
    return replace(costs, lockstep=costs.lockstep * beside[0]["best"] / said)
