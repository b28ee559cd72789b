"""Preprocessing of ragged data that float32 does not hold: clocks, places on maps, values whose squares overflow."""

from __future__ import annotations

import numpy as np
import pytest
from reference import ragged as twin
from support import normal, with_threads

from seriatim import _core
from seriatim import functional as F

LENGTHS = [(1,), (0, 5, 0, 1), (70, 1, 64, 65, 4)]
FEATURES = [1, 3, 9, 18]
# Offset and unit: seconds and nanoseconds since 1970, a map, a cell's volts; and units whose squares are no float32.
UNITS = [
    (0, 1),
    (1.7e9, 1e-2),
    (1.7e18, 1e9),
    (5_411_932, 0.02),
    (3.7, 1e-4),
    (0, 1e-25),
    (0, 1e20),
    (0, 1e200),
    (0, 1e-200),
]


def ragged(lengths, features, offset=1.7e9, unit=1e-2):
    noise = normal(sum(lengths), features).astype(np.float64)
    return offset + unit * noise, np.r_[0, np.cumsum(lengths)].astype(np.int64)


def same(got, wanted, unit=1.0, tolerance=1e-12):
    assert got.dtype == np.float64
    np.testing.assert_allclose(got / unit, np.asarray(wanted) / unit, atol=tolerance, rtol=0)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize(("offset", "unit"), UNITS)
def test_statistics(lengths, features, offset, unit):
    x, offsets = ragged(lengths, features, offset, unit)
    with_threads(lambda: (*F.ragged_moments(x, offsets), *F.ragged_extrema(x, offsets)))
    mean, spread = F.ragged_moments(x, offsets)
    filled = np.diff(offsets)[:, None] > 0
    # What is left of the values behind offset and unit, and what float64 rounds at the offset.
    wanted_mean, wanted_spread = twin.moments((x - offset) / unit, offsets)
    rounding = 1e-12 + 4e-16 * abs(offset) / unit
    same(mean, np.where(filled, offset + unit * wanted_mean, 0), unit, rounding)
    same(spread, unit * wanted_spread, unit)
    for got, wanted in zip(F.ragged_extrema(x, offsets), twin.extrema(x, offsets), strict=True):
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(F.ragged_mean(x, offsets), mean)


@pytest.mark.parametrize("unit", [1e-25, 1e20, 1e37])
def test_squares_of_float32_neither_vanish_nor_overflow(unit):
    x, offsets = ragged((40, 3), 5, 0, 1)
    x = x.astype(np.float32)
    beside = np.hstack([x, (x * np.float32(unit))])
    (mean, spread), (plain_mean, plain_spread) = F.ragged_moments(beside, offsets), F.ragged_moments(x, offsets)
    assert (mean.dtype, spread.dtype) == (np.float32, np.float32)
    np.testing.assert_array_equal(mean[:, :5], plain_mean)
    np.testing.assert_array_equal(spread[:, :5], plain_spread)
    np.testing.assert_allclose(spread[:, 5:] / unit, plain_spread, rtol=1e-6)
    np.testing.assert_allclose(mean[:, 5:] / unit, plain_mean, atol=1e-6)
    assert F.ragged_moments(np.zeros((4, 1), np.float32), np.array([0, 4]))[1][0, 0] == 0
    great = np.full((200, 1), 3e38, np.float32)
    assert F.ragged_mean(great, np.array([0, 200]))[0, 0] == np.float32(3e38)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("features", FEATURES)
def test_maps(lengths, features):
    x, offsets = ragged(lengths, features)
    n = len(lengths)
    shift, scale = 1.7e9 + normal(n, features, seed=1).astype(float), 100.0 * normal(n, features, seed=2)
    with_threads(lambda: (F.ragged_scale(x, offsets, shift, scale),))
    same(F.ragged_scale(x, offsets, shift, scale), twin.scale(x, offsets, shift, scale))
    for width in (1, 2, 5, 90):
        for kind in ("mean", "median"):
            same(F.ragged_filter(x, offsets, width, kind), twin.window_filter(x, offsets, width, kind), tolerance=2e-6)
    np.testing.assert_array_equal(F.ragged_filter(x, offsets, 3, "median"), twin.window_filter(x, offsets, 3, "median"))
    for reach in (1, 3):
        wanted = twin.deltas(x, offsets, reach)
        same(F.ragged_deltas(x, offsets, reach), wanted)
        both = np.full((len(x), 2 * features), 7.0)
        F.ragged_deltas(x, offsets, reach, out=both[:, features:])
        same(both[:, features:], wanted)
        assert np.all(both[:, :features] == 7)
    positions = np.random.default_rng(0).uniform(-1, features, (n, 4))
    same(F.interpolate_columns(x, offsets, positions), twin.interpolate_columns(x, offsets, positions), tolerance=1e-6)
    places = np.random.default_rng(0).uniform(0, len(x) - 1, 20)
    same(F.interpolate_rows(x, places), twin.interpolate_rows(x, places), tolerance=1e-6)
    np.testing.assert_array_equal(F.interpolate_rows(x, np.arange(len(x))), x)
    if features % 3 == 0:
        matrices = normal(n, 3, 3, seed=1)
        turned = F.rotate_points(x, offsets, matrices)
        np.testing.assert_allclose(turned, twin.rotate(x, offsets, matrices), rtol=1e-14, atol=1e-5)


def test_large_results_have_memory_for_all_their_numbers():
    x, ends = np.ones((60_000, 3)), np.array([0, 60_000])
    before = _core.memory_info()["bytes_used"]
    y = F.ragged_scale(x, ends, np.zeros((1, 3)), np.ones((1, 3)))
    assert _core.memory_info()["bytes_used"] - before >= y.nbytes
    mean, spread = F.ragged_moments(np.ones((2, 90_000)), np.array([0, 2]))
    assert _core.memory_info()["bytes_used"] - before >= y.nbytes + mean.nbytes + spread.nbytes


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint32, np.float64])
def test_types_that_float32_does_not_hold(dtype):
    x, offsets = np.array([[16777217], [16777219]], dtype), np.array([0, 2])
    assert F.ragged_mean(x, offsets).dtype == np.float64
    assert F.ragged_mean(x, offsets)[0, 0] == 16777218
    for narrow in (np.float32, np.float16, np.int16, np.uint8, bool):
        assert F.ragged_mean(np.ones((2, 1), narrow), offsets).dtype == np.float32


def test_errors():
    x, offsets = ragged((3, 2), 4)
    for wrong in ([0, 3], [1, 3, 5], [0, 6, 5], np.zeros(0, np.int64)):
        for call in (F.ragged_mean, F.ragged_extrema, F.ragged_deltas, lambda x, o: F.ragged_filter(x, o, 3)):
            with pytest.raises(ValueError, match="offsets: expected numbers that grow from 0 to the 5 rows"):
                call(x, np.asarray(wrong))
    with pytest.raises(ValueError, match="width: expected a positive integer, got 0"):
        F.ragged_filter(x, offsets, 0)
    with pytest.raises(ValueError, match="reach: expected"):
        F.ragged_deltas(x, offsets, 0)
    with pytest.raises(ValueError, match="out: expected a float64 array"):
        F.ragged_deltas(x, offsets, out=np.empty((5, 4), np.float32))
    with pytest.raises(ValueError, match="points of 3 features each, got 4"):
        F.rotate_points(x, offsets, np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match="matrices: expected shape"):
        F.rotate_points(x[:, :3], offsets, np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="shift"):
        F.ragged_scale(x, offsets, np.zeros((1, 4)), np.ones((2, 4)))
    with pytest.raises(ValueError, match="positions: expected shape"):
        F.interpolate_columns(x, offsets, np.zeros((1, 4)))
    with pytest.raises(IndexError):
        F.interpolate_rows(np.zeros((0, 4)), [0.0])
    nothing, ends = np.zeros((0, 3)), np.zeros(1, np.int64)
    for found in (F.ragged_mean(nothing, ends), F.ragged_filter(nothing, ends, 3), F.ragged_deltas(nothing, ends)):
        assert found.shape == (0, 3)
