"""How callers give videos to convolutional recurrences, and ragged ones run as spans of steps of one batch size."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seriatim._arrays import as_floats, as_numbers, of_shape
from seriatim._typing import Array, ArrayLike
from seriatim.nn.base._layouts import check_same_batch
from seriatim.sequences import PackedSequence

if TYPE_CHECKING:
    from seriatim.nn.base._memory import States
    from seriatim.nn.images._conv_cells import ConvCell


def sequence(x: ArrayLike, channels: int) -> Array:
    """Return ``(T, B, channels, height, width)`` as float32 or raise; T or B may be 0."""
    array = as_numbers("x", x)
    if array.ndim != 5 or array.shape[2] != channels or 0 in array.shape[3:]:
        raise ValueError(f"x: expected shape (T, B, {channels}, height, width) with pixels, got {array.shape}")
    return as_floats("x", array)


class Videos(NamedTuple):
    """A caller's videos, time-major or packed, and how to give results back.

    Attributes
    ----------
    frames : ndarray, shape (T, B, C, height, width), or (rows, C, height, width) of packed ones
    packed : PackedSequence or None
    batch_first : bool
        Whether arrays come and go as ``(B, T, ...)``.
    """

    frames: Array
    packed: PackedSequence | None
    batch_first: bool

    @classmethod
    def read(cls, x: ArrayLike | PackedSequence, channels: int, batch_first: bool) -> Videos:
        """Take an input apart, or raise when it is neither."""
        if isinstance(x, PackedSequence):
            rows = as_numbers("x.data", x.data)
            if rows.ndim != 4 or rows.shape[1] != channels or 0 in rows.shape[2:]:
                raise ValueError(
                    f"x.data: expected shape (frames, {channels}, height, width) with pixels, got {rows.shape}"
                )
            return cls(as_floats("x.data", rows), x, batch_first)
        array = as_numbers("x", x)
        if batch_first and array.ndim == 5:
            array = np.ascontiguousarray(array.swapaxes(0, 1))
        return cls(sequence(array, channels), None, batch_first)

    @property
    def batch(self) -> int:
        """The number of videos."""
        return self.frames.shape[1] if self.packed is None else self.packed.n_sequences

    def give_back(self, frames: Array) -> Any:
        """Return outputs, or gradients, in the caller's layout."""
        if self.packed is not None:
            return self.packed._replace(data=frames)
        return np.ascontiguousarray(frames.swapaxes(0, 1)) if self.batch_first else frames

    def read_gradient(self, grad: Any, shape: tuple[int, ...]) -> Array:
        """Return the gradient of outputs of that shape inside, or raise."""
        swapped = self.batch_first and self.packed is None
        wanted = (shape[1], shape[0], *shape[2:]) if swapped else shape
        array = of_shape("grad_output", grad.data if isinstance(grad, PackedSequence) else grad, wanted)
        if isinstance(grad, PackedSequence) and self.packed is not None:
            check_same_batch("grad_output", grad, self.packed, "the output")
        return np.ascontiguousarray(array.swapaxes(0, 1)) if swapped else array

    def states_in(self, states: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        """Return states ``(B, ...)``, or their gradients, in packed order."""
        order = None if self.packed is None else self.packed.sorted_indices
        if states is None or order is None:
            return states
        return tuple([None if state is None else as_numbers("state", state)[order] for state in states])

    def states_out(self, states: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return states ``(B, ...)``, or their gradients, in the caller's order."""
        order = None if self.packed is None else self.packed.unsorted_indices
        return states if order is None else tuple([None if state is None else state[order] for state in states])


class Spans(NamedTuple):
    """The caches of a packed batch: of each span its first row, steps, batch size and the kernel's cache."""

    parts: list[tuple[int, int, int, Any]]
    batch: int


def run_spans(
    cell: ConvCell, ragged: PackedSequence, gates: Array, packed: Array, states: States | None, bias: Array | None
) -> tuple[Array, States, Spans]:
    """Run packed rows: each span of steps of one batch size goes on from those states that are left.

    Sequences without a step, which are the last ones, keep their states.
    """
    sizes, videos = ragged.batch_sizes, ragged.n_sequences
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    cuts = [0, *(np.flatnonzero(np.diff(sizes)) + 1).tolist(), len(sizes)]
    image = (cell.hidden_size, *gates.shape[2:])
    y = np.empty((len(gates), *image), np.float32)
    final = tuple([np.zeros((videos, *image), np.float32) for _ in range(cell.states)])
    for kept, state in zip(final, states or (), strict=False):
        kept[sizes[0] :] = state[sizes[0] :]
    parts = []
    for begin, end in pairwise(cuts):
        row, steps, batch = int(offsets[begin]), end - begin, int(sizes[begin])
        rows = slice(row, row + steps * batch)
        before = None if states is None else tuple([np.ascontiguousarray(state[:batch]) for state in states])
        given = gates[rows].reshape(steps, batch, *gates.shape[1:])
        found, states, cache = cell._steps(given, packed, before, bias)
        y[rows] = found.reshape(-1, *image)
        for kept, state in zip(final, states, strict=True):
            kept[:batch] = state
        parts.append((row, steps, batch, cache))
    return y, final, Spans(parts, videos)


def run_spans_back(
    cell: ConvCell, grad_y: Array, grad_states: tuple[ArrayLike | None, ...], spans: Spans, **given: Any
) -> tuple[Array, tuple[Array | None, ...]]:
    """Return the gradients of the packed gates and of the first states."""
    grad_x: Array | None = None
    first: tuple[Array | None, ...] = (None,) * cell.states
    for index, (row, steps, batch, cache) in enumerate(reversed(spans.parts)):
        rows = slice(row, row + steps * batch)
        last: list[Array | None] = []
        for final, carried in zip(grad_states, first, strict=True):
            grad = None if final is None else np.array(as_floats("grad_state", final)[:batch])
            if carried is not None:
                grad = np.zeros((batch, *carried.shape[1:]), np.float32) if grad is None else grad
                grad[: len(carried)] = carried
            last.append(grad)
        part = grad_y[rows].reshape(steps, batch, *grad_y.shape[1:])
        found, first = cell._steps_backward(part, tuple(last), cache, accumulate=index > 0, **given)
        grad_x = np.empty((len(grad_y), *found.shape[2:]), np.float32) if grad_x is None else grad_x
        grad_x[rows] = found.reshape(-1, *found.shape[2:])
    assert grad_x is not None
    behind = spans.batch - spans.parts[0][2]
    if behind:
        first = tuple([_extended(grad, final, behind) for grad, final in zip(first, grad_states, strict=True)])
    return grad_x, first


def _extended(grad: Array | None, final: ArrayLike | None, behind: int) -> Array | None:
    """Return a first state's gradient with that of the sequences that have no step: the last state's own."""
    if grad is None:
        return None
    rest = np.zeros((behind, *grad.shape[1:]), np.float32) if final is None else as_floats("grad_state", final)
    return np.concatenate([grad, rest[-behind:]])
