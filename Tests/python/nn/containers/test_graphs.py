"""Combinators against their equations in float64; gradients are held in test_gradcheck."""

from __future__ import annotations

import numpy as np
import pytest
from support import close, normal

from seriatim import nn, pack_padded_sequence, pack_sequence, unpack_sequence

LENGTHS = [2, 5, 1, 4]
SEQUENCES = [normal(length, 3, seed=length) for length in LENGTHS]
PACKED = pack_sequence(SEQUENCES, enforce_sorted=False)


def test_split_parallel_and_join():
    x = normal(4, 5)
    one, other = nn.Linear(2, 3, rng=0), nn.Linear(3, 4, rng=1)
    net = nn.Sequential(nn.Split([2, 3]), nn.Parallel(one, other), nn.Join())
    y = net(x)
    np.testing.assert_array_equal(y, np.concatenate([one.trace(x[:, :2])[0], other.trace(x[:, 2:])[0]], axis=1))
    grad = normal(4, 7, seed=1)
    found = net.backward(grad)
    np.testing.assert_allclose(found[:, :2], grad[:, :3] @ np.asarray(one.weight), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[:, 2:], grad[:, 3:] @ np.asarray(other.weight), rtol=1e-5, atol=1e-6)
    parts = nn.Split([1, 2, 3], dim=0)(normal(6, 2))
    assert [part.shape for part in parts] == [(1, 2), (2, 2), (3, 2)]
    np.testing.assert_array_equal(nn.Join(dim=0)(parts), normal(6, 2))
    assert repr(nn.Split([2, 3])) == "Split([2, 3], dim=-1)"


def test_a_split_into_one_part():
    x = normal(2, 3)
    split = nn.Split([3])
    (part,), context = split.trace(x)
    np.testing.assert_array_equal(part, x)
    np.testing.assert_array_equal(split.pullback(context, (part,)), x)


def test_packed_sequences_go_through():
    net = nn.Sequential(
        nn.Split([1, 2]),
        nn.Parallel(nn.Outputs(nn.GRU(1, 4, bidirectional=True, rng=0)), nn.SequenceWise(nn.Linear(2, 3, rng=1))),
        nn.Join(),
        nn.Residual(nn.SequenceWise(nn.Sequential(nn.Linear(11, 11, rng=2), nn.Tanh()))),
        nn.Concat(nn.AttentionPool(11, rng=3), nn.SequencePool()),
    )
    together = net(PACKED)
    assert together.shape == (4, 33)
    for sequence, row in zip(SEQUENCES, together, strict=True):
        alone = net(pack_sequence([sequence]))
        close(row, alone[0], 1e-5)
    net.train()
    grad = normal(4, 33)
    net(PACKED)
    found = net.backward(grad)
    for i, part in enumerate(unpack_sequence(found)):
        net(pack_sequence([SEQUENCES[i]]))
        close(part, net.backward(grad[i : i + 1]).data, 1e-5)


def test_attention_pool_is_its_equation():
    pool = nn.AttentionPool(3, rng=0)
    query = np.asarray(pool.query, np.float64)
    wanted, weights = [], []
    for h in SEQUENCES:
        score = np.exp(h.astype(np.float64) @ query)
        weights.append(score / score.sum())
        wanted.append(weights[-1] @ h)
    close(pool(PACKED), wanted, 1e-6)
    for found, want in zip(unpack_sequence(pool.weights(PACKED)), weights, strict=True):
        close(found, want, 1e-6)
    in_packed_order = pool(PACKED.data, PACKED.batch_sizes)
    np.testing.assert_array_equal(in_packed_order[PACKED.unsorted_indices], pool(PACKED))


def test_sequence_softmax_is_its_equation():
    softmax = nn.SequenceSoftmax()
    y = softmax(PACKED)
    grad = normal(*PACKED.data.shape, seed=1)
    found = softmax.backward(PACKED._replace(data=grad))
    grads = unpack_sequence(PACKED._replace(data=grad))
    for ours, of_x, x, of_y in zip(unpack_sequence(y), unpack_sequence(found), SEQUENCES, grads, strict=True):
        exact = np.exp(x.astype(np.float64))
        exact /= exact.sum(axis=0)
        close(ours, exact, 1e-6)
        close(of_x, exact * (of_y - (of_y * exact).sum(axis=0)), 1e-6)
    rows = softmax(PACKED.data, PACKED.batch_sizes)
    np.testing.assert_array_equal(rows, y.data)


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM, nn.RNN])
def test_outputs_and_last_state(kind):
    rnn, x = kind(3, 4, 2, bidirectional=True, rng=0), normal(5, 2, 3)
    y, states = rnn.eval()(x)
    last = states[0] if kind is nn.LSTM else states
    np.testing.assert_array_equal(nn.Outputs(rnn).eval()(x), y)
    np.testing.assert_array_equal(nn.LastState(rnn).eval()(x), np.concatenate([last[-2], last[-1]], axis=1))
    assert nn.LastState(rnn).eval()(x[:, 0]).shape == (8,)


def test_sum():
    x = normal(2, 3)
    close(nn.Sum(nn.Tanh(), nn.ReLU(), nn.Identity())(x), np.tanh(x) + np.maximum(x, 0) + x, 1e-6)


def test_the_gradient_of_an_input_is_left_out_where_nobody_wants_it():
    x = normal(2, 3)
    for net in (
        nn.Linear(3, 3, rng=0),
        nn.Residual(nn.Linear(3, 3, rng=0)),
        nn.Sum(nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1)),
        nn.Concat(nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1)),
        nn.Sequential(nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1)),
    ):
        grads = []
        for need_input in (True, False):
            net.zero_grad()
            found = net(x)
            found = net.backward(np.ones_like(found), need_input=need_input)
            assert (found is None) is not need_input
            grads.append([np.array(p.grad) for p in net.parameters()])
        for one, other in zip(*grads, strict=True):
            np.testing.assert_array_equal(one, other)


def test_errors():
    for kind in (nn.Sum, nn.Concat, nn.Parallel):
        with pytest.raises(ValueError, match="modules: expected at least one"):
            kind()
    for sizes in ([], [2, 0]):
        with pytest.raises(ValueError, match="sizes: expected positive widths"):
            nn.Split(sizes)
    with pytest.raises(ValueError, match="x: expected 4 along axis -1, got shape"):
        nn.Split([2, 2])(normal(2, 3))
    with pytest.raises(ValueError, match="x: expected a tuple of 2, one for each part, got ndarray"):
        nn.Parallel(nn.ReLU(), nn.ReLU())(normal(2, 3))
    with pytest.raises(ValueError, match="x: expected a tuple of 2, one for each part, got 1"):
        nn.Parallel(nn.ReLU(), nn.ReLU())((normal(2, 3),))
    with pytest.raises(ValueError, match=r"Sum: expected all outputs to have one shape, got \[\(2, 2\), \(2, 3\)\]"):
        nn.Sum(nn.Linear(3, 2), nn.ReLU())(normal(2, 3))
    other = pack_padded_sequence(normal(4, 3, 3), [3, 3, 3, 3], batch_first=True)
    with pytest.raises(ValueError, match="part 1: expected a PackedSequence of the lengths of part 0"):
        nn.Join()((PACKED, other))
    with pytest.raises(ValueError, match="expected parts that differ along axis 1 alone"):
        nn.Join(1)((normal(2, 3), normal(4, 3)))
    with pytest.raises(TypeError, match="h: expected a PackedSequence, or packed rows and their batch_sizes"):
        nn.AttentionPool(3)(normal(4, 5, 3))
    with pytest.raises(ValueError, match=r"h: expected rows of shape \(rows, 3\), got \(4, 2\)"):
        nn.AttentionPool(3)(normal(4, 2), np.array([2, 2]))
    with pytest.raises(ValueError, match="batch_sizes: expected None beside a PackedSequence"):
        nn.SequencePool()(PACKED, PACKED.batch_sizes)
    with pytest.raises(TypeError, match="module: expected a stack such as GRU, LSTM or RNN, got Linear"):
        nn.LastState(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="input_size: expected a positive integer"):
        nn.AttentionPool(0)


def test_residual_and_concat():
    x = normal(2, 3, 5, 5)
    body, short = nn.Conv2d(3, 4, 3, padding=1, rng=0), nn.Conv2d(3, 4, 1, rng=1)
    net = nn.Residual(body, short)
    y = net(x)
    close(y, body.eval()(x) + short.eval()(x), 1e-6)
    net.train()
    net(x)
    grad = net.backward(np.ones_like(y))
    parts = []
    for module in (body, short):
        module(x)
        parts.append(module.backward(np.ones_like(y)))
    close(grad, parts[0] + parts[1], 1e-6)
    plain = nn.Residual(nn.ReLU())
    close(plain(x), np.maximum(x, 0) + x, 1e-6)
    close(plain.backward(np.ones_like(x)), (x > 0) + 1.0, 1e-6)
    with pytest.raises(ValueError, match="expected both outputs to have one shape"):
        nn.Residual(body)(x)

    both = nn.Concat(nn.ReLU(), nn.Tanh())
    y = both(x)
    close(y, np.concatenate([np.maximum(x, 0), np.tanh(x)], axis=1), 1e-6)
    close(both.backward(np.ones_like(y)), (x > 0) + 1 - np.tanh(x) ** 2, 1e-5)
    with pytest.raises(ValueError, match="modules: expected at least one"):
        nn.Concat()
