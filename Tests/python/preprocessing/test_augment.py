"""Augmentations: what they keep, what they change, seeds, and the numbers against plain NumPy."""

import numpy as np
import pytest
from sklearn.base import clone

from seriatim import Sequences
from seriatim import preprocessing as prep
from seriatim.preprocessing._augment import _partners, _rotations

AUGMENTATIONS = [
    prep.Jitter(),
    prep.Scale(),
    prep.Scale(per="feature"),
    prep.Shift(),
    prep.Shift(period=3),
    prep.Rotate(),
    prep.Rotate(30, "y"),
    prep.Tempo(),
    prep.TimeWarp(),
    prep.Crop(0.5),
    prep.MaskTime(),
    prep.MaskFeatures(3, 2),
    prep.WarpFeatures(0.2, 1.0),
    prep.Mix(),
    prep.Compose([prep.Tempo(), prep.Jitter(), prep.Crop()]),
]
TARGET = np.arange(40) % 3


def data(features=6, n=40, seed=0):
    rng = np.random.default_rng(seed)
    rows = [rng.normal(size=(int(k), features)).astype(np.float32) for k in rng.integers(1, 30, n)]
    return Sequences.from_list(rows)


def rng():
    return np.random.default_rng(5)


@pytest.mark.parametrize("augmentation", AUGMENTATIONS, ids=repr)
def test_manners(augmentation):
    s = data()
    before = s.X.copy()
    found = augmentation(s, rng(), TARGET)
    assert isinstance(found, Sequences)
    assert len(found) == len(s)
    assert found.X.dtype == np.float32
    assert np.isfinite(found.X).all()
    np.testing.assert_array_equal(s.X, before)
    assert found == clone(augmentation)(s, rng(), TARGET), "the same seed, the same bits"
    assert found != augmentation(s, np.random.default_rng(6), TARGET)
    assert found != s


@pytest.mark.parametrize("augmentation", [a for a in AUGMENTATIONS if "Compose" not in repr(a)], ids=repr)
def test_one_step_and_one_sequence(augmentation):
    s = Sequences(np.ones((1, 6), np.float32), [1])
    assert len(augmentation(s, rng(), np.array([0]))) == 1


def test_no_strength_changes_nothing():
    s = data()
    for augmentation in (
        prep.Jitter(0), prep.Scale(1, 1), prep.Shift(0), prep.Rotate(0), prep.Tempo(1, 1), prep.TimeWarp(0),
        prep.Crop(1), prep.MaskTime(0), prep.MaskFeatures(0), prep.WarpFeatures(0), prep.Mix(0),
    ):  # fmt: skip
        found = augmentation(s, rng(), TARGET)
        np.testing.assert_array_equal(found.lengths, s.lengths)
        np.testing.assert_allclose(found.X, s.X, atol=2e-6, err_msg=repr(augmentation))


def test_amounts():
    s = data()
    noise = prep.Jitter(0.1)(s, rng()).X - s.X
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    factors = np.array([(b / a) for a, b in zip(s, prep.Scale(0.5, 2)(s, rng()), strict=True)], dtype=object)
    each = np.array([f.mean() for f in factors])
    assert all(np.allclose(f, f.mean(), rtol=1e-4) for f in factors)
    assert 0.5 <= each.min() < 0.7
    assert 1.7 < each.max() <= 2
    moved = prep.Shift(0.3, 3)(s, rng()).X - s.X
    np.testing.assert_allclose(moved[:, :3], moved[:, 3:], atol=1e-6)
    assert np.abs(moved).max() <= 0.3 + 1e-6
    tempo = prep.Tempo(0.5, 2)(s, rng()).lengths / s.lengths
    assert tempo.min() < 0.8
    assert tempo.max() > 1.3


def test_rotation_keeps_distances_and_its_axis():
    s = data()
    found = prep.Rotate(90)(s, rng())
    norm = np.linalg.norm(s.X.reshape(-1, 3), axis=1)
    np.testing.assert_allclose(np.linalg.norm(found.X.reshape(-1, 3), axis=1), norm, rtol=1e-5)
    about = prep.Rotate(90, "y")(s, rng())
    np.testing.assert_allclose(about.X[:, [1, 4]], s.X[:, [1, 4]], atol=1e-6)
    quarter = _rotations(np.array([[0.0, 0.0, 1.0]]), np.array([np.pi / 2]))[0]
    np.testing.assert_allclose(quarter @ [1, 0, 0], [0, 1, 0], atol=1e-6)


def test_crop_is_a_part_and_masks_are_bands():
    s = data()
    for whole, part in zip(s, prep.Crop(0.5)(s, rng()), strict=True):
        assert len(part) >= max(1, round(0.5 * len(whole)) - 1)
        assert any(np.array_equal(whole[i : i + len(part)], part) for i in range(len(whole) - len(part) + 1))
    blank = prep.MaskTime(0.5, 9)(s, rng())
    assert (blank.X == 9).all(axis=1).any(), "the case that this test is for"
    for before, after in zip(s, blank, strict=True):
        hidden = np.flatnonzero((after == 9).all(axis=1))
        assert len(hidden) <= 0.5 * len(before)
        assert not len(hidden) or np.ptp(hidden) == len(hidden) - 1
        kept = np.setdiff1d(np.arange(len(before)), hidden)
        np.testing.assert_array_equal(before[kept], after[kept])
    bands = prep.MaskFeatures(3, 1, 9)(s, rng())
    counts = [int((x == 9).all(axis=0).sum()) for x in bands]
    assert set(counts) == {0, 1, 2, 3}


def test_time_warp_keeps_ends_and_order():
    ramp = Sequences.from_list([np.arange(50, dtype=np.float32)[:, None]] * 20)
    for x in prep.TimeWarp(0.9, 3)(ramp, rng()):
        np.testing.assert_allclose(x[[0, -1], 0], [0, 49], atol=1e-4)
        assert np.all(np.diff(x[:, 0]) >= -1e-4)


def test_warp_features_stretches_the_axis():
    x = np.arange(10, dtype=np.float32)[None].repeat(3, axis=0)
    s = Sequences.from_list([x] * 30)
    for found in prep.WarpFeatures(0.2)(s, rng()):
        factor = found[0, 1]
        assert 0.8 <= factor <= 1.2
        np.testing.assert_allclose(found[0], np.minimum(np.arange(10) * factor, 9), atol=1e-5)


def test_partners_are_of_the_same_class():
    for n in (1, 2, 7, 60):
        target = np.random.default_rng(n).integers(0, 5, n)
        partner = _partners(target, rng())
        np.testing.assert_array_equal(target[partner], target)
        np.testing.assert_array_equal(np.sort(partner), np.arange(n))
        counts = np.bincount(target)
        assert all(counts[target[i]] == 1 for i in np.flatnonzero(partner == np.arange(n)))
    with pytest.raises(ValueError, match="target: expected the classes"):
        prep.Mix()(data(), rng())
    with pytest.raises(ValueError, match="a regressor has none"):
        prep.Mix()(data(), rng(), np.zeros((40, 1)))


BAD = [
    (prep.Jitter(-1), "deviation"),
    (prep.Scale(2, 1), "high"),
    (prep.Scale(per="step"), "per"),
    (prep.Shift(period=4), "period: expected a divisor of the 6 features, got 4"),
    (prep.Rotate(200), "angle"),
    (prep.Rotate(axis="w"), "axis"),
    (prep.Tempo(0), "low"),
    (prep.TimeWarp(2), "strength"),
    (prep.Crop(0), "fraction"),
    (prep.MaskTime(2), "fraction"),
    (prep.MaskFeatures(1.5), "most: expected an integer"),
    (prep.WarpFeatures(1), "strength"),
    (prep.Mix(2), "most"),
]


@pytest.mark.parametrize(("augmentation", "words"), BAD, ids=repr)
def test_bad_parameters(augmentation, words):
    with pytest.raises(ValueError, match=words):
        augmentation(data(), rng(), TARGET)


def test_rotation_wants_points():
    with pytest.raises(ValueError, match="points of 3 features each, got 4"):
        prep.Rotate()(data(4), rng())


def test_what_is_no_sequences_is_refused():
    with pytest.raises(TypeError, match=r"expected a Sequences, got list: Sequences\.from_list"):
        prep.Jitter()([np.ones((3, 2))], np.random.default_rng(0))
