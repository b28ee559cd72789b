"""Convolutional LSTM over sequences of images (Shi et al. 2015 without peepholes, as in Metavision).

``i, f, o = sigmoid(x + W * h + b)``, ``g = tanh(x_g + W_g * h + b_g)``, ``c' = f c + i g``, ``h' = o tanh(c')``.
"""

from __future__ import annotations

from typing import NamedTuple

from seriatim import _core
from seriatim._typing import Array, ArrayLike


class ConvLSTMCache(NamedTuple):
    """What :func:`conv_lstm_backward` needs of a forward call. Backward uses it up."""

    gates: Array
    y: Array
    cells: Array
    h0: Array | None
    c0: Array | None
    kernel_size: int
    hard: bool


def conv_lstm_pack(weight: ArrayLike) -> Array:
    """Lay hidden weights ``(4 H, H, k, k)``, rows i, f, o, g, out for :func:`conv_lstm`; opaque, 1-D."""
    return _core.conv_lstm_pack(weight, False)


def conv_lstm_pack_backward(weight: ArrayLike) -> Array:
    """Lay the same weights out for :func:`conv_lstm_backward`."""
    return _core.conv_lstm_pack(weight, True)


def conv_lstm(
    gates: Array,
    packed: Array,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    kernel_size: int,
    hard: bool = False,
) -> tuple[Array, Array, ConvLSTMCache]:
    """Run all steps.

    Parameters
    ----------
    gates : ndarray of float32, shape (T, B, 4 H, height, width)
        The convolved input of i, f, o and g. Used up: it becomes the gates.
    packed : ndarray
        ``conv_lstm_pack(weight)``.
    h0, c0 : array_like, shape (B, H, height, width), optional
        Zeros by default.
    bias : array_like, shape (4 H,), optional
        Added to the convolved input.
    kernel_size : int
        Odd; states keep their size.
    hard : bool, default False
        Gates ``x / 2 + 1 / 2`` held within 0 and 1, candidates held within -1 and 1.

    Returns
    -------
    y, cells : ndarray of float32, shape (T, B, H, height, width)
        The states after every step.
    cache : ConvLSTMCache
    """
    state = None if h0 is None else _core.as_floats(h0, "h0")
    cell = None if c0 is None else _core.as_floats(c0, "c0")
    y, cells = _core.conv_lstm_forward(gates, state, cell, packed, bias, kernel_size, hard)
    return y, cells, ConvLSTMCache(gates, y, cells, state, cell, kernel_size, hard)


def conv_lstm_backward(
    grad_y: ArrayLike,
    grad_h_n: ArrayLike | None,
    grad_c_n: ArrayLike | None,
    cache: ConvLSTMCache,
    packed: Array,
    *,
    grad_weight: Array | None = None,
    grad_bias: Array | None = None,
    accumulate: bool = False,
) -> tuple[Array, Array | None, Array | None]:
    """Back through all steps.

    Parameters
    ----------
    grad_y : array_like, shape (T, B, H, height, width)
    grad_h_n, grad_c_n : array_like, shape (B, H, height, width), optional
        Those of the last states besides.
    cache : ConvLSTMCache
        Used up.
    packed : ndarray
        ``conv_lstm_pack_backward(weight)``.
    grad_weight, grad_bias : ndarray of float32, shapes (4 H, H, k, k) and (4 H,), optional
        Written to, or added to with ``accumulate``.

    Returns
    -------
    grad_gates : ndarray, shape (T, B, 4 H, height, width)
    grad_h0, grad_c0 : ndarray, or None if there was none
    """
    gates, y, cells, h0, c0, kernel_size, hard = cache
    grad_h0, grad_c0 = _core.conv_lstm_backward(
        grad_y, grad_h_n, grad_c_n, gates, y, cells, h0, c0, packed, kernel_size, hard, grad_weight, grad_bias,
        accumulate,
    )  # fmt: skip
    return gates, None if h0 is None else grad_h0, None if c0 is None else grad_c0
