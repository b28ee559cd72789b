"""Mini-batches: which sequences come together, and how they are packed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from seriatim import functional as F
from seriatim._typing import AnyArray, Array, Integers
from seriatim.sequences import PackedSequence, Sequences
from seriatim.sequences._packed import descending

# Sequences are sorted by length within pools of so many mini-batches: neighbours differ little, yet no epoch repeats
# another's batches.
POOL = 16


@dataclass(frozen=True)
class Batch:
    """Some sequences, packed, with their labels and weights in packed order.

    Parameters
    ----------
    x : PackedSequence
    index : ndarray of int64, shape (B,)
        Which sequences they are.
    target : ndarray, shape (B, ...), or PackedSequence of a target a frame, optional
    weight : ndarray of float32, shape (B,), optional
    """

    x: PackedSequence
    index: Integers
    target: AnyArray | PackedSequence | None = None
    weight: Array | None = None


def collate(sequences: Sequences, index: Integers) -> tuple[PackedSequence, Integers]:
    """Pack the sequences ``index``; the second result is their order in the batch.

    Parameters
    ----------
    sequences : Sequences
    index : ndarray of int64, shape (B,)

    Returns
    -------
    x : PackedSequence
    order : ndarray of int64, shape (B,)
    """
    order = index[descending(sequences.lengths[index])]
    observations = sequences.X.reshape(len(sequences.X), -1)
    data, sizes = F.collate_concatenated(observations, sequences.starts[order], sequences.lengths[order], "packed")
    return PackedSequence(data.reshape(-1, *sequences.X.shape[1:]), sizes), order


def bucketed(lengths: Integers, batch_size: int, rng: np.random.Generator) -> list[Integers]:
    """Cut shuffled indices into mini-batches of similar length, in shuffled order.

    No batch has a single sequence unless all have, or there is only one: batch normalisation cannot train on it.

    Parameters
    ----------
    lengths : ndarray of int64, shape (n,)
    batch_size : int
    rng : Generator

    Returns
    -------
    list of ndarray of int64
    """
    return [parts[0] for parts in bucketed_by_shard([lengths], batch_size, rng)]


def bucketed_by_shard(
    lengths: Sequence[Integers], batch_size: int, rng: np.random.Generator
) -> list[tuple[Integers, ...]]:
    """Cut a training set that lies in shards into mini-batches, each of sequences of all shards.

    Every mini-batch has as great a share of one shard as of any other, as far as whole sequences can, and of each the
    longest of a pool or the shortest alike. The rules of :func:`bucketed` hold for the whole.

    Parameters
    ----------
    lengths : sequence of ndarray of int64
        Of the sequences of each shard; a shard may be empty.
    batch_size : int
        The most sequences of all shards together.
    rng : Generator

    Returns
    -------
    list of tuple of ndarray of int64
        Of each mini-batch the indices within each shard.
    """
    counts = [len(some) for some in lengths]
    shuffled = [rng.permutation(count) for count in counts]
    shard = np.repeat(np.arange(len(counts)), counts)
    places = np.concatenate([(np.arange(count) + 0.5) / max(count, 1) for count in counts])
    dealt = np.lexsort((shard, places))
    shard, index = shard[dealt], np.concatenate(shuffled)[dealt]
    pool, cuts = POOL * batch_size, []
    for first in range(0, len(index), pool):
        part, where = index[first : first + pool], shard[first : first + pool]
        for number, some in enumerate(lengths):
            own = part[where == number]
            part[where == number] = own[descending(some[own])]
        cuts += list(range(first, first + len(part), batch_size))
    if len(cuts) > 1 and len(index) - cuts[-1] == 1 < batch_size:
        cuts.pop()
    batches = []
    for first, end in pairwise([*cuts, len(index)]):
        part, where = index[first:end], shard[first:end]
        batches.append(tuple(part[where == number] for number in range(len(counts))))
    return [batches[i] for i in rng.permutation(len(batches))]


def by_length(lengths: Integers, batch_size: int, rows: int) -> Iterator[Integers]:
    """Cut all indices into batches of similar length, the longest first: the order of prediction.

    Parameters
    ----------
    lengths : ndarray of int64, shape (n,)
    batch_size : int
        The most sequences of a batch.
    rows : int
        The most steps of all of them together; a longer sequence is a batch of its own.

    Yields
    ------
    ndarray of int64
    """
    order = descending(lengths)
    if len(order) == 1:
        yield order
        return
    ends = np.cumsum(lengths[order])
    first = 0
    while first < len(order):
        before = ends[first] - lengths[order[first]]
        most = int(np.searchsorted(ends, before + rows, side="right"))
        last = min(max(most, first + 1), first + batch_size)
        yield order[first:last]
        first = last
