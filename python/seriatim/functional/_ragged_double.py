"""Maps of ragged data in float64: what :mod:`_ragged` does to data that float32 would round, in NumPy.

``X (rows, features)`` is float64; ``offsets`` have been checked. The kernels do the same in float32.
"""

from __future__ import annotations

import numpy as np

from seriatim._typing import AnyArray, Doubles, Integers

# Values of all windows that are sorted together.
_MOST_SORTED = 1 << 20


def _ends(offsets: Integers) -> tuple[Integers, Integers]:
    """Return the first and the last row of the sequence that each row is of."""
    lengths = np.diff(offsets)
    return np.repeat(offsets[:-1], lengths), np.repeat(offsets[1:] - 1, lengths)


def extrema(X: Doubles, offsets: Integers) -> tuple[Doubles, Doubles]:
    """Return the least and the greatest values of every sequence, zeros for one without rows."""
    found = np.zeros((2, len(offsets) - 1, X.shape[1]))
    filled = np.flatnonzero(np.diff(offsets))
    if len(filled):
        for result, reduce in zip(found, (np.minimum, np.maximum), strict=True):
            result[filled] = reduce.reduceat(X, offsets[filled], axis=0)
    return found[0], found[1]


def means_of_windows(X: Doubles, offsets: Integers, width: int) -> Doubles:
    """Return the mean of the rows of a window round each row."""
    first, last = _ends(offsets)
    rows, total, count = np.arange(len(X)), np.zeros_like(X), np.zeros((len(X), 1))
    for distance in range(-(width // 2), width - width // 2):
        inside = (rows + distance >= first) & (rows + distance <= last)
        total[inside] += X[rows[inside] + distance]
        count[inside] += 1
    return total / count


def medians_of_windows(X: Doubles, offsets: Integers, width: int) -> Doubles:
    """Return the median of the rows of a window round each row."""
    first, last = _ends(offsets)
    result = np.empty_like(X)
    at_once = max(1, _MOST_SORTED // (width * max(1, X.shape[1])))
    for begin in range(0, len(X), at_once):
        rows = np.arange(begin, min(len(X), begin + at_once))
        window = rows[:, None] + np.arange(-(width // 2), width - width // 2)
        inside = (window >= first[rows, None]) & (window <= last[rows, None])
        values = np.where(inside[:, :, None], X[np.where(inside, window, rows[:, None])], np.inf)
        values.sort(axis=1)
        count = inside.sum(axis=1)
        place = np.arange(len(rows))
        result[rows] = 0.5 * values[place, (count - 1) // 2] + 0.5 * values[place, count // 2]
    return result


def deltas(X: Doubles, offsets: Integers, reach: int, out: AnyArray) -> None:
    """Write slopes over ``reach`` rows to either side."""
    first, last = _ends(offsets)
    rows = np.arange(len(X))
    out[...] = 0
    for distance in range(1, reach + 1):
        out += distance * (X[np.minimum(rows + distance, last)] - X[np.maximum(rows - distance, first)])
    out /= 2 * sum(distance * distance for distance in range(1, reach + 1))


def rotate(X: Doubles, offsets: Integers, matrices: AnyArray) -> Doubles:
    """Multiply points of three features by their sequence's matrix."""
    each = np.repeat(np.asarray(matrices, np.float64), np.diff(offsets), axis=0)
    turned: Doubles = np.einsum("tij,tpj->tpi", each, X.reshape(len(X), -1, 3)).reshape(X.shape)
    return turned


def between_columns(X: Doubles, offsets: Integers, index: Integers, weight: Doubles) -> Doubles:
    """Return features between features ``index`` and the next, of each sequence its own."""
    lengths = np.diff(offsets)
    columns, share = np.repeat(index, lengths, axis=0), np.repeat(weight, lengths, axis=0)
    left = np.take_along_axis(X, columns, axis=1)
    return left + share * (np.take_along_axis(X, np.minimum(columns + 1, X.shape[1] - 1), axis=1) - left)


def between_rows(X: Doubles, index: Integers, weight: Doubles) -> Doubles:
    """Return rows between rows ``index`` and the next."""
    left = X[index]
    return left + weight[:, None] * (X[np.minimum(index + 1, len(X) - 1)] - left)
