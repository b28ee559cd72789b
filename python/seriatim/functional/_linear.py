"""Linear: ``y = x W^T + b``."""

from __future__ import annotations

import numpy as np

from seriatim import _core
from seriatim._typing import Array, ArrayLike
from seriatim.functional._narrow import FORMS, Narrow


def linear_pack(weight: ArrayLike | Narrow) -> Array:
    """Lay a weight out for :func:`linear`; opaque, 1-D.

    Parameters
    ----------
    weight : array_like or Narrow, shape (out_features, in_features)

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError, TypeError
        The weight is no matrix of real numbers, or has an empty axis.
    """
    if isinstance(weight, Narrow):
        return _core.linear_pack(weight.numbers(), weight.scale, FORMS.index(weight.form))
    return _core.linear_pack(weight, None, 0)


def linear_pack_backward(weight: ArrayLike) -> Array:
    """Lay a weight out for the input gradient of :func:`linear_backward`; opaque, 1-D.

    Parameters
    ----------
    weight : array_like, shape (out_features, in_features)

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError, TypeError
        The weight is no matrix of real numbers, or has an empty axis.
    """
    return _core.linear_pack_backward(weight)


def linear(
    x: ArrayLike, weight: Array | Narrow, bias: ArrayLike | None = None, *, packed: Array | None = None
) -> tuple[Array, Array]:
    """``x @ weight.T + bias``.

    Parameters
    ----------
    x : array_like, shape (rows, in_features)
    weight : ndarray or Narrow, shape (out_features, in_features)
        Of int8 weights, ``x @ q.T * scale + bias``.
    bias : array_like, shape (out_features,), optional
    packed : ndarray, optional
        ``linear_pack(weight)``, to pack once for many calls.

    Returns
    -------
    y : ndarray of float32, shape (rows, out_features)
    cache : ndarray
        ``x`` as it was used.

    Raises
    ------
    ValueError, TypeError
        An array has the wrong shape, or holds no real numbers.
    """
    used = _core.as_floats(x, "x")
    if packed is None:
        packed = linear_pack(weight)
    form = FORMS.index(weight.form) if isinstance(weight, Narrow) else 0
    return _core.linear_forward(used, packed, bias, weight.shape[0], form), used


def linear_backward(
    grad_y: ArrayLike,
    cache: Array,
    weight: Array,
    *,
    packed: Array | None = None,
    need_input: bool = True,
    grad_weight: Array | None = None,
    grad_bias: Array | None = None,
    accumulate: bool = False,
    need_parameters: bool = True,
) -> tuple[Array | None, Array | None, Array | None]:
    """Gradients of :func:`linear`: ``grad_y W``, ``grad_y^T x`` and the column sums of ``grad_y``.

    Parameters
    ----------
    grad_y : array_like, shape (rows, out_features)
    cache : ndarray
        From :func:`linear`.
    weight : ndarray, shape (out_features, in_features)
    packed : ndarray, optional
        ``linear_pack_backward(weight)``.
    need_input, need_parameters : bool
        What to compute.
    grad_weight, grad_bias : ndarray of float32, optional
        Written to, or added to with ``accumulate``.
    accumulate : bool, default False

    Returns
    -------
    grad_x, grad_weight, grad_bias : ndarray or None

    Raises
    ------
    ValueError, TypeError
        ``grad_y`` has another shape than y or holds no real numbers, or an array to write to is not what it should be.
    """
    if need_parameters and grad_weight is None:
        grad_weight = np.zeros(weight.shape, np.float32)
        grad_bias = np.zeros(weight.shape[0], np.float32)
    if need_input and packed is None:
        packed = _core.linear_pack_backward(weight)
    gradients = (grad_weight, grad_bias, accumulate)
    grad_x = _core.linear_backward(grad_y, cache, packed if need_input else None, gradients)
    return grad_x, grad_weight, grad_bias
