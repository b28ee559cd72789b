"""Preprocessing of ragged data against its float64 twins."""

from __future__ import annotations

import numpy as np
import pytest
from reference import ragged as twin
from support import close, normal, with_threads

from seriatim import functional as F

LENGTHS = [(1,), (3, 1, 2), (0, 5, 0, 1), (300, 1, 64, 65, 127, 4), (2000,)]
FEATURES = [1, 3, 15, 16, 18, 33, 48]


def ragged(lengths, features, seed=0):
    return normal(sum(lengths), features, seed=seed), np.r_[0, np.cumsum(lengths)].astype(np.int64)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("features", FEATURES)
def test_statistics(lengths, features):
    x, offsets = ragged(lengths, features)
    with_threads(lambda: (*F.ragged_moments(x, offsets), *F.ragged_extrema(x, offsets)))
    for got, wanted in zip(F.ragged_moments(x, offsets), twin.moments(x, offsets), strict=True):
        close(got, wanted, 1e-6)
    for got, wanted in zip(F.ragged_extrema(x, offsets), twin.extrema(x, offsets), strict=True):
        close(got, wanted, 0)
    np.testing.assert_array_equal(F.ragged_mean(x, offsets), F.ragged_moments(x, offsets)[0])


def test_a_million_rows_keep_their_accuracy():
    x = (normal(1_000_000, 3) + 100).astype(np.float32)
    mean, spread = F.ragged_moments(x, np.array([0, len(x)]))
    np.testing.assert_allclose(mean[0], x.mean(axis=0, dtype=np.float64), rtol=2e-7)
    np.testing.assert_allclose(spread[0], x.std(axis=0, dtype=np.float64), rtol=2e-6)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("features", FEATURES)
def test_scale(lengths, features):
    x, offsets = ragged(lengths, features)
    shift, scale = normal(len(lengths), features, seed=1), normal(len(lengths), features, seed=2)
    with_threads(lambda: (F.ragged_scale(x, offsets, shift, scale),))
    close(F.ragged_scale(x, offsets, shift, scale), twin.scale(x, offsets, shift, scale), 1e-6)


@pytest.mark.parametrize("lengths", [*LENGTHS[:-1], (400,)])
@pytest.mark.parametrize("features", [1, 16, 33])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 9, 700])
@pytest.mark.parametrize("kind", ["mean", "median"])
def test_filter(lengths, features, width, kind):
    x, offsets = ragged(lengths, features)
    x[:3] = np.round(x[:3])
    with_threads(lambda: (F.ragged_filter(x, offsets, width, kind),))
    close(F.ragged_filter(x, offsets, width, kind), twin.window_filter(x, offsets, width, kind), 1e-6)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("reach", [1, 2, 7])
def test_deltas(lengths, features, reach):
    x, offsets = ragged(lengths, features)
    with_threads(lambda: (F.ragged_deltas(x, offsets, reach),))
    wanted = twin.deltas(x, offsets, reach)
    close(F.ragged_deltas(x, offsets, reach), wanted, 1e-6)
    both = np.full((len(x), 2 * features), 7, np.float32)
    F.ragged_deltas(x, offsets, reach, out=both[:, features:])
    close(both[:, features:], wanted, 1e-6)
    assert np.all(both[:, :features] == 7)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("points", [1, 5, 30])
def test_rotate(lengths, points):
    x, offsets = ragged(lengths, 3 * points)
    matrices = normal(len(lengths), 3, 3, seed=1)
    with_threads(lambda: (F.rotate_points(x, offsets, matrices),))
    close(F.rotate_points(x, offsets, matrices), twin.rotate(x, offsets, matrices), 1e-6)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("columns", [1, 17])
def test_interpolate_columns(lengths, features, columns):
    x, offsets = ragged(lengths, features)
    positions = np.random.default_rng(0).uniform(-1, features, (len(lengths), columns))
    with_threads(lambda: (F.interpolate_columns(x, offsets, positions),))
    close(F.interpolate_columns(x, offsets, positions), twin.interpolate_columns(x, offsets, positions), 1e-5)


def test_the_last_column_reads_nothing_of_the_next_row():
    x = np.array([[1, 2], [np.nan, 3]], np.float32)
    np.testing.assert_array_equal(F.interpolate_columns(x, np.array([0, 2]), [[1.0]]), [[2], [3]])


@pytest.mark.parametrize("rows", [1, 2, 50, 5000])
@pytest.mark.parametrize("features", FEATURES)
def test_interpolate_rows(rows, features):
    x = normal(rows, features)
    positions = np.random.default_rng(0).uniform(0, rows - 1, 300)
    positions[:3] = 0, rows - 1, (rows - 1) // 2
    with_threads(lambda: (F.interpolate_rows(x, positions),))
    close(F.interpolate_rows(x, positions), twin.interpolate_rows(x, positions), 1e-5)
    np.testing.assert_array_equal(F.interpolate_rows(x, np.arange(rows)), x)


def test_errors():
    x, offsets = ragged((3, 2), 4)
    for wrong in ([0, 3], [1, 3, 5], [0, 6, 5], np.zeros(0, np.int64)):
        with pytest.raises(ValueError, match="offsets: expected numbers that grow from 0 to the 5 rows"):
            F.ragged_mean(x, np.asarray(wrong))
    with pytest.raises(ValueError, match="kind: expected one of"):
        F.ragged_filter(x, offsets, 3, "mode")
    with pytest.raises(ValueError, match="width: expected a positive integer, got 0"):
        F.ragged_filter(x, offsets, 0)
    with pytest.raises(ValueError, match="points of 3 features each, got 4"):
        F.rotate_points(x, offsets, np.zeros((2, 3, 3)))
    with pytest.raises(ValueError, match="shift"):
        F.ragged_scale(x, offsets, np.zeros((1, 4)), np.ones((2, 4)))


def test_no_rows():
    x, offsets = np.zeros((0, 3), np.float32), np.zeros(1, np.int64)
    assert F.ragged_mean(x, offsets).shape == (0, 3)
    assert F.ragged_filter(x, offsets, 3).shape == (0, 3)
    assert F.ragged_deltas(x, offsets).shape == (0, 3)
