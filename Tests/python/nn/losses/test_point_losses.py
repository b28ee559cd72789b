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


def smooth(d, beta=0.5):
    return np.where(abs(d) < beta, d * d / (2 * beta), abs(d) - beta / 2), np.clip(d / beta, -1, 1)


KINDS = {
    "l1": (nn.L1Loss, {}, lambda d: (abs(d), np.sign(d))),
    "smooth": (nn.SmoothL1Loss, {"beta": 0.5}, smooth),
    "smooth of 0": (nn.SmoothL1Loss, {"beta": 0.0}, lambda d: (abs(d), np.sign(d))),
    "huber": (nn.HuberLoss, {"delta": 2.0}, lambda d: [2 * part for part in smooth(d, 2.0)]),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_errors_that_grow_slowly(kind, reduction):
    make, options, twin = KINDS[kind]
    pred, target = 3 * normal(5, 7), normal(5, 7, seed=1)
    pred[0, 0] = target[0, 0]
    wanted, grad = twin(pred.astype(np.float64) - target)
    criterion = make(reduction=reduction, **options)
    value(criterion(pred, target), wanted, reduction)
    close(criterion.backward(), grad / (pred.size if reduction == "mean" else 1), 2e-6)
    far = make(reduction="none", **options)
    assert np.isnan(far([np.nan, 1e30, np.inf], [0, 0, 0])).tolist() == [True, False, False]
    assert np.isnan(far.backward()).tolist() == [True, False, False]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_bce(reduction):
    pred, target = np.random.default_rng(3).random((2, 4, 6)).astype(np.float32)
    pred[0, :3], target[0, :3] = [0, 1, 1e-8], [1, 0, 0]
    weight = np.linspace(0.5, 2, 6)
    criterion = nn.BCELoss(weight, reduction)
    p, t = pred.astype(np.float64), target.astype(np.float64)
    with np.errstate(divide="ignore"):
        wanted = -(t * np.maximum(np.log(p), -100) + (1 - t) * np.maximum(np.log1p(-p), -100))
    value(criterion(pred, target), weight * wanted, reduction)
    grad = criterion.backward()
    slope = weight * (p - t) / np.maximum(p * (1 - p), 1e-12)
    np.testing.assert_allclose(grad, slope / (pred.size if reduction == "mean" else 1), rtol=1e-5)
    assert nn.BCELoss(reduction="sum")([1e-8], [0]) == pytest.approx(1e-8, rel=1e-5)
    for name, given in (("pred", ([1.5], [1])), ("target", ([0.5], [-1]))):
        with pytest.raises(ValueError, match=f"{name}: expected probabilities, from 0 to 1"):
            nn.BCELoss()(*given)


@pytest.mark.parametrize("reduction", ["mean", "batchmean", "sum", "none"])
@pytest.mark.parametrize("log_target", [False, True])
def test_divergence(reduction, log_target):
    rng = np.random.default_rng(4)
    target, logs = rng.dirichlet(np.ones(5), 3), np.log(rng.dirichlet(np.ones(5), 3))
    if not log_target:
        target[0] = [0, 0, 1, 0, 0]
        logs[0, 0] = -np.inf
    with np.errstate(divide="ignore", invalid="ignore"):
        wanted = np.where(target == 0, 0, target * (np.log(target) - logs))
        given = np.log(target) if log_target else target
    criterion = nn.KLDivLoss(reduction, log_target)
    loss, grad = criterion(logs, given), criterion.backward()
    divisor = {"mean": 15, "batchmean": 3}.get(reduction, 1)
    close(loss, wanted if reduction == "none" else wanted.sum() / divisor)
    close(grad, -target / divisor)


EVERY = [nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.BCELoss, nn.BCEWithLogitsLoss, nn.KLDivLoss]


@pytest.mark.parametrize("make", EVERY)
def test_none_one_and_samples(make):
    nothing = np.zeros((0, 3))
    for reduction, wanted in (("mean", np.nan), ("sum", 0.0), ("none", nothing)):
        criterion = make(reduction=reduction)
        np.testing.assert_array_equal(criterion(nothing, nothing), wanted)
        assert criterion.backward().shape == (0, 3)
        # One number is an array without axes.
        assert np.shape(criterion(0.25, 0.5)) == ()
        assert criterion.backward().shape == ()
    pred, target = np.random.default_rng(5).random((2, 4, 2)).astype(np.float32)
    none, mean = make(reduction="none"), make()
    losses, weights = none(pred, target), np.array([0, 1, 2, 1])
    close(none(pred, target, weights), losses * weights[:, None])
    close(mean(pred, target, weights), (losses * weights[:, None]).sum() / (2 * weights.sum()))
    own = np.arange(8.0).reshape(4, 2)
    close(mean(pred, target, own), (losses * own).sum() / own.sum())
    for wrong in (np.ones(2), np.ones((4, 1)), 1.0):
        with pytest.raises(ValueError, match="sample_weight: expected shape"):
            mean(pred, target, wrong)
    for wrong in (np.ones(4), np.ones(2), np.ones((4, 1)), np.ones((1, 4, 2))):
        none(pred, target)
        with pytest.raises(ValueError, match="grad_output: expected a number or shape"):
            none.backward(wrong)
    pred[0] = np.nan
    assert np.isfinite(mean(pred, target, weights))
    assert not mean.backward()[0].any()


def test_weights_do_not_make_the_loss_grow():
    pred, target = normal(4, 1), np.ones((4, 1))
    for name in ("weight", "pos_weight"):
        for shape in ((4,), (3, 4, 1), (4, 5), (1, 4, 1)):
            criterion = nn.BCEWithLogitsLoss(reduction="none", **{name: np.ones(shape)})
            with pytest.raises(ValueError, match=rf"{name}: expected a number or a shape that broadcasts to \(4, 1\)"):
                criterion(pred, target)
        for shape in ((), (1,), (4, 1), (1, 1)):
            assert nn.BCEWithLogitsLoss(reduction="none", **{name: np.ones(shape)})(pred, target).shape == (4, 1)
    for given in ((pred, target[:, 0]), (pred[:, 0], target)):
        with pytest.raises(ValueError, match="target: expected shape"):
            nn.MSELoss()(*given)


def test_wrong_bounds():
    for make, name in ((nn.HuberLoss, "delta"), (nn.SmoothL1Loss, "beta")):
        for wrong in (-1.0, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=name):
                make(**{name: wrong})
            criterion = make()
            setattr(criterion, name, wrong)
            with pytest.raises(ValueError, match=name):
                criterion([1.0], [2.0])
    with pytest.raises(ValueError, match="delta"):
        nn.HuberLoss(delta=0.0)


def test_errors():
    with pytest.raises(ValueError, match="reduction: expected one of"):
        nn.MSELoss("average")
    with pytest.raises(ValueError, match=r"target: expected shape \(2, 3\), that of pred, got \(3, 2\)"):
        nn.MSELoss()(np.zeros((2, 3)), np.zeros((3, 2)))
    with pytest.raises(RuntimeError, match=r"BCEWithLogitsLoss.backward\(\): call the loss first"):
        nn.BCEWithLogitsLoss().backward()
