"""One direction of one GRU layer over a packed ragged batch: :mod:`seriatim.functional._recurrent` by its own name.

With ``reset_after=True`` (torch, cuDNN)::

    r  = sigmoid(W_ir x + b_ir + W_hr h + b_hr)
    z  = sigmoid(W_iz x + b_iz + W_hz h + b_hz)
    n  = tanh(W_in x + b_in + r * (W_hn h + b_hn))
    h' = (1 - z) * n + z * h

and with ``reset_after=False`` (Cho et al. 2014) ``n = tanh(W_in x + b_in + W_hn (r * h) + b_hn)``. Rows of weights and
biases are in the order r, z, n.
"""

from __future__ import annotations

import numpy as np

from seriatim._typing import Array, ArrayLike, Integers
from seriatim.functional._recurrent import (
    Cell,
    RecurrentCache,
    cell,
    recurrent,
    recurrent_backward,
    recurrent_pack,
    recurrent_pack_backward,
    sizes_of_weights,
)


def _cell(input_size: int, hidden_size: int, reset_after: bool) -> Cell:
    return cell("gru", input_size, hidden_size, options=() if reset_after else ("reset_before",))


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
    reset_after : bool, default True
        The reset gate's place: see the equations of this module.

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError
        A shape is another one.
    """
    found = _cell(*sizes_of_weights(weight_ih, weight_hh), reset_after)
    return recurrent_pack(found, (weight_ih, weight_hh, bias_ih, bias_hh))


def gru_pack_backward(
    weight_ih: ArrayLike, weight_hh: ArrayLike, *, reset_after: bool = True, need_input: bool = True
) -> Array:
    """Lay the weights out for :func:`gru_backward`; opaque, 1-D.

    Parameters
    ----------
    weight_ih, weight_hh : array_like
        As for :func:`gru_pack`.
    reset_after : bool, default True
    need_input : bool, default True
        Whether the gradient of x will be wanted.

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError
        A shape is another one.
    """
    found = _cell(*sizes_of_weights(weight_ih, weight_hh), reset_after)
    return recurrent_pack_backward(found, (weight_ih, weight_hh), need_input)


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
) -> tuple[tuple[Array, Array], RecurrentCache | None]:
    """Run the recurrence, by :func:`recurrent`.

    Parameters
    ----------
    x : array_like, shape (rows, input_size)
        Packed: time-major, sequences in descending order of length.
    batch_sizes : ndarray of int64, shape (steps,)
    packed : ndarray
        From :func:`gru_pack`, with the same ``reset_after``.
    h0 : array_like, shape (batch, hidden_size), optional
        Zeros by default.
    hidden_size : int
    reverse : bool, default False
        Run from each sequence's last step to its first.
    reset_after : bool, default True
    training : bool, default False
        Keep a cache.
    out : ndarray of float32, shape (rows, hidden_size), optional
        Written instead of a new array; may be a column slice of a wider one.

    Returns
    -------
    (y, h_n) : ndarray (rows, hidden_size), ndarray (batch, hidden_size)
    cache : RecurrentCache, or None outside training

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type; nothing was computed.
    """
    found = _cell(np.shape(x)[-1] if np.ndim(x) else 0, hidden_size, reset_after)
    (y, (h_n, _)), cache = recurrent(
        found, x, batch_sizes, packed, (h0, None), reverse=reverse, training=training, out=out
    )
    assert h_n is not None
    return (y, h_n), cache


def gru_backward(
    grad_y: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    cache: RecurrentCache,
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
    """Back-propagation through time of :func:`gru`, by :func:`recurrent_backward`; uses the cache up.

    Parameters
    ----------
    grad_y : array_like, shape (rows, hidden_size), or None for zeros
    grad_h_n : array_like, shape (batch, hidden_size), or None for zeros
    cache : RecurrentCache
    packed : ndarray
        From :func:`gru_pack_backward`, with the same ``need_input``.
    grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh : ndarray of float32, optional
        Written to, or added to with ``accumulate``.
    need_input, need_state : bool, default True
        Whether the gradients of x and of h0 are wanted.
    accumulate : bool, default False
    grad_x : ndarray of float32, shape (rows, input_size), optional
        Added to, instead of a new array.

    Returns
    -------
    grad_x : ndarray (rows, input_size) or None
    grad_h0 : ndarray (batch, hidden_size) or None

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type; nothing was computed, and the cache is as it was.
    """
    below, (first, _) = recurrent_backward(
        cache,
        packed,
        grad_y,
        (grad_h_n, None),
        gradients=(grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh),
        need_input=need_input,
        need_state=need_state,
        accumulate=accumulate,
        grad_x=grad_x,
    )
    return below, first
