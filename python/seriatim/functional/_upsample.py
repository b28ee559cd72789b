"""Images of another size, by torch's rules: which inputs an output is made of, and the call of the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from seriatim import _core
from seriatim._typing import AnyArray, Array, ArrayLike

# The axes that each mode scales.
_MODES = {"nearest": (1, 2), "nearest-exact": (1, 2), "linear": (1,), "bilinear": (2,)}


class UpsampleCache(NamedTuple):
    """What backward needs of a forward call."""

    shape: tuple[int, ...]
    out: tuple[int, ...]
    tables: tuple[AnyArray, AnyArray, Array | None, Array | None]


def upsample_arguments(size: Any, scale_factor: Any, mode: str, align_corners: Any, recompute: Any) -> None:
    """Raise what torch raises of arguments that no input can make good."""
    if mode not in _MODES:
        raise ValueError(f"mode: expected one of {', '.join(map(repr, _MODES))}, got {mode!r}")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"size, scale_factor: expected one of them, got {size!r} and {scale_factor!r}")
    if align_corners is not None and mode.startswith("nearest"):
        raise ValueError(f"align_corners: expected None for mode {mode!r}, got {align_corners!r}")
    if recompute and size is not None:
        raise ValueError("recompute_scale_factor: expected None with a size, got True")


def upsample(
    x: ArrayLike,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> tuple[Array, UpsampleCache]:
    """Images, or sequences, of another size: larger or smaller, without smoothing before.

    Parameters
    ----------
    x : array_like, shape (N, C, height, width) or (N, C, length)
    size : int or sequence of int, optional
        Of the output: one number for all axes, or one for each.
    scale_factor : float or sequence of float, optional
        Instead of the size, which is then ``floor(size * scale_factor)``.
    mode : {'nearest', 'nearest-exact', 'linear', 'bilinear'}
        'linear' takes ``(N, C, length)``, 'bilinear' images.
    align_corners : bool, optional
        Of the linear modes: whether the outer elements' centres, not their edges, lie upon each other. None is False.
    recompute_scale_factor : bool, optional
        Whether places follow from the two sizes, not from ``scale_factor``.

    Returns
    -------
    y : ndarray of float32, shape (N, C, out height, out width) or (N, C, out length)
    cache : UpsampleCache

    Raises
    ------
    ValueError
        ``x`` has other axes, or the arguments do not go together or leave no output.
    TypeError
        ``x`` holds no real numbers.
    """
    upsample_arguments(size, scale_factor, mode, align_corners, recompute_scale_factor)
    used = _core.as_floats(x, "x")
    axes = used.ndim - 2
    if axes not in _MODES[mode] or 0 in used.shape[1:]:
        wanted = " or ".join({1: "(N, C, length)", 2: "(N, C, height, width)"}[count] for count in _MODES[mode])
        empty = f", whose axis {used.shape.index(0, 1)} is empty" if axes in _MODES[mode] else ""
        raise ValueError(f"x: expected shape {wanted} for mode {mode!r}, got {used.shape}{empty}")
    factors = None if scale_factor is None else _each("scale_factor", scale_factor, axes)
    if factors is None:
        out = tuple(int(side) for side in _each("size", size, axes))
    else:
        out = tuple(int(side * factor) for side, factor in zip(used.shape[2:], factors, strict=True))
    if min(out) < 1:
        raise ValueError(f"{'size' if factors is None else 'scale_factor'}: no output is left of {used.shape}: {out}")
    scales = [None] * axes if factors is None or recompute_scale_factor else factors
    found = [_table(mode, align_corners, *sizes) for sizes in zip(used.shape[2:], out, scales, strict=True)]
    if axes == 1:
        found.insert(0, (np.zeros(1, np.int32), None if mode.startswith("nearest") else np.zeros(1, np.float32)))
    tables = (found[0][0], found[1][0], found[0][1], found[1][1])
    y = _core.upsample_forward(_planes(used), *tables)
    return y.reshape(*used.shape[:2], *out), UpsampleCache(used.shape, out, tables)


def upsample_backward(grad_y: ArrayLike, cache: UpsampleCache) -> Array:
    """Gradient of :func:`upsample`.

    Parameters
    ----------
    grad_y : array_like, the shape of y
    cache : UpsampleCache

    Returns
    -------
    grad_x : ndarray of float32, the shape of x

    Raises
    ------
    ValueError, TypeError
        ``grad_y`` has another shape than y, or holds no real numbers.
    """
    grad = _core.as_floats(grad_y, "grad_y")
    wanted = (*cache.shape[:2], *cache.out)
    if grad.shape != wanted:
        raise ValueError(f"grad_y: expected shape {wanted}, got {grad.shape}")
    height = cache.shape[-2] if len(cache.shape) == 4 else 1
    return _core.upsample_backward(_planes(grad), height, cache.shape[-1], *cache.tables).reshape(cache.shape)


def _planes(x: Array) -> Array:
    height = x.shape[2] if x.ndim == 4 else 1
    return x.reshape(x.shape[0] * x.shape[1], height, x.shape[-1])


def _each(name: str, given: Any, axes: int) -> tuple[float, ...]:
    values = tuple(given) if isinstance(given, (tuple, list, np.ndarray)) else (given,) * axes
    kinds = (int, np.integer) if name == "size" else (int, float, np.integer, np.floating)
    good = all(isinstance(value, kinds) and not isinstance(value, bool) and 0 < value < 2**31 for value in values)
    if len(values) != axes or not good:
        number = "integer" if name == "size" else "number"
        raise ValueError(f"{name}: expected a positive {number}, or one for each of {axes} axes, got {given!r}")
    return values


def _table(mode: str, align: bool | None, size: int, out: int, factor: float | None) -> tuple[AnyArray, Array | None]:
    """Return each output's input, and in linear modes how much of the next is in it, in torch's float32 arithmetic."""
    places = np.arange(out, dtype=np.float32)
    scale = np.float32(1 / factor if factor else size / out)
    if mode.startswith("nearest"):
        if mode == "nearest" and out in (size, 2 * size):
            return (np.arange(out) * size // out).astype(np.int32), None
        real = (places + np.float32(0.5)) * scale if mode == "nearest-exact" else places * scale
        return np.minimum(np.floor(real), size - 1).astype(np.int32), None
    if out == size:
        real = places
    elif align:
        real = places * (np.float32((size - 1) / (out - 1)) if out > 1 else np.float32(0))
    else:
        # One rounding, as of a fused multiply-add.
        real = np.maximum(np.float32(np.float64(scale) * (places + 0.5) - 0.5), 0).astype(np.float32)
    whole = np.minimum(np.floor(real), size - 1).astype(np.int32)
    return whole, np.clip(real - whole, 0, 1).astype(np.float32)
