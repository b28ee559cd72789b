"""Small data that is easy to learn, and estimators that learn it fast."""

import numpy as np

from seriatim import Sequences
from seriatim.models import DeepGRUClassifier, GRUClassifier

DIMS = {"gru1": 12, "gru2": 8, "gru3": 6, "fc": 6}


def make(kind=DeepGRUClassifier, **parameters):
    """Return an estimator of six epochs."""
    given = {"max_epochs": 6, "learning_rate": 1e-2, "batch_size": 16, "random_state": 0}
    if kind is not GRUClassifier:
        given["dims"] = DIMS
    return kind(**{**given, **parameters})


def rising(n=60, seed=0):
    """Return sequences that rise or fall, with noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    rows = [
        np.outer(np.linspace(-1, 1, k) * (1 if label else -1), [1.0, 0.5]) + 0.1 * rng.normal(size=(k, 2))
        for k, label in zip(rng.integers(3, 20, n), y, strict=True)
    ]
    return Sequences.from_list(rows), y


def ragged(n=60, classes=3, scale=1.0, longest=30, seed=0):
    """Return sequences of two features whose slope is their class's."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    rows = [
        scale * (np.outer(np.linspace(-1, 1, k) * (label - 1), [1.0, 0.5]) + 0.05 * rng.normal(size=(k, 2)))
        for k, label in zip(rng.integers(8, longest, n), y, strict=True)
    ]
    return Sequences.from_list(rows), y


def weights_of(model):
    """Return all weights of a fitted estimator behind each other."""
    return np.concatenate([p.ravel() for p in model.module_.state_dict().values()])
