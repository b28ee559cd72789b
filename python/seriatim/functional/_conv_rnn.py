"""Convolutional recurrence without gates: ``h' = activation(x + W * h + b)``."""

from __future__ import annotations

from typing import NamedTuple

from seriatim import _core
from seriatim._typing import Array, ArrayLike
from seriatim.functional._activation import activation_code


class ConvRNNCache(NamedTuple):
    """What :func:`conv_rnn_backward` needs of a forward call."""

    y: Array
    h0: Array | None
    kernel_size: int
    activation: str


def conv_rnn_pack(weight: ArrayLike) -> Array:
    """Lay hidden weights ``(H, H, k, k)`` out for :func:`conv_rnn`; opaque, 1-D."""
    return _core.conv_rnn_pack(weight, False)


def conv_rnn_pack_backward(weight: ArrayLike) -> Array:
    """Lay the same weights out for :func:`conv_rnn_backward`."""
    return _core.conv_rnn_pack(weight, True)


def conv_rnn(
    x: Array,
    packed: Array,
    h0: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    kernel_size: int,
    activation: str = "sigmoid",
) -> tuple[Array, ConvRNNCache]:
    """Run all steps.

    Parameters
    ----------
    x : ndarray of float32, shape (T, B, H, height, width)
        The convolved input. Used up: it becomes the states.
    packed : ndarray
        ``conv_rnn_pack(weight)``.
    h0 : array_like, shape (B, H, height, width), optional
        Zeros by default.
    bias : array_like, shape (H,), optional
    kernel_size : int
        Odd; states keep their size.
    activation : {"sigmoid", "tanh", "relu", "identity"}

    Returns
    -------
    y : ndarray of float32, shape (T, B, H, height, width)
        The states after every step: the memory of ``x``.
    cache : ConvRNNCache
    """
    code = activation_code(activation)
    state = None if h0 is None else _core.as_floats(h0, "h0")
    _core.conv_rnn_forward(x, state, packed, bias, kernel_size, code)
    return x, ConvRNNCache(x, state, kernel_size, activation)


def conv_rnn_backward(
    grad_y: ArrayLike,
    grad_h_n: ArrayLike | None,
    cache: ConvRNNCache,
    packed: Array,
    *,
    grad_weight: Array | None = None,
    grad_bias: Array | None = None,
    accumulate: bool = False,
) -> tuple[Array, Array | None]:
    """Back through all steps; arguments as in :func:`conv_gru_backward`.

    Returns
    -------
    grad_x : ndarray, shape (T, B, H, height, width)
    grad_h0 : ndarray, or None if there was no h0
    """
    y, h0, kernel_size, activation = cache
    grad_x, grad_h0 = _core.conv_rnn_backward(
        grad_y, grad_h_n, y, h0, packed, kernel_size, activation_code(activation), grad_weight, grad_bias, accumulate
    )
    return grad_x, None if h0 is None else grad_h0
