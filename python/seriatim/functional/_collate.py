"""Ragged sequences to one packed or padded batch and back, in one pass over memory.

Packed: rows of all sequences, time-major, the sequences the longest first; ``batch_sizes[t]`` rows at step t.
Padding is never read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

from seriatim import _core
from seriatim._typing import Array, ArrayLike, Integers

_LAYOUTS = ("packed", "padded")


def _is_packed(layout: str) -> bool:
    if layout not in _LAYOUTS:
        raise ValueError(f"layout: expected one of {_LAYOUTS}, got {layout!r}")
    return layout == "packed"


@overload
def collate(sequences: Sequence[ArrayLike], order: Integers, layout: Literal["packed"]) -> tuple[Array, Integers]: ...
@overload
def collate(sequences: Sequence[ArrayLike], order: Integers, layout: Literal["padded"]) -> Array: ...
def collate(sequences: Sequence[ArrayLike], order: Integers, layout: str) -> Array | tuple[Array, Integers]:
    """Collect a list of sequences.

    Parameters
    ----------
    sequences : sequence of array_like, shapes (T_i, D) or (T_i,)
    order : ndarray of int64, shape (batch,)
        ``order[i]`` is the list index of the batch's i-th sequence; for 'packed' lengths must not grow along it.
    layout : {'packed', 'padded'}

    Returns
    -------
    (data, batch_sizes) : ndarray (rows, D), ndarray of int64 (steps,)
        for 'packed'
    padded : ndarray (batch, longest, D)
        for 'padded', with zeros behind each sequence
    """
    return _core.collate(sequences, order, _is_packed(layout))


@overload
def collate_concatenated(
    X: ArrayLike, starts: Integers, lengths: Integers, layout: Literal["packed"]
) -> tuple[Array, Integers]: ...
@overload
def collate_concatenated(X: ArrayLike, starts: Integers, lengths: Integers, layout: Literal["padded"]) -> Array: ...
def collate_concatenated(
    X: ArrayLike, starts: Integers, lengths: Integers, layout: str
) -> Array | tuple[Array, Integers]:
    """Collect sequences that lie in one array: the i-th of the batch is ``X[starts[i] : starts[i] + lengths[i]]``.

    Returns as :func:`collate`; for 'packed' ``lengths`` must not grow.
    """
    return _core.collate_concatenated(X, starts, lengths, _is_packed(layout))


def pack_rows(
    padded: ArrayLike, lengths: Integers, order: Integers, *, batch_first: bool = True
) -> tuple[Array, Integers]:
    """Pack a padded batch.

    Parameters
    ----------
    padded : array_like, shape (batch, T, D), or (T, batch, D) without ``batch_first``
    lengths : ndarray of int64, shape (batch,)
        In the order of the packed batch: descending.
    order : ndarray of int64, shape (batch,)
        ``order[i]`` is the padded index of the packed batch's i-th sequence.

    Returns
    -------
    data : ndarray (rows, D)
    batch_sizes : ndarray of int64 (steps,)
    """
    return _core.pack_rows(padded, lengths, order, batch_first)


def unpack_rows(
    data: ArrayLike,
    batch_sizes: Integers,
    order: Integers,
    *,
    total_length: int,
    padding_value: float = 0.0,
    batch_first: bool = True,
) -> Array:
    """Pad a packed batch: its i-th sequence becomes the ``order[i]``-th of ``(batch, total_length, D)``."""
    return _core.unpack_rows(data, batch_sizes, order, total_length, padding_value, batch_first)
