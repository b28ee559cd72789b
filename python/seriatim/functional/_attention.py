"""Dot-product attention over the steps of each sequence (DeepGRU, Maghoumi and LaViola 2019).

``s_t = query . h_t``, ``w = softmax(s)`` over the sequence's own steps, ``context = sum_t w_t h_t``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._arrays import as_lengths
from seriatim._typing import Array, ArrayLike, Integers


class AttentionCache(NamedTuple):
    """What :func:`attention_backward` needs of a forward call."""

    query: Array
    h: Array
    weights: Array
    batch_sizes: Integers


def attention(
    query: ArrayLike, h: ArrayLike, batch_sizes: Integers, *, batch: int | None = None
) -> tuple[tuple[Array, Array], AttentionCache]:
    """Attend to the steps of each sequence of a packed ragged batch.

    Parameters
    ----------
    query : array_like, shape (batch, size)
    h : array_like, shape (rows, size)
    batch_sizes : ndarray of int64, shape (steps,)
    batch : int, optional
        Sequences, if some behind those of the first step have no step: their context is zeros, their query has no
        gradient.

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
    batch_sizes = as_lengths(batch_sizes, "batch_sizes")
    there = int(batch_sizes[0]) if len(batch_sizes) else 0
    if batch is None or batch == there > 0:
        context, weights = _core.attention_forward(asked, states, batch_sizes)
        return (context, weights), AttentionCache(asked, states, weights, batch_sizes)
    if len(asked) != batch or batch < there:
        raise ValueError(f"query: expected shape ({batch}, size), at least {there} rows, got {asked.shape}")
    context, weights = np.zeros(asked.shape, np.float32), np.zeros(0, np.float32)
    if there:
        context[:there], weights = _core.attention_forward(asked[:there], states, batch_sizes)
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
    query, states, weights, batch_sizes = cache
    there = int(batch_sizes[0]) if len(batch_sizes) else 0
    if len(query) == there > 0:
        return _core.attention_backward(grad_context, *cache)
    grad = _core.as_floats(grad_context, "grad_context")
    if grad.shape != query.shape:
        raise ValueError(f"grad_context: expected shape {query.shape}, got {grad.shape}")
    grad_query, grad_h = np.zeros_like(query), np.zeros_like(states)
    if there:
        grad_query[:there], grad_h = _core.attention_backward(grad[:there], query[:there], states, weights, batch_sizes)
    return grad_query, grad_h
