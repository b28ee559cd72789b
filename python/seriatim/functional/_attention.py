"""Dot-product attention over the steps of each sequence (DeepGRU, Maghoumi and LaViola 2019).

``s_t = query . h_t``, ``w = softmax(s)`` over the sequence's own steps, ``context = sum_t w_t h_t``.
"""

from __future__ import annotations

from typing import NamedTuple

from seriatim import _core
from seriatim._typing import Array, ArrayLike, Integers


class AttentionCache(NamedTuple):
    """What :func:`attention_backward` needs of a forward call."""

    query: Array
    h: Array
    weights: Array
    batch_sizes: Integers


def attention(query: ArrayLike, h: ArrayLike, batch_sizes: Integers) -> tuple[tuple[Array, Array], AttentionCache]:
    """Attend to the steps of each sequence of a packed ragged batch.

    Parameters
    ----------
    query : array_like, shape (batch, size)
    h : array_like, shape (rows, size)
    batch_sizes : ndarray of int64, shape (steps,)

    Returns
    -------
    (context, weights) : ndarray (batch, size), ndarray (rows,)
        The weights of one sequence are positive and sum to 1.
    cache : AttentionCache

    Raises
    ------
    ValueError, TypeError
        The shapes do not belong together, the batch sizes grow or do not sum up to the rows, or an array holds no real
        numbers.
    """
    asked = _core.as_floats(query, "query")
    states = _core.as_floats(h, "h")
    context, weights = _core.attention_forward(asked, states, batch_sizes)
    return (context, weights), AttentionCache(asked, states, weights, batch_sizes)


def attention_backward(grad_context: ArrayLike, cache: AttentionCache) -> tuple[Array, Array]:
    """Gradients of :func:`attention`.

    Parameters
    ----------
    grad_context : array_like, shape (batch, size)
    cache : AttentionCache

    Returns
    -------
    grad_query : ndarray of float32, shape (batch, size)
    grad_h : ndarray of float32, shape (rows, size)

    Raises
    ------
    ValueError, TypeError
        ``grad_context`` has another shape than the context, or holds no real numbers.
    """
    return _core.attention_backward(grad_context, *cache)
