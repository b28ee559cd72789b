"""One direction of one Elman layer over a packed ragged batch.

``h' = tanh(W_ih x + b_ih + W_hh h + b_hh)``, or relu of the same.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._typing import Array, ArrayLike, Integers


class RNNCache(NamedTuple):
    """What :func:`rnn_backward` needs of a forward call."""

    x: Array
    y: Array
    batch_sizes: Integers
    h0: Array | None
    hidden_size: int
    nonlinearity: str
    reverse: bool


def rnn_pack(weight_ih: ArrayLike, weight_hh: ArrayLike, bias_ih: ArrayLike | None, bias_hh: ArrayLike | None) -> Array:
    """Lay the parameters out for :func:`rnn`; opaque, 1-D.

    Parameters
    ----------
    weight_ih : array_like, shape (hidden_size, input_size)
    weight_hh : array_like, shape (hidden_size, hidden_size)
    bias_ih, bias_hh : array_like, shape (hidden_size,), or None
    """
    return _core.rnn_pack(weight_ih, weight_hh, bias_ih, bias_hh)


def rnn_pack_backward(weight_ih: ArrayLike, weight_hh: ArrayLike, *, need_input: bool = True) -> Array:
    """Lay the weights out for :func:`rnn_backward`, for the input's gradient too if it is needed."""
    return _core.rnn_pack_backward(weight_ih, weight_hh, need_input)


def rnn(
    x: ArrayLike,
    batch_sizes: Integers,
    packed: Array,
    h0: ArrayLike | None = None,
    *,
    hidden_size: int,
    nonlinearity: str = "tanh",
    reverse: bool = False,
    training: bool = False,
    out: Array | None = None,
) -> tuple[tuple[Array, Array], RNNCache | None]:
    """Run the recurrence.

    Parameters
    ----------
    x : array_like, shape (rows, input_size)
        Packed: time-major, sequences in descending order of length.
    batch_sizes : ndarray of int64, shape (steps,)
    packed : ndarray
        From :func:`rnn_pack`.
    h0 : array_like, shape (batch, hidden_size), optional
        Initial states in the order of the packed batch; zeros by default.
    nonlinearity : {'tanh', 'relu'}
    reverse : bool
        Run from each sequence's last step to its first.
    training : bool
        Keep a cache: only references, for backward reads nothing but inputs and outputs.
    out : ndarray of float32, shape (rows, hidden_size), optional
        Written instead of a new array; may be a column slice of a wider one.

    Returns
    -------
    (y, h_n) : ndarray (rows, hidden_size), ndarray (batch, hidden_size)
        ``h_n`` is each sequence's own last state (its first with ``reverse``).
    cache : RNNCache or None
    """
    used = _core.as_floats(x, "x")
    state = None if h0 is None else _core.as_floats(h0, "h0")
    y, h_n = _core.rnn_forward(used, batch_sizes, state, packed, hidden_size, _rectifies(nonlinearity), reverse, out)
    cache = RNNCache(used, y, batch_sizes, state, hidden_size, nonlinearity, reverse) if training else None
    return (y, h_n), cache


def rnn_backward(
    grad_y: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    cache: RNNCache,
    packed: Array,
    *,
    grad_weight_ih: Array | None = None,
    grad_weight_hh: Array | None = None,
    grad_bias_ih: Array | None = None,
    grad_bias_hh: Array | None = None,
    need_input: bool = True,
    need_state: bool = True,
    accumulate: bool = False,
    grad_x: Array | None = None,
) -> tuple[Array | None, Array | None]:
    """Back-propagation through time of :func:`rnn`.

    Parameters
    ----------
    grad_y : array_like, shape (rows, hidden_size), or None for zeros
    grad_h_n : array_like, shape (batch, hidden_size), or None for zeros
    packed : ndarray
        From :func:`rnn_pack_backward`, with ``need_input`` if the input's gradient is wanted.
    grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh : ndarray of float32, optional
        Written to, or added to with ``accumulate``; biases are left out when None.
    grad_x : ndarray of float32, shape (rows, input_size), optional
        Added to, instead of a new array.

    Returns
    -------
    grad_x : ndarray (rows, input_size) or None
    grad_h0 : ndarray (batch, hidden_size) or None
    """
    x, y, batch_sizes, h0, hidden_size, nonlinearity, reverse = cache
    if grad_weight_ih is None:
        grad_weight_ih = np.zeros((hidden_size, x.shape[1]), np.float32)
    if grad_weight_hh is None:
        grad_weight_hh = np.zeros((hidden_size, hidden_size), np.float32)
    return _core.rnn_backward(
        grad_y,
        grad_h_n,
        x,
        y,
        batch_sizes,
        h0,
        packed,
        hidden_size,
        _rectifies(nonlinearity),
        reverse,
        need_input,
        need_state,
        grad_weight_ih,
        grad_weight_hh,
        grad_bias_ih,
        grad_bias_hh,
        accumulate,
        grad_x,
    )


def _rectifies(nonlinearity: str) -> bool:
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(f"nonlinearity: expected 'tanh' or 'relu', got {nonlinearity!r}")
    return nonlinearity == "relu"
