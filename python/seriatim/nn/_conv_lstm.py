"""Convolutional LSTM (Shi et al., "Convolutional LSTM network", NeurIPS 2015, without peepholes)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from seriatim._typing import Array, ArrayLike, Seed
from seriatim.nn import _init
from seriatim.nn._conv_cells import (
    LSTMSteps,
    Remembering,
    Weights,
    hidden_convolution,
    hidden_parameters,
    joined_hidden,
    odd,
    sequence,
    split_hidden,
)
from seriatim.nn._conv_gru import per_layer
from seriatim.nn._convolution import Conv2d
from seriatim.nn._module import Module
from seriatim.nn._parameter import Parameter


class ConvLSTMCell(LSTMSteps, Remembering):
    """Metavision's convolutional LSTM: its input is convolved already.

    ``i, f, o = sigmoid(x + W * h + b)``, ``g = tanh(x_g + W_g * h + b_g)``, ``c' = f c + i g``, ``h' = o tanh(c')``.

    Parameters
    ----------
    hidden_dim : int
    kernel_size : int, default 3
        Odd; states have the size of the images.
    hard : bool, default False
        Gates and candidates of straight lines.
    separable : bool, default False
        Whether the hidden convolution is a depthwise one and a pointwise one.
    rng : int, Generator or None
        Of the initial values.

    Attributes
    ----------
    conv_h2h : Conv2d, or Sequential of two

    Notes
    -----
    Input ``(T, B, 4 * hidden_dim, H, W)``, gates in the order i, f, o, g; output ``(T, B, hidden_dim, H, W)``. The
    memory is kept between calls; :meth:`reset` and :meth:`reset_all` clear it.
    """

    def __init__(
        self,
        hidden_dim: int,
        kernel_size: int = 3,
        *,
        hard: bool = False,
        separable: bool = False,
        rng: Seed = None,
    ) -> None:
        super().__init__()
        _init.positive(hidden_dim=hidden_dim)
        self.hidden_size, self.in_size = hidden_dim, 4 * hidden_dim
        self.kernel_size, self.hard = odd("kernel_size", kernel_size), bool(hard)
        self.conv_h2h = hidden_convolution(hidden_dim, 4, self.kernel_size, separable, _init.generator(rng))

    def _owned(self) -> tuple[Parameter | None, ...]:
        return hidden_parameters(self.conv_h2h)

    def _assemble(self) -> Weights:
        return joined_hidden(self.conv_h2h)

    def _disassemble(self, grads: Weights) -> Iterable[Array | None]:
        return split_hidden(self.conv_h2h, grads)


class _Layer(LSTMSteps):
    """One layer of :class:`ConvLSTM`."""

    def __init__(self, input_size: int, hidden_size: int, kernel_size: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.kernel_size = odd("kernel_size", kernel_size)
        self.gates_conv = Conv2d(
            input_size + hidden_size, 4 * hidden_size, kernel_size, padding=kernel_size // 2, rng=rng
        )

    def _owned(self) -> tuple[Parameter | None, ...]:
        return self.gates_conv.weight, self.gates_conv.bias

    def _assemble(self) -> Weights:
        whole, split = self.gates_conv.weight._array, self.input_size
        bias = self.gates_conv.bias
        return Weights(np.ascontiguousarray(whole[:, :split]), np.ascontiguousarray(whole[:, split:]), bias._array)

    def _disassemble(self, grads: Weights) -> Iterable[Array | None]:
        assert grads.x is not None
        return np.concatenate([grads.x, grads.h], axis=1), grads.bias


class ConvLSTM(Module):
    """A stack of convolutional LSTMs.

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
    As :class:`ConvGRU`, with pairs ``(h, c)`` for states. Each layer, ``ConvLSTMCell_00``, ..., has one convolution,
    ``gates_conv``, of ``[x, h]`` to i, f, o, g.
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
            cell = _Layer(sizes[layer], sizes[layer + 1], self.kernel_sizes[layer], random)
            self.add_module(f"ConvLSTMCell_{layer:02d}", cell)

    def forward(
        self, x: ArrayLike, hidden: Sequence[tuple[ArrayLike, ArrayLike] | None] | None = None
    ) -> list[tuple[Array, Array]] | tuple[Array, list[tuple[Array, Array]]]:
        """Run one step, or all steps of a sequence."""
        array = np.asarray(x)
        if array.ndim not in (4, 5):
            raise ValueError(f"x: expected shape (B, C, H, W) or (T, B, C, H, W), got {array.shape}")
        given = [None] * self.n_layers if hidden is None else list(hidden)
        if len(given) != self.n_layers:
            raise ValueError(f"hidden: expected a list of {self.n_layers} states, one a layer, got {len(given)}")
        y = sequence(array if array.ndim == 5 else array[None], self.input_size)
        for state, size in zip(given, self.hidden_sizes, strict=True):
            wanted = (y.shape[1], size, *y.shape[3:])
            if state is not None and [np.shape(part) for part in state] != [wanted, wanted]:
                raise ValueError(f"hidden: expected pairs (h, c) of shape {wanted}, got {[np.shape(p) for p in state]}")
        last = []
        for cell, state in zip(self._modules.values(), given, strict=True):
            states = None if state is None else tuple(np.asarray(part, np.float32) for part in state)
            y, final = cell._run(y, states)
            last.append(final)
        self._push(array.ndim == 4)
        return last if array.ndim == 4 else (y, last)

    def backward(
        self,
        grad_output: Any,
        grad_hidden: Sequence[tuple[ArrayLike | None, ArrayLike | None] | None] | None = None,
    ) -> tuple[Array, list[tuple[Array | None, ...]]]:
        """Return the gradients of x and of every layer's first states; add to the parameters'."""
        single = self._peek()
        states = list(grad_output) if single else list(grad_hidden or [None] * self.n_layers)
        if len(states) != self.n_layers:
            raise ValueError(f"grad_output: expected {self.n_layers} gradients of states, got {len(states)}")
        grad: ArrayLike | None = None if single else grad_output
        first = []
        for cell, state in reversed(list(zip(self._modules.values(), states, strict=True))):
            if grad is None:
                grad = np.zeros(cell._peek()[-1], np.float32)
            grad, before = cell._run_backward(grad, (None, None) if state is None else state)
            first.append(before)
        self._pop()
        found = np.asarray(grad)
        return (found[0] if single else found), first[::-1]
