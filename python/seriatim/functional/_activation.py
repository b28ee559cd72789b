"""Activations of whole arrays."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._arrays import as_numbers, of_shape
from seriatim._typing import Array, ArrayLike

# The numbers of the C ABI.
CODES = {"identity": 0, "relu": 1, "leaky_relu": 2, "elu": 3, "sigmoid": 4, "tanh": 5}


def activation_code(name: str) -> int:
    """Return the number of an activation; raises ValueError for a name that is not known."""
    if name not in CODES:
        raise ValueError(f"activation: expected one of {', '.join(CODES)}, got {name!r}")
    return CODES[name]


class ActivationCache(NamedTuple):
    """What :func:`activation_backward` needs of a forward call."""

    x: Array
    y: Array
    name: str
    slope: float


def activation(x: ArrayLike, name: str, slope: float = 0.0) -> tuple[Array, ActivationCache]:
    """Compute an activation of every element, any shape; NaN stays NaN.

    Parameters
    ----------
    x : array_like
    name : {"identity", "relu", "leaky_relu", "elu", "sigmoid", "tanh"}
    slope : float, default 0
        ``leaky_relu``: ``slope x`` for negative x. ``elu``: ``slope (e^x - 1)``.

    Returns
    -------
    y : ndarray of float32
    cache : ActivationCache
        Holds ``x`` where backward reads it, and ``y``.

    Raises
    ------
    ValueError
        ``name`` is another one.
    TypeError
        ``x`` holds no real numbers.
    """
    code = activation_code(name)
    if name in ("leaky_relu", "elu"):
        used = _core.as_floats(x, "x")
        y = _core.activation_forward(used, code, slope)
        return y, ActivationCache(used, y, name, slope)
    y = _core.activation_forward(x, code, slope)
    return y, ActivationCache(y, y, name, slope)


def activation_backward(grad_y: ArrayLike, cache: ActivationCache) -> Array:
    """Gradient of :func:`activation`: ``grad_y`` times the derivative.

    Parameters
    ----------
    grad_y : array_like, the shape of y
    cache : ActivationCache

    Returns
    -------
    grad_x : ndarray of float32, the shape of x

    Raises
    ------
    ValueError, TypeError
        ``grad_y`` has another shape than y, or holds no real numbers.
    """
    grad = of_shape("grad_y", grad_y, cache.y.shape)
    return _core.activation_backward(grad, cache.x, cache.y, activation_code(cache.name), cache.slope)


def relu(x: ArrayLike) -> tuple[Array, Array]:
    """``max(x, 0)``, any shape; NaN stays NaN.

    Parameters
    ----------
    x : array_like

    Returns
    -------
    y : ndarray of float32, the shape of x
    cache : ndarray
        ``y`` itself.

    Raises
    ------
    TypeError
        ``x`` holds no real numbers.
    """
    y = _core.activation_forward(x, CODES["relu"], 0.0)
    return y, y


def relu_backward(grad_y: ArrayLike, cache: Array) -> Array:
    """Gradient of :func:`relu`: ``grad_y`` where the output is positive, else 0.

    Parameters
    ----------
    grad_y : array_like, the shape of y
    cache : ndarray
        From :func:`relu`.

    Returns
    -------
    grad_x : ndarray of float32, the shape of x

    Raises
    ------
    ValueError, TypeError
        ``grad_y`` has another shape than y, or holds no real numbers.
    """
    return _core.activation_backward(of_shape("grad_y", grad_y, cache.shape), cache, cache, CODES["relu"], 0.0)


def softmax(x: ArrayLike) -> tuple[Array, Array]:
    """``exp(x_j) / sum_k exp(x_k)`` over the last axis.

    Parameters
    ----------
    x : array_like, shape (..., classes)

    Returns
    -------
    y : ndarray of float32, the shape of x
    cache : ndarray
        ``y`` itself.

    Raises
    ------
    ValueError
        ``x`` has no axis.
    TypeError
        ``x`` holds no real numbers.
    """
    return _over_last_axis(x, False)


def softmax_backward(grad_y: ArrayLike, cache: Array) -> Array:
    """Gradient of :func:`softmax`: ``y (grad_y - sum(grad_y y))``.

    Parameters
    ----------
    grad_y : array_like, shape (..., classes)
    cache : ndarray
        From :func:`softmax`.

    Returns
    -------
    grad_x : ndarray of float32, the shape of x

    Raises
    ------
    ValueError, TypeError
        ``grad_y`` has another shape than y, or holds no real numbers.
    """
    return _over_last_axis_backward(grad_y, cache, False)


def log_softmax(x: ArrayLike) -> tuple[Array, Array]:
    """``x_j - log sum_k exp(x_k)`` over the last axis.

    Parameters
    ----------
    x : array_like, shape (..., classes)

    Returns
    -------
    y : ndarray of float32, the shape of x
    cache : ndarray
        ``y`` itself.

    Raises
    ------
    ValueError
        ``x`` has no axis.
    TypeError
        ``x`` holds no real numbers.
    """
    return _over_last_axis(x, True)


def log_softmax_backward(grad_y: ArrayLike, cache: Array) -> Array:
    """Gradient of :func:`log_softmax`: ``grad_y - exp(y) sum(grad_y)``.

    Parameters
    ----------
    grad_y : array_like, shape (..., classes)
    cache : ndarray
        From :func:`log_softmax`.

    Returns
    -------
    grad_x : ndarray of float32, the shape of x

    Raises
    ------
    ValueError, TypeError
        ``grad_y`` has another shape than y, or holds no real numbers.
    """
    return _over_last_axis_backward(grad_y, cache, True)


def _over_last_axis(x: ArrayLike, logarithm: bool) -> tuple[Array, Array]:
    used = as_numbers("x", x)
    if used.ndim == 0:
        raise ValueError("x: expected an axis of classes, got a single number")
    if used.size == 0:
        y = np.empty(used.shape, np.float32)
    else:
        y = _core.softmax_forward(used.reshape(-1, used.shape[-1]), logarithm).reshape(used.shape)
    return y, y


def _over_last_axis_backward(grad_y: ArrayLike, y: Array, logarithm: bool) -> Array:
    grad = as_numbers("grad_y", grad_y)
    if grad.shape != y.shape:
        raise ValueError(f"grad_y: expected shape {y.shape}, that of the output, got {grad.shape}")
    if grad.size == 0:
        return np.empty(y.shape, np.float32)
    rows = (-1, y.shape[-1])
    return _core.softmax_backward(grad.reshape(rows), y.reshape(rows), logarithm).reshape(y.shape)
