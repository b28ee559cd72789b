"""Packed ragged batches, with torch's semantics.

Rows of all sequences stand time-major, the longest sequence first: row ``t`` of the ``b``-th longest is
``data[sum(batch_sizes[:t]) + b]``. Padding does not exist, so it is neither computed nor read. Floating-point numbers
become float32; integers and bools keep their type: codes of characters and words stay what they are.

A sequence may have no step (torch refuses those): it has no row, no batch size counts it, it comes last in the order.
The indices alone know that there is one: they are as long as the batch has sequences.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_arrays, as_integers, as_lengths, as_numbers
from seriatim._typing import AnyArray, ArrayLike, Integers
from seriatim.sequences._items import read_items


class _Fields(NamedTuple):
    data: AnyArray
    batch_sizes: Integers
    sorted_indices: Integers | None
    unsorted_indices: Integers | None


class PackedSequence(_Fields):
    """A packed ragged batch.

    Attributes
    ----------
    data : ndarray, shape (sum of lengths, ...)
    batch_sizes : ndarray of int64, shape (longest,)
        How many sequences have a step t; never grows. Sequences without a step are not among them.
    sorted_indices : ndarray of int64, shape (batch,), or None
        The caller's index of each sequence of the packed batch, those without a step last; None when the caller's order
        was sorted already and every sequence has a step.
    unsorted_indices : ndarray of int64, shape (batch,), or None
        Its inverse; found when only one of the two is given, as in torch.

    Raises
    ------
    ValueError
        The batch sizes grow, are not positive or do not sum up to the rows of the data, or the indices are no
        permutation of all sequences.
    TypeError
        Batch sizes or indices are no integers.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: ArrayLike,
        batch_sizes: ArrayLike,
        sorted_indices: ArrayLike | None = None,
        unsorted_indices: ArrayLike | None = None,
    ) -> PackedSequence:
        """Check that the parts belong together."""
        rows, sizes = as_numbers("data", data), as_lengths(batch_sizes, "batch_sizes")
        if (sizes.size and sizes[-1] < 1) or np.any(sizes[1:] > sizes[:-1]):
            raise ValueError(f"batch_sizes: expected positive sizes that never grow, got {sizes.tolist()[:8]}")
        if rows.ndim == 0 or len(rows) != sizes.sum():
            raise ValueError(f"data: expected {sizes.sum()} rows, the sum of batch_sizes, got shape {rows.shape}")
        order = _permutation("sorted_indices", sorted_indices, with_steps(sizes))
        back = _permutation("unsorted_indices", unsorted_indices, with_steps(sizes))
        if order is None and back is not None:
            order = inverse(back)
        elif order is not None and back is None:
            back = inverse(order)
        elif order is not None and back is not None and len(order) != len(back):
            raise ValueError(f"unsorted_indices: expected {len(order)}, as sorted_indices are, got {len(back)}")
        return super().__new__(cls, rows, sizes, order, back)

    @property
    def n_sequences(self) -> int:
        """Sequences of the batch, those without a step too."""
        return with_steps(self.batch_sizes) if self.sorted_indices is None else len(self.sorted_indices)

    def __repr__(self) -> str:
        lengths = lengths_of(self.batch_sizes, self.n_sequences)
        order = "as given" if self.sorted_indices is None else "sorted by length"
        span = f"lengths {lengths[-1]} to {lengths[0]}, " if len(lengths) else ""
        return (
            f"PackedSequence(n={len(lengths)}, {span}{order}, rows of shape {self.data.shape[1:]}, {self.data.dtype})"
        )


def _permutation(name: str, indices: ArrayLike | None, batch: int) -> Integers | None:
    if indices is None:
        return None
    array = as_integers(name, indices)
    batch = max(batch, array.size)  # Those that are more than have a step have none.
    if not np.array_equal(np.sort(array, axis=None), np.arange(batch)):
        raise ValueError(f"{name}: expected a permutation of 0 to {batch - 1}, got {array.tolist()}")
    return array


def with_steps(batch_sizes: Integers) -> int:
    """Return how many sequences of a packed batch have a step."""
    return int(batch_sizes[0]) if len(batch_sizes) else 0


def lengths_of(batch_sizes: Integers, batch: int | None = None) -> Integers:
    """Lengths of a packed batch's sequences, descending; ``batch`` of them, if some have no step."""
    steps = np.arange(1, (with_steps(batch_sizes) if batch is None else batch) + 1)
    # Sequence b is as long as there are steps with more than b sequences.
    return np.searchsorted(-np.asarray(batch_sizes), -steps, side="right").astype(np.int64)


def places(starts: Integers, batch_sizes: Integers) -> Integers:
    """Where the rows of a packed batch stand, ``(rows,)``, if its sequences, the longest first, begin at ``starts``."""
    step = np.repeat(np.arange(len(batch_sizes)), batch_sizes)
    before = np.cumsum(batch_sizes) - batch_sizes
    found: Integers = starts[np.arange(len(step)) - before[step]] + step
    return found


def check_lengths(lengths: ArrayLike, batch: int, longest: int) -> Integers:
    """Lengths as int64, or an error when they do not fit a padded batch."""
    array = as_lengths(lengths)
    if len(array) != batch:
        raise ValueError(f"lengths: expected one for each of {batch} sequences, got {len(array)}")
    if batch and (array.min() < 0 or array.max() > longest):
        got = f"from {array.min()} to {array.max()}"
        raise ValueError(f"lengths: expected lengths from 0 to {longest}, got {got}")
    return np.ascontiguousarray(array, dtype=np.int64)


def descending(lengths: Integers) -> Integers:
    """Order that sorts sequences by length, the longest first; equal lengths keep their order."""
    return np.argsort(-lengths, kind="stable") if len(lengths) > 1 else np.zeros(len(lengths), np.int64)


def inverse(order: Integers) -> Integers:
    """Permutation that undoes ``order``."""
    undone = np.empty_like(order)
    undone[order] = np.arange(len(order))
    return undone


def pack_padded_sequence(
    x: ArrayLike, lengths: ArrayLike, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch.

    Parameters
    ----------
    x : array_like, shape (T, B, ...), or (B, T, ...) with ``batch_first``
    lengths : array_like of int, shape (B,)
        Each from 0 to T. A sequence of length 0, which torch refuses, has no step: it is in the batch all the same.
    enforce_sorted : bool, default True
        Require the lengths in descending order; otherwise the batch is sorted and the order kept.

    Returns
    -------
    PackedSequence
        Its data is float32, or of the integers' own type.

    Raises
    ------
    ValueError
        ``x`` has one axis, there is not a length from 0 to T for each sequence, or they do not fall although
        ``enforce_sorted`` says so.
    TypeError
        ``lengths`` are not integers along one axis.
    """
    array = as_numbers("x", x)
    if array.ndim < 2:
        raise ValueError(f"x: expected at least 2 axes, (T, B, ...), got shape {array.shape}")
    batch, longest = array.shape[:2] if batch_first else array.shape[1::-1]
    counts = check_lengths(lengths, batch, longest)
    order = descending(counts)
    is_sorted = bool(np.all(counts[:-1] >= counts[1:]))
    if enforce_sorted and not is_sorted:
        raise ValueError(
            "lengths: expected descending order because enforce_sorted=True, got "
            f"{counts.tolist()[:8]}; pass enforce_sorted=False to have the batch sorted"
        )
    trailing = array.shape[2:]
    there = order[: np.count_nonzero(counts)]
    if len(there):
        flat = array.reshape(*array.shape[:2], math.prod(trailing))
        data, batch_sizes = F.pack_rows(flat, counts[there], there, batch_first=batch_first)
    else:
        data, batch_sizes = _no_rows([array]), np.zeros(0, np.int64)
    return _as_packed(data, trailing, batch_sizes, order, enforce_sorted)


def _no_rows(arrays: list[AnyArray]) -> AnyArray:
    """Return the data of a batch without a step: of the type that packed rows would have."""
    kinds = {array.dtype for array in arrays}
    integers = all(kind.kind != "f" for kind in kinds)
    return np.zeros(0, np.result_type(*kinds) if integers else np.float32)


def _as_packed(
    data: AnyArray, trailing: tuple[int, ...], batch_sizes: Integers, order: Integers, is_sorted: bool
) -> PackedSequence:
    rows = data.reshape(int(batch_sizes.sum()), *trailing)
    if is_sorted and with_steps(batch_sizes) == len(order):
        return PackedSequence(rows, batch_sizes)
    return PackedSequence(rows, batch_sizes, order, inverse(order))


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[AnyArray, Integers]:
    """Pad a packed batch, in the caller's order.

    Parameters
    ----------
    sequence : PackedSequence
    padding_value : float, default 0
        What stands behind a sequence's end; whole for integers.
    total_length : int, optional
        Steps of the padded batch; the longest sequence's by default.

    Returns
    -------
    x : ndarray, shape (T, B, ...), or (B, T, ...) with ``batch_first``
        float32, or of the integers' own type.
    lengths : ndarray of int64, shape (B,)

    Raises
    ------
    ValueError
        ``total_length`` is less than the longest sequence's length, or ``padding_value`` is none of the integers' type.
    """
    steps = len(sequence.batch_sizes)
    length = steps if total_length is None else total_length
    if length < steps:
        raise ValueError(f"total_length: expected at least {steps}, the longest sequence's length, got {length}")
    order = sequence.sorted_indices
    batch, there = sequence.n_sequences, with_steps(sequence.batch_sizes)
    if order is None:
        order = np.arange(batch)
    trailing = sequence.data.shape[1:]
    if there:
        padded = F.unpack_rows(
            sequence.data.reshape(len(sequence.data), -1),
            sequence.batch_sizes,
            order if there == batch else np.arange(there),
            total_length=length,
            padding_value=padding_value,
            batch_first=batch_first,
        )
        padded = padded.reshape(*padded.shape[:2], *trailing)
    if there < batch or not there:
        # Those without a step are padding alone.
        whole = np.full((batch, length, *trailing), padding_value, sequence.data.dtype)
        if there:
            whole[order[:there]] = padded if batch_first else padded.swapaxes(0, 1)
        padded = whole if batch_first else np.ascontiguousarray(whole.swapaxes(0, 1))
    lengths = np.empty(batch, np.int64)
    lengths[order] = lengths_of(sequence.batch_sizes, batch)
    return padded, lengths


def pack_sequence(sequences: Iterable[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of arrays ``(T_i, ...)``.

    Parameters
    ----------
    sequences : iterable of array_like, shape (T_i, ...)
        A list, a generator, a dict, groups of a frame, ...; T_i may be 0, which torch refuses.
    enforce_sorted : bool, default True
        Require the lengths in descending order; otherwise the batch is sorted and the order kept.

    Returns
    -------
    PackedSequence
        Its data is float32, or of the integers' own type.

    Raises
    ------
    ValueError
        There is no sequence, observations differ in shape, or lengths do not fall although
        ``enforce_sorted`` says so.
    """
    if isinstance(sequences, (list, tuple, np.ndarray)):
        arrays = as_arrays("sequence {}", sequences)
    else:
        items = read_items("sequence {}", sequences)
        arrays = [] if items is None else items.arrays
    shapes = [a.shape for a in arrays]
    if not arrays or () in shapes:
        got = "a single number" if arrays else "none"
        raise ValueError(f"sequences: expected at least one array (T, ...), got {got}")
    lengths = [shape[0] for shape in shapes]
    counts = check_lengths(lengths, len(arrays), max(lengths))
    if enforce_sorted and np.any(counts[:-1] < counts[1:]):
        raise ValueError(
            "sequences: expected descending lengths because enforce_sorted=True, got "
            f"{counts.tolist()[:8]}; pass enforce_sorted=False to have the batch sorted"
        )
    trailing = shapes[0][1:]
    for i, shape in enumerate(shapes):
        if shape[1:] != trailing:
            raise ValueError(f"sequence {i}: expected shape (T, *{trailing}), got {shape}")
    order = descending(counts)
    there = order[: np.count_nonzero(counts)]
    if len(there):
        flat = arrays if len(trailing) == 1 else [a.reshape(len(a), math.prod(trailing)) for a in arrays]
        data, batch_sizes = F.collate(flat, there, "packed")
    else:
        data, batch_sizes = _no_rows(arrays), np.zeros(0, np.int64)
    return _as_packed(data, trailing, batch_sizes, order, enforce_sorted)


def unpack_sequence(sequence: PackedSequence) -> list[AnyArray]:
    """Return the sequences of a packed batch, each ``(T_i, ...)``, in the caller's order.

    Parameters
    ----------
    sequence : PackedSequence

    Returns
    -------
    list of ndarray
        float32, or of the integers' own type.
    """
    padded, lengths = pad_packed_sequence(sequence, batch_first=True)
    return [row[:length].copy() for row, length in zip(padded, lengths, strict=True)]


def unpad_sequence(padded_sequences: ArrayLike, lengths: ArrayLike, batch_first: bool = False) -> list[AnyArray]:
    """Return the sequences of a padded batch, each ``(T_i, ...)``: the opposite of :func:`pad_sequence`.

    Parameters
    ----------
    padded_sequences : array_like, shape (T, B, ...), or (B, T, ...) with ``batch_first``
    lengths : array_like of int, shape (B,)
    batch_first : bool, default False

    Returns
    -------
    list of ndarray
        float32, or of the integers' own type.

    Raises
    ------
    ValueError, TypeError
        The lengths do not fit.
    """
    return unpack_sequence(pack_padded_sequence(padded_sequences, lengths, batch_first, enforce_sorted=False))


def pad_sequence(
    sequences: Iterable[Any], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> AnyArray:
    """Pad a list of arrays ``(T_i, ...)`` to the longest: ``(T, B, ...)``, or ``(B, T, ...)`` with ``batch_first``.

    Parameters
    ----------
    sequences : iterable of array_like, shape (T_i, ...)
    batch_first : bool, default False
    padding_value : float, default 0
        Whole for integers.
    padding_side : {'right', 'left'}, default 'right'
        Behind the sequences, or in front of them.

    Returns
    -------
    ndarray
        float32, or of the integers' own type.

    Raises
    ------
    ValueError
        As of :func:`pack_sequence`; or there is no such side.
    """
    if padding_side not in ("right", "left"):
        raise ValueError(f"padding_side: expected 'right' or 'left', got {padding_side!r}")
    packed = pack_sequence(sequences, enforce_sorted=False)
    if padding_side == "right":
        return pad_packed_sequence(packed, batch_first, padding_value)[0]
    padded, lengths = pad_packed_sequence(packed, True, padding_value)
    there = np.arange(padded.shape[1]) < lengths[:, None]
    moved = np.full_like(padded, padding_value)
    moved[there[:, ::-1]] = padded[there]
    return moved if batch_first else np.ascontiguousarray(moved.swapaxes(0, 1))
