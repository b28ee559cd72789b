"""CTCLoss against the sum over all paths in float64: layouts, lengths, reductions, and what no path spells."""

from __future__ import annotations

import numpy as np
import pytest
from reference import loss as twin
from support import close, normal, with_threads

import seriatim
from seriatim import functional as F
from seriatim import nn

LENGTHS, COUNTS = [6, 7, 3, 5], [3, 2, 0, 2]
SIZES = list(zip(LENGTHS, COUNTS, strict=True))
LABELS = np.array([[1, 1, 2], [3, 1, 0], [0, 0, 0], [2, 3, 9]])


def log_softmax(x):
    x = np.asarray(x, np.float64)
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


LOGITS = 2 * normal(7, 4, 4)
LOGS = log_softmax(LOGITS)
WANTED = np.array([twin.ctc_loss(LOGS[:t, n], LABELS[n, :s]) for n, (t, s) in enumerate(SIZES)])


def reduce(losses, counts, reduction):
    if reduction == "mean":
        return np.mean(losses / np.maximum(counts, 1))
    return losses.sum() if reduction == "sum" else losses


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_layouts(reduction):
    criterion = nn.CTCLoss(reduction=reduction)
    loss = criterion(LOGS, LABELS, LENGTHS, COUNTS)
    close(loss, reduce(WANTED, COUNTS, reduction), 2e-6)
    assert isinstance(loss, np.ndarray if reduction == "none" else float)
    of_loss = np.arange(1.0, 5) if reduction == "none" else 0.5
    grad = criterion.backward(of_loss)
    assert grad.shape == LOGS.shape
    assert not any(grad[t:, n].any() for n, t in enumerate(LENGTHS))
    flat = np.concatenate([LABELS[n, :s] for n, s in enumerate(COUNTS)])
    assert np.array_equal(criterion(LOGS, flat, LENGTHS, COUNTS), loss)
    # Packed, in the order in which they were given.
    packed = seriatim.pack_padded_sequence(LOGS.astype(np.float32), LENGTHS, enforce_sorted=False)
    for targets in (LABELS, flat):
        close(criterion(packed, targets, None, COUNTS), loss, 1e-6)
        back, _ = seriatim.pad_packed_sequence(criterion.backward(of_loss))
        np.testing.assert_allclose(back, grad, atol=1e-6)
    for n in range(2):
        one = criterion(LOGS[: LENGTHS[n], n], LABELS[n, : COUNTS[n]])
        close(one, reduce(WANTED[n : n + 1], COUNTS[n : n + 1], reduction).reshape(np.shape(one)), 2e-6)
        assert criterion.backward().shape == (LENGTHS[n], 4)


def test_gradient_of_what_the_log_softmax_is_of():
    softmax, criterion = nn.LogSoftmax(), nn.CTCLoss(reduction="sum")
    criterion(softmax(LOGITS), LABELS, LENGTHS, COUNTS)
    grad = criterion.backward()
    through = softmax.backward(grad)
    np.testing.assert_allclose(through, grad, atol=2e-6)
    rng = np.random.default_rng(1)
    for _ in range(3):
        direction = rng.normal(size=LOGITS.shape)
        sides = [
            sum(
                twin.ctc_loss(log_softmax(LOGITS + step * direction)[:t, n], LABELS[n, :s])
                for n, (t, s) in enumerate(SIZES)
            )
            for step in (1e-5, -1e-5)
        ]
        assert np.sum(through * direction) == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-4, abs=1e-4)


def test_another_blank():
    order = [1, 2, 3, 0]  # class 0 becomes 3
    criterion = nn.CTCLoss(blank=3, reduction="none")
    close(criterion(LOGS[..., order], LABELS - 1, LENGTHS, COUNTS), WANTED, 2e-6)


def test_what_no_path_spells():
    logs = np.full((4, 3, 3), np.log(1 / 3), np.float32)
    # Two like labels want a blank between them.
    given = (logs, [[1, 1], [1, 2], [2, 1]], [2, 2, 0], [2, 2, 1])
    plain, forgiving = nn.CTCLoss(reduction="none"), nn.CTCLoss(reduction="none", zero_infinity=True)
    np.testing.assert_array_equal(np.isinf(plain(*given)), [True, False, True])
    grad = plain.backward()
    assert np.isnan(grad[:2, 0]).all()
    assert not grad[2:, 0].any()
    assert not grad[:, 2].any()
    losses = forgiving(*given)
    assert losses[0] == losses[2] == 0
    assert losses[1] == pytest.approx(2 * np.log(3))
    kept = forgiving.backward()
    assert not kept[:, [0, 2]].any()
    np.testing.assert_array_equal(kept[:, 1], grad[:, 1])
    assert nn.CTCLoss(zero_infinity=True)(*given) == pytest.approx(2 * np.log(3) / 2 / 3)


def test_what_is_not_finite_stays_in_its_sequence():
    logs = LOGS.copy()
    logs[1, 0, 1], logs[:, 1, 2] = np.nan, -np.inf
    criterion = nn.CTCLoss(reduction="none")
    found, grad = criterion(logs, LABELS, LENGTHS, COUNTS), criterion.backward()
    assert np.isnan(found[0])
    assert np.isfinite(found[1:]).all()
    assert np.isfinite(grad[:, 1:]).all()


def test_long_sequences_keep_their_digits():
    rng = np.random.default_rng(2)
    logs = log_softmax(3 * rng.normal(size=(1500, 1, 12))).astype(np.float32)
    labels = rng.integers(1, 12, 200)
    alpha = np.full(401, -np.inf)
    path = np.zeros(401, int)
    path[1::2] = labels
    skip = np.append([False, False], (path[2:] != 0) & (path[2:] != path[:-2]))
    for step, frame in enumerate(logs[:, 0].astype(np.float64)):
        if step == 0:
            alpha[:2] = frame[path[:2]]
            continue
        one, two = np.append(-np.inf, alpha[:-1]), np.append([-np.inf, -np.inf], alpha[:-2])
        alpha = np.logaddexp(np.logaddexp(alpha, one), np.where(skip, two, -np.inf)) + frame[path]
    wanted = -np.logaddexp(alpha[-1], alpha[-2])
    criterion = nn.CTCLoss(reduction="sum")
    assert criterion(logs, labels[None]) == pytest.approx(wanted, rel=1e-6)
    # In every frame the path is somewhere.
    np.testing.assert_allclose(criterion.backward().sum(axis=-1), 0, atol=1e-5)


def test_the_same_bits_with_two_threads():
    logs, labels = log_softmax(normal(60, 9, 20)), np.arange(9 * 12).reshape(9, 12) % 19 + 1
    criterion = nn.CTCLoss(reduction="none")
    with_threads(lambda: [criterion(logs, labels), criterion.backward()])


def test_none():
    for reduction, wanted in (("mean", np.nan), ("sum", 0.0), ("none", np.zeros(0))):
        criterion = nn.CTCLoss(reduction=reduction)
        np.testing.assert_array_equal(criterion(np.zeros((5, 0, 3)), np.zeros((0, 2), int)), wanted)
        assert criterion.backward().shape == (5, 0, 3)
    criterion = nn.CTCLoss(reduction="none")
    np.testing.assert_array_equal(criterion(np.zeros((0, 2, 3)), [[1], [2]], [0, 0], [1, 0]), [np.inf, 0])
    assert criterion.backward().shape == (0, 2, 3)


def test_errors_name_the_argument():
    criterion = nn.CTCLoss()
    for message, *inputs in [
        ("targets: expected classes from 0 to 3 other than the blank, 0, got 4 at position 1 of sequence 2",
         LOGS, [[1, 0], [1, 0], [1, 4], [1, 0]], LENGTHS, [1, 1, 2, 1]),
        ("targets: .*got 0 at position 0 of sequence 0", LOGS, LABELS[[2, 1, 0, 3]], LENGTHS, [1, 1, 1, 1]),
        ("targets: expected shape \\(4, longest\\)", LOGS, LABELS[:3], LENGTHS, COUNTS),
        ("targets: expected shape", LOGS, [1, 2, 3, 1]),
        ("input_lengths: expected numbers from 0 to 7, .* got 8 at position 1", LOGS, LABELS, [1, 8, 1, 1], COUNTS),
        ("input_lengths: expected one for each of 4", LOGS, LABELS, [1, 8], COUNTS),
        ("target_lengths: expected numbers from 0 to 3, .* got -1 at position 3", LOGS, LABELS, LENGTHS, [1, 1, 0, -1]),
        ("target_lengths: expected lengths that sum up to the 3 labels", LOGS, [1, 2, 3], LENGTHS, [1, 1, 1, 1]),
        ("log_probs: expected shape", LOGS[0, 0], [1]),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            criterion(*inputs)
    with pytest.raises(TypeError, match="targets: expected integers"):
        criterion(LOGS, LABELS * 1.0, LENGTHS, COUNTS)
    with pytest.raises(ValueError, match="blank: expected a class from 0 to 3"):
        nn.CTCLoss(blank=4)(LOGS, LABELS, LENGTHS, COUNTS)
    with pytest.raises(ValueError, match="reduction: expected one of"):
        nn.CTCLoss(reduction="average")
    with pytest.raises(RuntimeError, match=r"CTCLoss\.backward"):
        criterion.backward()
    none = nn.CTCLoss(reduction="none")
    none(LOGS, LABELS, LENGTHS, COUNTS)
    with pytest.raises(ValueError, match="grad_output: expected a number or shape"):
        none.backward(np.ones((4, 1)))


def test_greedy_decoding():
    best = [0, 1, 1, 0, 1, 2, 2]
    scores = np.eye(3)[best][:, None].repeat(2, axis=1)
    first, second = F.ctc_greedy_decode(scores, [7, 3])
    assert first.tolist() == [1, 1, 2]
    assert second.tolist() == [1]
    assert [d.tolist() for d in F.ctc_greedy_decode(scores[:, 0], blank=1)] == [[0, 0, 2]]
    with pytest.raises(ValueError, match="input_lengths"):
        F.ctc_greedy_decode(scores, [8, 1])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_torch_gives_the_same(reduction):
    torch = pytest.importorskip("torch")
    logs = torch.from_numpy(LOGS).requires_grad_()
    theirs = torch.nn.CTCLoss(reduction=reduction)(logs, torch.from_numpy(LABELS), LENGTHS, COUNTS)
    theirs.sum().backward()
    ours = nn.CTCLoss(reduction=reduction)
    close(ours(LOGS, LABELS, LENGTHS, COUNTS), theirs.detach().numpy())
    close(ours.backward(), logs.grad.numpy())
