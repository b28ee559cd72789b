"""What is said of a training's course."""

import pytest
from samples import ragged
from sklearn.exceptions import ConvergenceWarning

from seriatim.models import (
    GRUClassifier,
)
from seriatim.training._verdict import improves, verdict

X, Y = ragged()


def test_verdicts():
    assert verdict([2.0, 1.0]) is None
    assert "exploded" in verdict([2.0, 2.0, 5.0, 9.0, 8.0])
    assert "exploded" in verdict([744_587.0, 800_000.0, 500_000.0, 744_587.0, 744_587.0])
    assert "has not moved" in verdict([2.0 + 0.001 * (i % 2) for i in range(12)])
    assert "falling fast" in verdict([2.0 - 0.1 * i for i in range(12)])
    assert verdict([2.0 * 0.6**i for i in range(12)]) is None
    assert verdict([1.0, 0.5, 0.4, 0.39, 0.38, 0.385, 0.38, 0.382, 0.381, 0.38]) is None


def test_a_validation_that_more_epochs_are_worth():
    assert improves([1.0, 0.9])
    assert not improves([1.0])
    assert not improves([1.0, 0.995])
    assert improves([1.0 - 0.01 * i for i in range(30)])
    assert not improves([1.0 - 0.001 * i for i in range(30)])


def test_a_learning_rate_that_explodes_is_named():
    model = GRUClassifier(hidden_size=8, learning_rate=1e6, max_epochs=10, random_state=0)
    with pytest.warns(ConvergenceWarning, match="exploded"):
        model.fit(X, Y)
    still = GRUClassifier(hidden_size=8, learning_rate=0.0, max_epochs=12, dropout=0.0, augmentation=None)
    with pytest.warns(ConvergenceWarning, match="has not moved"):
        still.fit(X, Y)
