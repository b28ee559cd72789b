"""NLLLoss against its twin and torch."""

from __future__ import annotations

import numpy as np
import pytest
from reference import loss as twin

from seriatim import nn

RNG = np.random.default_rng(8)
TARGET = np.array([0, 3, 3, 1, 2])


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("sampled", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_twin(reduction, weighted, sampled, smoothing):
    log_probs = np.log(RNG.dirichlet(np.ones(4), size=5))
    weight = RNG.uniform(0.1, 2, size=4) if weighted else None
    sample_weight = RNG.uniform(0, 2, size=5) if sampled else None
    criterion = nn.NLLLoss(weight, reduction, smoothing)
    value, cache = twin.nll_loss(log_probs, TARGET, weight, sample_weight, reduction, smoothing)
    found = criterion(log_probs, TARGET, sample_weight)
    assert isinstance(found, np.ndarray if reduction == "none" else float)
    close(found, value)
    close(criterion.backward(), twin.nll_loss_backward(cache))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_torch_gives_the_same(reduction):
    torch = pytest.importorskip("torch")
    log_probs = RNG.normal(size=(5, 4)).astype(np.float32)
    weight = RNG.uniform(0.1, 2, size=4).astype(np.float32)
    of_loss = RNG.normal(size=5 if reduction == "none" else ()).astype(np.float32)
    tensor = torch.from_numpy(log_probs).requires_grad_()
    theirs = torch.nn.NLLLoss(torch.from_numpy(weight), reduction=reduction)
    value = theirs(tensor, torch.from_numpy(TARGET))
    value.backward(torch.from_numpy(np.asarray(of_loss)))
    ours = nn.NLLLoss(weight, reduction)
    close(ours(log_probs, TARGET), value.detach().numpy())
    close(ours.backward(of_loss), tensor.grad.numpy())


def test_backward_is_that_of_the_last_call():
    criterion = nn.NLLLoss(reduction="sum")
    with pytest.raises(RuntimeError, match=r"NLLLoss\.backward"):
        criterion.backward()
    criterion(np.zeros((1, 2)), [0])
    criterion(np.zeros((1, 2)), [1])
    np.testing.assert_array_equal(criterion.backward(), [[0, -1]])


def test_weights_that_are_all_zero_give_nan_as_in_torch():
    criterion = nn.NLLLoss()
    assert np.isnan(criterion(np.zeros((1, 2)), [0], [0.0]))


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match="reduction: expected one of"):
        nn.NLLLoss(reduction="median")
    with pytest.raises(ValueError, match="target: expected classes from 0 to 1, got 2"):
        nn.NLLLoss()(np.zeros((1, 2)), [2])
    with pytest.raises(ValueError, match="weight"):
        nn.NLLLoss([1.0, 2.0, 3.0])(np.zeros((1, 2)), [0])
    with pytest.raises(TypeError, match="target"):
        nn.NLLLoss()(np.zeros((1, 2)), [0.5])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [True, False])
def test_torchs_label_smoothing(reduction, weighted):
    torch = pytest.importorskip("torch")
    logits = RNG.normal(size=(5, 4)).astype(np.float32)
    weight = RNG.uniform(0.1, 2, size=4).astype(np.float32) if weighted else None
    tensor = torch.from_numpy(logits).requires_grad_()
    theirs = torch.nn.CrossEntropyLoss(
        None if weight is None else torch.from_numpy(weight), reduction=reduction, label_smoothing=0.2
    )
    value = theirs(tensor, torch.from_numpy(TARGET))
    value.sum().backward()
    ours = nn.CrossEntropyLoss(weight, reduction, label_smoothing=0.2)
    close(ours(logits, TARGET), value.detach().numpy())
    close(ours.backward(np.ones(value.shape)), tensor.grad.numpy())
