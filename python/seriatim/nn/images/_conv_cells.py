"""What the convolutional recurrences share: assembled weights, all steps of a sequence, memory between calls.

A cell's parameters are those of the original it follows. For the kernels they are assembled into one weight for the
input, one for the state and one bias, with the gates in the kernels' order; gradients go the way back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_floats, as_numbers, of_shape
from seriatim._typing import Array, ArrayLike, Seed
from seriatim.nn.base import _init
from seriatim.nn.base._guards import guard_of
from seriatim.nn.base._memory import Memory, States
from seriatim.nn.base._memory_stream import Kept, MemoryStream
from seriatim.nn.base._module import Module
from seriatim.nn.base._packs import Packs
from seriatim.nn.base._parameter import Parameter, clear_gradients, gradient_slots
from seriatim.nn.base._stages import below
from seriatim.nn.base._stream import Stream
from seriatim.nn.containers._sequential import Sequential
from seriatim.nn.images._convolution import Conv2d
from seriatim.nn.images._videos import Spans, Videos, run_spans, run_spans_back, sequence
from seriatim.sequences import PackedSequence


class Weights(NamedTuple):
    """Assembled weights, or their gradients.

    Attributes
    ----------
    x : ndarray, shape (gates * H, I, k, k), or None
        None when the input is convolved already.
    h : ndarray, shape (gates * H, H, k, k)
    bias : ndarray, shape (gates * H,), or None
    """

    x: Array | None
    h: Array
    bias: Array | None


def odd(name: str, size: int) -> int:
    """Return a kernel size; raises ValueError unless it is odd and positive."""
    if not isinstance(size, (int, np.integer)) or size < 1 or size % 2 == 0:
        raise ValueError(f"{name}: expected an odd positive integer (an even kernel changes the size), got {size!r}")
    return int(size)


class ConvCell(Module):
    """Base: a cell over sequences of images. Subclasses say how their weights are assembled."""

    gates: int
    states: int = 1
    _is_cell = True
    input_size: int
    hidden_size: int
    kernel_size: int
    hard: bool = False
    _fixed = ("input_size", "in_size", "hidden_size", "kernel_size")

    def __init__(self) -> None:
        super().__init__()
        self._packs = Packs()

    # ---- What a subclass says

    def _owned(self) -> tuple[Parameter | None, ...]:
        """Return the parameters that the assembled weights are made of."""
        return tuple(self.parameters())

    def _assemble(self) -> Weights:
        raise NotImplementedError

    def _disassemble(self, grads: Weights) -> Iterable[Array | None]:
        """Return gradients in the order of :meth:`_owned`."""
        raise NotImplementedError

    def _steps(
        self, gates: Array, packed: Array, states: States | None, bias: Array | None
    ) -> tuple[Array, States, Any]:
        """Run the kernel: outputs, the last states, and the cache."""
        raise NotImplementedError

    def _steps_backward(
        self, grad_y: ArrayLike, grad_states: tuple[ArrayLike | None, ...], cache: Any, **given: Any
    ) -> tuple[Array, tuple[Array | None, ...]]:
        """Run the kernel: the gradients of the gates and of the first states."""
        raise NotImplementedError

    def _pack(self, weight: Array, backward: bool) -> Array:
        raise NotImplementedError

    def _hold(self) -> None:
        """Keep the settings of the convolutions inside, whose weights alone are used."""
        for module in self.modules():
            if isinstance(module, Conv2d):
                module.__dict__["_holder"] = type(self).__name__

    # ---- Frame by frame

    def _kept(self, name: str = "") -> tuple[Kept, ...]:
        """Return what a stream keeps, under the name of the cell."""
        return tuple([Kept(below(name, field), (), (self.hidden_size, None, None)) for field in "hc"[: self.states]])

    def _run_on(self, x: Array | PackedSequence, states: States | None) -> tuple[Any, States]:
        """Return the outputs of sequences that go on from those states, and the last states."""
        videos = Videos.read(x, self.input_size, False)
        y, last, _ = self._trace(videos.frames, videos.states_in(states), ragged=videos.packed)
        return videos.give_back(y), videos.states_out(last)

    def _make_stream(self, batch_size: int) -> Stream:
        return MemoryStream(self, batch_size)

    # ---- All steps

    def _get(self, key: str, make: Any) -> Any:
        return self._packs.get(key, self._owned(), make)

    def _trace(
        self, x: Array, states: States | None, *, fresh: bool = False, ragged: PackedSequence | None = None
    ) -> tuple[Array, States, Any]:
        """Run ``x (T, B, ...)``, or a packed batch's rows; a fresh array of convolved inputs may be written to."""
        if 0 in x.shape[:-3]:
            # No step, or no sequence: the states stay.
            y = np.zeros((*x.shape[:-3], self.hidden_size, *x.shape[-2:]), np.float32)
            shape = (x.shape[1] if ragged is None else ragged.n_sequences, *y.shape[-3:])
            last = tuple([np.zeros(shape, np.float32) for _ in range(self.states)]) if states is None else states
            return y, last, self.keep([states is not None, None, x.shape, y.shape, shape])
        weights: Weights = self._get("weights", self._assemble)
        packed = self._get("h", lambda: self._pack(weights.h, False))
        if weights.x is None:
            cache, bias = None, weights.bias
            gates = x if fresh and x.flags.c_contiguous and x.flags.writeable else np.array(x, np.float32, order="C")
        else:
            pad = self.kernel_size // 2
            flat = x.reshape(-1, *x.shape[-3:])
            bias, wx = None, weights.x
            packed_x = self._get("x", lambda: F.conv2d_pack(wx, F.conv2d_geometry(wx.shape, 1, pad)))
            images, cache = F.conv2d(flat, wx, weights.bias, padding=pad, packed=packed_x)
            gates = images.reshape(*x.shape[:-3], *images.shape[1:])
        run = self._steps if ragged is None else partial(run_spans, self, ragged)
        y, last, steps = run(gates, packed, states, bias)
        return y, last, self.keep([cache, steps, x.shape, y.shape, last[0].shape])

    def _pullback(
        self, context: Any, grad_y: ArrayLike | None, grad_states: tuple[ArrayLike | None, ...]
    ) -> tuple[Array, tuple[Array | None, ...]]:
        cache, steps, shape, out, state = unused = self._unused(context)
        self._check_gradients(context, grad_y, grad_states)
        if steps is None:
            unused.clear()
            clear_gradients(self.parameters())
            if not cache:  # No states were given.
                return np.zeros(shape, np.float32), (None,) * self.states
            nothing = np.zeros(state, np.float32)
            return np.zeros(shape, np.float32), tuple(
                [nothing if grad is None else as_floats("grad_state", grad) for grad in grad_states]
            )
        if grad_y is None:
            grad_y = np.zeros(out, np.float32)
        weights: Weights = self._get("weights", self._assemble)
        packed = self._get("h backward", lambda: self._pack(weights.h, True))
        owned = self._owned()
        wanted = any(p is not None and p.requires_grad for p in owned)
        grad_h = np.empty_like(weights.h) if wanted else None
        bias = np.empty_like(weights.bias) if wanted and weights.bias is not None else None
        given = {"grad_weight": grad_h, "grad_bias": bias if weights.x is None else None}
        back: Any = partial(run_spans_back, self) if isinstance(steps, Spans) else self._steps_backward
        grad_x, first = back(grad_y, grad_states, steps, packed=packed, **given)
        unused.clear()  # The gates have become gradients: there is no second time.
        grad_wx = None
        if weights.x is not None:
            wx = weights.x
            grad_wx = np.empty_like(wx) if wanted else None
            packed_x = self._get("x backward", lambda: F.conv2d_pack_backward(wx, cache.geometry))
            found, _, _ = F.conv2d_backward(
                grad_x.reshape(-1, *grad_x.shape[-3:]),
                cache,
                wx,
                packed=packed_x,
                need_parameters=False,
                grad_weight=grad_wx,
                grad_bias=bias,
            )
            assert found is not None
            grad_x = found.reshape(shape)
        if grad_h is not None:
            with guard_of(owned[0]), gradient_slots(*owned) as (slots, accumulate):
                for slot, grad in zip(slots, self._disassemble(Weights(grad_wx, grad_h, bias)), strict=True):
                    if slot is not None and grad is not None:
                        np.add(slot, grad, out=slot) if accumulate else np.copyto(slot, grad)
        return grad_x, first

    def _values(self) -> list[int]:
        return [p._changes for p in self._owned() if p is not None]

    def _check_gradients(
        self, context: Any, grad_y: ArrayLike | None, grad_states: tuple[ArrayLike | None, ...]
    ) -> None:
        *_, out, state = self._unused(context)
        if grad_y is not None:
            of_shape("grad_output", grad_y, out)
        for grad in grad_states:
            if grad is not None:
                of_shape("grad_state", grad, state)


class GRUSteps(ConvCell):
    """The kernel of the GRU: gates r, z, n."""

    gates = 3

    def _pack(self, weight: Array, backward: bool) -> Array:
        return F.conv_gru_pack_backward(weight) if backward else F.conv_gru_pack(weight)

    def _steps(
        self, gates: Array, packed: Array, states: States | None, bias: Array | None
    ) -> tuple[Array, States, Any]:
        h0 = None if states is None else states[0]
        y, cache = F.conv_gru(gates, packed, h0, bias, kernel_size=self.kernel_size, hard=self.hard)
        return y, (np.array(y[-1]),), cache

    def _steps_backward(
        self, grad_y: ArrayLike, grad_states: tuple[ArrayLike | None, ...], cache: Any, **given: Any
    ) -> tuple[Array, tuple[Array | None, ...]]:
        grad, first = F.conv_gru_backward(grad_y, grad_states[0], cache, **given)
        return grad, (first,)


class LSTMSteps(ConvCell):
    """The kernel of the LSTM: gates i, f, o, g."""

    gates = 4
    states = 2

    def _pack(self, weight: Array, backward: bool) -> Array:
        return F.conv_lstm_pack_backward(weight) if backward else F.conv_lstm_pack(weight)

    def _steps(
        self, gates: Array, packed: Array, states: States | None, bias: Array | None
    ) -> tuple[Array, States, Any]:
        h0, c0 = (None, None) if states is None else states
        y, cells, cache = F.conv_lstm(gates, packed, h0, c0, bias, kernel_size=self.kernel_size, hard=self.hard)
        return y, (np.array(y[-1]), np.array(cells[-1])), cache

    def _steps_backward(
        self, grad_y: ArrayLike, grad_states: tuple[ArrayLike | None, ...], cache: Any, **given: Any
    ) -> tuple[Array, tuple[Array | None, ...]]:
        grad, *first = F.conv_lstm_backward(grad_y, grad_states[0], grad_states[1], cache, **given)
        return grad, tuple(first)


class RNNSteps(ConvCell):
    """The kernel without gates."""

    gates = 1
    activation = "sigmoid"

    def _pack(self, weight: Array, backward: bool) -> Array:
        return F.conv_rnn_pack_backward(weight) if backward else F.conv_rnn_pack(weight)

    def _steps(
        self, gates: Array, packed: Array, states: States | None, bias: Array | None
    ) -> tuple[Array, States, Any]:
        h0 = None if states is None else states[0]
        y, cache = F.conv_rnn(gates, packed, h0, bias, kernel_size=self.kernel_size, activation=self.activation)
        return y, (np.array(y[-1]),), cache

    def _steps_backward(
        self, grad_y: ArrayLike, grad_states: tuple[ArrayLike | None, ...], cache: Any, **given: Any
    ) -> tuple[Array, tuple[Array | None, ...]]:
        grad, first = F.conv_rnn_backward(grad_y, grad_states[0], cache, **given)
        return grad, (first,)


# ---- Cells with memory


class StatefulCell(ConvCell):
    """A cell with memory, Metavision's: ``(T, B, C, H, W)`` in and out, one call after another."""

    in_size: int
    _over_time = _remembers = True

    def __init__(self) -> None:
        super().__init__()
        self.memory = Memory()

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Run all steps, from where the last call ended."""
        return self._trace_from_memory(Videos(sequence(x, self.in_size), None, False), False)

    def _trace_from_memory(self, videos: Videos, fresh: bool) -> tuple[Array, Any]:
        x = videos.frames
        states = self.memory.recall((videos.batch, self.hidden_size, *x.shape[-2:]))
        y, last, context = self._trace(x, videos.states_in(states), fresh=fresh, ragged=videos.packed)
        self.memory.keep(videos.states_out(last))
        return y, context

    def pullback(self, context: Any, grad_output: ArrayLike) -> Array:
        """Return the input's gradient; add to the parameters'. None flows into the call before."""
        return self._pullback(context, grad_output, (None,) * self.states)[0]

    def reset(self, mask: ArrayLike) -> None:
        """Clear the memory of the sequences whose mask, ``(B,)`` or ``(B, 1, 1, 1)``, is 0."""
        self.memory.reset(mask)

    def reset_all(self) -> None:
        """Clear the memory."""
        self.memory.keep(None)


class HiddenConvolution(StatefulCell):
    """A cell with memory whose input is convolved already: ``conv_h2h`` holds the hidden weights.

    ``conv_h2h`` is a Conv2d, or a depthwise and a pointwise one: together these are one convolution, too.
    """

    conv_h2h: Any

    def _make_hidden(self, separable: bool, rng: np.random.Generator) -> None:
        hidden, pad = self.hidden_size, self.kernel_size // 2
        if separable:
            self.conv_h2h = Sequential(
                Conv2d(hidden, hidden, self.kernel_size, padding=pad, groups=hidden, rng=rng),
                Conv2d(hidden, self.gates * hidden, 1, rng=rng),
            )
        else:
            self.conv_h2h = Conv2d(hidden, self.gates * hidden, self.kernel_size, padding=pad, rng=rng)
        self._hold()

    def _owned(self) -> tuple[Parameter | None, ...]:
        parts = [self.conv_h2h] if isinstance(self.conv_h2h, Conv2d) else list(self.conv_h2h)
        return tuple(p for part in parts for p in (part.weight, part.bias))

    def _assemble(self) -> Weights:
        if isinstance(self.conv_h2h, Conv2d):
            bias = self.conv_h2h.bias
            return Weights(None, self.conv_h2h.weight._array, None if bias is None else bias._array)
        depth, point = self.conv_h2h
        mix = point.weight._array[:, :, 0, 0]
        joined = np.ascontiguousarray(mix[:, :, None, None] * depth.weight._array[None, :, 0])
        return Weights(None, joined, mix @ depth.bias._array + point.bias._array)

    def _disassemble(self, grads: Weights) -> Iterable[Array | None]:
        if isinstance(self.conv_h2h, Conv2d):
            return grads.h, grads.bias
        depth, point = self.conv_h2h
        mix = point.weight._array[:, :, 0, 0]
        assert grads.bias is not None
        grad_depth = np.einsum("ocij,oc->cij", grads.h, mix)[:, None]
        grad_point = np.einsum("ocij,cij->oc", grads.h, depth.weight._array[:, 0])
        grad_point += np.outer(grads.bias, depth.bias._array)
        return grad_depth, mix.T @ grads.bias, grad_point[:, :, None, None], grads.bias


# ---- Stacks


def per_layer(name: str, value: int | Sequence[int], layers: int) -> list[int]:
    """Return one number a layer; raises ValueError when a list has another length."""
    values = [value] * layers if isinstance(value, (int, np.integer)) else list(value)
    if len(values) != layers:
        raise ValueError(f"{name}: expected an integer or {layers} of them, one a layer, got {value!r}")
    return [int(v) for v in values]


class ConvStack(Module):
    """Cells on top of each other: the base of ConvGRU and ConvLSTM.

    A layer's states are a tuple inside; subclasses say what callers see of it.
    """

    _cell_name: str
    _fixed = ("input_size", "n_layers", "hidden_sizes", "kernel_sizes")
    _over_time = _gives_states = _runs_on = True

    def __init__(
        self,
        input_size: int,
        hidden_sizes: int | Sequence[int],
        kernel_sizes: int | Sequence[int],
        n_layers: int,
        *,
        rng: Seed = None,
        batch_first: bool = False,
    ) -> None:
        super().__init__()
        _init.positive(input_size=input_size, n_layers=n_layers)
        random = _init.generator(rng)
        self.input_size, self.n_layers, self.batch_first = input_size, n_layers, batch_first
        self.hidden_sizes = per_layer("hidden_sizes", hidden_sizes, n_layers)
        self.kernel_sizes = per_layer("kernel_sizes", kernel_sizes, n_layers)
        sizes = [input_size, *self.hidden_sizes]
        for layer in range(n_layers):
            cell = self._make_cell(sizes[layer], sizes[layer + 1], self.kernel_sizes[layer], random)
            self.add_module(f"{self._cell_name}_{layer:02d}", cell)

    def _make_cell(self, input_size: int, hidden_size: int, kernel_size: int, rng: np.random.Generator) -> ConvCell:
        raise NotImplementedError

    def _inside(self, state: Any) -> tuple[Any, ...]:
        """Return a caller's states, or gradients of them, of one layer as a tuple."""
        raise NotImplementedError

    def _outside(self, states: tuple[Array | None, ...]) -> Any:
        """Return one layer's states as callers see them."""
        raise NotImplementedError

    def _kept(self, name: str = "") -> tuple[Kept, ...]:
        return tuple([kept for own, cell in self._modules.items() for kept in cell._kept(below(name, own))])

    def _run_on(self, x: Array | PackedSequence, states: States | None) -> tuple[Any, States]:
        each = self.cells[0].states
        hidden = None
        if states is not None:
            hidden = [self._outside(states[first : first + each]) for first in range(0, len(states), each)]
        (y, last), _ = self.trace(x, hidden)
        return y, tuple([part for state in last for part in self._inside(state)])

    def _make_stream(self, batch_size: int) -> Stream:
        return MemoryStream(self, batch_size)

    @property
    def cells(self) -> list[Any]:
        """The layers."""
        return list(self._modules.values())

    def trace(self, x: ArrayLike | PackedSequence, hidden: Sequence[Any] | None = None) -> tuple[Any, Any]:
        """Run one step, or all steps of a sequence."""
        packed = isinstance(x, PackedSequence)
        array: Any = x if packed else as_numbers("x", x)
        single = not packed and array.ndim == 4
        if not packed and array.ndim not in (4, 5):
            axes = "B, T" if self.batch_first else "T, B"
            raise ValueError(f"x: expected shape (B, C, H, W) or ({axes}, C, H, W), got {array.shape}")
        videos = Videos.read(array[None] if single else array, self.input_size, self.batch_first and not single)
        y = videos.frames
        given: list[States | None] = []
        for state, size in zip(self._a_layer("hidden", hidden), self.hidden_sizes, strict=True):
            wanted = (videos.batch, size, *y.shape[-2:])
            parts = None if state is None else self._inside(state)
            for part in parts or ():
                if np.shape(part) != wanted:
                    raise ValueError(f"hidden: expected shape {wanted}, got {np.shape(part)}")
            states = None if parts is None else tuple([as_floats("hidden", part) for part in parts])
            given.append(videos.states_in(states))
        last, contexts = [], []
        for cell, before in zip(self.cells, given, strict=True):
            y, final, context = cell._trace(y, before, ragged=videos.packed)
            last.append(self._outside(videos.states_out(final)))
            contexts.append(context)
        form = videos._replace(frames=y[:0])
        return (last if single else (videos.give_back(y), last)), self.keep((single, form, y.shape, contexts))

    def pullback(
        self, context: Any, grad_output: Any, grad_hidden: Sequence[Any] | None = None
    ) -> tuple[Any, list[Any]]:
        """Return the gradients of x and of every layer's first states; add to the parameters'."""
        single, form, shape, contexts = self.kept(context)
        states = self._a_layer("grad_output", grad_output if single else grad_hidden)
        grad: Any = None if single or grad_output is None else form.read_gradient(grad_output, shape)
        first = []
        # All is looked at before the first gradient is added to.
        given = [
            (None,) * cell.states if s is None else self._inside(s) for cell, s in zip(self.cells, states, strict=True)
        ]
        for cell, inner, parts in zip(self.cells, contexts, given, strict=True):
            cell._check_gradients(inner, None, parts)
        for cell, inner, parts in reversed(list(zip(self.cells, contexts, given, strict=True))):
            grad, before = cell._pullback(inner, grad, form.states_in(parts))
            first.append(self._outside(form.states_out(before)))
        return (grad[0] if single else form.give_back(grad)), first[::-1]

    def _a_layer(self, name: str, values: Sequence[Any] | None) -> list[Any]:
        given = [None] * self.n_layers if values is None else list(values)
        if len(given) != self.n_layers:
            raise ValueError(f"{name}: expected a list of {self.n_layers} states, one a layer, got {len(given)}")
        return given
