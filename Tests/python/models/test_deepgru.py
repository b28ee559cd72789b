"""DeepGRUClassifier: forms of X, labels, training comfort, and what it says to bad input."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from support import threads

from seriatim import Sequences
from seriatim.models import DeepGRUClassifier

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


def test_it_learns(fitted, data):
    X, y = data
    assert fitted.score(X, y) > 0.95
    assert fitted.n_features_in_ == 2
    assert fitted.n_iter_ == 25
    assert len(fitted.history_["loss"]) == 25
    np.testing.assert_array_equal(fitted.classes_, [0, 1])


def test_forms_of_x_are_one(data):
    X, y = data
    probabilities = [
        make().fit(X, y).predict_proba(X),
        make().fit(X.X, y, lengths=X.lengths).predict_proba(X.X, lengths=X.lengths),
        make().fit(list(X), y).predict_proba(list(X)),
    ]
    for other in probabilities[1:]:
        np.testing.assert_array_equal(probabilities[0], other)
    padded = np.stack([x[:3] for x in X])
    flat = make().fit(padded.reshape(-1, 2), y, lengths=np.full(60, 3))
    np.testing.assert_array_equal(
        make().fit(padded, y).predict_proba(padded), flat.predict_proba(padded.reshape(-1, 2), lengths=np.full(60, 3))
    )
    univariate = [x[:, 0] for x in X]
    assert make().fit(univariate, y).predict(univariate).shape == (60,)


def test_a_table_without_lengths_is_one_sequence_a_row_or_one_sequence(fitted, data):
    X, y = data
    rows = np.stack([x[0] for x in X])
    assert make().fit(rows, y).predict(rows).shape == (60,)
    assert fitted.predict(X[0]).shape == (1,)


def test_attention(fitted, data):
    X, _ = data
    weights = fitted.attention(X)
    assert weights.shape == (60, X.lengths.max())
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
    assert all(np.all(row[n:] == 0) for row, n in zip(weights, X.lengths, strict=True))


def test_same_bits_for_one_seed_and_any_number_of_threads(data):
    X, y = data
    outputs = []
    for number in (1, 2, 2):
        with threads(number):
            outputs.append(make().fit(X, y).predict_log_proba(X))
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[1], outputs[2])
    assert np.abs(make(random_state=1).fit(X, y).predict_log_proba(X) - outputs[0]).max() > 0


def test_clone_and_pickle(fitted, data):
    X, _ = data
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        fresh.predict(X)


def test_scikit_learn_splits_sequences(data):
    X, y = data
    assert np.mean(cross_val_score(make(), X, y, cv=3)) > 0.9


def test_routing_is_requested_by_the_class():
    for method in ("fit", "predict", "predict_proba", "score"):
        assert getattr(make().get_metadata_routing(), method).requests["lengths"] is True


def test_early_stopping_keeps_the_best_epoch(data):
    X, y = data
    model = make(early_stopping=True, max_epochs=200, n_iter_no_change=15, validation_fraction=0.3).fit(X, y)
    scores = model.history_["validation_score"]
    assert len(scores) == model.n_iter_ < 200
    assert model.score(X, y) >= 0.9


@pytest.mark.parametrize("n", [2, 17, 33])
def test_awkward_numbers_of_sequences(data, n):
    X, _ = data
    labels = np.arange(n) % 2
    assert make(max_epochs=1).fit(X[:n], labels).predict(X[:n]).shape == (n,)


def test_lengths_from_one_to_four_thousand():
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(n, 2)) for n in (1, 4000, 7, 1)]
    model = make(max_epochs=1).fit(rows, [0, 1, 0, 1])
    assert model.predict(rows).shape == (4,)
    alone = [model.predict_proba([row])[0] for row in rows]
    np.testing.assert_array_equal(alone, model.predict_proba(rows))


BAD = {
    "ragged feature counts": (lambda X: [X[0], X[1][:, :1]], [0, 1], None, r"X\[1\]: expected 2 features"),
    "empty sequence": (lambda X: [X[0], X[1][:0]], [0, 1], None, r"X\[1\]: expected a sequence of shape"),
    "lengths that do not add up": (lambda X: X.X, [0, 1], [3, 4], "lengths: expected a sum of"),
    "a length of zero": (lambda X: X.X[:5], [0, 1], [5, 0], "lengths of at least 1"),
    "NaN": (lambda X: [np.full((3, 2), np.nan), X[0]], [0, 1], None, "NaN"),
    "infinity": (lambda X: [np.full((3, 2), np.inf), X[0]], [0, 1], None, "infinity"),
    "too few labels": (lambda X: X, [0, 1], None, "expected a label for each of 60"),
    "lengths beside a list": (lambda X: list(X), [0] * 60, [1] * 60, "lengths: expected None"),
    "one sequence": (lambda X: X[:1], [0], None, "at least 2 sequences"),
    "continuous labels": (lambda X: X, np.linspace(0, 1, 60), None, "continuous"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_training_input_changes_nothing(fitted, data, case):
    X, _ = data
    given, y, lengths, words = BAD[case]
    before, state = fitted.predict_proba(X), dict(fitted.__dict__)
    with pytest.raises(ValueError, match=words):
        fitted.fit(given(X), y, lengths=lengths)
    assert fitted.__dict__ == state
    np.testing.assert_array_equal(fitted.predict_proba(X), before)


def test_bad_prediction_input(fitted, data):
    X, y = data
    with pytest.raises(NotFittedError):
        make().predict(X)
    with pytest.raises(ValueError, match="X has 3 features, but DeepGRUClassifier is expecting 2 features as input"):
        fitted.predict([np.zeros((4, 3))])
    # A label that training had not is wrong, not an error.
    assert fitted.score(X, np.where(y == 0, 7, y)) == np.mean((fitted.predict(X) == y) & (y != 0))
