"""Losses of a mini-batch in parts: sums by the weight of all are the mean."""

from __future__ import annotations

import numpy as np
import pytest

from seriatim import nn
from seriatim.nn.containers._ensemble import EnsembleLoss
from seriatim.sequences import pack_sequence

RNG = np.random.default_rng(3)
N, CLASSES = 13, 4
LABELS = RNG.integers(CLASSES, size=N)
LOG_PROBS = np.log(RNG.dirichlet(np.ones(CLASSES), size=N)).astype(np.float32)
PROBABILITIES = RNG.dirichlet(np.ones(CLASSES), size=N).astype(np.float32)
NUMBERS = RNG.normal(size=(2, N, 3)).astype(np.float32)
CLASS_WEIGHTS = np.array([0.5, 0, 2, 1.25])
IGNORED = np.where(LABELS == 1, -100, LABELS)

CASES = {
    "labels": (nn.NLLLoss(), LOG_PROBS, LABELS),
    "class weights": (nn.NLLLoss(CLASS_WEIGHTS), LOG_PROBS, LABELS),
    "smoothing": (nn.NLLLoss(CLASS_WEIGHTS, label_smoothing=0.2), LOG_PROBS, LABELS),
    "ignored": (nn.CrossEntropyLoss(CLASS_WEIGHTS), LOG_PROBS, IGNORED),
    "probabilities": (nn.CrossEntropyLoss(CLASS_WEIGHTS), LOG_PROBS, PROBABILITIES),
    "steps": (nn.NLLLoss(CLASS_WEIGHTS, dim=-1), LOG_PROBS[:12].reshape(4, 3, 4), LABELS[:12].reshape(4, 3)),
    "numbers": (nn.MSELoss(), *NUMBERS),
    "one number": (nn.HuberLoss(), *NUMBERS[..., 0]),
    "weighted numbers": (nn.BCEWithLogitsLoss(np.array([1, 0.5, 2])), NUMBERS[0], (NUMBERS[1] > 0).astype(np.float32)),
    "batch mean": (nn.KLDivLoss("batchmean"), LOG_PROBS, PROBABILITIES),
    "ensemble": (EnsembleLoss(nn.NLLLoss(CLASS_WEIGHTS)), np.stack([LOG_PROBS, LOG_PROBS[::-1]]), LABELS),
    "ensemble of numbers": (EnsembleLoss(nn.MSELoss()), np.stack([NUMBERS[0], 2 * NUMBERS[0]]), NUMBERS[1]),
}
WEIGHTS = {"none": None, "given": RNG.uniform(0, 2, size=N).astype(np.float32), "some 0": np.repeat([1.0, 0, 2], 5)[:N]}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("case", CASES)
def test_sums_of_parts_by_the_weight_of_all_are_the_mean(case, weights):
    criterion, pred, target = CASES[case]
    weight = None if WEIGHTS[weights] is None else WEIGHTS[weights][: len(target)]
    wanted, context = criterion.trace(pred, target, weight)
    gradient = criterion.pullback(context)
    total, summed = criterion.total_weight(target, weight), criterion.summed()
    assert type(total) is float
    axis = 1 if isinstance(criterion, EnsembleLoss) else 0
    loss, gradients = 0.0, []
    for part in (slice(0, 1), slice(1, 3), slice(3, None)):
        own = None if weight is None else weight[part]
        one, inner = summed.trace(pred[:, part] if axis else pred[part], target[part], own)
        loss += one
        gradients.append(summed.pullback(inner, 1 / total))
    assert loss / total == pytest.approx(wanted, rel=1e-6)
    np.testing.assert_allclose(np.concatenate(gradients, axis=axis), gradient, rtol=1e-5, atol=1e-7)


def test_of_packed_sequences_every_row_counts():
    pred, target = (pack_sequence([a[:5], a[5:7], a[7:]], enforce_sorted=False) for a in (LOG_PROBS, LABELS))
    criterion, weight = nn.NLLLoss(CLASS_WEIGHTS), np.array([1, 0, 3.0])
    for given in (None, weight):
        total = criterion.summed()(pred, target, given)
        assert total / criterion.total_weight(target, given) == pytest.approx(criterion(pred, target, given), rel=1e-6)


def test_the_criterion_itself_stays_as_it_is():
    criterion = nn.NLLLoss()
    criterion(LOG_PROBS, LABELS)
    summed = criterion.summed()
    assert (criterion.reduction, summed.reduction) == ("mean", "sum")
    with pytest.raises(RuntimeError, match="call the loss first"):
        summed.backward()
    criterion.backward()
    # Each module of an ensemble learns as if it were alone.
    ensemble = EnsembleLoss(criterion).summed()
    ensemble(np.stack([LOG_PROBS, LOG_PROBS]), LABELS)
    summed(LOG_PROBS, LABELS)
    np.testing.assert_array_equal(ensemble.backward()[1], summed.backward())


def test_wrong_targets_and_weights_are_named():
    with pytest.raises(ValueError, match="target: expected classes from 0 to 3, got 4 at position 0"):
        nn.NLLLoss(CLASS_WEIGHTS).total_weight([4, 0])
    with pytest.raises(ValueError, match=r"sample_weight: expected shape \(13,\)"):
        nn.NLLLoss().total_weight(LABELS, [1.0])
    with pytest.raises(ValueError, match=r"sample_weight: expected shape \(13,\)"):
        nn.MSELoss().total_weight(NUMBERS[0], [1.0])
    assert nn.NLLLoss().total_weight(LABELS[:0]) == 0
