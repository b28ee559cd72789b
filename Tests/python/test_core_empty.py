"""Every size of every function of `_core` may be 0: sums of nothing come out, or an error that names an argument."""

import numpy as np
import pytest
from core_arguments import ERRORS, GOOD, TABLES, grouped

from seriatim import _core

CASES = [
    (name, size)
    for name, table in sorted(TABLES.items())
    for size in dict.fromkeys(d for row in table["parameters"] for d in row["dimensions"] if not d.isdigit())
    if size != "blank"  # A class.
]


def without(value, row, size):
    """The argument with every axis of this size cut off."""
    if row["kind"] == "size":
        return 0 if size in row["dimensions"] else value
    if row["kind"] == "sizes":
        return tuple(0 if d == size else v for d, v in zip(row["dimensions"], value, strict=True))
    if not isinstance(value, np.ndarray):
        return value
    if value.ndim != len(row["dimensions"]):
        return value[:0] if row["dimensions"][:1] == [size] else value
    return np.ascontiguousarray(value[tuple(slice(0 if d == size else None) for d in row["dimensions"])])


def results_of(name, result):
    """The arrays of a result but for caches, which have room that nobody writes to."""
    arrays = result if isinstance(result, tuple) else (result,)
    caches = len(arrays) if "cache" not in [row["name"] for row in TABLES[name]["results"]] else len(arrays) - 1
    return [array for array in arrays[:caches] if isinstance(array, np.ndarray)]


@pytest.mark.parametrize(("name", "size"), CASES)
def test_a_size_of_zero(name, size):
    rows = TABLES[name]["parameters"]
    for make in GOOD[name]:
        values = [without(value, row, size) for value, row in zip(make(), rows, strict=True)]
        try:
            result = getattr(_core, name)(*grouped(name, values))
        except ERRORS as error:
            assert str(error), name  # noqa: PT017
            continue
        for array in results_of(name, result):
            assert array.dtype.kind == "i" or not np.isnan(array).any()


def zeros_after(name, values, written):
    getattr(_core, name)(*grouped(name, values))
    return [not np.any(values[place]) for place in written]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("linear_backward", "rows"),
        ("convolution_backward", "batch"),
        ("batch_norm_backward", "rows"),
        ("image_norm_backward", "rows"),
        ("image_norm_backward", "pixels"),
    ],
)
def test_gradients_of_nothing_are_zeros(name, size):
    """Or stay as they are, if they are to be added to; what a result has besides is zeros."""
    rows = TABLES[name]["parameters"]
    names = [row["name"] for row in rows]
    written = [place for place, row in enumerate(rows) if row["kind"].startswith("written")]
    for accumulate in (False, True):
        values = [without(value, row, size) for value, row in zip(GOOD[name][0](), rows, strict=True)]
        values[names.index("accumulate")] = accumulate
        for place in written:
            values[place] = np.ones_like(values[place])
        assert zeros_after(name, values, written) == [not accumulate] * len(written)


def test_statistics_of_nothing_stay():
    rows = TABLES["batch_norm_forward"]["parameters"]
    values = [without(v, row, "rows") for v, row in zip(GOOD["batch_norm_forward"][0](), rows, strict=True)]
    mean, var = values[3].copy(), values[4].copy()
    y, batch_mean, inverse = _core.batch_norm_forward(*grouped("batch_norm_forward", values))
    assert y.shape[0] == 0
    assert not batch_mean.any()
    assert not inverse.any()
    np.testing.assert_array_equal(values[3], mean)
    np.testing.assert_array_equal(values[4], var)
