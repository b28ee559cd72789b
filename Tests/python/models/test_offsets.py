"""Estimators see what was given: clocks, places on maps, tiny and huge units, in sequences and in targets."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from samples import DIMS, make, ragged, rising
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline

import seriatim
from seriatim import Sequences, nn
from seriatim import preprocessing as prep
from seriatim.models import (
    DeepGRUClassifier,
    DeepGRURegressor,
    GRUClassifier,
    ReservoirClassifier,
    ReservoirRegressor,
    VideoClassifier,
)

X, Y = rising(40)
# Offset and unit of sequences.
UNITS = [(1.7e9, 1e-2), (5_411_932, 0.4), (0, 1e-25), (0, 1e20), (0, 1e-200)]


def moved(sequences, offset, unit):
    return Sequences(offset + unit * sequences.X, sequences.lengths)


@pytest.mark.parametrize(("offset", "unit"), UNITS)
@pytest.mark.parametrize("kind", [GRUClassifier, ReservoirClassifier])
def test_offset_and_unit_make_no_difference(kind, offset, unit):
    size = {"hidden_size": 4, "max_epochs": 3} if kind is GRUClassifier else {"hidden_size": 20}
    model = kind(**size, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        here, there = clone(model).fit(X, Y), clone(model).fit(moved(X, offset, unit), Y)
    wanted = here.predict_proba(X)
    np.testing.assert_allclose(there.predict_proba(moved(X, offset, unit)), wanted, atol=1e-2)
    assert there.score(moved(X, offset, unit), Y) == here.score(X, Y)


def test_a_pipeline_and_preprocessing_inside_learn_at_an_offset():
    far = moved(X, 1.7e9, 1e-2)
    for model in (
        make_pipeline(prep.Resample(8), make(GRUClassifier, hidden_size=8)),
        make(GRUClassifier, hidden_size=8, preprocessing=make_pipeline(prep.Filter(3, "mean"), prep.Standardize())),
        make(GRUClassifier, hidden_size=8, augmentation=prep.Compose([prep.Tempo(), prep.Jitter(1e-4)])),
    ):
        assert model.set_params().fit(far, Y).score(far, Y) > 0.9


def test_warm_start_files_and_pieces_see_the_same(tmp_path):
    far = moved(X, 1.7e9, 1e-2)
    model = make(GRUClassifier, hidden_size=4, max_epochs=2, warm_start=True).fit(far, Y)
    model.fit(far, Y)
    model.partial_fit(far, Y)
    seriatim.save(model, tmp_path / "model")
    again = seriatim.load(tmp_path / "model")
    assert again.scaling_.shift_.dtype == np.float64
    np.testing.assert_array_equal(again.predict_proba(far), model.predict_proba(far))


def test_what_float32_cannot_tell_apart_is_said():
    far = moved(X, 1.7e9, 1e-2)
    plain = {"hidden_size": 4, "max_epochs": 1, "scaling": None}
    words = "feature 0 is 1.7e.09 with a standard deviation of 0.0.* float32, in which networks compute, can hardly"
    for inside in (None, prep.Downsample(2)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message="feature 0")
            GRUClassifier(**plain, preprocessing=inside).fit(moved(X, 3, 1), Y)
            for augmentation in (None, prep.Jitter(0.0)):
                with pytest.raises(UserWarning, match=words):
                    GRUClassifier(**plain, preprocessing=inside, augmentation=augmentation).fit(far, Y)


def test_what_is_beyond_float32_is_named():
    far = moved(X, 0, 1e200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        with pytest.raises(ValueError, match=r"float32 .* in 40 of 40 sequences; the first in step 0 of its sequence"):
            GRUClassifier(hidden_size=4, max_epochs=1, scaling=None, preprocessing=None).fit(far, Y)
    model = GRUClassifier(hidden_size=4, max_epochs=1).fit(X, Y)
    for kind in (np.float64, np.float32):
        values = X.X.astype(kind)
        values[3, 1] = 1e39 if kind is np.float64 else 3e38
        narrow = model if kind is np.float64 else clone(model).fit(Sequences(1e-3 * X.X.astype(kind), X.lengths), Y)
        with pytest.raises(ValueError, match=r"X: expected finite numbers, got infinity \(1 of .* feature 1"):
            narrow.predict(Sequences(values, X.lengths))


# ---- Targets

TARGETS = [(0, 1), (1.7e9, 1e-3), (-3.7, 1e-6), (0, 1e-25), (0, 1e20), (0, 1e200), (0, 1e-200)]


@pytest.mark.parametrize(("offset", "unit"), TARGETS)
@pytest.mark.parametrize("kind", [DeepGRURegressor, ReservoirRegressor])
def test_targets_of_any_offset_and_unit(kind, offset, unit):
    sequences, numbers = ragged(30)[0], np.random.default_rng(0).normal(size=(30, 2))
    size = {"dims": DIMS, "max_epochs": 2, "dropout": 0.0} if kind is DeepGRURegressor else {"hidden_size": 10}
    here = kind(**size, random_state=0).fit(sequences, numbers)
    there = kind(**size, random_state=0).fit(sequences, offset + unit * numbers)
    rounding = 1e-4 + 1e-15 * abs(offset) / unit
    predicted = there.predict(sequences)
    assert predicted.dtype == np.float64
    np.testing.assert_allclose((predicted - offset) / unit, here.predict(sequences), atol=rounding)
    score = there.score(sequences, offset + unit * numbers)
    assert score == pytest.approx(here.score(sequences, numbers), abs=1e-3)
    assert here.score(sequences, numbers) == pytest.approx(r2_score(numbers, here.predict(sequences)), abs=1e-12)


@pytest.mark.filterwarnings("ignore:training reached its last epoch")
def test_weights_and_validation_at_an_offset():
    sequences, numbers = ragged(30)[0], np.random.default_rng(0).normal(size=30)
    weights = np.random.default_rng(1).uniform(0.1, 1, 30)
    settings = {"dims": DIMS, "max_epochs": 2, "early_stopping": True, "validation_fraction": 0.3, "random_state": 0}
    for unit, offset in ((1e-3, 1.7e9), (1e200, 0)):
        here = DeepGRURegressor(**settings).fit(sequences, numbers, sample_weight=weights)
        there = DeepGRURegressor(**settings).fit(sequences, offset + unit * numbers, sample_weight=weights)
        np.testing.assert_allclose(there.history_["validation_score"], here.history_["validation_score"], atol=1e-3)
        np.testing.assert_allclose(there.target_scale_ / unit, here.target_scale_, rtol=1e-3)
    far = np.where(np.arange(30) == 3, 1e308, numbers)
    with pytest.raises(ValueError, match="validation_data: y: expected numbers near the training set's"):
        DeepGRURegressor(dims=DIMS, max_epochs=1).fit(sequences, numbers, validation_data=(sequences, far))


def test_a_target_that_does_not_vary_is_predicted():
    sequences = ragged(30)[0]
    model = ReservoirRegressor(hidden_size=10, random_state=0).fit(sequences, np.full(30, 0.1))
    np.testing.assert_allclose(model.predict(sequences), 0.1)
    assert model.target_scale_[0] == 1


def test_order_does_not_depend_on_how_sequences_are_given_at_an_offset():
    far, turn = moved(X, 1.7e9, 1e-2), np.random.default_rng(0).permutation(len(X))
    settings = {"dims": DIMS, "max_epochs": 1, "random_state": 0}
    one, other = (DeepGRUClassifier(**settings).fit(x, y) for x, y in ((far, Y), (far[turn], Y[turn])))
    np.testing.assert_array_equal(one.predict_proba(far), other.predict_proba(far))


@pytest.mark.parametrize("unit", [1e-60, 1e60])
def test_weights_of_any_unit(unit):
    sequences, numbers = ragged(30)[0], np.random.default_rng(0).normal(size=30)
    weights = np.random.default_rng(1).uniform(0.1, 1, 30)
    for model in (ReservoirRegressor(hidden_size=10, random_state=0), make(GRUClassifier, hidden_size=4, max_epochs=1)):
        y = numbers if isinstance(model, ReservoirRegressor) else numbers > 0
        here, there = (clone(model).fit(sequences, y, sample_weight=w) for w in (weights, unit * weights))
        np.testing.assert_allclose(there.transform(sequences), here.transform(sequences), atol=1e-5)
        np.testing.assert_allclose(*(np.asarray(m.predict(sequences), float) for m in (there, here)), atol=1e-4)
        assert there.score(sequences, y, sample_weight=unit * weights) == pytest.approx(
            here.score(sequences, y, sample_weight=weights), abs=1e-4
        )


@pytest.mark.parametrize("unit", [1e-60, 1e60])
def test_weights_of_classes_of_any_unit(unit):
    models = (
        make(GRUClassifier, hidden_size=4, max_epochs=1, class_weight={0: 3 * u, 1: u}).fit(X, Y) for u in (1, unit)
    )
    here, there = (model.predict_proba(X) for model in models)
    np.testing.assert_allclose(there, here, atol=1e-5)


def test_preprocessing_of_videos_sees_what_is_given():
    rng = np.random.default_rng(0)
    frames, seen = 1.7e9 + 1e-2 * rng.normal(size=(12, 1, 2, 2)), []

    class Centred:
        def get_params(self, deep=False):
            return {}

        def fit(self, X):
            seen.append(X.X.dtype)
            return self

        def transform(self, X):
            return Sequences(X.X - 1.7e9, X.lengths)

    settings = {"hidden_size": 2, "fc": 2, "max_epochs": 1, "random_state": 0}
    videos, y = Sequences(frames, [3] * 4), [0, 1, 0, 1]
    one = VideoClassifier(nn.Flatten(), 4, **settings, preprocessing=Centred()).fit(videos, y)
    other = VideoClassifier(nn.Flatten(), 4, **settings).fit(Sequences(frames - 1.7e9, [3] * 4), y)
    assert seen == [np.float64]
    np.testing.assert_array_equal(one.predict_proba(videos), other.predict_proba(Sequences(frames - 1.7e9, [3] * 4)))
    with pytest.warns(UserWarning, match="feature 0 is 1.7e.09 .*and 3 more.* frames without it"):
        VideoClassifier(nn.Flatten(), 4, **settings).fit(videos, y)
