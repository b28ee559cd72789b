"""Numbers, one or several a sequence."""

import datetime

import numpy as np
import pytest

from seriatim import Sequences
from seriatim.models import (
    DeepGRURegressor,
)
from seriatim.models._warnings import warn_of_validation

DIMS = {"gru1": 8, "gru2": 8, "gru3": 8, "fc": 8}


FAST = {"max_epochs": 15, "learning_rate": 1e-2, "batch_size": 16, "random_state": 0}


def ragged(n=60, seed=0):
    rng = np.random.default_rng(seed)
    slope = rng.uniform(-1, 1, n)
    rows = [
        np.outer(np.linspace(-1, 1, k) * a, [1.0, 0.5]) + 0.05 * rng.normal(size=(k, 2))
        for k, a in zip(rng.integers(4, 20, n), slope, strict=True)
    ]
    return Sequences.from_list(rows), slope


@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e4])
def test_a_regressor_learns_in_any_unit(unit):
    X, slope = ragged()
    y = 100 * unit + unit * slope
    model = DeepGRURegressor(dims=DIMS, **{**FAST, "max_epochs": 60}, dropout=0.0).fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.predict(X).shape == (60,)


def test_several_numbers_a_sequence():
    X, slope = ragged()
    y = np.stack([slope, -2 * slope + 1, slope**2], axis=1)
    model = DeepGRURegressor(dims=DIMS, **{**FAST, "max_epochs": 60}, dropout=0.0).fit(X, y)
    assert model.predict(X).shape == (60, 3)
    assert model.score(X, y) > 0.8
    with pytest.raises(ValueError, match="expected 3 numbers a sequence, got 1"):
        model.set_params(warm_start=True).fit(X, slope)


def test_weights_of_a_regressor():
    X, slope = ragged()
    doubled = np.repeat(np.arange(60), 2)
    weights = np.full(60, 2.0)
    one = DeepGRURegressor(dims=DIMS, **FAST).fit(X, slope, sample_weight=weights)
    other = DeepGRURegressor(dims=DIMS, **FAST).fit(X[doubled], slope[doubled])
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    part = DeepGRURegressor(dims=DIMS, **FAST).fit(X, slope, sample_weight=np.where(slope > 0, 0.7, 0.0))
    assert part.target_mean_[0] == pytest.approx(slope[slope > 0].mean())


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (["a"] * 60, "y: expected real numbers"),
        ([np.nan] * 60, "finite"),
        (np.zeros((60, 2, 2)), r"\(n,\) or \(n, n_outputs\)"),
        (np.zeros(3), "a label for each of 60"),
    ],
)
def test_bad_targets(y, words):
    with pytest.raises((ValueError, TypeError), match=words):
        DeepGRURegressor(dims=DIMS, **FAST).fit(ragged()[0], y)


def test_a_table_of_one_step_a_sequence_is_learned():
    # scikit-learn's check of the score, but for the table in lists: those are univariate series.
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 10))
    y = X[:, 3] + 0.2 * rng.normal(size=200)
    assert DeepGRURegressor(dims=DIMS, **FAST).fit(X, y).score(X, y) > 0.5


@pytest.mark.parametrize("unit", ["M8[ns]", "M8[D]", "m8[s]", object])
def test_times_are_no_targets(unit):
    y = [datetime.date(2020, 1, 1)] * 3 if unit is object else np.arange(3).astype(unit)
    with pytest.raises(TypeError, match=r"y: expected real numbers, got .*: convert times to seconds"):
        DeepGRURegressor()._read_targets(y)
    with pytest.raises(TypeError, match="y: expected real numbers, got <U1"):
        DeepGRURegressor()._read_targets(["1", "2"])


def test_no_share_of_the_score_is_said_of_numbers():
    with pytest.warns(UserWarning, match="chooses the epoch by 2 sequences: a larger"):
        warn_of_validation(2, 1)
    with pytest.warns(UserWarning, match="by 4 sequences, each worth 25 points of the score, of 2 classes: a larger"):
        warn_of_validation(4, 2)
