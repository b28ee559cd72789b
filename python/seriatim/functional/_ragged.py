"""Ragged data before any model: statistics of sequences, scaling, filters, slopes, interpolation.

``X (rows, features)`` holds sequences behind each other; the i-th is ``X[offsets[i] : offsets[i + 1]]``. Results are
float32, or float64 if float32 does not hold all values of X's type: an offset (a clock, a place on a map) would round
away how the values differ.
"""

from __future__ import annotations

import operator

import numpy as np

from seriatim import _core
from seriatim._arrays import as_floats, as_integers, as_numbers
from seriatim._typing import AnyArray, ArrayLike, Doubles, Integers, float_type
from seriatim.functional import _ragged_double as double

KINDS = ("mean", "median")
# What is farther from 0 than the first keeps a deviation that float32 can see above the second, whose square it holds.
_LEAST_MEAN, _LEAST_SPREAD = 1e-8, 1e-15
# A mean that far from 0 has roundings that are no small numbers: what does not vary would seem far from it.
_GREAT_MEAN, _ROUNDINGS = 1e3, 1e-6


def ragged_moments(X: ArrayLike, offsets: Integers) -> tuple[AnyArray, AnyArray]:
    """Return mean and standard deviation (of the population) of every sequence.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)

    Returns
    -------
    mean, spread : ndarray of float32 or float64, shape (n, features)
        Zeros for a sequence without rows.

    Raises
    ------
    ValueError, TypeError
        The offsets do not grow from 0 to the rows, or ``X`` is no matrix of real numbers.
    """
    mean, spread = _moments(X, offsets, True)
    assert spread is not None
    return mean, spread


def ragged_mean(X: ArrayLike, offsets: Integers) -> AnyArray:
    """Return the mean of every sequence.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)

    Returns
    -------
    mean : ndarray of float32 or float64, shape (n, features)
        Zeros for a sequence without rows.

    Raises
    ------
    ValueError, TypeError
        The offsets do not grow from 0 to the rows, or ``X`` is no matrix of real numbers.
    """
    return _moments(X, offsets, False)[0]


def ragged_extrema(X: ArrayLike, offsets: Integers) -> tuple[AnyArray, AnyArray]:
    """Return the least and the greatest values of every sequence.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)

    Returns
    -------
    least, greatest : ndarray of float32 or float64, shape (n, features)

    Raises
    ------
    ValueError, TypeError
        The offsets do not grow from 0 to the rows, or ``X`` is no matrix of real numbers.
    """
    wide = _doubles(X)
    return _core.ragged_extrema(X, offsets) if wide is None else double.extrema(*_checked(wide, offsets))


def ragged_scale(X: ArrayLike, offsets: Integers, shift: ArrayLike, scale: ArrayLike) -> AnyArray:
    """``(x - shift) * scale`` with each sequence's own shift and scale.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)
    shift, scale : array_like, shape (n, features)

    Returns
    -------
    y : ndarray of float32 or float64, shape (rows, features)

    Raises
    ------
    ValueError, TypeError
        The offsets do not grow from 0 to the rows, shapes do not belong together, or an array holds no real numbers.
    """
    wide = _doubles(X)
    if wide is None:
        return _core.ragged_scale(X, offsets, shift, scale)
    return _core.ragged_scale_double(wide, offsets, shift, scale)


def ragged_filter(X: ArrayLike, offsets: Integers, width: int, kind: str = "mean") -> AnyArray:
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
    y : ndarray of float32 or float64, shape (rows, features)

    Raises
    ------
    ValueError, TypeError
        ``kind`` is another one, ``width`` is below 1, the offsets do not grow from 0 to the rows, or ``X`` is no matrix
        of real numbers.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {KINDS}, got {kind!r}")
    wide = _doubles(X)
    if wide is None:
        return _core.ragged_filter(X, offsets, width, kind == "median")
    if operator.index(width) < 1:
        raise ValueError(f"width: expected a positive integer, got {width}")
    # A window is never longer than all rows together.
    most = width if width // 2 <= len(wide) else 2 * len(wide) + 1
    smooth = double.medians_of_windows if kind == "median" else double.means_of_windows
    return smooth(*_checked(wide, offsets), most)


def ragged_deltas(X: ArrayLike, offsets: Integers, reach: int = 2, out: AnyArray | None = None) -> AnyArray:
    """Slopes over time: ``sum_n n (x[t + n] - x[t - n]) / (2 sum_n n^2)``, n = 1 ... reach, the ends repeated.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)
    reach : int, default 2
        From 1 to 65536.
    out : ndarray of float32 or float64, shape (rows, features), optional
        Where to write, in the type of the result; its rows may lie apart.

    Returns
    -------
    y : ndarray of float32 or float64, shape (rows, features)
        ``out`` if it was given.

    Raises
    ------
    ValueError, TypeError
        ``reach`` is out of its range, the offsets do not grow from 0 to the rows, or an array has another shape or
        type.
    """
    wide = _doubles(X)
    if wide is None:
        used = _core.as_floats(X, "X")
        y = np.empty(used.shape, np.float32) if out is None else out
        _core.ragged_deltas(y, used, offsets, reach)
        return y
    if not 1 <= operator.index(reach) <= 65536:
        raise ValueError(f"reach: expected from 1 to 65536 rows, got {reach}")
    y = np.empty_like(wide) if out is None else out
    if y.shape != wide.shape or y.dtype != np.float64:
        raise ValueError(f"out: expected a float64 array of shape {wide.shape}, got {y.dtype} of shape {y.shape}")
    double.deltas(*_checked(wide, offsets), reach, y)
    return y


def rotate_points(X: ArrayLike, offsets: Integers, matrices: ArrayLike) -> AnyArray:
    """Multiply points, three features each, by their sequence's matrix.

    Parameters
    ----------
    X : array_like, shape (rows, 3 * points)
    offsets : ndarray of int64, shape (n + 1,)
    matrices : array_like, shape (n, 3, 3)

    Returns
    -------
    y : ndarray of float32 or float64, shape (rows, 3 * points)

    Raises
    ------
    ValueError, TypeError
        The features are no points, the offsets do not grow from 0 to the rows, or an array has another shape or type.
    """
    wide = _doubles(X)
    if wide is None:
        return _core.rotate_points(X, offsets, matrices)
    if wide.ndim == 2 and wide.shape[1] % 3:
        raise ValueError(f"x: expected points of 3 features each, got {wide.shape[1]} features")
    if np.shape(matrices) != (len(offsets) - 1, 3, 3):
        raise ValueError(f"matrices: expected shape ({len(offsets) - 1}, 3, 3), got {np.shape(matrices)}")
    return double.rotate(*_checked(wide, offsets), as_floats("matrices", matrices, np.float64))


def interpolate_columns(X: ArrayLike, offsets: Integers, positions: ArrayLike) -> AnyArray:
    """Features between features: column d of sequence s is at column ``positions[s, d]`` of X.

    Parameters
    ----------
    X : array_like, shape (rows, features)
    offsets : ndarray of int64, shape (n + 1,)
    positions : array_like, shape (n, columns)
        Those beyond the first or last column are moved there.

    Returns
    -------
    y : ndarray of float32 or float64, shape (rows, columns)

    Raises
    ------
    ValueError, TypeError
        The offsets do not grow from 0 to the rows, or an array has another shape or type.
    """
    if np.ndim(X) != 2:
        raise ValueError(f"X: expected shape (rows, features), got {np.shape(X)}")
    index, weight = _split(positions, np.shape(X)[1])
    wide = _doubles(X)
    if wide is None:
        return _core.interpolate_columns(X, offsets, index, weight)
    if index.ndim != 2 or len(index) != len(offsets) - 1:
        raise ValueError(f"positions: expected shape ({len(offsets) - 1}, columns), got {index.shape}")
    return double.between_columns(*_checked(wide, offsets), index, weight)


def interpolate_rows(X: ArrayLike, positions: ArrayLike) -> AnyArray:
    """Rows between rows: row i is at row ``positions[i]`` of X.

    Parameters
    ----------
    X : array_like, shape (sources, features)
    positions : array_like, shape (rows,)
        Those beyond the first or last row are moved there.

    Returns
    -------
    y : ndarray of float32 or float64, shape (rows, features)

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type.
    IndexError
        ``X`` has no rows, but there are positions.
    """
    index, weight = _split(positions, len(as_numbers("X", X)))
    wide = _doubles(X)
    if wide is None:
        return _core.interpolate_rows(X, index, weight)
    if wide.ndim != 2 or index.ndim != 1:
        raise ValueError(f"X, positions: expected a matrix and one axis, got shapes {wide.shape} and {index.shape}")
    return double.between_rows(wide, index, weight)


def _moments(X: ArrayLike, offsets: Integers, need_spread: bool) -> tuple[AnyArray, AnyArray | None]:
    """Return means and deviations; the second is None if it is not needed."""
    wide = _doubles(X)
    if wide is not None:
        return _core.ragged_moments_double(wide, offsets, need_spread)
    mean, spread = _core.ragged_moments(X, offsets, need_spread)
    # Sums and squares of what float32 holds may be beyond it: 1e20, 1e-25. Those columns again, in double.
    lost = ~np.isfinite(mean)
    if spread is not None:
        size = np.abs(mean)
        lost |= ~np.isfinite(spread) | ((spread < _LEAST_SPREAD) & (size < _LEAST_MEAN))
        lost |= (spread <= _ROUNDINGS * size) & (size > _GREAT_MEAN)
    columns = np.flatnonzero(lost.any(axis=0))
    if len(columns):
        precise = _core.ragged_moments_double(np.asarray(X)[:, columns].astype(np.float64), offsets, need_spread)
        for found, again in zip((mean, spread), precise, strict=True):
            if found is not None and again is not None:
                found[:, columns] = np.where(lost[:, columns], again, found[:, columns])
    return mean, spread


def _doubles(X: ArrayLike) -> Doubles | None:
    """Return X as float64 if it is of numbers that float32 does not hold, else None."""
    array = as_numbers("X", X)
    if float_type(array.dtype) is np.float32:
        return None
    return array.astype(np.float64, copy=False)


def _checked(X: Doubles, offsets: Integers) -> tuple[Doubles, Integers]:
    """Return what the kernels would take.

    Raises
    ------
    ValueError
    """
    if X.ndim != 2:
        raise ValueError(f"x: expected a float64 array of shape (rows, features), got shape {X.shape}")
    ends = as_integers("offsets", offsets)
    if ends.ndim != 1 or not len(ends) or ends[0] != 0 or ends[-1] != len(X) or np.any(np.diff(ends) < 0):
        raise ValueError(f"offsets: expected numbers that grow from 0 to the {len(X)} rows of x")
    return X, ends


def _split(positions: ArrayLike, count: int) -> tuple[Integers, Doubles]:
    """Whole part and rest of positions; the last place has no rest."""
    places = np.clip(as_floats("positions", positions, np.float64), 0, count - 1)
    index = np.floor(places)
    return index.astype(np.int64), places - index
