"""scikit-learn's checks of every estimator, and what transform gives to others."""

import os

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from seriatim import Sequences
from seriatim.models import (
    DeepGRUClassifier,
    DeepGRURegressor,
    FrameClassifier,
    FrameRegressor,
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
# As their constructors make them; recurrent ones, whose checks take nine minutes of a core, only where all are wanted.
EFFORT = {} if os.environ.get("SERIATIM_ALL_CHECKS") else {"effort": "fast"}
DEFAULTS = [GRUClassifier(**EFFORT), DeepGRUClassifier(**EFFORT), ReservoirClassifier(), ReservoirRegressor()]


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


# Why some of scikit-learn's checks mean nothing for an estimator to which a table is one sequence of frames.
ONE_SEQUENCE = "a frame's answer depends on the frames before it and behind it"
A_WEIGHT = "sample_weight is a weight a sequence, and the table is one"
NOT_OF_FRAMES = {
    **dict.fromkeys(("check_methods_sample_order_invariance", "check_methods_subset_invariance"), ONE_SEQUENCE),
    **dict.fromkeys(
        (
            "check_sample_weights_pandas_series", "check_sample_weights_not_an_array", "check_sample_weights_list",
            "check_sample_weights_shape", "check_sample_weights_not_overwritten", "check_sample_weights_invariance",
            "check_sample_weight_equivalence", "check_sample_weight_equivalence_on_dense_data",
            "check_all_zero_sample_weights_error", "check_classifiers_one_label_sample_weights",
        ),
        A_WEIGHT,
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:y has a single class")
@pytest.mark.filterwarnings("ignore:A column-vector y")
@parametrize_with_checks(
    [kind(hidden_size=8, **{**FAST, "max_epochs": 60}) for kind in (FrameClassifier, FrameRegressor)]
)
def test_scikit_learns_checks_of_frames(estimator, check, request):
    reason = NOT_OF_FRAMES.get(check.func.__name__)
    if reason is not None:
        request.applymarker(pytest.mark.xfail(reason=reason))
    check(estimator)
