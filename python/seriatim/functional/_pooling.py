"""Pooling of planes, torch's rules. Every array's last two axes are height and width; the others are kept."""

from __future__ import annotations

import math
from typing import NamedTuple

from seriatim import _core
from seriatim._typing import Array, ArrayLike
from seriatim.functional._convolution import Pair, pair

_Windows = tuple[int, int, int, int, int, int, int, int, int, int]


class PoolCache(NamedTuple):
    """What backward needs of a forward call."""

    shape: tuple[int, ...]
    windows: _Windows
    places: Array | None = None
    divisor: float = 0.0


def _planes(x: ArrayLike) -> Array:
    used = _core.as_floats(x, "x")
    if used.ndim not in (3, 4) or 0 in used.shape[-2:]:
        empty = f", whose axis {used.shape.index(0, used.ndim - 2)} is empty" if used.ndim in (3, 4) else ""
        raise ValueError(f"x: expected shape (N, C, height, width) or (C, height, width), got {used.shape}{empty}")
    return used


def _outputs(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    reach = size + 2 * padding - dilation * (kernel - 1) - 1
    count = (math.ceil(reach / stride) if ceil_mode else reach // stride) + 1
    # A window that would begin behind the plane and its padding on the left is dropped.
    if ceil_mode and (count - 1) * stride >= size + padding:
        count -= 1
    return count


def _windows(
    shape: tuple[int, ...], kernel_size: Pair, stride: Pair | None, padding: Pair, dilation: Pair, ceil_mode: bool
) -> _Windows:
    kernel = pair(kernel_size, "kernel_size")
    steps = kernel if stride is None else pair(stride, "stride")
    border = pair(padding, "padding", 0)
    spread = pair(dilation, "dilation")
    if any(2 * p > k for p, k in zip(border, kernel, strict=True)):
        raise ValueError(f"padding: expected at most half the kernel {kernel}, got {border}")
    out = [
        _outputs(size, k, s, p, d, ceil_mode)
        for size, k, s, p, d in zip(shape[-2:], kernel, steps, border, spread, strict=True)
    ]
    if min(out) < 1:
        raise ValueError(f"x: expected planes that a window of {kernel} fits into, got shape {shape}")
    return (out[0], out[1], *kernel, *steps, *border, *spread)


def max_pool2d(
    x: ArrayLike,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    ceil_mode: bool = False,
    *,
    training: bool = True,
) -> tuple[Array, PoolCache]:
    """Largest value of every window; NaN wins, of equals the first.

    Parameters
    ----------
    x : array_like, shape (N, C, height, width) or (C, height, width)
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        The kernel size by default.
    padding : int or pair of int, default 0
        What lies outside is never the largest.
    dilation : int or pair of int, default 1
    ceil_mode : bool, default False
        Whether windows that are not whole count.
    training : bool, default True
        Whether places are kept; without them backward cannot be called.

    Returns
    -------
    y : ndarray of float32, shape (..., out height, out width)
    cache : PoolCache
        ``places`` has the place of each maximum in its plane, like torch's ``return_indices``.

    Raises
    ------
    ValueError
        ``x`` has other axes, a number is too small, padding is more than half the kernel, or no window fits.
    TypeError
        ``x`` holds no real numbers.
    """
    used = _planes(x)
    windows = _windows(used.shape, kernel_size, stride, padding, dilation, ceil_mode)
    y, index = _core.max_pool_forward(used.reshape(-1, *used.shape[-2:]), windows, training)
    shape = (*used.shape[:-2], *windows[:2])
    return y.reshape(shape), PoolCache(used.shape, windows, None if index is None else index.reshape(shape))


def max_pool2d_backward(grad_y: ArrayLike, cache: PoolCache) -> Array:
    """Gradient of :func:`max_pool2d`: each output's goes to where its maximum was.

    Parameters
    ----------
    grad_y : array_like, shape (..., out height, out width)
    cache : PoolCache
        Of a call with ``training``.

    Returns
    -------
    grad_x : ndarray of float32, the shape of x

    Raises
    ------
    ValueError, TypeError
        The cache has no places, or ``grad_y`` has another shape than y or holds no real numbers.
    """
    if cache.places is None:
        raise ValueError("cache: expected one of a call with training=True, got one without places")
    grad = _gradient(grad_y, cache)
    height, width = cache.shape[-2:]
    return _core.max_pool_backward(grad, height, width, cache.windows, cache.places).reshape(cache.shape)


def avg_pool2d(
    x: ArrayLike,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> tuple[Array, PoolCache]:
    """Average of every window.

    Parameters
    ----------
    x : array_like, shape (N, C, height, width) or (C, height, width)
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        The kernel size by default.
    padding : int or pair of int, default 0
        Zeros around each plane.
    ceil_mode : bool, default False
        Whether windows that are not whole count.
    count_include_pad : bool, default True
        Whether the zeros of the padding count.
    divisor_override : int, optional
        Divide by this instead of by the window's size.

    Returns
    -------
    y : ndarray of float32, shape (..., out height, out width)
    cache : PoolCache

    Raises
    ------
    ValueError
        ``x`` has other axes, a number is too small, padding is more than half the kernel, or no window fits.
    TypeError
        ``x`` holds no real numbers.
    """
    used = _planes(x)
    windows = _windows(used.shape, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override is not None and divisor_override < 1:
        raise ValueError(f"divisor_override: expected a positive integer, got {divisor_override!r}")
    divisor = float(divisor_override or (-1 if count_include_pad else 0))
    y = _core.average_pool_forward(used.reshape(-1, *used.shape[-2:]), windows, divisor)
    return y.reshape(*used.shape[:-2], *windows[:2]), PoolCache(used.shape, windows, divisor=divisor)


def avg_pool2d_backward(grad_y: ArrayLike, cache: PoolCache) -> Array:
    """Gradient of :func:`avg_pool2d`.

    Parameters
    ----------
    grad_y : array_like, shape (..., out height, out width)
    cache : PoolCache

    Returns
    -------
    grad_x : ndarray of float32, the shape of x

    Raises
    ------
    ValueError, TypeError
        ``grad_y`` has another shape than y, or holds no real numbers.
    """
    grad = _gradient(grad_y, cache)
    height, width = cache.shape[-2:]
    return _core.average_pool_backward(grad, height, width, cache.windows, cache.divisor).reshape(cache.shape)


def adaptive_avg_pool2d(
    x: ArrayLike, output_size: int | tuple[int | None, int | None] | None
) -> tuple[Array, PoolCache]:
    """Averages over windows ``floor(v H / V) ..< ceil((v + 1) H / V)``.

    Parameters
    ----------
    x : array_like, shape (N, C, height, width) or (C, height, width)
    output_size : int, pair of int, or None
        Height and width of the output; None keeps a side's size.

    Returns
    -------
    y : ndarray of float32, shape (..., out height, out width)
    cache : PoolCache

    Raises
    ------
    ValueError
        ``x`` has other axes, or a side is below 1.
    TypeError
        ``x`` holds no real numbers.
    """
    used = _planes(x)
    sides = output_size if isinstance(output_size, tuple) else (output_size, output_size)
    height, width = (given if given is not None else side for given, side in zip(sides, used.shape[-2:], strict=True))
    out = pair((height, width), "output_size")
    y = _core.adaptive_pool_forward(used.reshape(-1, *used.shape[-2:]), *out)
    windows = (*out, 1, 1, 1, 1, 0, 0, 1, 1)
    return y.reshape(*used.shape[:-2], *out), PoolCache(used.shape, windows)


def adaptive_avg_pool2d_backward(grad_y: ArrayLike, cache: PoolCache) -> Array:
    """Gradient of :func:`adaptive_avg_pool2d`.

    Parameters
    ----------
    grad_y : array_like, shape (..., out height, out width)
    cache : PoolCache

    Returns
    -------
    grad_x : ndarray of float32, the shape of x

    Raises
    ------
    ValueError, TypeError
        ``grad_y`` has another shape than y, or holds no real numbers.
    """
    grad = _gradient(grad_y, cache)
    return _core.adaptive_pool_backward(grad, *cache.shape[-2:]).reshape(cache.shape)


def _gradient(grad_y: ArrayLike, cache: PoolCache) -> Array:
    grad = _core.as_floats(grad_y, "grad_y")
    wanted = (*cache.shape[:-2], *cache.windows[:2])
    if grad.shape != wanted:
        raise ValueError(f"grad_y: expected shape {wanted}, got {grad.shape}")
    return grad.reshape(-1, *wanted[-2:])
