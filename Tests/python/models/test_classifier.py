"""Labels, probabilities, weights of classes, training in pieces."""

import numpy as np
import pytest
from samples import make as make_short
from samples import rising

from seriatim import Sequences
from seriatim.models import DeepGRUClassifier

X, Y = rising()


DIMS = {"gru1": 16, "gru2": 12, "gru3": 8, "fc": 8}


def make(**parameters):
    given = {"dims": DIMS, "max_epochs": 25, "learning_rate": 1e-2, "batch_size": 16, "random_state": 0}
    return DeepGRUClassifier(**{**given, **parameters})


@pytest.fixture(scope="module")
def data():
    """Sequences that rise or fall, with noise: easy, ragged."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 20, 60)
    y = rng.integers(0, 2, 60)
    rows = [
        np.outer(np.linspace(-1, 1, n) * (1 if label else -1), [1.0, 0.5]) + 0.1 * rng.normal(size=(n, 2))
        for n, label in zip(lengths, y, strict=True)
    ]
    return Sequences.from_list(rows), y


@pytest.fixture(scope="module")
def fitted(data):
    return make().fit(*data)


def test_label_smoothing_makes_less_sure():
    plain = make_short(max_epochs=25).fit(X, Y)
    smooth = make_short(max_epochs=25, label_smoothing=0.3).fit(X, Y)
    assert smooth.predict_proba(X).max(axis=1).mean() < plain.predict_proba(X).max(axis=1).mean() - 0.02


@pytest.mark.parametrize("labels", [["up", "down"], [-7, 40], [2.0, 3.0], [True, False]])
def test_labels_of_any_kind(data, labels):
    X, y = data
    named = np.array(labels)[y]
    model = make().fit(X, named)
    assert model.score(X, named) > 0.95
    np.testing.assert_array_equal(model.classes_, np.unique(labels))


def test_one_class(data):
    X, _ = data
    with pytest.warns(UserWarning, match="a single class, 'only'"):
        model = make(max_epochs=1).fit(X, ["only"] * 60)
    assert set(model.predict(X)) == {"only"}


def test_class_and_sample_weights(data):
    X, y = data
    heavy = make(class_weight={0: 1.0, 1: 1000.0}, max_epochs=2).fit(X, y).predict_proba(X)[:, 1].mean()
    light = make(class_weight={0: 1000.0, 1: 1.0}, max_epochs=2).fit(X, y).predict_proba(X)[:, 1].mean()
    assert heavy > light
    only = make(max_epochs=8).fit(X, np.where(y == 1, 1, 0), sample_weight=(y == 1).astype(float))
    assert np.mean(only.predict(X) == 1) > 0.9
    make(class_weight="balanced", max_epochs=1).fit(X, y)


def test_partial_fit_and_warm_start(data):
    X, y = data
    model = make().partial_fit(X[:20], y[:20], classes=[0, 1, 2])
    assert model.predict_proba(X).shape == (60, 3)
    for _ in range(5):
        model.partial_fit(X, y)
    assert model.n_iter_ == 6
    warm = make(warm_start=True, max_epochs=3).fit(X, y)
    assert warm.fit(X, y).n_iter_ == 6


def test_probabilities(fitted, data):
    X, _ = data
    probabilities = fitted.predict_proba(X)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.log(probabilities), fitted.predict_log_proba(X), atol=1e-4)
    np.testing.assert_array_equal(fitted.classes_[probabilities.argmax(axis=1)], fitted.predict(X))
