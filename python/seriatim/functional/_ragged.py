"""Ragged data before any model: statistics of sequences, scaling, filters, slopes, interpolation.

``X (rows, features)`` holds sequences behind each other; the i-th is ``X[offsets[i] : offsets[i + 1]]``.
"""

from __future__ import annotations

import numpy as np

from seriatim import _core
from seriatim._typing import Array, ArrayLike, Integers

KINDS = ("mean", "median")


def ragged_moments(X: ArrayLike, offsets: Integers) -> tuple[Array, Array]:
    """Return mean and standard deviation (of the population) of every sequence, ``(n, features)`` each.

    Zeros for a sequence without rows.
    """
    mean, spread = _core.ragged_moments(X, offsets, True)
    assert spread is not None
    return mean, spread


def ragged_mean(X: ArrayLike, offsets: Integers) -> Array:
    """Return the mean of every sequence, ``(n, features)``."""
    return _core.ragged_moments(X, offsets, False)[0]


def ragged_extrema(X: ArrayLike, offsets: Integers) -> tuple[Array, Array]:
    """Return the least and the greatest values of every sequence, ``(n, features)`` each."""
    return _core.ragged_extrema(X, offsets)


def ragged_scale(X: ArrayLike, offsets: Integers, shift: ArrayLike, scale: ArrayLike) -> Array:
    """``(x - shift) * scale`` with each sequence's own shift and scale, ``(n, features)`` each."""
    return _core.ragged_scale(X, offsets, shift, scale)


def ragged_filter(X: ArrayLike, offsets: Integers, width: int, kind: str = "mean") -> Array:
    """Means or medians of windows of ``width`` rows, centred on each row.

    An even window reaches one row further back. At a sequence's ends only what is inside counts.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {KINDS}, got {kind!r}")
    return _core.ragged_filter(X, offsets, width, kind == "median")


def ragged_deltas(X: ArrayLike, offsets: Integers, reach: int = 2, out: Array | None = None) -> Array:
    """Slopes over time: ``sum_n n (x[t + n] - x[t - n]) / (2 sum_n n^2)``, n = 1 ... reach, the ends repeated.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)
    reach : int, default 2
    out : ndarray of float32, shape (rows, features), optional
        Where to write; its rows may lie apart.
    """
    used = _core.as_floats(X, "X")
    y = np.empty(used.shape, np.float32) if out is None else out
    _core.ragged_deltas(y, used, offsets, reach)
    return y


def rotate_points(X: ArrayLike, offsets: Integers, matrices: ArrayLike) -> Array:
    """Multiply points, three features each, by their sequence's matrix ``(n, 3, 3)``."""
    return _core.rotate_points(X, offsets, matrices)


def interpolate_columns(X: ArrayLike, offsets: Integers, positions: ArrayLike) -> Array:
    """Features between features: column d of sequence s is at column ``positions[s, d]`` of X.

    Positions beyond the first or last column are moved there.
    """
    columns = np.shape(X)[1]
    return _core.interpolate_columns(X, offsets, *_split(positions, columns))


def interpolate_rows(X: ArrayLike, positions: ArrayLike) -> Array:
    """Rows between rows: row i is at row ``positions[i]`` of X, which must not be beyond the first or last."""
    return _core.interpolate_rows(X, *_split(positions, len(np.asarray(X))))


def _split(positions: ArrayLike, count: int) -> tuple[Integers, Array]:
    """Whole part and rest of positions; the last place has no rest."""
    places = np.clip(np.asarray(positions, np.float64), 0, count - 1)
    index = np.floor(places)
    return index.astype(np.int64), (places - index).astype(np.float32)
