"""Plain stacks."""

import numpy as np
import pytest

from seriatim import Sequences
from seriatim.models import (
    GRUClassifier,
    LSTMClassifier,
)

FAST = {"max_epochs": 15, "learning_rate": 1e-2, "batch_size": 16, "random_state": 0}


def ragged(n=60, seed=0):
    rng = np.random.default_rng(seed)
    slope = rng.uniform(-1, 1, n)
    rows = [
        np.outer(np.linspace(-1, 1, k) * a, [1.0, 0.5]) + 0.05 * rng.normal(size=(k, 2))
        for k, a in zip(rng.integers(4, 20, n), slope, strict=True)
    ]
    return Sequences.from_list(rows), slope


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
