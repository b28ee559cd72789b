"""What a chunk of sequences may be, and what is done to one where it lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from seriatim._typing import AnyArray
from seriatim.sequences import Sequences

WANTED = "a list of arrays, Sequences, or an array (n, T, ...)"


class Facts(NamedTuple):
    """How many things a chunk has, and how many bytes they are."""

    size: int
    n_bytes: int


def sequences_in(chunk: Any) -> list[Any]:
    """Return the sequences of a chunk, one by one; arrays are views.

    Raises
    ------
    TypeError
        It is no chunk of sequences.
    """
    if isinstance(chunk, Iterator):
        raise TypeError(
            f"X: expected chunks that are {WANTED}, got an iterator, which can be read only once: make it a list"
        )
    if isinstance(chunk, (list, tuple, Sequences)):
        return list(chunk)
    if getattr(chunk, "ndim", 0) >= 3:
        return list(chunk)
    shape = f" of shape {chunk.shape}" if hasattr(chunk, "shape") else ""
    raise TypeError(f"X: expected chunks that are {WANTED}, got {type(chunk).__name__}{shape}")


def facts_of_sequences(chunk: Any) -> Facts:
    """Return what there is to know of a chunk before it is given to somebody."""
    if isinstance(chunk, Sequences):
        return Facts(len(chunk), chunk.X.nbytes)
    sequences = sequences_in(chunk)
    return Facts(len(sequences), sum(int(getattr(one, "nbytes", 64)) for one in sequences))


def facts_of_values(chunk: Any) -> Facts:
    """Return the same of a chunk of targets, weights or groups, which are small."""
    return Facts(len(chunk), 0)


def cut_sequences(chunk: Any, first: int, last: int) -> Any:
    """Return some of a chunk, without the rest of its memory."""
    return [np.array(one) for one in sequences_in(chunk)[first:last]]


def cut_values(chunk: Any, first: int, last: int) -> Any:
    """Return some of a chunk's targets, weights or groups."""
    return chunk.iloc[first:last] if hasattr(chunk, "iloc") else chunk[first:last]


def first_sequence(chunk: Any) -> AnyArray:
    """Return a chunk's first sequence."""
    return np.array(sequences_in(chunk)[0])


def as_sequences(observations: Any, lengths: Any) -> Sequences:
    """Return the observations of a block, which are whole sequences, as these."""
    return Sequences(np.asarray(observations), lengths)


def joined_sequences(chunks: Sequence[Any]) -> list[Any]:
    """Return the sequences of several chunks."""
    return list(chain.from_iterable(sequences_in(chunk) for chunk in chunks))


def joined_values(chunks: Sequence[Any]) -> Any:
    """Return the targets, weights or groups of several chunks behind each other."""
    arrays = [chunk.to_numpy() if hasattr(chunk, "to_numpy") else chunk for chunk in chunks]
    if arrays and all(isinstance(one, np.ndarray) for one in arrays):
        return np.concatenate(arrays)
    return list(chain.from_iterable(arrays))
