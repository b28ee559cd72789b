"""The layouts in which callers give sequences to recurrent modules, as packed rows and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_floats, as_lengths, as_numbers
from seriatim._typing import Array, ArrayLike, Integers
from seriatim.sequences import PackedSequence, pack_padded_sequence, pad_packed_sequence
from seriatim.sequences._packed import lengths_of, with_steps


@dataclass(frozen=True)
class RecurrentInput:
    """One caller's input: packed rows, and how to give results back in its layout.

    Attributes
    ----------
    data : ndarray, shape (rows, features)
    batch_sizes : ndarray of int64, shape (steps,)
    layout : {'packed', 'time', 'batch', 'single'}
        PackedSequence, (T, B, I), (B, T, I) or (T, I).
    sorted_indices, unsorted_indices : ndarray of int64 or None
        As in PackedSequence.
    steps : int
        Of the padded layouts: their sequences all have them, if there is a sequence.
    """

    data: Array
    batch_sizes: Integers
    layout: str
    sorted_indices: Integers | None = None
    unsorted_indices: Integers | None = None
    steps: int = 0

    @property
    def batch(self) -> int:
        """Sequences, those without a step too."""
        return with_steps(self.batch_sizes) if self.sorted_indices is None else len(self.sorted_indices)

    @classmethod
    def read(cls, x: ArrayLike | PackedSequence, features: int, batch_first: bool) -> RecurrentInput:
        """Take an input apart, or raise when its shape is not one of the layouts."""
        if isinstance(x, PackedSequence):
            data = as_numbers("x.data", x.data)
            if data.ndim != 2 or data.shape[1] != features:
                raise ValueError(f"x.data: expected shape (rows, {features}), got {data.shape}")
            sizes = as_numbers("x.batch_sizes", x.batch_sizes)
            return cls(data, sizes, "packed", x.sorted_indices, x.unsorted_indices)
        array = as_numbers("x", x)
        time = 1 if batch_first and array.ndim == 3 else 0
        if array.ndim not in (2, 3) or array.shape[-1] != features or not array.shape[time]:
            axes = "B, T" if batch_first else "T, B"
            raise ValueError(
                f"x: expected shape ({axes}, {features}) or (T, {features}) with a step, got {array.shape}; "
                "pack_padded_sequence takes lengths of 0"
            )
        if array.ndim == 2:
            return cls(array, np.ones(len(array), np.int64), "single")
        layout = "batch" if batch_first else "time"
        return cls(*_rows(array, batch_first), layout, steps=array.shape[time])

    def read_gradient(self, grad_y: ArrayLike | PackedSequence, features: int) -> Array:
        """Return the gradient of what :meth:`give_back` gave, as packed rows."""
        if isinstance(grad_y, PackedSequence):
            grad = as_numbers("grad_y.data", grad_y.data)
            check_same_batch("grad_y", grad_y, self, "y")
        else:
            grad = as_numbers("grad_y", grad_y)
            if self.layout in ("time", "batch") and grad.ndim == 3:
                leading = (self.batch, self.steps) if self.layout == "batch" else (self.steps, self.batch)
                if grad.shape == (*leading, features):
                    grad = _rows(grad, self.layout == "batch")[0]
        if grad.shape != (len(self.data), features):
            raise ValueError(f"grad_y: expected the shape of y, got {np.shape(grad)}")
        return grad

    def give_back(self, rows: Array) -> Array | PackedSequence:
        """Return packed rows in the caller's layout."""
        if self.layout == "packed":
            return PackedSequence(rows, self.batch_sizes, self.sorted_indices, self.unsorted_indices)
        if self.layout == "single":
            return rows
        if self.layout == "time":
            return rows.reshape(self.steps, self.batch, rows.shape[1])
        if not self.batch:
            return rows.reshape(0, self.steps, rows.shape[1])
        return F.unpack_rows(rows, self.batch_sizes, np.arange(self.batch), total_length=self.steps)

    def states_in(self, name: str, states: ArrayLike | None, layers: int, hidden_size: int) -> Array | None:
        """Return states ``(layers, B, H)`` in packed order, or raise when their shape is wrong."""
        if states is None:
            return None
        array = as_floats(name, states)
        single = self.layout == "single"
        wanted = (layers, hidden_size) if single else (layers, self.batch, hidden_size)
        if array.shape != wanted:
            raise ValueError(f"{name}: expected shape {wanted}, got {array.shape}")
        if single:
            return array[:, None, :]
        return array if self.sorted_indices is None else array[:, self.sorted_indices]

    def states_out(self, states: Array) -> Array:
        """Return states ``(layers, B, H)`` in the caller's order."""
        if self.layout == "single":
            return states[:, 0, :]
        return states if self.unsorted_indices is None else states[:, self.unsorted_indices]


def _rows(array: Array, batch_first: bool) -> tuple[Array, Integers]:
    """Time-major rows of sequences that are all equally long."""
    if not array.size:
        return array.reshape(0, array.shape[2]), np.zeros(0, np.int64)
    if batch_first:
        lengths = np.full(len(array), array.shape[1], np.int64)
        return F.pack_rows(array, lengths, np.arange(len(array)))
    sizes = np.full(len(array), array.shape[1], np.int64)
    return array.reshape(-1, array.shape[2]), sizes


def packed_batch(x: ArrayLike | PackedSequence, lengths: ArrayLike | None, features: int) -> PackedSequence:
    """Return a batch of whole sequences packed: a PackedSequence, or padded ``(B, T, features)`` with lengths."""
    if isinstance(x, PackedSequence):
        if lengths is not None:
            raise ValueError("lengths: expected None beside a PackedSequence, which knows them")
        if x.data.ndim != 2 or x.data.shape[1] != features:
            raise ValueError(f"x.data: expected shape (rows, {features}), got {x.data.shape}")
        return x
    array = as_numbers("x", x)
    if array.ndim != 3 or array.shape[2] != features:
        raise ValueError(f"x: expected shape (B, T, {features}), got {array.shape}")
    if lengths is None:
        lengths = np.full(len(array), array.shape[1], np.int64)
    return pack_padded_sequence(array, lengths, batch_first=True, enforce_sorted=False)


class PackedRows(NamedTuple):
    """What pools sequences is given: a PackedSequence, whose callers know their own order, or packed rows.

    Attributes
    ----------
    rows : ndarray, shape (rows, features)
    batch_sizes : ndarray of int64, shape (steps,)
    whole : PackedSequence or None
        What was given, if it was one.
    """

    rows: Array
    batch_sizes: Integers
    whole: PackedSequence | None

    @classmethod
    def read(
        cls, h: ArrayLike | PackedSequence, batch_sizes: Integers | None, features: int | None = None
    ) -> PackedRows:
        """Take an input apart, or raise when it is neither."""
        if isinstance(h, PackedSequence):
            if batch_sizes is not None:
                raise ValueError("batch_sizes: expected None beside a PackedSequence, which knows them")
            rows, sizes, whole = as_numbers("h.data", h.data), h.batch_sizes, h
        elif batch_sizes is None:
            raise TypeError(
                f"h: expected a PackedSequence, or packed rows and their batch_sizes, got {type(h).__name__} alone; "
                "pack_sequence and pack_padded_sequence pack"
            )
        else:
            rows, sizes, whole = as_numbers("h", h), as_lengths(batch_sizes, "batch_sizes"), None
        if rows.ndim != 2 or (features is not None and rows.shape[1] != features):
            wanted = "features" if features is None else features
            raise ValueError(f"h: expected rows of shape (rows, {wanted}), got {rows.shape}")
        return cls(rows, sizes, whole)

    @property
    def batch(self) -> int:
        """Sequences, those without a step too."""
        return with_steps(self.batch_sizes) if self.whole is None else self.whole.n_sequences

    def lengths(self) -> Integers:
        """Lengths of the sequences that have a step, in packed order."""
        return lengths_of(self.batch_sizes)

    def like(self, rows: Array) -> Array | PackedSequence:
        """Return packed rows as what was given."""
        return rows if self.whole is None else self.whole._replace(data=rows)

    def sequences_out(self, values: Array) -> Array:
        """Return what there is of each sequence, ``(B, ...)``, in the caller's order."""
        order = None if self.whole is None else self.whole.unsorted_indices
        return values if order is None else values[order]

    def sequences_in(self, name: str, values: ArrayLike, shape: tuple[int, ...]) -> Array:
        """Return ``(B, ...)`` in packed order, or raise when its shape is wrong."""
        array = as_floats(name, values)
        if array.shape != shape:
            raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
        order = None if self.whole is None else self.whole.sorted_indices
        return array if order is None else array[order]

    def rows_in(self, name: str, values: ArrayLike | PackedSequence, shape: tuple[int, ...]) -> Array:
        """Return packed rows given like the input, or raise when these are others."""
        rows = as_floats(name, values.data if isinstance(values, PackedSequence) else values)
        if isinstance(values, PackedSequence):
            check_same_batch(name, values, self if self.whole is None else self.whole, "the output")
        if rows.shape != shape:
            raise ValueError(f"{name}: expected packed rows of shape {shape}, as the output's, got {rows.shape}")
        return rows


class _Batch(Protocol):
    """How a packed batch lies: a PackedSequence, a RecurrentInput, or packed rows in their own order."""

    @property
    def batch_sizes(self) -> Integers: ...


def check_same_batch(name: str, given: PackedSequence, batch: _Batch, whose: str) -> None:
    """Raise unless sequences are packed as a batch is: as many of the same lengths in the same order.

    Rows of batches that lie otherwise belong to other sequences.
    """
    sizes, order = batch.batch_sizes, getattr(batch, "sorted_indices", None)
    if given.batch_sizes is not sizes and not np.array_equal(given.batch_sizes, sizes):
        raise ValueError(
            f"{name}: expected a PackedSequence of the lengths of {whose}, {sizes.tolist()[:8]} by step, got "
            f"{given.batch_sizes.tolist()[:8]}"
        )
    if given.sorted_indices is order:
        return
    own, other = (np.arange(with_steps(sizes)) if o is None else o for o in (order, given.sorted_indices))
    if len(own) != len(other):
        raise ValueError(f"{name}: expected {len(own)} sequences, as {whose} has, got {len(other)}")
    if not np.array_equal(own, other):
        raise ValueError(
            f"{name}: expected the sequences in the order of {whose}, {own.tolist()[:8]}, got {other.tolist()[:8]}"
        )


class SequenceInput(NamedTuple):
    """A batch of whole sequences, and how to give results and gradients back in the caller's layout."""

    packed: PackedSequence
    # Steps of the padded array; None where a PackedSequence was given.
    steps: int | None

    @classmethod
    def read(cls, x: ArrayLike | PackedSequence, lengths: ArrayLike | None, features: int) -> SequenceInput:
        """Take an input apart, or raise when it is neither a PackedSequence nor padded with lengths."""
        packed = packed_batch(x, lengths, features)
        return cls(packed, None if isinstance(x, PackedSequence) else np.shape(x)[1])

    def sequences_out(self, values: Array) -> Array:
        """Return what there is of each sequence, ``(B, ...)``, in the caller's order."""
        order = self.packed.unsorted_indices
        return values if order is None else values[order]

    def sequences_in(self, name: str, values: ArrayLike, width: int) -> Array:
        """Return ``(B, width)`` in packed order, or raise when its shape is wrong."""
        array, wanted = as_floats(name, values), (self.packed.n_sequences, width)
        if array.shape != wanted:
            raise ValueError(f"{name}: expected shape {wanted}, got {array.shape}")
        order = self.packed.sorted_indices
        return array if order is None else array[order]

    def rows_in(self, name: str, values: ArrayLike | PackedSequence, width: int) -> Array:
        """Return what is given as :meth:`rows_out` gives it as packed rows, or raise when its shape is wrong.

        Packed rows themselves are taken, too.
        """
        packed, shape = self.packed, (len(self.packed.data), width)
        if isinstance(values, PackedSequence):
            check_same_batch(name, values, packed, "the output")
            values = values.data
        array = as_floats(name, values)
        if self.steps is not None and array.ndim == 3 and array.shape == (packed.n_sequences, self.steps, width):
            lengths = lengths_of(packed.batch_sizes, packed.n_sequences)
            if packed.unsorted_indices is not None:
                lengths = lengths[packed.unsorted_indices]
            array = pack_padded_sequence(array, lengths, batch_first=True, enforce_sorted=False).data.reshape(shape)
        if array.shape != shape:
            raise ValueError(f"{name}: expected the shape of the output, got {array.shape}")
        return array

    def rows_out(self, rows: Array | None) -> Any:
        """Return packed rows in the layout of x, zeros on padding; None for None."""
        if rows is None:
            return None
        if self.steps is None:
            return self.packed._replace(data=rows)
        whole = self.packed._replace(data=rows)
        return pad_packed_sequence(whole, batch_first=True, total_length=self.steps)[0]


def rows_of(x: Any, name: str = "x") -> Array:
    """Return the data of a PackedSequence, or an array as it is."""
    return as_numbers(name, x.data if isinstance(x, PackedSequence) else x)


def like(x: Any, rows: Array) -> Any:
    """Return rows as a PackedSequence if ``x`` is one, else as they are."""
    return x._replace(data=rows) if isinstance(x, PackedSequence) else rows
