"""Who trains what: which part of which chunk each rank needs, and which worker is which rank. Numbers alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from seriatim.distributed._tree import own


class Part(NamedTuple):
    """Some sequences of a chunk: ``first`` to ``last`` - 1."""

    chunk: int
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """What each rank gets.

    Attributes
    ----------
    workers : list of str
        The address of each rank.
    parts : list of lists of Part
        Of each rank, in the order of the sequences.
    total, moved : int
        Bytes of all chunks, and of what lies elsewhere than where it is wanted.
    """

    workers: list[str]
    parts: list[list[Part]]
    total: int
    moved: int


def bounds_of(n: int, n_shards: int) -> list[int]:
    """Return where each shard begins, and the end."""
    return [number * n // n_shards for number in range(n_shards + 1)]


def ranges_of(n: int, n_shards: int, n_ranks: int) -> list[tuple[int, int]]:
    """Return the sequences of each rank, ``[first, last)``."""
    bounds = bounds_of(n, n_shards)
    shards = [own(rank, n_ranks, n_shards) for rank in range(n_ranks)]
    return [(bounds[mine.start], bounds[mine.stop]) for mine in shards]


def parts_of(sizes: Sequence[int], first: int, last: int) -> list[Part]:
    """Return the parts of chunks that the sequences ``[first, last)`` are."""
    parts = []
    for number, (begin, end) in enumerate(pairwise(accumulate(sizes, initial=0))):
        if max(begin, first) < min(end, last):
            parts.append(Part(number, max(begin, first) - begin, min(end, last) - begin))
    return parts


def make_plan(
    sizes: Sequence[int],
    n_bytes: Sequence[int],
    holders: Sequence[Collection[str]],
    workers: Mapping[str, int],
    n_shards: int,
) -> Plan:
    """Return who trains what, so that as few bytes as possible move.

    Parameters
    ----------
    sizes, n_bytes, holders : sequence
        Of each chunk how many sequences and bytes it has, and the workers that hold it.
    workers : mapping of str to int
        Addresses of those that may take part; there is at least one.
    n_shards : int
        The most ranks there can be.
    """
    addresses = list(workers)
    n_ranks = min(len(addresses), n_shards)
    parts = [parts_of(sizes, *mine) for mine in ranges_of(sum(sizes), n_shards, n_ranks)]
    there = np.zeros((n_ranks, len(addresses)))
    wanted = 0.0
    for rank, some in enumerate(parts):
        for part in some:
            amount = n_bytes[part.chunk] * (part.last - part.first) / sizes[part.chunk]
            wanted += amount
            for number, address in enumerate(addresses):
                if address in holders[part.chunk]:
                    there[rank, number] += amount
    # Of workers that have as much, the first: then the next fit has the same ranks.
    ranks, chosen = linear_sum_assignment(there, maximize=True)
    stays = float(there[ranks, chosen].sum())
    return Plan([addresses[number] for number in chosen], parts, round(wanted), round(wanted - stays))
