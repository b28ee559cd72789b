"""Regressors, plain stacks, and what transform gives; scikit-learn's checks of every estimator."""

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from seriatim import Sequences
from seriatim.models import (
    DeepGRUClassifier,
    DeepGRURegressor,
    GRUClassifier,
    LSTMClassifier,
    ReservoirClassifier,
    ReservoirRegressor,
)

DIMS = {"gru1": 8, "gru2": 8, "gru3": 8, "fc": 8}
FAST = {"max_epochs": 15, "learning_rate": 1e-2, "batch_size": 16, "random_state": 0}
ESTIMATORS = [
    # Small mini-batches: scikit-learn before 1.6 wants every class predicted on 30 samples.
    DeepGRUClassifier(dims=DIMS, **{**FAST, "batch_size": 4}),
    DeepGRURegressor(dims=DIMS, **FAST),
    GRUClassifier(hidden_size=8, **FAST),
    LSTMClassifier(hidden_size=8, **FAST),
]
# As their constructors make them.
DEFAULTS = [GRUClassifier(), DeepGRUClassifier(), ReservoirClassifier(), ReservoirRegressor()]


@pytest.mark.filterwarnings("ignore:y has a single class")
@pytest.mark.filterwarnings("ignore:A column-vector y")
@parametrize_with_checks([*ESTIMATORS, *DEFAULTS])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


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
        (["a"] * 60, "y: expected numbers"),
        ([np.nan] * 60, "finite"),
        (np.zeros((60, 2, 2)), r"\(n,\) or \(n, n_outputs\)"),
        (np.zeros(3), "a label for each of 60"),
    ],
)
def test_bad_targets(y, words):
    with pytest.raises(ValueError, match=words):
        DeepGRURegressor(dims=DIMS, **FAST).fit(ragged()[0], y)


@pytest.mark.parametrize("kind", [GRUClassifier, LSTMClassifier])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_plain_stacks(kind, bidirectional, num_layers):
    X, slope = ragged()
    y = np.where(slope > 0, "up", "down")
    model = kind(hidden_size=12, num_layers=num_layers, bidirectional=bidirectional, **{**FAST, "max_epochs": 30})
    assert model.fit(X, y).score(X, y) > 0.9
    assert model.transform(X).shape == (60, 12 * (1 + bidirectional))
    with pytest.raises(ValueError, match="dropout"):
        model.set_params(dropout=2).fit(X, y)


@pytest.mark.parametrize("model", ESTIMATORS, ids=lambda m: type(m).__name__)
def test_features_for_another_model(model):
    X, slope = ragged()
    y = (slope > 0).astype(int)
    features = model.fit(X, y).transform(X)
    assert features.shape == (60, len(model.get_feature_names_out()))
    assert features.dtype == np.float32
    alone = model.transform(X[3:4])
    np.testing.assert_array_equal(alone[0], features[3])
    np.testing.assert_array_equal(model.transform(X.X, lengths=X.lengths), features)
    if hasattr(model, "classes_"):
        head = model.module_.classifier
        np.testing.assert_allclose(head(features), model.predict_log_proba(X), atol=1e-6)
    chain = make_pipeline(type(model)(**model.get_params()), SVC())
    assert chain.fit(X, y).score(X, y) > 0.9


def test_transform_in_pandas():
    pytest.importorskip("pandas")
    X, slope = ragged()
    model = GRUClassifier(hidden_size=4, **FAST).set_output(transform="pandas").fit(X, slope > 0)
    assert list(model.transform(X).columns)[:2] == ["gruclassifier0", "gruclassifier1"]


def test_html():
    assert "DeepGRUClassifier" in ESTIMATORS[0]._repr_html_()
