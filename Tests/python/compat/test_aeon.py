"""The adaptor for aeon: aeon's own checks, and channels that come first."""

import importlib
import sys

import numpy as np
import pytest

pytest.importorskip("aeon")
from aeon.testing.estimator_checking import parametrize_with_checks
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from seriatim import Sequences
from seriatim.compat.aeon import SeriatimClassifier, SeriatimRegressor, _sequences
from seriatim.models import DeepGRUClassifier, DeepGRURegressor, GRUClassifier
from seriatim.preprocessing import Standardize

DIMS = {"gru1": 8, "gru2": 8, "gru3": 8, "fc": 8}
TINY = {"dims": DIMS, "learning_rate": 1e-2, "batch_size": 8, "max_epochs": 40, "random_state": 0}


@parametrize_with_checks([SeriatimClassifier, SeriatimRegressor])
def test_aeons_checks(check):
    check()


@pytest.fixture(scope="module")
def ragged():
    """Series that rise or fall on both channels, (channels, T_i)."""
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    X = [
        np.outer([1.0, 0.5], np.linspace(-1, 1, n) * (1 if label else -1)) + 0.1 * rng.normal(size=(2, n))
        for n, label in zip(rng.integers(4, 12, 24), y, strict=True)
    ]
    return X, np.array(["falls", "rises"])[y]


def test_channels_come_last_in_sequences(ragged):
    X, _ = ragged
    assert _sequences(X) == Sequences.from_list([series.T for series in X])
    cube = np.random.default_rng(0).normal(size=(5, 3, 7))
    assert _sequences(cube) == Sequences.from_list([series.T for series in cube])
    assert _sequences(list(cube)) == _sequences(cube)


def test_it_is_the_estimator_it_wraps(ragged):
    X, y = ragged
    inner = DeepGRUClassifier(**TINY)
    model = SeriatimClassifier(inner).fit(X, y)
    alone = DeepGRUClassifier(**TINY).fit([series.T for series in X], y)
    np.testing.assert_array_equal(model.predict_proba(X), alone.predict_proba([series.T for series in X]))
    np.testing.assert_array_equal(model.predict(X), y)
    assert not hasattr(inner, "module_")
    cube = np.stack([series[:, :4] for series in X])
    equal = SeriatimClassifier(inner).fit(cube, y)
    np.testing.assert_array_equal(equal.predict_proba(cube), equal.predict_proba(list(cube)))


def test_a_table_has_one_series_a_row(ragged):
    X, y = ragged
    table = np.stack([series[0, :4] for series in X])
    model = SeriatimClassifier(GRUClassifier(hidden_size=4, max_epochs=2, random_state=0)).fit(table, y)
    assert model.predict(table).shape == y.shape
    assert model.estimator_.n_features_in_ == 1


def test_pipelines_without_probabilities(ragged):
    X, y = ragged
    model = SeriatimClassifier(make_pipeline(Standardize("sequence"), DeepGRUClassifier(**TINY))).fit(X, y)
    assert model.score(X, y) > 0.9
    certain = SeriatimClassifier(make_pipeline(DeepGRUClassifier(**TINY), LinearSVC())).fit(X, y)
    assert set(np.unique(certain.predict_proba(X))) == {0.0, 1.0}
    np.testing.assert_array_equal(certain.classes_[certain.predict_proba(X).argmax(axis=1)], certain.predict(X))
    near = SeriatimClassifier(make_pipeline(DeepGRUClassifier(**TINY), KNeighborsClassifier())).fit(X, y)
    assert near.predict_proba(X).shape == (24, 2)


def test_searches(ragged):
    X, y = ragged
    cube = np.stack([np.linspace(series[:, 0], series[:, -1], 5, axis=1) for series in X])
    model = SeriatimClassifier(DeepGRUClassifier(**TINY))
    search = GridSearchCV(model, {"estimator__learning_rate": [0.0, 1e-2]}, cv=2, scoring="neg_log_loss")
    assert search.fit(cube, y).best_params_ == {"estimator__learning_rate": 1e-2}
    assert cross_val_score(model, cube, y, cv=2).mean() > 0.8


def test_regressor(ragged):
    X, y = ragged
    target = np.where(y == "rises", 3.0, -1.0) + np.linspace(0, 0.1, len(y))
    model = SeriatimRegressor(DeepGRURegressor(**TINY)).fit(X, target)
    assert model.score(X, target) > 0.8


def test_what_to_install_is_said(monkeypatch):
    for name in [*(name for name in sys.modules if name.split(".")[0] == "aeon"), "aeon"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "seriatim.compat.aeon")
    with pytest.raises(ImportError, match="pip install aeon"):
        importlib.import_module("seriatim.compat.aeon")
