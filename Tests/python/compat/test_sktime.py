"""The adaptor for sktime: sktime's own checks, and panels of unequal lengths."""

import importlib
import sys

import numpy as np
import pytest

pytest.importorskip("sktime")
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sktime.utils.estimator_checks import check_estimator

from seriatim import Sequences
from seriatim.compat.sktime import SeriatimClassifier, SeriatimRegressor, _sequences
from seriatim.models import DeepGRUClassifier, DeepGRURegressor
from seriatim.preprocessing import Standardize

DIMS = {"gru1": 8, "gru2": 8, "gru3": 8, "fc": 8}
TINY = {"dims": DIMS, "learning_rate": 1e-2, "batch_size": 8, "max_epochs": 40, "random_state": 0}


@pytest.mark.parametrize("estimator", [SeriatimClassifier, SeriatimRegressor])
def test_sktimes_checks(estimator):
    results = check_estimator(estimator.create_test_instance(), verbose=False)
    assert len(results) > 50
    assert {name: result for name, result in results.items() if result != "PASSED"} == {}


def frame(series, names=None):
    """A panel: rows are observations, the index has instances and times."""
    names = range(len(series)) if names is None else names
    return pd.concat({name: pd.DataFrame(x, columns=["a", "b"]) for name, x in zip(names, series, strict=True)})


@pytest.fixture(scope="module")
def ragged():
    """Series that rise or fall in both variables, (T_i, 2)."""
    rng = np.random.default_rng(0)
    y = np.arange(24) % 2
    X = [
        np.outer(np.linspace(-1, 1, n) * (1 if label else -1), [1.0, 0.5]) + 0.1 * rng.normal(size=(n, 2))
        for n, label in zip(rng.integers(4, 12, 24), y, strict=True)
    ]
    return X, np.array(["falls", "rises"])[y]


def test_panels_become_sequences(ragged):
    X, _ = ragged
    assert _sequences(frame(X)) == Sequences.from_list(X)
    backwards = frame(X, names=range(23, -1, -1))
    assert _sequences(backwards) == Sequences.from_list(X)
    # Instances whose rows alternate, each with its times in order.
    mixed = frame(X).sort_index(level=1, kind="stable")
    assert _sequences(mixed) == Sequences.from_list(X)
    cube = np.random.default_rng(0).normal(size=(5, 3, 7))
    assert _sequences(cube) == Sequences.from_list([series.T for series in cube])


def test_it_is_the_estimator_it_wraps(ragged):
    X, y = ragged
    inner = DeepGRUClassifier(**TINY)
    model = SeriatimClassifier(inner).fit(frame(X), y)
    alone = DeepGRUClassifier(**TINY).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(frame(X)), alone.predict_proba(X))
    np.testing.assert_array_equal(model.predict(frame(X)), y)
    assert not hasattr(inner, "module_")
    listed = [pd.DataFrame(x, columns=["a", "b"]) for x in X]
    np.testing.assert_array_equal(model.predict_proba(listed), alone.predict_proba(X))


def test_arrays(ragged):
    X, y = ragged
    cube = np.stack([x[:4].T for x in X])
    model = SeriatimClassifier(DeepGRUClassifier(**TINY)).fit(cube, y)
    assert model.estimator_.n_features_in_ == 2
    assert model.score(cube, y) > 0.8


def test_pipelines_without_probabilities(ragged):
    X, y = ragged
    model = SeriatimClassifier(make_pipeline(Standardize("sequence"), DeepGRUClassifier(**TINY))).fit(frame(X), y)
    assert model.score(frame(X), y) > 0.9
    certain = SeriatimClassifier(make_pipeline(DeepGRUClassifier(**TINY), LinearSVC())).fit(frame(X), y)
    assert set(np.unique(certain.predict_proba(frame(X)))) == {0.0, 1.0}


def test_parameters_are_nested():
    model = SeriatimClassifier(DeepGRUClassifier(**TINY))
    assert model.get_params()["estimator__max_epochs"] == 40
    assert model.clone().set_params(estimator__max_epochs=3).estimator.max_epochs == 3
    assert model.estimator.max_epochs == 40


def test_regressor(ragged):
    X, y = ragged
    target = np.where(y == "rises", 3.0, -1.0)
    model = SeriatimRegressor(DeepGRURegressor(**TINY)).fit(frame(X), target)
    assert model.score(frame(X), target) > 0.8


def test_what_to_install_is_said(monkeypatch):
    for name in [*(name for name in sys.modules if name.split(".")[0] == "sktime"), "sktime"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "seriatim.compat.sktime")
    with pytest.raises(ImportError, match="pip install sktime"):
        importlib.import_module("seriatim.compat.sktime")
