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

    Raises
    ------
    ValueError
        ``layout`` is another one, a sequence is empty or of another number of features, or lengths grow.
    IndexError
        ``order`` has an index that is not of the list.
    TypeError
        ``sequences`` is no sequence of arrays of real numbers.
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

    Parameters
    ----------
    X : array_like, shape (observations, D)
    starts, lengths : ndarray of int64, shape (batch,)
        For 'packed' lengths must not grow.
    layout : {'packed', 'padded'}

    Returns
    -------
    (data, batch_sizes) : ndarray (rows, D), ndarray of int64 (steps,)
        for 'packed'
    padded : ndarray (batch, longest, D)
        for 'padded', with zeros behind each sequence

    Raises
    ------
    ValueError
        ``layout`` is another one, a sequence is empty or reaches beyond X, or lengths grow.
    TypeError
        ``X`` holds no real numbers.
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
    batch_first : bool, default True

    Returns
    -------
    data : ndarray (rows, D)
    batch_sizes : ndarray of int64 (steps,)

    Raises
    ------
    ValueError
        A length or an index is not of the padded batch, or lengths grow.
    TypeError
        ``padded`` holds no real numbers.
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
    """Pad a packed batch: its i-th sequence becomes the ``order[i]``-th of the padded one.

    Parameters
    ----------
    data : array_like, shape (rows, D)
    batch_sizes : ndarray of int64, shape (steps,)
    order : ndarray of int64, shape (batch,)
    total_length : int
        At least the longest sequence's length.
    padding_value : float, default 0
        What stands behind a sequence's end.
    batch_first : bool, default True

    Returns
    -------
    padded : ndarray of float32, shape (batch, total_length, D), or (total_length, batch, D) without ``batch_first``

    Raises
    ------
    ValueError
        ``total_length`` is too small, or the batch sizes grow or do not sum up to the rows.
    IndexError
        ``order`` has not every index once.
    TypeError
        ``data`` holds no real numbers.
    """
    return _core.unpack_rows(data, batch_sizes, order, total_length, padding_value, batch_first)
