"""Ensembles: members alone and side by side, gradients, averages, and the loss."""

import time

import numpy as np
import pytest
from support import normal, threads

from seriatim import nn
from seriatim.nn.containers._ensemble import EnsembleLoss, average

LENGTHS = np.array([2, 5, 1, 4])


def members(count=3, **options):
    return [nn.SequenceRNN(3, 4, 2, bidirectional=True, rng=seed, **options) for seed in range(count)]


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_members_learn_as_if_alone(number, count):
    x, target = normal(4, 5, 3), np.array([0, 1, 1, 0])
    together, alone = nn.Ensemble(*members(count)), members(count)
    criterion = EnsembleLoss(nn.NLLLoss())
    with threads(number):
        y = together(x, LENGTHS)
        loss = criterion(y, target)
        together.backward(criterion.backward())
    losses = []
    for one, mine, own in zip(alone, together, y, strict=True):
        single = nn.NLLLoss()
        losses.append(single(one(x, LENGTHS), target))
        np.testing.assert_array_equal(own, one.eval()(x, LENGTHS))
        one.train()
        one(x, LENGTHS)
        one.backward(single.backward())
        for (name, ours), theirs in zip(mine.named_parameters(), one.parameters(), strict=True):
            np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-5, atol=1e-7, err_msg=name)
    assert loss == pytest.approx(np.mean(losses), rel=1e-6)


def test_same_bits_with_one_and_two_threads():
    x = normal(30, 40, 3)
    found = []
    for number in (1, 2):
        model = nn.Ensemble(*members(4))
        with threads(number):
            y = model(x)
            model.backward(np.ones_like(y))
        found.append([y, *(p.grad for p in model.parameters())])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_error_in_one_waits_for_the_others():
    class Fails(nn.Module):
        def forward(self, x):
            raise ArithmeticError("no")

    done = []

    class Slow(nn.Module):
        def forward(self, x):
            time.sleep(0.1)
            done.append(x)
            return x

    with threads(2), pytest.raises(ArithmeticError, match="no"):
        nn.Ensemble(Fails(), Slow()).eval()(np.zeros(1))
    assert len(done) == 1


def test_average():
    log_probs = np.log([[[0.5, 0.5], [1e-30, 1 - 1e-7]], [[0.1, 0.9], [1e-30, 1 - 1e-7]]]).astype(np.float32)
    np.testing.assert_allclose(np.exp(average(log_probs, True))[0], [0.3, 0.7], rtol=1e-6)
    assert np.isfinite(average(log_probs * 100, True)).all()
    np.testing.assert_allclose(average(log_probs, False), log_probs.mean(axis=0), rtol=1e-6)


def test_errors_leave_it_usable():
    with pytest.raises(ValueError, match="modules: expected at least one module"):
        nn.Ensemble()
    with pytest.raises(TypeError, match="expected a Module, got int"):
        nn.Ensemble(1)
    model = nn.Ensemble(*members(2))
    y = model(normal(4, 5, 3), LENGTHS)
    with pytest.raises(ValueError, match="expected one gradient for each of 2 modules, got 1"):
        model.backward(y[:1])
    model.backward(y)
    with pytest.raises(RuntimeError, match="no forward in training mode is open"):
        model.backward(y)
    assert len(model) == 2
    assert model[1] is list(model)[1]
