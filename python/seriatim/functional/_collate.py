"""Ragged sequences to one packed or padded batch and back, in one pass over memory.

Packed: rows of all sequences, time-major, the sequences the longest first; ``batch_sizes[t]`` rows at step t.
Padding is never read. Floating-point numbers become float32; integers and bools, as codes of characters and words are,
keep their type and every bit: kernels move them as words of 32 bits, which they do not look into.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, overload

import numpy as np

from seriatim import _core
from seriatim._arrays import as_arrays, as_numbers
from seriatim._typing import AnyArray, ArrayLike, Integers

_LAYOUTS = ("packed", "padded")


def _is_packed(layout: str) -> bool:
    if layout not in _LAYOUTS:
        raise ValueError(f"layout: expected one of {_LAYOUTS}, got {layout!r}")
    return layout == "packed"


def _integer_type(arrays: Sequence[AnyArray]) -> np.dtype[Any] | None:
    """Return the type that integers have in common; None as soon as one is a floating-point number."""
    if not len(arrays) or any(array.dtype.kind == "f" for array in arrays):
        return None
    kind = np.result_type(*{array.dtype for array in arrays})
    if kind.kind == "f":
        raise TypeError(f"sequences: expected integers of one type, got {sorted({str(a.dtype) for a in arrays})}")
    return kind.newbyteorder("=")


def _moved(kind: np.dtype[Any]) -> np.dtype[Any]:
    return kind if kind.itemsize >= 4 else np.dtype(np.int32)


def _words(array: AnyArray, kind: np.dtype[Any]) -> AnyArray:
    """Return integers as words of 32 bits along the last axis; one-dimensional ones as a column."""
    columns = array[:, None] if array.ndim == 1 else array
    return np.ascontiguousarray(columns, _moved(kind)).view(np.float32)


def _integers(words: AnyArray, kind: np.dtype[Any]) -> AnyArray:
    """Undo :func:`_words`."""
    return words.view(_moved(kind)).astype(kind, copy=False)


@overload
def collate(
    sequences: Sequence[ArrayLike], order: Integers, layout: Literal["packed"]
) -> tuple[AnyArray, Integers]: ...
@overload
def collate(sequences: Sequence[ArrayLike], order: Integers, layout: Literal["padded"]) -> AnyArray: ...
def collate(sequences: Sequence[ArrayLike], order: Integers, layout: str) -> AnyArray | tuple[AnyArray, Integers]:
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
        for 'packed'; data is float32, or of the integers' own type
    padded : ndarray (batch, longest, D)
        for 'padded', of such a type, with zeros behind each sequence

    Raises
    ------
    ValueError
        ``layout`` is another one, a sequence is empty or of another number of features, or lengths grow.
    IndexError
        ``order`` has an index that is not of the list.
    TypeError
        ``sequences`` is no sequence of arrays of real numbers.
    """
    packed = _is_packed(layout)
    if not isinstance(sequences, (list, tuple, np.ndarray)) or len(sequences) == 0:
        return _core.collate(sequences, order, packed)
    if isinstance(sequences[0], np.ndarray) and sequences[0].dtype.kind == "f":
        return _core.collate(sequences, order, packed)
    arrays = as_arrays("sequence {}", sequences)
    kind = _integer_type(arrays)
    if kind is None or any(array.ndim not in (1, 2) or array.shape[1:] != arrays[0].shape[1:] for array in arrays):
        return _core.collate(arrays, order, packed)
    return _restored(_core.collate([_words(array, kind) for array in arrays], order, packed), kind)


def _restored(
    collated: AnyArray | tuple[AnyArray, Integers], kind: np.dtype[Any]
) -> AnyArray | tuple[AnyArray, Integers]:
    """Return a batch of words, or such a packed batch and its sizes, as integers."""
    if isinstance(collated, tuple):
        return _integers(collated[0], kind), collated[1]
    return _integers(collated, kind)


@overload
def collate_concatenated(
    X: ArrayLike, starts: Integers, lengths: Integers, layout: Literal["packed"]
) -> tuple[AnyArray, Integers]: ...
@overload
def collate_concatenated(X: ArrayLike, starts: Integers, lengths: Integers, layout: Literal["padded"]) -> AnyArray: ...
def collate_concatenated(
    X: ArrayLike, starts: Integers, lengths: Integers, layout: str
) -> AnyArray | tuple[AnyArray, Integers]:
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
        for 'packed'; data is float32, or of the integers' own type
    padded : ndarray (batch, longest, D)
        for 'padded', of such a type, with zeros behind each sequence

    Raises
    ------
    ValueError
        ``layout`` is another one, a sequence is empty or reaches beyond X, or lengths grow.
    TypeError
        ``X`` holds no real numbers.
    """
    array, packed = as_numbers("X", X), _is_packed(layout)
    if array.dtype.kind == "f" or array.ndim != 2:
        return _core.collate_concatenated(array, starts, lengths, packed)
    kind = array.dtype.newbyteorder("=")
    return _restored(_core.collate_concatenated(_words(array, kind), starts, lengths, packed), kind)


def pack_rows(
    padded: ArrayLike, lengths: Integers, order: Integers, *, batch_first: bool = True
) -> tuple[AnyArray, Integers]:
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
        float32, or of the integers' own type.
    batch_sizes : ndarray of int64 (steps,)

    Raises
    ------
    ValueError
        A length or an index is not of the padded batch, or lengths grow.
    TypeError
        ``padded`` holds no real numbers.
    """
    array = as_numbers("padded", padded)
    if array.dtype.kind == "f" or array.ndim != 3:
        return _core.pack_rows(array, lengths, order, batch_first)
    kind = array.dtype.newbyteorder("=")
    data, batch_sizes = _core.pack_rows(_words(array, kind), lengths, order, batch_first)
    return _integers(data, kind), batch_sizes


def unpack_rows(
    data: ArrayLike,
    batch_sizes: Integers,
    order: Integers,
    *,
    total_length: int,
    padding_value: float = 0.0,
    batch_first: bool = True,
) -> AnyArray:
    """Pad a packed batch: its i-th sequence becomes the ``order[i]``-th of the padded one.

    Parameters
    ----------
    data : array_like, shape (rows, D)
    batch_sizes : ndarray of int64, shape (steps,)
    order : ndarray of int64, shape (batch,)
    total_length : int
        At least the longest sequence's length.
    padding_value : float, default 0
        What stands behind a sequence's end; whole for integers.
    batch_first : bool, default True

    Returns
    -------
    padded : ndarray, shape (batch, total_length, D), or (total_length, batch, D) without ``batch_first``
        float32, or of the integers' own type.

    Raises
    ------
    ValueError
        ``total_length`` is too small, the batch sizes grow or do not sum up to the rows, or ``padding_value`` is none
        of the integers' type.
    IndexError
        ``order`` has not every index once.
    TypeError
        ``data`` holds no real numbers.
    """
    array = as_numbers("data", data)
    if array.dtype.kind == "f" or array.ndim != 2:
        return _core.unpack_rows(array, batch_sizes, order, total_length, padding_value, batch_first)
    kind = array.dtype.newbyteorder("=")
    padding = _padding(padding_value, kind)
    words = _core.unpack_rows(_words(array, kind), batch_sizes, order, total_length, 0.0, batch_first)
    padded = _integers(words, kind)
    if padding:
        # A sequence is as long as there are steps that reach it.
        lengths = np.empty(len(order), np.int64)
        lengths[order] = (np.asarray(batch_sizes)[:, None] > np.arange(len(order))).sum(axis=0)
        behind = np.arange(total_length) >= lengths[:, None]
        padded[behind if batch_first else behind.T] = padding
    return padded


def _padding(value: float, kind: np.dtype[Any]) -> AnyArray:
    """Return what integers are padded with, or raise when it is none of them."""
    given = np.asarray(value)
    if given.ndim == 0 and given.dtype.kind in "fiub" and np.isfinite(given) and int(given) == given:
        bounds = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
        if bounds[0] <= int(given) <= bounds[1]:
            return np.asarray(int(given), kind)
    raise ValueError(f"padding_value: expected a number of {kind}, the type of what is padded, got {value!r}")
