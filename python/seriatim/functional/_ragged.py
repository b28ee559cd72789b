"""Ragged data before any model: statistics of sequences, scaling, filters, slopes, interpolation.

``X (rows, features)`` holds sequences behind each other; the i-th is ``X[offsets[i] : offsets[i + 1]]``.
"""

from __future__ import annotations

import numpy as np

from seriatim import _core
from seriatim._arrays import as_floats, as_numbers
from seriatim._typing import Array, ArrayLike, Integers

KINDS = ("mean", "median")


def ragged_moments(X: ArrayLike, offsets: Integers) -> tuple[Array, Array]:
    """Return mean and standard deviation (of the population) of every sequence.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)

    Returns
    -------
    mean, spread : ndarray of float32, shape (n, features)
        Zeros for a sequence without rows.

    Raises
    ------
    ValueError, TypeError
        The offsets do not grow from 0 to the rows, or ``X`` is no matrix of real numbers.
    """
    mean, spread = _core.ragged_moments(X, offsets, True)
    assert spread is not None
    return mean, spread


def ragged_mean(X: ArrayLike, offsets: Integers) -> Array:
    """Return the mean of every sequence.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)

    Returns
    -------
    mean : ndarray of float32, shape (n, features)
        Zeros for a sequence without rows.

    Raises
    ------
    ValueError, TypeError
        The offsets do not grow from 0 to the rows, or ``X`` is no matrix of real numbers.
    """
    return _core.ragged_moments(X, offsets, False)[0]


def ragged_extrema(X: ArrayLike, offsets: Integers) -> tuple[Array, Array]:
    """Return the least and the greatest values of every sequence.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)

    Returns
    -------
    least, greatest : ndarray of float32, shape (n, features)

    Raises
    ------
    ValueError, TypeError
        The offsets do not grow from 0 to the rows, or ``X`` is no matrix of real numbers.
    """
    return _core.ragged_extrema(X, offsets)


def ragged_scale(X: ArrayLike, offsets: Integers, shift: ArrayLike, scale: ArrayLike) -> Array:
    """``(x - shift) * scale`` with each sequence's own shift and scale.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)
    shift, scale : array_like, shape (n, features)

    Returns
    -------
    y : ndarray of float32, shape (rows, features)

    Raises
    ------
    ValueError, TypeError
        The offsets do not grow from 0 to the rows, shapes do not belong together, or an array holds no real numbers.
    """
    return _core.ragged_scale(X, offsets, shift, scale)


def ragged_filter(X: ArrayLike, offsets: Integers, width: int, kind: str = "mean") -> Array:
    """Means or medians of windows of rows, centred on each row.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)
    width : int
        Rows of a window. An even one reaches one row further back. At a sequence's ends only what is inside counts.
    kind : {'mean', 'median'}

    Returns
    -------
    y : ndarray of float32, shape (rows, features)

    Raises
    ------
    ValueError, TypeError
        ``kind`` is another one, ``width`` is below 1, the offsets do not grow from 0 to the rows, or ``X`` is no matrix
        of real numbers.
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
        From 1 to 65536.
    out : ndarray of float32, shape (rows, features), optional
        Where to write; its rows may lie apart.

    Returns
    -------
    y : ndarray of float32, shape (rows, features)
        ``out`` if it was given.

    Raises
    ------
    ValueError, TypeError
        ``reach`` is out of its range, the offsets do not grow from 0 to the rows, or an array has another shape or
        type.
    """
    used = _core.as_floats(X, "X")
    y = np.empty(used.shape, np.float32) if out is None else out
    _core.ragged_deltas(y, used, offsets, reach)
    return y


def rotate_points(X: ArrayLike, offsets: Integers, matrices: ArrayLike) -> Array:
    """Multiply points, three features each, by their sequence's matrix.

    Parameters
    ----------
    X : array_like, shape (rows, 3 * points)
    offsets : ndarray of int64, shape (n + 1,)
    matrices : array_like, shape (n, 3, 3)

    Returns
    -------
    y : ndarray of float32, shape (rows, 3 * points)

    Raises
    ------
    ValueError, TypeError
        The features are no points, the offsets do not grow from 0 to the rows, or an array has another shape or type.
    """
    return _core.rotate_points(X, offsets, matrices)


def interpolate_columns(X: ArrayLike, offsets: Integers, positions: ArrayLike) -> Array:
    """Features between features: column d of sequence s is at column ``positions[s, d]`` of X.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)
    positions : array_like, shape (n, columns)
        Those beyond the first or last column are moved there.

    Returns
    -------
    y : ndarray of float32, shape (rows, columns)

    Raises
    ------
    ValueError, TypeError
        The offsets do not grow from 0 to the rows, or an array has another shape or type.
    """
    if np.ndim(X) != 2:
        raise ValueError(f"X: expected shape (rows, features), got {np.shape(X)}")
    return _core.interpolate_columns(X, offsets, *_split(positions, np.shape(X)[1]))


def interpolate_rows(X: ArrayLike, positions: ArrayLike) -> Array:
    """Rows between rows: row i is at row ``positions[i]`` of X.

    Parameters
    ----------
    X : array_like, shape (sources, features)
    positions : array_like, shape (rows,)
        Those beyond the first or last row are moved there.

    Returns
    -------
    y : ndarray of float32, shape (rows, features)

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type.
    IndexError
        ``X`` has no rows, but there are positions.
    """
    return _core.interpolate_rows(X, *_split(positions, len(as_numbers("X", X))))


def _split(positions: ArrayLike, count: int) -> tuple[Integers, Array]:
    """Whole part and rest of positions; the last place has no rest."""
    places = np.clip(as_floats("positions", positions, np.float64), 0, count - 1)
    index = np.floor(places)
    return index.astype(np.int64), (places - index).astype(np.float32)
