"""Losses of labels in all shapes: images and steps, one observation, probabilities, ignored labels, packed, none."""

from __future__ import annotations

import numpy as np
import pytest
from reference import loss as twin
from support import close, normal, with_threads

import seriatim
from seriatim import functional as F
from seriatim import nn

RNG = np.random.default_rng(5)
WEIGHT = np.array([0.5, 2.0, 0.0, 1.5], np.float32)
SHAPES = [(6, 4), (4,), (3, 4, 5), (2, 4, 2, 3), (2, 4, 1, 2, 2)]


def rows_of(array, axis):
    return np.moveaxis(array, axis, -1).reshape(-1, array.shape[axis])


def logs_of(logits, axis):
    x = logits.astype(np.float64)
    return x - np.logaddexp.reduce(x, axis=axis, keepdims=True)


def softmax_gradient(grad, logs):
    return grad - np.exp(logs) * grad.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("smoothing", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape, reduction, weight, smoothing):
    logits = 3 * normal(*shape)
    axis = min(1, len(shape) - 1)
    without = shape[:axis] + shape[axis + 1 :]
    labels = np.array(RNG.integers(0, 4, without))
    labels.flat[-1:] = 1
    if labels.size > 1:
        labels.flat[0] = -100
    probabilities = np.moveaxis(RNG.dirichlet(np.ones(4), without), -1, axis)
    logs = logs_of(logits, axis)
    cases = [
        (nn.NLLLoss, logs, labels, labels.reshape(-1)),
        (nn.CrossEntropyLoss, logits, labels, labels.reshape(-1)),
        (nn.CrossEntropyLoss, logits, probabilities, rows_of(probabilities, axis)),
    ]
    for cls, pred, target, flat in cases:
        criterion = cls(weight, reduction, smoothing)
        wanted, grad = twin.label_loss(rows_of(logs, axis), flat, weight, reduction, smoothing)
        if cls is nn.CrossEntropyLoss:
            grad = softmax_gradient(grad, rows_of(logs, axis))
        close(criterion(pred, target), np.reshape(wanted, without) if reduction == "none" else wanted, 3e-6)
        found = criterion.backward()
        assert found.shape == shape
        assert found.flags.c_contiguous
        close(rows_of(found, axis), grad, 3e-6)


@pytest.mark.parametrize("cls", [nn.NLLLoss, nn.CrossEntropyLoss])
def test_classes_on_another_axis(cls):
    # (steps, batch, classes), padding ignored; also where steps and classes are as many
    pred, target = normal(4, 3, 4), RNG.integers(0, 4, (4, 3))
    target[2:, 1] = -1
    moved = np.ascontiguousarray(np.moveaxis(pred, -1, 1))
    ours, torchs = cls(ignore_index=-1, dim=-1), cls(ignore_index=-1)
    assert ours(pred, target) == torchs(moved, target)
    np.testing.assert_array_equal(ours.backward(), np.moveaxis(torchs.backward(), 1, -1))
    kept = target != -1
    rows = cls()
    close(ours(pred, target), rows(pred[kept], target[kept]))
    grad = ours.backward()
    assert not grad[~kept].any()
    close(grad[kept], rows.backward())
    with pytest.raises(ValueError, match="dim: expected an axis of"):
        cls(dim=3)(pred, target)
    with pytest.raises(ValueError, match=r"target: expected integers of shape \(4, 4\).*dim=-1"):
        cls()(pred, target)


def test_nothing_is_ignored_into_the_mean():
    logits, target = normal(3, 4), np.array([-100, -100, -100])
    for cls in (nn.NLLLoss, nn.CrossEntropyLoss):
        for smoothing in (0.0, 0.1):
            criterion = cls(label_smoothing=smoothing)
            assert np.isnan(criterion(logits, target))
            np.testing.assert_array_equal(criterion.backward(), np.zeros((3, 4)))
            assert cls(reduction="sum", label_smoothing=smoothing)(logits, target) == 0
    # A class may be what is ignored.
    close(nn.NLLLoss(ignore_index=1)(logits, [0, 1, 2]), -(logits[0, 0] + logits[2, 2]) / 2)


@pytest.mark.parametrize("cls", [nn.NLLLoss, nn.CrossEntropyLoss])
@pytest.mark.parametrize("shape", [(0, 4), (0, 4, 5), (3, 4, 0)])
def test_none(cls, shape):
    pred, target = np.zeros(shape, np.float32), np.zeros((shape[0], *shape[2:]), int)
    targets = [target] if cls is nn.NLLLoss else [target, pred]
    for wanted in targets:
        for reduction in ("mean", "sum", "none"):
            criterion = cls(WEIGHT, reduction, 0.1)
            loss = criterion(pred, wanted)
            assert np.isnan(loss) if reduction == "mean" else np.shape(loss) == () or loss.shape == target.shape
            assert not np.any(loss) or reduction == "mean"
            assert criterion.backward().shape == shape


def test_far_logits_and_infinite_ones():
    logits = np.array([[1e4, 0, -1e4], [0, -np.inf, 1], [np.nan, 0, 0], [3, 2, 1]], np.float32)
    criterion = nn.CrossEntropyLoss(reduction="none")
    found, grad = criterion(logits, [2, 0, 0, 1]), criterion.backward()
    close(found[[0, 1, 3]], [2e4, np.logaddexp(0, 1), np.log(np.exp([1, 0, -1]).sum())])
    assert np.isnan(found[2])
    assert np.isnan(grad[2]).all()
    assert np.isfinite(grad[[0, 1, 3]]).all()
    # A class that nothing is expected of may be impossible.
    soft = np.array([[0.5, 0, 0.5], [0.5, 0, 0.5], [1, 0, 0], [0, 0, 1]])
    found, grad = criterion(logits, soft), criterion.backward()
    close(found[[0, 1, 3]], [1e4, np.logaddexp(0, 1) - 0.5, np.log(np.exp([2, 1, 0]).sum())])
    assert np.isfinite(grad[[0, 1, 3]]).all()
    assert grad[1, 1] == 0
    assert nn.NLLLoss([0, 1, 1], label_smoothing=0.5)([[-np.inf, -1, -2]], [1]) == pytest.approx(0.5 + 0.5)


def test_labels_of_any_integers_and_of_no_others():
    logits = normal(3, 2)
    wanted = nn.CrossEntropyLoss()(logits, [1, 0, 1])
    for dtype in (np.uint8, np.int32, np.uint64, bool):
        assert nn.CrossEntropyLoss()(logits, np.array([1, 0, 1], dtype)) == wanted
    # -100 is none of the labels of a byte, 156 is.
    assert np.isnan(nn.CrossEntropyLoss(ignore_index=156)(normal(1, 2), np.array([156], np.uint8)))
    with pytest.raises(TypeError, match="target: expected integers"):
        nn.CrossEntropyLoss()(logits, [1.0, 0.0, 1.0])
    with pytest.raises(TypeError, match="one-hot"):
        nn.CrossEntropyLoss()(logits, np.eye(2, dtype=int)[[0, 1, 0]])
    with pytest.raises(ValueError, match=r"classes from 0 to 1, got 7 at position \(2, 1\); .* ignore_index, -1"):
        nn.NLLLoss(ignore_index=-1)(normal(3, 2, 2), [[0, -1], [1, 1], [0, 7]])
    with pytest.raises(ValueError, match="ignore_index: expected a negative number"):
        nn.CrossEntropyLoss(ignore_index=1)(logits, np.full((3, 2), 0.5))
    with pytest.raises(ValueError, match="ignore_index: expected an integer between"):
        nn.CrossEntropyLoss(ignore_index=2**60 + 1)(logits, [0, 0, 0])
    with pytest.raises(ValueError, match="target: expected integers of shape"):
        nn.NLLLoss()(logits, np.full((3, 2), 0.5))
    with pytest.raises(TypeError, match=r"ignore_index: expected an integer, got 1\.5"):
        nn.NLLLoss(ignore_index=1.5)
    criterion = nn.NLLLoss()
    criterion.label_smoothing = 1.5
    with pytest.raises(ValueError, match="label_smoothing: expected a number from 0 to 1"):
        criterion(logits, [0, 1, 0])


def test_labels_that_are_ignored_may_be_far_away():
    for far in (-(2**53), 2**53):
        loss = nn.CrossEntropyLoss(ignore_index=far)
        assert loss(normal(3, 4), np.array([1, far, 2])) > 0


def test_gradients_and_weights_have_one_shape():
    pred, target = normal(3, 4, 2), RNG.integers(0, 4, (3, 2))
    criterion = nn.CrossEntropyLoss(reduction="none")
    losses, grad = criterion(pred, target), criterion.backward(np.ones((3, 2)))
    criterion(pred, target)
    by_row = criterion.backward(np.arange(6.0).reshape(3, 2))
    close(by_row, grad * np.arange(6.0).reshape(3, 1, 2))
    for wrong in ((2,), (3,), (3, 1), (1,), (6,)):
        criterion(pred, target)
        with pytest.raises(ValueError, match="grad_output: expected a number or shape"):
            criterion.backward(np.ones(wrong))
    mean = nn.CrossEntropyLoss()
    mean(pred, target)
    with pytest.raises(ValueError, match="grad_output: expected a number"):
        mean.backward(np.ones(3))
    sampled = criterion(pred, target, [0, 1, 2])
    close(sampled, losses * np.array([[0], [1], [2]]))
    close(criterion(pred, target, np.arange(6.0).reshape(3, 2)), losses * np.arange(6).reshape(3, 2))
    close(mean(pred, target, [0, 1, 2]), sampled.sum() / 6)
    for wrong in (np.ones(2), np.ones((3, 1)), np.ones(6), 1.0):
        with pytest.raises(ValueError, match="sample_weight: expected shape"):
            mean(pred, target, wrong)


def test_packed():
    lengths = [2, 4, 3]
    steps = [normal(n, 4, seed=n) for n in lengths]
    labels = [RNG.integers(0, 4, n) for n in lengths]
    pred = seriatim.pack_sequence(steps, enforce_sorted=False)
    target = seriatim.pack_sequence(labels, enforce_sorted=False)
    flat = nn.CrossEntropyLoss(WEIGHT, "none")(np.concatenate(steps), np.concatenate(labels))
    criterion = nn.CrossEntropyLoss(WEIGHT, "none")
    losses = criterion(pred, target)
    close(np.concatenate(seriatim.unpack_sequence(losses)), flat)
    weights = seriatim.pack_sequence([np.full(n, 2.0) for n in lengths], enforce_sorted=False)
    close(criterion.backward(weights).data, 2 * criterion_gradient(pred, target))
    mean = nn.CrossEntropyLoss(WEIGHT)
    amount = WEIGHT[np.concatenate(labels)]
    close(mean(pred, target), flat.sum() / amount.sum())
    assert mean.backward().batch_sizes.tolist() == pred.batch_sizes.tolist()
    # A weight for each sequence, in the order in which they were given.
    of_sequences = np.repeat([3.0, 0.0, 1.0], lengths)
    close(mean(pred, target, [3.0, 0.0, 1.0]), (flat * of_sequences).sum() / (amount * of_sequences).sum())
    for wrong, message in [
        (target.data, "packed as pred is"),
        (seriatim.pack_sequence([labels[1], labels[2], labels[0]]), "order of pred"),
        (seriatim.pack_sequence(labels[:2], enforce_sorted=False), "lengths of pred"),
    ]:
        with pytest.raises((TypeError, ValueError), match=message):
            mean(pred, wrong)
    with pytest.raises(TypeError, match="pack both"):
        mean(pred.data, target)
    numbers = nn.MSELoss("none")(pred, pred._replace(data=pred.data + 1))
    close(numbers.data, np.ones_like(pred.data))


def criterion_gradient(pred, target):
    criterion = nn.CrossEntropyLoss(WEIGHT, "sum")
    criterion(pred.data, target.data)
    return criterion.backward()


def test_many_rows_have_the_same_bits_with_two_threads():
    pred, target = normal(300, 50, 6), RNG.integers(-1, 50, (300, 6))
    criterion = nn.CrossEntropyLoss(ignore_index=-1)
    with_threads(lambda: [criterion(pred, target), criterion.backward()])


def test_functions_do_as_the_classes():
    pred, target = normal(3, 4, 2), RNG.integers(0, 4, (3, 2))
    loss, cache = F.cross_entropy(pred, target, WEIGHT)
    criterion = nn.CrossEntropyLoss(WEIGHT)
    assert loss == criterion(pred, target)
    np.testing.assert_array_equal(F.cross_entropy_backward(cache, 2.0), criterion.backward(2.0))


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_torch_gives_the_same(reduction, smoothing, soft):
    torch = pytest.importorskip("torch")
    pred = normal(3, 4, 5)
    target = np.moveaxis(RNG.dirichlet(np.ones(4), (3, 5)), -1, 1).astype(np.float32) if soft else None
    if target is None:
        target = RNG.integers(0, 4, (3, 5))
        target[1, 2:] = -100
    tensor = torch.from_numpy(pred).requires_grad_()
    weight = torch.from_numpy(WEIGHT)
    theirs = torch.nn.CrossEntropyLoss(weight, reduction=reduction, label_smoothing=smoothing)
    value = theirs(tensor, torch.from_numpy(target))
    value.sum().backward()
    ours = nn.CrossEntropyLoss(WEIGHT, reduction, smoothing)
    close(ours(pred, target), value.detach().numpy())
    close(ours.backward(), tensor.grad.numpy())
