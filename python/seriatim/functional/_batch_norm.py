"""Batch normalisation of the columns of a matrix or the channels of images (Ioffe and Szegedy 2015), torch's rules.

``y = (x - mean) / sqrt(var + eps) * weight + bias``

A batch may come in parts: :func:`batch_norm_moments` of each, put together by :func:`join_moments`, are what
:func:`batch_norm_part` normalises a part by; :func:`batch_norm_sums` of each, added up, give the means by which
:func:`batch_norm_backward` makes a part's gradient.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._typing import Array, ArrayLike, Doubles


class BatchNormCache(NamedTuple):
    """What :func:`batch_norm_backward` needs of a forward call."""

    x: Array
    mean: Array
    inverse: Array
    weight: Array | None
    training: bool


def batch_norm(
    x: ArrayLike,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    *,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, BatchNormCache]:
    """Normalise columns, or channels.

    Parameters
    ----------
    x : array_like, shape (rows, num_features) or (images, num_features, ...)
    weight, bias : ndarray, shape (num_features,), or None for 1 and 0
    running_mean, running_var : ndarray of float32, shape (num_features,), or None
        In training updated in place (the variance without bias), else used.
    training : bool
        Normalise by the batch's own mean and (biased) variance.
    momentum : float, default 0.1
        ``running = (1 - momentum) running + momentum batch``.
    eps : float, default 1e-5
        Added to the variance.

    Returns
    -------
    y : ndarray of float32, the shape of x
    cache : BatchNormCache

    Notes
    -----
    No rows, or images without pixels, leave the running statistics as they are.

    Raises
    ------
    ValueError
        In training with a single value per feature: its variance is 0 whatever it holds. Outside training without
        running statistics. ``eps`` is not positive. ``x`` has fewer than two axes or no feature, or another array not
        one number per feature.
    TypeError
        An array holds no real numbers.
    """
    used = _checked(x, eps)
    if training and used.size == used.shape[1]:
        raise ValueError(f"x: expected more than one value per feature in training, got shape {used.shape}")
    if not training and (running_mean is None or running_var is None):
        raise ValueError("running_mean, running_var: expected arrays outside training, got None")
    forward = _core.batch_norm_forward if used.ndim == 2 else _core.image_norm_forward
    rows = used.reshape(_planes(used.shape))
    y, mean, inverse = forward(rows, weight, bias, (running_mean, running_var), training, momentum, eps)
    return y.reshape(used.shape), BatchNormCache(used, mean, inverse, weight, training)


def _checked(x: ArrayLike, eps: float) -> Array:
    used = _core.as_floats(x, "x")
    if used.ndim < 2 or not used.shape[1]:
        raise ValueError(f"x: expected shape (rows, num_features) or (images, num_features, ...), got {used.shape}")
    if not eps > 0:
        raise ValueError(f"eps: expected a positive number, got {eps!r}")
    return used


def _planes(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if len(shape) == 2 else (shape[0], shape[1], math.prod(shape[2:]))


def batch_norm_moments(x: ArrayLike) -> Doubles | None:
    """Count, mean and spread of a part of a batch, for :func:`join_moments`.

    Parameters
    ----------
    x : array_like, shape (rows, num_features) or (images, num_features, ...)

    Returns
    -------
    moments : ndarray of float64, shape (3, num_features), or None if there is no value
        How many values there are, their mean, and the sum of their squared differences to it.

    Raises
    ------
    ValueError
        ``x`` has fewer than two axes or no feature.
    TypeError
        ``x`` holds no real numbers.
    """
    used = _checked(x, 1.0)
    if not used.size:
        return None
    of = _core.batch_norm_moments if used.ndim == 2 else _core.image_norm_moments
    mean, spread = of(used.reshape(_planes(used.shape)))
    return np.array([np.full(len(mean), used.size // len(mean)), mean, spread], np.float64)


def join_moments(a: Doubles, b: Doubles) -> Doubles:
    """Join the moments of two parts (Chan, Golub and LeVeque 1983).

    Parameters
    ----------
    a, b : ndarray of float64, shape (3, num_features)

    Returns
    -------
    moments : ndarray of float64, shape (3, num_features)

    Raises
    ------
    ValueError
        The parts have other numbers of features.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        count, difference = a[0] + b[0], b[1] - a[1]
        share = b[0] / count
        return np.stack([count, a[1] + difference * share, a[2] + b[2] + difference * difference * a[0] * share])


def batch_norm_part(
    x: ArrayLike,
    weight: Array | None,
    bias: Array | None,
    running_mean: Array | None,
    running_var: Array | None,
    *,
    moments: Doubles,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, BatchNormCache]:
    """Normalise a part of a batch in training.

    Parameters
    ----------
    x, weight, bias
        As :func:`batch_norm` takes them.
    running_mean, running_var : ndarray of float32, shape (num_features,), or None
        Moved towards the moments, by ``momentum``: give them with one part alone.
    moments : ndarray of float64, shape (3, num_features)
        Of all parts together.
    momentum, eps : float

    Returns
    -------
    y : ndarray of float32, the shape of x
    cache : BatchNormCache
        Its backward takes ``means``.

    Raises
    ------
    ValueError
        All parts together have a single value per feature, or a variance that float32 cannot hold; or as
        :func:`batch_norm`.
    TypeError
        An array holds no real numbers.
    """
    used = _checked(x, eps)
    count = float(moments[0, 0])
    if count == 1:
        raise ValueError(
            f"x: expected more than one value per feature in training, got shape {used.shape}, one in the whole batch"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        mean, variance = moments[1].astype(np.float32), (moments[2] / count).astype(np.float32)
    if np.any(np.isinf(variance)):
        raise ValueError(
            "x: expected values whose variance float32 can hold, below about 1e18, got larger ones: scale them first, "
            "by preprocessing.Standardize or a larger unit of measurement"
        )
    y, cache = batch_norm(used, weight, bias, mean, variance, training=False, eps=eps)
    if running_mean is not None and running_var is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            unbiased = (moments[2] / (count - 1)).astype(np.float32)
            new_mean = running_mean + np.float32(momentum) * (mean - running_mean)
            new_var = running_var + np.float32(momentum) * (unbiased - running_var)
        np.copyto(running_mean, new_mean)
        np.copyto(running_var, new_var)
    return y, cache._replace(training=True)


def batch_norm_sums(grad_y: ArrayLike, cache: BatchNormCache) -> Doubles:
    """Sum up a part's gradients of bias and weight, from which all parts' means are made.

    Parameters
    ----------
    grad_y : array_like, the shape of x
    cache : BatchNormCache

    Returns
    -------
    sums : ndarray of float64, shape (2, num_features)
        Of ``grad_y`` and of ``grad_y (x - mean) / sqrt(var + eps)``.

    Raises
    ------
    ValueError, TypeError
        ``grad_y`` has another shape than y or holds no real numbers.
    """
    sums = np.zeros((2, cache.x.shape[1]), np.float32)
    batch_norm_backward(grad_y, cache, need_input=False, grad_bias=sums[0], grad_weight=sums[1])
    return sums.astype(np.float64)


def batch_norm_backward(
    grad_y: ArrayLike,
    cache: BatchNormCache,
    *,
    need_input: bool = True,
    grad_weight: Array | None = None,
    grad_bias: Array | None = None,
    accumulate: bool = False,
    means: Array | None = None,
) -> Array | None:
    """Gradient of the input of :func:`batch_norm`; those of weight and bias are written to the given arrays.

    Parameters
    ----------
    grad_y : array_like, the shape of x
    cache : BatchNormCache
    need_input : bool, default True
        Whether the gradient of x is wanted.
    grad_weight, grad_bias : ndarray of float32, shape (num_features,), optional
        Written to, or added to with ``accumulate``.
    accumulate : bool, default False
    means : ndarray of float32, shape (2, num_features), optional
        The sums of all parts (:func:`batch_norm_sums`) by the number of values that these have: what the gradient of a
        part of a batch is made by. By default those of x itself.

    Returns
    -------
    grad_x : ndarray of float32, the shape of x, or None if it is not wanted

    Raises
    ------
    ValueError, TypeError
        ``grad_y`` has another shape than y or holds no real numbers, or an array to write to is not what it should be.
    """
    x, mean, inverse, weight, training = cache
    backward = _core.batch_norm_backward if x.ndim == 2 else _core.image_norm_backward
    grad = _core.as_floats(grad_y, "grad_y")
    if grad.shape != x.shape:
        raise ValueError(f"grad_y: expected shape {x.shape}, got {grad.shape}")
    rows = _planes(x.shape)
    kept = (x.reshape(rows), mean, inverse, weight, training)
    given = (None, None) if means is None else (means[0], means[1])
    grad_x = backward(grad.reshape(rows), kept, need_input, (grad_weight, grad_bias, accumulate), given)
    return None if grad_x is None else grad_x.reshape(x.shape)
