"""Convolutional recurrences over sequences of images.

GRU (Ballas et al. 2016, as in pytorch_convgru and Metavision): ``r = sigmoid(x_r + W_r * h + b_r)``,
``z = sigmoid(x_z + W_z * h + b_z)``, ``n = tanh(x_n + W_n * (r h) + b_n)``, ``h' = (1 - z) h + z n``: the reset comes
before the convolution, and z weighs the candidate.

LSTM (Shi et al. 2015 without peepholes, as in Metavision): ``i, f, o = sigmoid(x + W * h + b)``,
``g = tanh(x_g + W_g * h + b_g)``, ``c' = f c + i g``, ``h' = o tanh(c')``.

Without gates: ``h' = activation(x + W * h + b)``.
"""

from __future__ import annotations

from typing import NamedTuple

from seriatim import _core
from seriatim._typing import Array, ArrayLike
from seriatim.functional._activation import activation_code

# The numbers of the C ABI.
_GRU, _LSTM, _RNN = 0, 1, 2


class ConvCache(NamedTuple):
    """What backward needs of a forward call. Backward uses it up."""

    gates: Array | None
    y: Array
    cells: Array | None
    h0: Array | None
    c0: Array | None
    cell: tuple[int, int, int, int]


def _states(h0: ArrayLike | None, name: str) -> Array | None:
    return None if h0 is None else _core.as_floats(h0, name)


def _backward(
    grads: tuple[ArrayLike, ArrayLike | None, ArrayLike | None],
    cache: ConvCache,
    packed: Array,
    slots: tuple[Array | None, Array | None],
    accumulate: bool,
) -> tuple[Array, Array | None, Array | None]:
    """Gradients of the convolved input and of the initial states, None for those that were not given."""
    gates, y, cells, h0, c0, cell = cache
    grad_x, grad_h0, grad_c0 = _core.conv_recurrent_backward(
        grads, (gates, y, cells, h0, c0), packed, cell, (*slots, accumulate)
    )
    grad = gates if grad_x is None else grad_x
    assert grad is not None
    return grad, None if h0 is None else grad_h0, None if c0 is None else grad_c0


# ---- GRU


def conv_gru_pack(weight: ArrayLike) -> Array:
    """Lay hidden weights, rows r, z, n, out for :func:`conv_gru`; opaque, 1-D.

    Parameters
    ----------
    weight : array_like, shape (3 H, H, k, k)
        k is odd.

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError, TypeError
        The weight has another shape, or holds no real numbers.
    """
    return _core.conv_recurrent_pack(weight, _GRU, False)


def conv_gru_pack_backward(weight: ArrayLike) -> Array:
    """Lay the same weights out for :func:`conv_gru_backward`; opaque, 1-D.

    Parameters
    ----------
    weight : array_like, shape (3 H, H, k, k)
        k is odd.

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError, TypeError
        The weight has another shape, or holds no real numbers.
    """
    return _core.conv_recurrent_pack(weight, _GRU, True)


def conv_gru(
    gates: Array,
    packed: Array,
    h0: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    kernel_size: int,
    hard: bool = False,
) -> tuple[Array, ConvCache]:
    """Run all steps of a GRU.

    Parameters
    ----------
    gates : ndarray of float32, shape (T, B, 3 H, height, width)
        The convolved input of r, z and n. Used up: it becomes the gates.
    packed : ndarray
        ``conv_gru_pack(weight)``.
    h0 : array_like, shape (B, H, height, width), optional
        Zeros by default.
    bias : array_like, shape (3 H,), optional
        Added to the convolved input.
    kernel_size : int
        Odd; states keep their size.
    hard : bool, default False
        Gates ``x / 2 + 1 / 2`` clipped to 0 and 1, candidates clipped to -1 and 1.

    Returns
    -------
    y : ndarray of float32, shape (T, B, H, height, width)
        The states after every step.
    cache : ConvCache

    Raises
    ------
    ValueError, TypeError
        The shapes do not belong together, or ``gates`` cannot be written to; nothing was computed.
    """
    state = _states(h0, "h0")
    cell = (_GRU, kernel_size, int(hard), 0)
    y, _ = _core.conv_recurrent_forward(gates, state, None, packed, bias, cell)
    assert y is not None
    return y, ConvCache(gates, y, None, state, None, cell)


def conv_gru_backward(
    grad_y: ArrayLike,
    grad_h_n: ArrayLike | None,
    cache: ConvCache,
    packed: Array,
    *,
    grad_weight: Array | None = None,
    grad_bias: Array | None = None,
    accumulate: bool = False,
) -> tuple[Array, Array | None]:
    """Back through all steps of :func:`conv_gru`.

    Parameters
    ----------
    grad_y : array_like, shape (T, B, H, height, width)
    grad_h_n : array_like, shape (B, H, height, width), optional
        That of the last state besides.
    cache : ConvCache
        Used up.
    packed : ndarray
        ``conv_gru_pack_backward(weight)``.
    grad_weight, grad_bias : ndarray of float32, shapes (3 H, H, k, k) and (3 H,), optional
        Written to, or added to with ``accumulate``.
    accumulate : bool, default False

    Returns
    -------
    grad_gates : ndarray, shape (T, B, 3 H, height, width)
    grad_h0 : ndarray, or None if there was no h0

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type; nothing was computed, and the cache is as it was.
    """
    return _backward((grad_y, grad_h_n, None), cache, packed, (grad_weight, grad_bias), accumulate)[:2]


# ---- LSTM


def conv_lstm_pack(weight: ArrayLike) -> Array:
    """Lay hidden weights, rows i, f, o, g, out for :func:`conv_lstm`; opaque, 1-D.

    Parameters
    ----------
    weight : array_like, shape (4 H, H, k, k)
        k is odd.

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError, TypeError
        The weight has another shape, or holds no real numbers.
    """
    return _core.conv_recurrent_pack(weight, _LSTM, False)


def conv_lstm_pack_backward(weight: ArrayLike) -> Array:
    """Lay the same weights out for :func:`conv_lstm_backward`; opaque, 1-D.

    Parameters
    ----------
    weight : array_like, shape (4 H, H, k, k)
        k is odd.

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError, TypeError
        The weight has another shape, or holds no real numbers.
    """
    return _core.conv_recurrent_pack(weight, _LSTM, True)


def conv_lstm(
    gates: Array,
    packed: Array,
    h0: ArrayLike | None = None,
    c0: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    kernel_size: int,
    hard: bool = False,
) -> tuple[Array, Array, ConvCache]:
    """Run all steps of an LSTM.

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
        Gates ``x / 2 + 1 / 2`` clipped to 0 and 1, candidates clipped to -1 and 1.

    Returns
    -------
    y, cells : ndarray of float32, shape (T, B, H, height, width)
        The states after every step.
    cache : ConvCache

    Raises
    ------
    ValueError, TypeError
        The shapes do not belong together, or ``gates`` cannot be written to; nothing was computed.
    """
    state, memory = _states(h0, "h0"), _states(c0, "c0")
    cell = (_LSTM, kernel_size, int(hard), 0)
    y, cells = _core.conv_recurrent_forward(gates, state, memory, packed, bias, cell)
    assert y is not None
    assert cells is not None
    return y, cells, ConvCache(gates, y, cells, state, memory, cell)


def conv_lstm_backward(
    grad_y: ArrayLike,
    grad_h_n: ArrayLike | None,
    grad_c_n: ArrayLike | None,
    cache: ConvCache,
    packed: Array,
    *,
    grad_weight: Array | None = None,
    grad_bias: Array | None = None,
    accumulate: bool = False,
) -> tuple[Array, Array | None, Array | None]:
    """Back through all steps of :func:`conv_lstm`.

    Parameters
    ----------
    grad_y : array_like, shape (T, B, H, height, width)
    grad_h_n, grad_c_n : array_like, shape (B, H, height, width), optional
        Those of the last states besides.
    cache : ConvCache
        Used up.
    packed : ndarray
        ``conv_lstm_pack_backward(weight)``.
    grad_weight, grad_bias : ndarray of float32, shapes (4 H, H, k, k) and (4 H,), optional
        Written to, or added to with ``accumulate``.
    accumulate : bool, default False

    Returns
    -------
    grad_gates : ndarray, shape (T, B, 4 H, height, width)
    grad_h0, grad_c0 : ndarray, or None if there was none

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type; nothing was computed, and the cache is as it was.
    """
    return _backward((grad_y, grad_h_n, grad_c_n), cache, packed, (grad_weight, grad_bias), accumulate)


# ---- Without gates


def conv_rnn_pack(weight: ArrayLike) -> Array:
    """Lay hidden weights out for :func:`conv_rnn`; opaque, 1-D.

    Parameters
    ----------
    weight : array_like, shape (H, H, k, k)
        k is odd.

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError, TypeError
        The weight has another shape, or holds no real numbers.
    """
    return _core.conv_recurrent_pack(weight, _RNN, False)


def conv_rnn_pack_backward(weight: ArrayLike) -> Array:
    """Lay the same weights out for :func:`conv_rnn_backward`; opaque, 1-D.

    Parameters
    ----------
    weight : array_like, shape (H, H, k, k)
        k is odd.

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError, TypeError
        The weight has another shape, or holds no real numbers.
    """
    return _core.conv_recurrent_pack(weight, _RNN, True)


def conv_rnn(
    x: Array,
    packed: Array,
    h0: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    kernel_size: int,
    activation: str = "sigmoid",
) -> tuple[Array, ConvCache]:
    """Run all steps without gates.

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
    cache : ConvCache

    Raises
    ------
    ValueError, TypeError
        The shapes do not belong together, ``activation`` is another one, or ``x`` cannot be written to; nothing was
        computed.
    """
    if activation in ("leaky_relu", "elu"):
        raise ValueError(f"activation: expected one of sigmoid, tanh, relu, identity, got {activation!r}")
    cell = (_RNN, kernel_size, 0, activation_code(activation))
    state = _states(h0, "h0")
    _core.conv_recurrent_forward(x, state, None, packed, bias, cell)
    return x, ConvCache(None, x, None, state, None, cell)


def conv_rnn_backward(
    grad_y: ArrayLike,
    grad_h_n: ArrayLike | None,
    cache: ConvCache,
    packed: Array,
    *,
    grad_weight: Array | None = None,
    grad_bias: Array | None = None,
    accumulate: bool = False,
) -> tuple[Array, Array | None]:
    """Back through all steps of :func:`conv_rnn`.

    Parameters
    ----------
    grad_y : array_like, shape (T, B, H, height, width)
    grad_h_n : array_like, shape (B, H, height, width), optional
        That of the last state besides.
    cache : ConvCache
        Used up.
    packed : ndarray
        ``conv_rnn_pack_backward(weight)``.
    grad_weight, grad_bias : ndarray of float32, shapes (H, H, k, k) and (H,), optional
        Written to, or added to with ``accumulate``.
    accumulate : bool, default False

    Returns
    -------
    grad_x : ndarray, shape (T, B, H, height, width)
    grad_h0 : ndarray, or None if there was no h0

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type; nothing was computed, and the cache is as it was.
    """
    return _backward((grad_y, grad_h_n, None), cache, packed, (grad_weight, grad_bias), accumulate)[:2]
