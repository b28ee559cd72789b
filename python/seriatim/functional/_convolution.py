"""2-D convolution (cross-correlation), torch's rules.

``y[n, k, v, u] = bias[k] + sum over c, i, j of weight[k, c, i, j] x[n, c, v s + i d - p, u s + j d - p]``
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._typing import Array, ArrayLike
from seriatim.functional._activation import activation_code

Pair = int | tuple[int, int]
Geometry = tuple[int, int, int, int, int, int, int, int, int, int]


def pair(value: Pair, name: str, least: int = 1) -> tuple[int, int]:
    """Return ``(vertical, horizontal)`` of one number or two; raises ValueError below ``least``."""
    both = tuple(value) if np.iterable(value) else (value, value)
    both = both * 2 if len(both) == 1 else both
    if len(both) != 2 or any(not isinstance(v, (int, np.integer)) or not least <= v < 2**31 for v in both):
        raise ValueError(
            f"{name}: expected an integer of at least {least}, below 2**31, or a pair of them, got {value!r}"
        )
    return int(both[0]), int(both[1])


def conv2d_geometry(
    weight_shape: tuple[int, ...], stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, groups: int = 1
) -> Geometry:
    """Return what the kernels want to know besides the arrays.

    Parameters
    ----------
    weight_shape : tuple of int
        ``(out_channels, in_channels / groups, kernel height, kernel width)``.
    stride, dilation : int or pair of int, default 1
    padding : int or pair of int, default 0
    groups : int, default 1

    Raises
    ------
    ValueError
        A number is too small, or the groups do not divide the output channels.
    """
    if not isinstance(weight_shape, tuple) or len(weight_shape) != 4:
        raise ValueError(
            "weight: expected shape (out_channels, in_channels / groups, kernel height, kernel width), got "
            f"{weight_shape}"
        )
    if groups < 1 or weight_shape[0] % groups:
        raise ValueError(f"groups: expected a divisor of the {weight_shape[0]} output channels, got {groups}")
    return (
        weight_shape[0],
        weight_shape[2],
        weight_shape[3],
        *pair(stride, "stride"),
        *pair(padding, "padding", 0),
        *pair(dilation, "dilation"),
        groups,
    )


def conv2d_pack(weight: ArrayLike, geometry: Geometry) -> Array:
    """Lay a weight out for :func:`conv2d`; opaque, 1-D.

    Parameters
    ----------
    weight : array_like, shape (out_channels, in_channels / groups, kernel height, kernel width)
    geometry : Geometry
        From :func:`conv2d_geometry`.

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError, TypeError
        The weight is not of this geometry, or holds no real numbers.
    """
    return _core.convolution_pack(weight, geometry, False)


def conv2d_pack_backward(weight: ArrayLike, geometry: Geometry) -> Array:
    """Lay a weight out for the input gradient of :func:`conv2d_backward`; opaque, 1-D.

    Parameters
    ----------
    weight : array_like, shape (out_channels, in_channels / groups, kernel height, kernel width)
    geometry : Geometry
        From :func:`conv2d_geometry`.

    Returns
    -------
    packed : ndarray of float32

    Raises
    ------
    ValueError, TypeError
        The weight is not of this geometry, or holds no real numbers.
    """
    return _core.convolution_pack(weight, geometry, True)


class Conv2dCache(NamedTuple):
    """What :func:`conv2d_backward` needs of a forward call."""

    x: Array
    geometry: Geometry


def conv2d(
    x: ArrayLike,
    weight: Array,
    bias: ArrayLike | None = None,
    *,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    packed: Array | None = None,
    activation: str = "identity",
    slope: float = 0.0,
) -> tuple[Array, Conv2dCache]:
    """Convolve images.

    Parameters
    ----------
    x : array_like, shape (N, in_channels, height, width)
    weight : ndarray, shape (out_channels, in_channels / groups, kernel height, kernel width)
    bias : array_like, shape (out_channels,), optional
    stride, padding, dilation : int or pair of int
        Vertical and horizontal.
    groups : int, default 1
        Output channels of a group read the input channels of the same group.
    packed : ndarray, optional
        ``conv2d_pack(weight, geometry)``, to pack once for many calls.
    activation : {"identity", "relu", "leaky_relu", "elu", "sigmoid", "tanh"}
        Computed while the sums are in registers. :func:`conv2d_backward` does not undo it.
    slope : float
        Of a leaky ReLU or an ELU.

    Returns
    -------
    y : ndarray of float32, shape (N, out_channels, out height, out width)
        ``out = (size + 2 padding - dilation (kernel - 1) - 1) // stride + 1``.
    cache : Conv2dCache

    Raises
    ------
    ValueError, TypeError
        A shape or number does not fit.
    """
    geometry = conv2d_geometry(np.shape(weight), stride, padding, dilation, groups)
    used = _core.as_floats(x, "x")
    wanted = weight.shape[1] * groups
    if used.ndim != 4 or used.shape[1] != wanted:
        raise ValueError(f"x: expected shape (N, {wanted}, height, width), got {used.shape}")
    if packed is None:
        packed = conv2d_pack(weight, geometry)
    y = _core.convolution_forward(used, packed, bias, geometry, activation_code(activation), slope)
    return y, Conv2dCache(used, geometry)


def conv2d_backward(
    grad_y: ArrayLike,
    cache: Conv2dCache,
    weight: Array,
    *,
    packed: Array | None = None,
    need_input: bool = True,
    need_parameters: bool = True,
    grad_weight: Array | None = None,
    grad_bias: Array | None = None,
    accumulate: bool = False,
) -> tuple[Array | None, Array | None, Array | None]:
    """Gradients of :func:`conv2d`.

    Parameters
    ----------
    grad_y : array_like, shape (N, out_channels, out height, out width)
    cache : Conv2dCache
    weight : ndarray
    packed : ndarray, optional
        ``conv2d_pack_backward(weight, geometry)``.
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
        packed = conv2d_pack_backward(weight, cache.geometry)
    grad_x = _core.convolution_backward(
        grad_y, cache.x, packed if need_input else None, cache.geometry, (grad_weight, grad_bias, accumulate)
    )
    return grad_x, grad_weight, grad_bias
