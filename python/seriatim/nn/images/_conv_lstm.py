"""Convolutional LSTM (Shi et al., "Convolutional LSTM network", NeurIPS 2015, without peepholes)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from seriatim._typing import Array, Seed
from seriatim.nn.base import _init
from seriatim.nn.base._parameter import Parameter
from seriatim.nn.images._conv_cells import ConvStack, HiddenConvolution, LSTMSteps, Weights, odd
from seriatim.nn.images._convolution import Conv2d


class ConvLSTMCell(LSTMSteps, HiddenConvolution):
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

    Raises
    ------
    ValueError
        A size is not positive, or ``kernel_size`` is even. From forward: x has another shape, or one that does not
        fit the memory. From backward: the gradient has another shape than the output.

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
        self._make_hidden(separable, _init.generator(rng))


class _Layer(LSTMSteps):
    """One layer of :class:`ConvLSTM`."""

    def __init__(self, input_size: int, hidden_size: int, kernel_size: int, rng: np.random.Generator) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.kernel_size = odd("kernel_size", kernel_size)
        self.gates_conv = Conv2d(
            input_size + hidden_size, 4 * hidden_size, kernel_size, padding=kernel_size // 2, rng=rng
        )
        self._hold()

    def _owned(self) -> tuple[Parameter | None, ...]:
        return self.gates_conv.weight, self.gates_conv.bias

    def _assemble(self) -> Weights:
        whole, split = self.gates_conv.weight._array, self.input_size
        bias = self.gates_conv.bias
        return Weights(np.ascontiguousarray(whole[:, :split]), np.ascontiguousarray(whole[:, split:]), bias._array)

    def _disassemble(self, grads: Weights) -> Iterable[Array | None]:
        assert grads.x is not None
        return np.concatenate([grads.x, grads.h], axis=1), grads.bias


class ConvLSTM(ConvStack):
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
    batch_first : bool, default False
        Whether sequences come and go as ``(B, T, C, H, W)``; states are as they are.

    Raises
    ------
    ValueError
        A size is not positive, a kernel is even, or there is not one number a layer. From forward and backward: an
        array has another shape.

    Notes
    -----
    As :class:`ConvGRU`, with pairs ``(h, c)`` for states. Each layer, ``ConvLSTMCell_00``, ..., has one convolution,
    ``gates_conv``, of ``[x, h]`` to i, f, o, g.
    """

    _cell_name = "ConvLSTMCell"

    def _make_cell(self, input_size: int, hidden_size: int, kernel_size: int, rng: np.random.Generator) -> _Layer:
        return _Layer(input_size, hidden_size, kernel_size, rng)

    def _inside(self, state: Any) -> tuple[Any, ...]:
        try:
            h, c = state
        except (TypeError, ValueError):
            got = f"a tuple of {len(state)}" if type(state) in (tuple, list) else f"one of shape {np.shape(state)}"
            raise TypeError(f"hidden: expected a pair (h, c) of each layer, got {got}") from None
        return h, c

    def _outside(self, states: tuple[Array | None, ...]) -> tuple[Array | None, ...]:
        return states
