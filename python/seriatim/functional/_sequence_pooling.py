"""Pooling over the steps of each sequence, feature by feature.

``mean = sum_t h_t / T``, ``max = max_t h_t``, ``positive = (number of t with h_t > 0) / T``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._arrays import as_lengths
from seriatim._typing import Array, ArrayLike, Integers

KINDS = ("mean", "max", "positive")


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise unless these are some of the kinds, each once."""
    if isinstance(kinds, str) or not kinds or set(kinds) - set(KINDS) or len(set(kinds)) != len(kinds):
        raise ValueError(f"kinds: expected some of {KINDS}, each once, got {kinds!r}")


class SequencePoolCache(NamedTuple):
    """What :func:`sequence_pool_backward` needs of a forward call."""

    pooled: Array
    h: Array
    batch_sizes: Integers
    mean: bool
    greatest: bool
    positive: bool


def sequence_pool(
    h: ArrayLike, batch_sizes: Integers, kinds: Sequence[str] = KINDS, *, batch: int | None = None
) -> tuple[Array, SequencePoolCache]:
    """Pool the steps of each sequence of a packed ragged batch.

    Parameters
    ----------
    h : array_like, shape (rows, size)
    batch_sizes : ndarray of int64, shape (steps,)
    kinds : sequence out of {'mean', 'max', 'positive'}
        Always given out in this order.
    batch : int, optional
        Sequences, if some behind those of the first step have no step: zeros are what is pooled of them.

    Returns
    -------
    pooled : ndarray, shape (batch, len(kinds) * size)
        The means, the greatest values, the shares of steps above 0.
    cache : SequencePoolCache

    Raises
    ------
    ValueError
        ``kinds`` is empty or has another name, or the batch sizes do not sum up to the rows.

    Notes
    -----
    Backward gives a greatest value's gradient to the first step that has it; shares have none.
    """
    check_kinds(kinds)
    wanted = ("mean" in kinds, "max" in kinds, "positive" in kinds)
    states = _core.as_floats(h, "h")
    batch_sizes = as_lengths(batch_sizes, "batch_sizes")
    there = int(batch_sizes[0]) if len(batch_sizes) else 0
    if batch is None or batch == there > 0:
        pooled = _core.sequence_pool_forward(states, batch_sizes, wanted)
    else:
        if not there <= batch < 2**31:
            raise ValueError(
                f"batch: expected an integer from {there}, the sequences of h, to below 2**31, got {batch}"
            )
        pooled = np.zeros((batch, sum(wanted) * states.shape[1]), np.float32)
        if there:
            pooled[:there] = _core.sequence_pool_forward(states, batch_sizes, wanted)
    return pooled, SequencePoolCache(pooled, states, batch_sizes, *wanted)


def sequence_pool_backward(grad_pooled: ArrayLike, cache: SequencePoolCache) -> Array:
    """Gradient of :func:`sequence_pool` with respect to h.

    Parameters
    ----------
    grad_pooled : array_like, shape (batch, len(kinds) * size)
    cache : SequencePoolCache

    Returns
    -------
    grad_h : ndarray of float32, shape (rows, size)

    Raises
    ------
    ValueError, TypeError
        ``grad_pooled`` has another shape than the output, or holds no real numbers.
    """
    pooled, states, batch_sizes, *_ = cache
    kinds = cache[3], cache[4], cache[5]
    there = int(batch_sizes[0]) if len(batch_sizes) else 0
    if len(pooled) != there or not there:
        grad = _core.as_floats(grad_pooled, "grad_pooled")
        if grad.shape != pooled.shape:
            raise ValueError(f"grad_pooled: expected shape {pooled.shape}, got {grad.shape}")
        if not there:
            return np.zeros_like(states)
        return _core.sequence_pool_backward(grad[:there], pooled[:there], states, batch_sizes, kinds)
    return _core.sequence_pool_backward(grad_pooled, pooled, states, batch_sizes, kinds)
