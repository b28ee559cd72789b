"""Mini-batches: which sequences come together, and how they are packed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    target : ndarray, shape (B, ...), optional
    weight : ndarray of float32, shape (B,), optional
    """

    x: PackedSequence
    index: Integers
    target: AnyArray | None = None
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
    shuffled = rng.permutation(len(lengths))
    batches: list[Integers] = []
    pool = POOL * batch_size
    for first in range(0, len(shuffled), pool):
        part = shuffled[first : first + pool]
        part = part[descending(lengths[part])]
        batches += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    if len(batches) > 1 and len(batches[-1]) == 1 < batch_size:
        last = batches.pop()
        batches[-1] = np.concatenate([batches[-1], last])
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
