"""No precision is lost before it matters: what removes an offset or a unit reads what was given, in float64."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import seriatim
from seriatim import Sequences, recipes
from seriatim import preprocessing as prep

# Offset and unit: a clock, places on a map, a cell's volts, a barometer, and units whose squares are no float32.
UNITS = [
    (1.7e9, 1e-2),
    (1.7e9, 17.0),
    (5_411_932, 0.02),
    (3.7, 1e-4),
    (101_325, 0.1),
    (0, 1e-25),
    (0, 1e20),
    (0, 1e200),
    (0, 1e-200),
]
LENGTHS = [5, 30, 1, 17]


def walks(offset=0.0, unit=1.0, seed=0):
    steps = np.random.default_rng(seed).normal(size=(sum(LENGTHS), 3))
    return Sequences(offset + unit * np.cumsum(steps, axis=0), LENGTHS)


def rounding(offset, unit):
    """What float64 itself rounds at the offset, in units."""
    return 1e-6 + 1e-15 * abs(offset) / unit


@pytest.mark.parametrize(("offset", "unit"), UNITS)
def test_scaling_is_float64_arithmetic(offset, unit):
    given = walks(offset, unit)
    # scikit-learn in a unit in which its own squares are numbers.
    plain = given.X / unit if offset == 0 else given.X
    close = rounding(offset, unit)
    found = prep.Standardize().fit_transform(given).X
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, StandardScaler().fit_transform(plain), atol=10 * close)
    found = prep.MinMaxScale().fit_transform(given).X
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, MinMaxScaler().fit_transform(plain), atol=close)
    centred = prep.Center().fit_transform(given).X
    np.testing.assert_allclose(centred / unit, (given.X - given.X.mean(axis=0)) / unit, atol=close * 10, rtol=1e-6)
    for x, own in zip(given, prep.Standardize("sequence").fit_transform(given), strict=True):
        if len(x) > 1:
            np.testing.assert_allclose(own, StandardScaler().fit_transform(x if offset else x / unit), atol=10 * close)
    slopes = prep.Deltas(append=False).fit_transform(given).X
    wanted = prep.Deltas(append=False).fit_transform(walks().X.astype(np.float64), lengths=LENGTHS)
    np.testing.assert_allclose(slopes / unit, np.asarray(wanted), atol=close * 10)


def test_nanoseconds_since_1970():
    clock = 1_700_000_000_000_000_000 + np.arange(0, 60_000_000_000, 1_000_000_000, dtype=np.int64)[:, None]
    found = prep.Standardize().fit_transform(Sequences(clock, [len(clock)])).X
    np.testing.assert_allclose(found[:, 0], StandardScaler().fit_transform(np.arange(60.0)[:, None])[:, 0], atol=1e-6)


def test_what_varies_depends_on_the_type():
    clock = 1.7e9 + 0.01 * np.arange(50)[:, None]
    assert prep.Standardize().fit_transform(Sequences(clock, [50])).X.std() == pytest.approx(1, abs=1e-5)
    # All of these are one float32; and a mean's own roundings are no variation in float64.
    assert not prep.Standardize().fit_transform(Sequences(clock.astype(np.float32), [50])).X.any()
    assert not prep.Standardize().fit_transform(Sequences(np.full((999, 1), 0.1), [999])).X.any()


def test_level_and_shape_of_an_offset():
    rng = np.random.default_rng(0)
    rows = [4e6 + u * rng.normal(size=(20, 1)) for u in 10.0 ** np.arange(-3, 4)]
    found = prep.LevelAndShape().fit_transform(Sequences.from_list(rows))
    assert found.X.shape[1] == 2
    for x, shape in zip(rows, found, strict=True):
        np.testing.assert_allclose(shape[:, 1], StandardScaler().fit_transform(x)[:, 0], atol=1e-5)


LEAVE = [
    prep.Center(), prep.Deltas(), prep.Deltas(append=False), prep.Downsample(2), prep.Downsample(2, "mean"),
    prep.Filter(3), prep.Filter(3, "mean"), prep.LevelAndShape(), prep.Pad(40), prep.Resample(16), prep.Stack(2),
    prep.TrimConstants(), recipes.EvenStroke(8), recipes.Facing(1, 1, 0, ()), recipes.Bodies(1, 1, 0),
]  # fmt: skip


@pytest.mark.parametrize("step", LEAVE, ids=repr)
def test_what_leaves_an_offset_leaves_the_type(step):
    given = walks(1.7e9, 1e-2)
    found = step.fit(given).transform(given)
    assert found.X.dtype == np.float64
    narrow = Sequences(walks().X.astype(np.float32), LENGTHS)
    assert step.fit(narrow).transform(narrow).X.dtype == np.float32
    # Wherever it puts the offset, the values behind it are as fine as if there were none.
    fine = np.asarray(found.X, np.float64)[:, -1]
    assert len(np.unique(np.float64(fine))) > len(np.unique(fine.astype(np.float32))) or np.abs(fine).max() < 1e3


AUGMENTATIONS = [
    prep.Jitter(1e-3), prep.Scale(1, 1), prep.Shift(1e-3), prep.Tempo(), prep.TimeWarp(), prep.Crop(), prep.MaskTime(),
    prep.MaskFeatures(1), prep.WarpFeatures(0.0), prep.Mix(), prep.Rotate(0.0),
    prep.Compose([prep.Tempo(), prep.Jitter(0)]),
    recipes.SensorNoise(0.01), recipes.Orientation(0.0), recipes.Slant(0.0, 0.0), recipes.Mirror(1, 1, (), 0.0),
]  # fmt: skip


@pytest.mark.parametrize("change", AUGMENTATIONS, ids=repr)
def test_augmentation_leaves_the_type(change):
    given = walks(1.7e9, 1e-2)
    target = np.zeros(len(LENGTHS), np.int64)
    found = change(given, np.random.default_rng(0), target)
    assert found.X.dtype == np.float64
    values = found.X[found.X > 1e9]
    np.testing.assert_allclose([values.min(), values.max()], [given.X.min(), given.X.max()], rtol=0, atol=1)
    assert len(np.unique(values)) > 20, "float32 has two values there"
    narrow = Sequences(walks().X.astype(np.float32), LENGTHS)
    assert change(narrow, np.random.default_rng(0), target).X.dtype == np.float32


def test_a_pipeline_loses_nothing():
    given = walks(1.7e9, 1e-2)
    for step in (prep.Resample(20), prep.Downsample(2, "mean"), prep.Filter(3), prep.Deltas(), prep.Stack(2)):
        chain = make_pipeline(clone(step), prep.Standardize())
        wanted = chain.fit_transform(walks()).X
        np.testing.assert_allclose(chain.fit_transform(given).X, wanted, atol=2e-4)


def test_float32_keeps_its_arithmetic():
    given = Sequences(walks(3.0).X.astype(np.float32), LENGTHS)
    for step in (prep.Standardize(), prep.MinMaxScale((-1, 2)), prep.Center()):
        found = step.fit(given)
        assert found.shift_.dtype == found.scale_.dtype == np.float64
        plain = (given.X - found.shift_.astype(np.float32)) * found.scale_.astype(np.float32)
        np.testing.assert_array_equal(found.transform(given).X, plain)
        assert found.transform(given).X.dtype == np.float32
    # Learned from float64: float32 that goes through it is rounded by nothing but the result.
    wide = prep.Standardize().fit(walks(1.7e9, 1e3))
    late = Sequences(walks(1.7e9, 1e3).X.astype(np.float32), LENGTHS)
    wanted = (late.X.astype(np.float64) - wide.shift_) * wide.scale_
    np.testing.assert_allclose(wide.transform(late).X, wanted, atol=1e-6)


def test_statistics_survive_files_and_pickles(tmp_path):
    given = walks(1.7e9, 1e-2)
    for step in (prep.Standardize(), prep.MinMaxScale(), prep.Center()):
        fitted = step.fit(given)
        seriatim.save(fitted, tmp_path / "step")
        for again in (seriatim.load(tmp_path / "step"), pickle.loads(pickle.dumps(fitted))):
            assert again.shift_.dtype == np.float64
            np.testing.assert_array_equal(again.transform(given).X, fitted.transform(given).X)
    # As older files have them.
    fitted.shift_, fitted.scale_ = fitted.shift_.astype(np.float32), fitted.scale_.astype(np.float32)
    del fitted._has_offset
    seriatim.save(fitted, tmp_path / "old")
    assert seriatim.load(tmp_path / "old").transform(given).X.shape == given.X.shape


def test_what_float64_does_not_hold_is_refused():
    far = Sequences(np.array([[-1.7e308], [1.7e308]]), [2])
    for step in (prep.Standardize(), prep.MinMaxScale()):
        with pytest.raises(ValueError, match="differences float64 holds"):
            step.fit(far)
        assert not hasattr(step, "shift_")
    great = Sequences(np.array([[-3e38], [3e38], [1e38]], np.float32), [3])
    np.testing.assert_allclose(
        prep.Standardize().fit_transform(great).X, StandardScaler().fit_transform(great.X.astype(float)), atol=1e-6
    )
    np.testing.assert_allclose(prep.MinMaxScale().fit_transform(great).X[:, 0], [0, 1, 2 / 3], atol=1e-6)


def test_parts_of_a_long_set_are_scaled_alike():
    long = 1.7e9 + np.random.default_rng(0).normal(size=(100_000, 2))
    step = prep.Standardize().fit(Sequences(long, [100_000]))
    wanted = ((long - step.shift_) * step.scale_).astype(np.float32)
    np.testing.assert_array_equal(step.transform(Sequences(long, [100_000])).X, wanted)
