"""Cross-entropy, binary cross-entropy and squared error, against float64."""

from __future__ import annotations

import numpy as np
import pytest
from support import close, normal

from seriatim import nn


def value(loss, wanted, reduction):
    wanted = {"none": lambda: wanted, "sum": wanted.sum, "mean": wanted.mean}[reduction]()
    close(loss, wanted, 2e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 4, 7), (1000,)])
def test_mse(shape, reduction):
    pred, target = normal(*shape), normal(*shape, seed=1)
    criterion = nn.MSELoss(reduction)
    value(criterion(pred, target), (pred.astype(np.float64) - target) ** 2, reduction)
    scale = 1 / pred.size if reduction == "mean" else 1
    close(criterion.backward(), 2 * (pred.astype(np.float64) - target) * scale, 2e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 4, 7), (1000,)])
def test_bce_with_logits(shape, reduction, weighted):
    pred, target = 30 * normal(*shape), np.random.default_rng(2).random(shape).astype(np.float32)
    pred.flat[0] = 88.0
    weight, positive = (np.float32(0.3), np.linspace(0.5, 3, shape[-1])) if weighted else (None, None)
    criterion = nn.BCEWithLogitsLoss(weight, reduction, positive)
    p, t, w = pred.astype(np.float64), target.astype(np.float64), 1.0 if weight is None else 0.3
    of_positives = 1 + ((1 if positive is None else positive) - 1) * t
    value(criterion(pred, target), w * ((1 - t) * p + of_positives * np.logaddexp(0, -p)), reduction)
    wanted = w * ((1 - t) - of_positives / (1 + np.exp(p)))
    close(criterion.backward(), wanted / (pred.size if reduction == "mean" else 1), 2e-6)


def test_cross_entropy_is_the_likelihood_of_the_log_softmax():
    logits, target = 5 * normal(6, 4), np.array([0, 3, 1, 1, 2, 0])
    criterion = nn.CrossEntropyLoss(weight=[1, 2, 3, 4])
    x = logits.astype(np.float64)
    log_probs = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
    weights = np.array([1, 2, 3, 4.0])[target]
    close(criterion(logits, target), -(weights * log_probs[range(6), target]).sum() / weights.sum(), 2e-6)
    wanted = np.exp(log_probs) * weights[:, None]
    wanted[range(6), target] -= weights
    close(criterion.backward(), wanted / weights.sum(), 2e-6)


def test_errors():
    with pytest.raises(ValueError, match="reduction: expected one of"):
        nn.MSELoss("average")
    with pytest.raises(ValueError, match=r"target: expected shape \(2, 3\), that of pred, got \(3, 2\)"):
        nn.MSELoss()(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(RuntimeError, match=r"BCEWithLogitsLoss.backward\(\): call the loss first"):
        nn.BCEWithLogitsLoss().backward()
