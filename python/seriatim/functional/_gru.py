"""One direction of one GRU layer over a packed ragged batch.

With ``reset_after=True`` (torch, cuDNN)::

    r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))
    h' = (1 - z) * n + z * h

and with ``reset_after=False`` (Cho et al. 2014) ``n = tanh(W_in x + b_in + W_hn (r * h) + b_hn)``. Rows of weights and
biases are in the order r, z, n.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._typing import Array, ArrayLike, Integers


class GRUCache(NamedTuple):
    """What :func:`gru_backward` needs of a forward call."""

    gates: Array
    x: Array
    y: Array
    batch_sizes: Integers
    h0: Array | None
    hidden_size: int
    reset_after: bool
    reverse: bool


def gru_pack(
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None,
    bias_hh: ArrayLike | None,
    *,
    reset_after: bool = True,
) -> Array:
    """Lay the parameters out for :func:`gru`; opaque, 1-D.

    Parameters
    ----------
    weight_ih : array_like, shape (3 * hidden_size, input_size)
    weight_hh : array_like, shape (3 * hidden_size, hidden_size)
    bias_ih, bias_hh : array_like, shape (3 * hidden_size,), or None
    """
    return _core.gru_pack(weight_ih, weight_hh, bias_ih, bias_hh, reset_after)


def gru_pack_backward(
    weight_ih: ArrayLike, weight_hh: ArrayLike, *, reset_after: bool = True, need_input: bool = True
) -> Array:
    """Lay the weights out for :func:`gru_backward`, for the input's gradient too if it is needed."""
    return _core.gru_pack_backward(weight_ih, weight_hh, reset_after, need_input)


def gru(
    x: ArrayLike,
    batch_sizes: Integers,
    packed: Array,
    h0: ArrayLike | None = None,
    *,
    hidden_size: int,
    reverse: bool = False,
    reset_after: bool = True,
    training: bool = False,
    out: Array | None = None,
) -> tuple[tuple[Array, Array], GRUCache | None]:
    """Run the recurrence.

    Parameters
    ----------
    x : array_like, shape (rows, input_size)
        Packed: time-major, sequences in descending order of length.
    batch_sizes : ndarray of int64, shape (steps,)
    packed : ndarray
        From :func:`gru_pack`.
    h0 : array_like, shape (batch, hidden_size), optional
        Initial states in the order of the packed batch; zeros by default.
    reverse : bool
        Run from each sequence's last step to its first.
    training : bool
        Keep a cache.
    out : ndarray of float32, shape (rows, hidden_size), optional
        Written instead of a new array; may be a column slice of a wider one.

    Returns
    -------
    (y, h_n) : ndarray (rows, hidden_size), ndarray (batch, hidden_size)
        ``h_n`` is each sequence's own last state (its first with ``reverse``).
    cache : GRUCache or None
    """
    used = _core.as_floats(x, "x")
    state = None if h0 is None else _core.as_floats(h0, "h0")
    y, h_n, gates = _core.gru_forward(
        used, batch_sizes, state, packed, hidden_size, reset_after, reverse, training, out
    )
    cache = None
    if gates is not None:
        cache = GRUCache(gates, used, y, batch_sizes, state, hidden_size, reset_after, reverse)
    return (y, h_n), cache


def gru_backward(
    grad_y: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    cache: GRUCache,
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
    """Back-propagation through time of :func:`gru`; uses the cache up.

    Parameters
    ----------
    grad_y : array_like, shape (rows, hidden_size), or None for zeros
    grad_h_n : array_like, shape (batch, hidden_size), or None for zeros
    packed : ndarray
        From :func:`gru_pack_backward`, with ``need_input`` if the input's gradient is wanted.
    grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh : ndarray of float32, optional
        Written to, or added to with ``accumulate``; biases are left out when None.
    grad_x : ndarray of float32, shape (rows, input_size), optional
        Added to, instead of a new array.

    Returns
    -------
    grad_x : ndarray (rows, input_size) or None
    grad_h0 : ndarray (batch, hidden_size) or None
    """
    gates, x, y, batch_sizes, h0, hidden_size, reset_after, reverse = cache
    if grad_weight_ih is None:
        grad_weight_ih = np.zeros((3 * hidden_size, x.shape[1]), np.float32)
    if grad_weight_hh is None:
        grad_weight_hh = np.zeros((3 * hidden_size, hidden_size), np.float32)
    return _core.gru_backward(
        grad_y,
        grad_h_n,
        gates,
        x,
        y,
        batch_sizes,
        h0,
        packed,
        hidden_size,
        reset_after,
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
