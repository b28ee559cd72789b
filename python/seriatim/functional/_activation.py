"""Activations of whole arrays."""

from __future__ import annotations

import numpy as np

from seriatim import _core
from seriatim._typing import Array, ArrayLike


def relu(x: ArrayLike) -> tuple[Array, Array]:
    """``max(x, 0)``, any shape; NaN stays NaN. The cache is the output."""
    y = _core.relu_forward(x)
    return y, y


def relu_backward(grad_y: ArrayLike, cache: Array) -> Array:
    """``grad_y`` where the output is positive, else 0."""
    return _core.relu_backward(grad_y, cache)


def softmax(x: ArrayLike) -> tuple[Array, Array]:
    """``exp(x_j) / sum_k exp(x_k)`` over the last axis. The cache is the output."""
    return _over_last_axis(x, False)


def softmax_backward(grad_y: ArrayLike, cache: Array) -> Array:
    """``y (grad_y - sum(grad_y y))``."""
    return _over_last_axis_backward(grad_y, cache, False)


def log_softmax(x: ArrayLike) -> tuple[Array, Array]:
    """``x_j - log sum_k exp(x_k)`` over the last axis. The cache is the output."""
    return _over_last_axis(x, True)


def log_softmax_backward(grad_y: ArrayLike, cache: Array) -> Array:
    """``grad_y - exp(y) sum(grad_y)``."""
    return _over_last_axis_backward(grad_y, cache, True)


def _over_last_axis(x: ArrayLike, logarithm: bool) -> tuple[Array, Array]:
    used = np.asarray(x)
    if used.ndim == 0 or used.shape[-1] == 0:
        raise ValueError(f"x: expected at least one class on the last axis, got shape {used.shape}")
    if used.size == 0:
        y = np.empty(used.shape, np.float32)
    else:
        y = _core.softmax_forward(used.reshape(-1, used.shape[-1]), logarithm).reshape(used.shape)
    return y, y


def _over_last_axis_backward(grad_y: ArrayLike, y: Array, logarithm: bool) -> Array:
    grad = np.asarray(grad_y)
    if grad.shape != y.shape:
        raise ValueError(f"grad_y: expected shape {y.shape}, that of the output, got {grad.shape}")
    if grad.size == 0:
        return np.empty(y.shape, np.float32)
    rows = (-1, y.shape[-1])
    return _core.softmax_backward(grad.reshape(rows), y.reshape(rows), logarithm).reshape(y.shape)
