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


def _cell(weight_ih: ArrayLike, weight_hh: ArrayLike, weight_hr: ArrayLike | None) -> Cell:
    input_size, state_size = sizes_of_weights(weight_ih, weight_hh)
    if weight_hr is None:
        return cell("lstm", input_size, state_size)
    return cell("lstm", input_size, np.shape(weight_hh)[0] // 4, state_size)


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
        ``state_size`` is ``proj_size``, or ``hidden_size`` without a projection.
    bias_ih, bias_hh : array_like, shape (4 * hidden_size,), or None
    weight_hr : array_like, shape (proj_size, hidden_size), optional
        The projection.

    Raises
    ------
    ValueError
        A shape is another one.
    """
    return recurrent_pack(_cell(weight_ih, weight_hh, weight_hr), (weight_ih, weight_hh, bias_ih, bias_hh, weight_hr))


def lstm_pack_backward(
    weight_ih: ArrayLike, weight_hh: ArrayLike, weight_hr: ArrayLike | None = None, *, need_input: bool = True
) -> Array:
    """Lay the weights out for :func:`lstm_backward`; opaque, 1-D.

    Parameters
    ----------
    weight_ih, weight_hh, weight_hr : array_like
        As for :func:`lstm_pack`.
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
    weights = (weight_ih, weight_hh, None, None, weight_hr)
    return recurrent_pack_backward(_cell(weight_ih, weight_hh, weight_hr), weights, need_input)


def lstm(
    x: ArrayLike,
    batch_sizes: Integers,
    packed: Array,
    states: tuple[ArrayLike | None, ArrayLike | None] | None = None,
    *,
    hidden_size: int,
    proj_size: int = 0,
    reverse: bool = False,
    training: bool = False,
    out: Array | None = None,
) -> tuple[tuple[Array, Array, Array], RecurrentCache | None]:
    """Run the recurrence, by :func:`recurrent`.

    Parameters
    ----------
    x : array_like, shape (rows, input_size)
        Packed: time-major, sequences in descending order of length.
    batch_sizes : ndarray of int64, shape (steps,)
    packed : ndarray
        From :func:`lstm_pack`.
    states : (h0, c0), optional
        ``(batch, state_size)`` and ``(batch, hidden_size)``; zeros for None.
    hidden_size : int
    proj_size : int, default 0
        Size of h after the projection; 0 for none.
    reverse : bool, default False
        Run from each sequence's last step to its first.
    training : bool, default False
        Keep a cache.
    out : ndarray of float32, shape (rows, state_size), optional
        Written instead of a new array; may be a column slice of a wider one.

    Returns
    -------
    (y, h_n, c_n) : ndarray (rows, state_size), ndarray (batch, state_size), ndarray (batch, hidden_size)
    cache : RecurrentCache, or None outside training

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type; nothing was computed.
    """
    found = cell("lstm", np.shape(x)[-1] if np.ndim(x) else 0, hidden_size, proj_size)
    (y, (h_n, c_n)), cache = recurrent(
        found, x, batch_sizes, packed, states or (None, None), reverse=reverse, training=training, out=out
    )
    assert h_n is not None
    assert c_n is not None
    return (y, h_n, c_n), cache


def lstm_backward(
    grad_y: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    grad_c_n: ArrayLike | None,
    cache: RecurrentCache,
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
    """Back-propagation through time of :func:`lstm`, by :func:`recurrent_backward`; uses the cache up.

    Parameters
    ----------
    grad_y : array_like, shape (rows, state_size), or None for zeros
    grad_h_n : array_like, shape (batch, state_size), or None for zeros
    grad_c_n : array_like, shape (batch, hidden_size), or None for zeros
    cache : RecurrentCache
    packed : ndarray
        From :func:`lstm_pack_backward`, with the same ``need_input``.
    grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh, grad_weight_hr : ndarray of float32, optional
        Written to, or added to with ``accumulate``.
    need_input, need_state : bool, default True
        Whether the gradients of x and of the initial states are wanted.
    accumulate : bool, default False
    grad_x : ndarray of float32, shape (rows, input_size), optional
        Added to, instead of a new array.

    Returns
    -------
    grad_x : ndarray (rows, input_size) or None
    grad_h0 : ndarray (batch, state_size) or None
    grad_c0 : ndarray (batch, hidden_size) or None

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type; nothing was computed, and the cache is as it was.
    """
    below, first = recurrent_backward(
        cache,
        packed,
        grad_y,
        (grad_h_n, grad_c_n),
        gradients=(grad_weight_ih, grad_weight_hh, grad_bias_ih, grad_bias_hh, grad_weight_hr),
        need_input=need_input,
        need_state=need_state,
        accumulate=accumulate,
        grad_x=grad_x,
    )
    return below, *first
