"""Targets: labels as numbers of classes, numbers standardised, and how good an output is."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error
from sklearn.preprocessing import LabelEncoder, StandardScaler

from seriatim.preprocessing._targets import Labels, StandardizedNumbers, repetitions


def test_labels_are_scikit_learns():
    y = np.array(["b", "a", "c", "a"])
    labels = Labels(np.unique(y))
    np.testing.assert_array_equal(labels.encode(y), LabelEncoder().fit_transform(y))
    assert labels.n_outputs == labels.n_kinds == 3
    with pytest.raises(ValueError, match=r"previously unseen labels: \['d'\]"):
        labels.encode(np.array(["a", "d"]))
    assert labels.weights(None, labels.encode(y)) is None
    np.testing.assert_allclose(labels.weights("balanced", np.array([0, 0, 1])), [0.75, 1.5, 1.0])


@pytest.mark.parametrize("weights", [None, np.array([1.0, 0.5, 2.0, 0.0], np.float32)])
def test_measures_are_scikit_learns(weights):
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), 4).astype(np.float32)
    target = np.array([0, 2, 1, 1])
    loss, score = Labels(np.arange(3)).measure(np.log(probabilities), target, weights)
    assert loss == pytest.approx(log_loss(target, probabilities, sample_weight=weights, labels=range(3)), rel=1e-5)
    assert score == pytest.approx(accuracy_score(target, probabilities.argmax(axis=1), sample_weight=weights))
    numbers = StandardizedNumbers.of(probabilities, None)
    loss, score = numbers.measure(probabilities, probabilities[::-1], weights)
    assert loss == pytest.approx(mean_squared_error(probabilities, probabilities[::-1], sample_weight=weights))
    assert score == 1 - loss


@pytest.mark.parametrize("weights", [None, np.arange(5.0, dtype=np.float32), np.linspace(0.1, 1, 5, dtype=np.float32)])
def test_numbers_are_scikit_learns(weights):
    y = np.random.default_rng(0).normal(size=(5, 2)) * [1.0, 1e4] + [3.0, 0.0]
    numbers = StandardizedNumbers.of(y, weights)
    scaler = StandardScaler().fit(y, sample_weight=weights)
    np.testing.assert_allclose(numbers.encode(y), scaler.transform(y), atol=1e-5)
    np.testing.assert_allclose(numbers.decode(numbers.encode(y)), y, rtol=1e-4, atol=1e-3)
    with pytest.raises(ValueError, match="expected 2 numbers a sequence, got 1"):
        numbers.encode(y[:, :1])


def test_single_and_constant_numbers():
    numbers = StandardizedNumbers.of(np.full(4, 2.5), None)
    assert numbers.n_outputs == numbers.n_kinds == 1
    assert numbers.encode(np.full(4, 2.5)).tolist() == [[0.0]] * 4
    assert numbers.decode(np.zeros((4, 1), np.float32)).tolist() == [2.5] * 4


@pytest.mark.parametrize(
    ("weights", "counts"),
    [(None, None), ([1, 0, 2], [1, 0, 2]), ([0.5, 1, 1], None), ([100, 1, 1], None), ([1, 0, 0], None)],
)
def test_whole_weights_are_repetition(weights, counts):
    found = repetitions(None if weights is None else np.array(weights, np.float32))
    assert (None if found is None else found.tolist()) == counts
