"""Convolutional GRU, after pytorch_convgru (Ballas et al., "Delving deeper into convolutional networks", ICLR 2016)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from seriatim._typing import Array, ArrayLike, Seed
from seriatim.nn import _init
from seriatim.nn._conv_cells import GRUSteps, Weights, odd, sequence
from seriatim.nn._convolution import Conv2d
from seriatim.nn._module import Module
from seriatim.nn._parameter import Parameter


class ConvGRUCell(GRUSteps):
    """One step of a convolutional GRU.

    ``r = sigmoid(W_r * [x, h] + b_r)``, ``z = sigmoid(W_z * [x, h] + b_z)``,
    ``n = tanh(W_n * [x, r h] + b_n)``, ``h' = (1 - z) h + z n``.

    Parameters
    ----------
    input_size, hidden_size : int
        Channels.
    kernel_size : int
        Odd; states have the size of the images.
    rng : int, Generator or None
        Of the initial values: orthogonal weights, biases 0.

    Attributes
    ----------
    reset_gate, update_gate, out_gate : Conv2d
        Their weights are ``(hidden_size, input_size + hidden_size, k, k)``, the input's channels first.

    Notes
    -----
    ``h = cell(x, h)`` with x ``(B, input_size, height, width)`` and h ``(B, hidden_size, height, width)`` or None for
    zeros. ``backward(grad_h)`` returns the gradients of x and h.
    """

    def __init__(self, input_size: int, hidden_size: int, kernel_size: int, *, rng: Seed = None) -> None:
        super().__init__()
        _init.positive(input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.kernel_size = odd("kernel_size", kernel_size)
        random = _init.generator(rng)
        for name in ("reset_gate", "update_gate", "out_gate"):
            gate = Conv2d(input_size + hidden_size, hidden_size, kernel_size, padding=kernel_size // 2, rng=random)
            gate.weight.data = _init.orthogonal(random, gate.weight.shape)
            assert gate.bias is not None
            gate.bias.data = np.zeros(hidden_size)
            setattr(self, name, gate)

    def _gates(self) -> list[Conv2d]:
        return [self.reset_gate, self.update_gate, self.out_gate]

    def _owned(self) -> tuple[Parameter | None, ...]:
        return tuple(p for gate in self._gates() for p in (gate.weight, gate.bias))

    def _assemble(self) -> Weights:
        whole = np.concatenate([gate.weight._array for gate in self._gates()])
        bias = np.concatenate([gate.bias._array for gate in self._gates()])
        split = self.input_size
        return Weights(np.ascontiguousarray(whole[:, :split]), np.ascontiguousarray(whole[:, split:]), bias)

    def _disassemble(self, grads: Weights) -> Iterable[Array | None]:
        assert grads.x is not None
        assert grads.bias is not None
        whole = np.split(np.concatenate([grads.x, grads.h], axis=1), 3)
        return [g for pair in zip(whole, np.split(grads.bias, 3), strict=True) for g in pair]

    def forward(self, x: ArrayLike, h: ArrayLike | None = None) -> Array:
        """Return the new state."""
        y, _ = self._sequence(np.asarray(x)[None], h)
        new: Array = y[0]
        return new

    def backward(self, grad_output: ArrayLike) -> tuple[Array, Array | None]:
        """Return the gradients of x and h, the second None if h was; add to the parameters'."""
        grad_x, grad_h = self._sequence_backward(np.asarray(grad_output)[None], None)
        return grad_x[0], grad_h

    def _sequence(self, x: ArrayLike, h: ArrayLike | None) -> tuple[Array, Array]:
        images = sequence(x, self.input_size)
        states = None
        if h is not None:
            wanted = (images.shape[1], self.hidden_size, *images.shape[3:])
            if np.shape(h) != wanted:
                raise ValueError(f"hidden: expected shape {wanted}, got {np.shape(h)}")
            states = (np.asarray(h, np.float32),)
        y, (last,) = self._run(images, states)
        return y, last

    def _sequence_backward(self, grad_y: ArrayLike, grad_state: ArrayLike | None) -> tuple[Array, Array | None]:
        grad_x, (grad_h,) = self._run_backward(grad_y, (grad_state,))
        return grad_x, grad_h

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.input_size}, {self.hidden_size}, kernel_size={self.kernel_size}"


def per_layer(name: str, value: int | Sequence[int], layers: int) -> list[int]:
    """Return one number a layer; raises ValueError when a list has another length."""
    values = [value] * layers if isinstance(value, (int, np.integer)) else list(value)
    if len(values) != layers:
        raise ValueError(f"{name}: expected an integer or {layers} of them, one a layer, got {value!r}")
    return [int(v) for v in values]


class ConvGRU(Module):
    """A stack of convolutional GRUs.

    Parameters
    ----------
    input_size : int
        Channels of the input.
    hidden_sizes, kernel_sizes : int or sequence of int
        One for all layers, or one a layer. Kernels are odd.
    n_layers : int
    rng : int, Generator or None
        Of the initial values.

    Notes
    -----
    ``model(x, hidden=None)`` with one image a sequence, x ``(B, C, H, W)``, returns the list of each layer's new state.
    With x ``(T, B, C, H, W)`` it returns the last layer's outputs ``(T, B, C', H, W)`` and the list of final states.
    ``hidden`` is a list with a state, or None for zeros, of every layer.

    ``backward(grad_output, grad_hidden=None)``: of a single step ``grad_output`` is a list like the result (None where
    there is none), of a sequence the gradient of the outputs, and ``grad_hidden`` may have those of the final states.
    Both return the input's gradient and the list of those of ``hidden``. Layers are called ``ConvGRUCell_00``, ...

    Examples
    --------
    >>> model = ConvGRU(input_size=8, hidden_sizes=[32, 64, 16], kernel_sizes=[3, 5, 3], n_layers=3)
    >>> model(np.zeros((1, 8, 64, 64)))[-1].shape
    (1, 16, 64, 64)
    """

    def __init__(
        self,
        input_size: int,
        hidden_sizes: int | Sequence[int],
        kernel_sizes: int | Sequence[int],
        n_layers: int,
        *,
        rng: Seed = None,
    ) -> None:
        super().__init__()
        _init.positive(input_size=input_size, n_layers=n_layers)
        random = _init.generator(rng)
        self.input_size, self.n_layers = input_size, n_layers
        self.hidden_sizes = per_layer("hidden_sizes", hidden_sizes, n_layers)
        self.kernel_sizes = per_layer("kernel_sizes", kernel_sizes, n_layers)
        sizes = [input_size, *self.hidden_sizes]
        for layer in range(n_layers):
            cell = ConvGRUCell(sizes[layer], sizes[layer + 1], self.kernel_sizes[layer], rng=random)
            self.add_module(f"ConvGRUCell_{layer:02d}", cell)

    @property
    def cells(self) -> list[ConvGRUCell]:
        """The layers."""
        return list(self._modules.values())

    def forward(
        self, x: ArrayLike, hidden: Sequence[ArrayLike | None] | None = None
    ) -> list[Array] | tuple[Array, list[Array]]:
        """Run one step, or all steps of a sequence."""
        array = np.asarray(x)
        if array.ndim not in (4, 5):
            raise ValueError(f"x: expected shape (B, C, H, W) or (T, B, C, H, W), got {array.shape}")
        given = [None] * self.n_layers if hidden is None else list(hidden)
        if len(given) != self.n_layers:
            raise ValueError(f"hidden: expected a list of {self.n_layers} states, one a layer, got {len(given)}")
        y: Array = array if array.ndim == 5 else array[None]
        last, done = [], []
        try:
            for cell, state in zip(self.cells, given, strict=True):
                y, final = cell._sequence(y, state)
                done.append(cell)
                last.append(final)
        except BaseException:
            for cell in done:
                if cell.training:
                    cell._pop()
            raise
        self._push(array.ndim == 4)
        return last if array.ndim == 4 else (y, last)

    def backward(
        self, grad_output: Any, grad_hidden: Sequence[ArrayLike | None] | None = None
    ) -> tuple[Array, list[Array | None]]:
        """Return the gradients of x and of every layer's first state; add to the parameters'."""
        single = self._peek()
        states = list(grad_output) if single else list(grad_hidden or [None] * self.n_layers)
        if len(states) != self.n_layers:
            raise ValueError(f"grad_output: expected {self.n_layers} gradients of states, got {len(states)}")
        grad: ArrayLike | None = None if single else grad_output
        first: list[Array | None] = []
        for cell, state in reversed(list(zip(self.cells, states, strict=True))):
            if grad is None:
                grad = np.zeros(cell._peek()[-1], np.float32)
            grad, before = cell._sequence_backward(grad, state)
            first.append(before)
        self._pop()
        found = np.asarray(grad)
        return (found[0] if single else found), first[::-1]
