"""Numbers that are all there: NaN, infinity and overflow are named with their place and a way on."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._typing import AnyArray, Integers


def as_finite(
    rows: AnyArray, counts: Integers, dtype: Any, names: list[str] | None = None, *, ordered: bool = True
) -> AnyArray:
    """Return observations in a floating-point type, all of them finite.

    Parameters
    ----------
    rows : ndarray, shape (sum T, ...)
    counts : ndarray of int64, shape (n,)
        The lengths, which add up to the rows.
    dtype : dtype
    names : list of str, optional
        Of the features.
    ordered : bool, default True
        Whether the sequences stand in their owner's order, so that their numbers mean something.

    Raises
    ------
    ValueError
        A number is NaN, infinite, or too large for the type: which, of which sequence and step, and how many.
    """
    with np.errstate(all="ignore"):
        array = rows.astype(dtype, copy=False)
        # One pass: a NaN or an infinity anywhere makes the sum one.
        if np.isfinite(np.add.reduce(array, axis=None, dtype=np.float64)):
            return array
        bad = ~np.isfinite(array)
    if not bad.any():
        return array
    _refuse(rows, bad, counts, np.dtype(dtype), names, ordered)
    return array


def _refuse(
    rows: AnyArray, bad: AnyArray, counts: Integers, dtype: Any, names: list[str] | None, ordered: bool
) -> None:
    """Raise an error that says where numbers that are not finite stand."""
    ends = np.cumsum(counts)
    starts = ends - counts
    places = np.argwhere(bad)
    owners = np.searchsorted(ends, places[:, 0], side="right")
    row, *cell = (int(i) for i in places[0])
    value = float(rows[(row, *cell)])
    many = len(np.unique(owners))
    where = f"step {row - starts[owners[0]]} of {f'sequence {owners[0]}' if ordered else 'its sequence'}"
    if len(cell) == 1 and rows.shape[1] > 1:
        where += f", feature {cell[0]}" + (f" ({names[cell[0]]!r})" if names else "")
    elif len(cell) > 1:
        where += f", at {cell} of its frame"
    count = f"{len(places)} of {bad.size} numbers, in {many} of {len(counts)} sequences; the first in {where}"
    if np.isfinite(value):
        raise ValueError(
            f"X: expected numbers up to {np.finfo(dtype).max:.3g}, got {value:.6g}, which is infinity in {dtype} "
            f"({count}): divide that feature, or take its logarithm"
        )
    kinds = "NaN" if np.isnan(rows[bad]).all() else "infinity" if not np.isnan(rows[bad]).any() else "NaN or infinity"
    raise ValueError(f"X: expected finite numbers, got {kinds} ({count}). {_way_on(rows, bad, starts, ends, kinds)}")


def _way_on(rows: AnyArray, bad: AnyArray, starts: Integers, ends: Integers, kinds: str) -> str:
    """Say what can be done: something else for padding than for gaps."""
    if kinds == "NaN" and _is_padding(bad, starts, ends):
        return (
            "NaN stands at the ends, as padding: Sequences.from_padded(X) cuts it from an array, "
            "[x[~np.isnan(x).any(axis=1)] for x in X] from a list of (T, D)"
        )
    if kinds == "NaN":
        return (
            "A network takes no gaps: interpolate within the sequence, fill with a value and add a feature that says "
            "where, or leave those steps out; Sequences.from_padded cuts NaN that is padding"
        )
    return "Look where it comes from, such as a division by zero or a logarithm of it, and clip it or leave it out"


def _is_padding(bad: AnyArray, starts: Integers, ends: Integers) -> bool:
    """Whether NaN fills whole steps at one end of each sequence that has it, or ends of rows that are sequences."""
    flat = bad.reshape(len(bad), -1)
    if np.all(ends - starts == 1) and flat.shape[1] > 1:
        runs: list[AnyArray] = list(flat)
    else:
        steps: AnyArray = np.all(flat, axis=1)
        if (flat.any(1) != steps).any():
            return False
        runs = [steps[start:end] for start, end in zip(starts, ends, strict=True)]
    # What stands at one end is all there is: as many as the run from that end.
    return all(run[: run.sum()].all() or run[len(run) - run.sum() :].all() for run in runs) and not any(
        run.all() for run in runs
    )
