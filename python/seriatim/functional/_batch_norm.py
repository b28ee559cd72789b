"""Batch normalisation of the columns of a matrix or the channels of images (Ioffe and Szegedy 2015), torch's rules.

``y = (x - mean) / sqrt(var + eps) * weight + bias``
"""

from __future__ import annotations

import math
from typing import NamedTuple

from seriatim import _core
from seriatim._typing import Array, ArrayLike


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
    used = _core.as_floats(x, "x")
    if used.ndim < 2 or not used.shape[1]:
        raise ValueError(f"x: expected shape (rows, num_features) or (images, num_features, ...), got {used.shape}")
    if training and used.size == used.shape[1]:
        raise ValueError(f"x: expected more than one value per feature in training, got shape {used.shape}")
    if not training and (running_mean is None or running_var is None):
        raise ValueError("running_mean, running_var: expected arrays outside training, got None")
    if not eps > 0:
        raise ValueError(f"eps: expected a positive number, got {eps!r}")
    forward = _core.batch_norm_forward if used.ndim == 2 else _core.image_norm_forward
    rows = used if used.ndim == 2 else used.reshape(_planes(used.shape))
    y, mean, inverse = forward(rows, weight, bias, (running_mean, running_var), training, momentum, eps)
    return y.reshape(used.shape), BatchNormCache(used, mean, inverse, weight, training)


def _planes(shape: tuple[int, ...]) -> tuple[int, int, int]:
    return shape[0], shape[1], math.prod(shape[2:])


def batch_norm_backward(
    grad_y: ArrayLike,
    cache: BatchNormCache,
    *,
    need_input: bool = True,
    grad_weight: Array | None = None,
    grad_bias: Array | None = None,
    accumulate: bool = False,
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
    rows = x.shape if x.ndim == 2 else _planes(x.shape)
    kept = (x.reshape(rows), mean, inverse, weight, training)
    # Outside training the input's gradient is the output's, scaled: no number of x, NaN neither, has to do with it.
    scaled = need_input and not training
    grad_x = backward(grad.reshape(rows), kept, need_input and training, (grad_weight, grad_bias, accumulate))
    if scaled:
        scale = inverse if weight is None else inverse * weight
        return grad * scale.reshape(-1, *[1] * (x.ndim - 2))
    return None if grad_x is None else grad_x.reshape(x.shape)
