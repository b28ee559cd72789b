"""One direction of one LSTM layer over a packed ragged batch.

::

    i  = sigmoid(W_ii x + b_ii + W_hi h + b_hi)
    f  = sigmoid(W_if x + b_if + W_hf h + b_hf)
    g  = tanh(W_ig x + b_ig + W_hg h + b_hg)
    o  = sigmoid(W_io x + b_io + W_ho h + b_ho)
    c' = f * c + i * g
    h' = o * tanh(c'), or W_hr (o * tanh(c')) with a projection

Rows of weights and biases are in the order i, f, g, o. ``state_size`` below is ``proj_size``, or ``hidden_size`` when
that is 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._typing import Array, ArrayLike, Integers


class LSTMCache(NamedTuple):
    """What :func:`lstm_backward` needs of a forward call."""

    gates: Array
    x: Array
    y: Array
    batch_sizes: Integers
    h0: Array | None
    c0: Array | None
    hidden_size: int
    proj_size: int
    reverse: bool


def lstm_pack(
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None,
    bias_hh: ArrayLike | None,
    weight_hr: ArrayLike | None = None,
) -> Array:
    """Lay the parameters out for :func:`lstm`; opaque, 1-D.

    Parameters
    ----------
    weight_ih : array_like, shape (4 * hidden_size, input_size)
    weight_hh : array_like, shape (4 * hidden_size, state_size)
    bias_ih, bias_hh : array_like, shape (4 * hidden_size,), or None
    weight_hr : array_like, shape (proj_size, hidden_size), or None without a projection
    """
    return _core.lstm_pack(weight_ih, weight_hh, bias_ih, bias_hh, weight_hr)


def lstm_pack_backward(
    weight_ih: ArrayLike, weight_hh: ArrayLike, weight_hr: ArrayLike | None = None, *, need_input: bool = True
) -> Array:
    """Lay the weights out for :func:`lstm_backward`, for the input's gradient too if it is needed."""
    return _core.lstm_pack_backward(weight_ih, weight_hh, weight_hr, need_input)


def lstm(
    x: ArrayLike,
    batch_sizes: Integers,
    packed: Array,
    hx: tuple[ArrayLike | None, ArrayLike | None] | None = None,
    *,
    hidden_size: int,
    proj_size: int = 0,
    reverse: bool = False,
    training: bool = False,
    out: Array | None = None,
) -> tuple[tuple[Array, Array, Array], LSTMCache | None]:
    """Run the recurrence.

    Parameters
    ----------
    x : array_like, shape (rows, input_size)
        Packed: time-major, sequences in descending order of length.
    batch_sizes : ndarray of int64, shape (steps,)
    packed : ndarray
        From :func:`lstm_pack`.
    hx : (h0, c0), array_like of shape (batch, state_size) and (batch, hidden_size), optional
        Initial states in the order of the packed batch; zeros by default.
    reverse : bool
        Run from each sequence's last step to its first.
    training : bool
        Keep a cache.
    out : ndarray of float32, shape (rows, state_size), optional
        Written instead of a new array; may be a column slice of a wider one.

    Returns
    -------
    (y, h_n, c_n) : ndarray (rows, state_size), ndarray (batch, state_size), ndarray (batch, hidden_size)
        ``h_n`` and ``c_n`` are each sequence's own last states (its first with ``reverse``).
    cache : LSTMCache or None
    """
    used = _core.as_floats(x, "x")
    h0, c0 = (None, None) if hx is None else hx
    h0 = None if h0 is None else _core.as_floats(h0, "h0")
    c0 = None if c0 is None else _core.as_floats(c0, "c0")
    y, h_n, c_n, gates = _core.lstm_forward(
        used, batch_sizes, h0, c0, packed, hidden_size, proj_size, reverse, training, out
    )
    cache = None
    if gates is not None:
        cache = LSTMCache(gates, used, y, batch_sizes, h0, c0, hidden_size, proj_size, reverse)
    return (y, h_n, c_n), cache


def lstm_backward(
    grad_y: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    grad_c_n: ArrayLike | None,
    cache: LSTMCache,
    packed: Array,
    *,
    grad_weight_ih: Array | None = None,
    grad_weight_hh: Array | None = None,
    grad_bias_ih: Array | None = None,
    grad_bias_hh: Array | None = None,
    grad_weight_hr: Array | None = None,
    need_input: bool = True,
    need_state: bool = True,
    accumulate: bool = False,
    grad_x: Array | None = None,
) -> tuple[Array | None, Array | None, Array | None]:
    """Back-propagation through time of :func:`lstm`; uses the cache up.

    Parameters
    ----------
    grad_y : array_like, shape (rows, state_size), or None for zeros
    grad_h_n, grad_c_n : array_like, shapes (batch, state_size) and (batch, hidden_size), or None for zeros
    packed : ndarray
        From :func:`lstm_pack_backward`, with ``need_input`` if the input's gradient is wanted.
    grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh, grad_weight_hr : ndarray of float32, optional
        Written to, or added to with ``accumulate``; biases and ``weight_hr`` are left out when None.
    grad_x : ndarray of float32, shape (rows, input_size), optional
        Added to, instead of a new array.

    Returns
    -------
    grad_x : ndarray (rows, input_size) or None
    grad_h0, grad_c0 : ndarray (batch, state_size), ndarray (batch, hidden_size), or None
    """
    gates, x, y, batch_sizes, h0, c0, hidden_size, proj_size, reverse = cache
    if grad_weight_ih is None:
        grad_weight_ih = np.zeros((4 * hidden_size, x.shape[1]), np.float32)
    if grad_weight_hh is None:
        grad_weight_hh = np.zeros((4 * hidden_size, proj_size or hidden_size), np.float32)
    return _core.lstm_backward(
        grad_y,
        grad_h_n,
        grad_c_n,
        gates,
        x,
        y,
        batch_sizes,
        h0,
        c0,
        packed,
        hidden_size,
        proj_size,
        reverse,
        need_input,
        need_state,
        grad_weight_ih,
        grad_weight_hh,
        grad_bias_ih,
        grad_bias_hh,
        grad_weight_hr,
        accumulate,
        grad_x,
    )
