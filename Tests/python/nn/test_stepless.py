"""Sequences without a step: they are in the batch, keep their states, and change nothing for others."""

from __future__ import annotations

import numpy as np
import pytest
from support import normal

from seriatim import nn
from seriatim.sequences import pack_padded_sequence, pack_sequence, unpack_sequence

# Sequences 1 and 4 have no step.
LENGTHS = [2, 0, 5, 3, 0]
THERE = [0, 2, 3]
X = normal(5, 5, 3)
STACKS = [nn.GRU, nn.LSTM, nn.RNN, nn.MinGRU, nn.MinLSTM, nn.IndRNN]
SMALL = {"gru1": 4, "gru2": 3, "gru3": 2, "fc": 5}


def packed(lengths, x=X):
    return pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)


def states_of(kind, batch, seed):
    h = normal(4, batch, 4, seed=seed)
    return (h, normal(4, batch, 4, seed=seed + 1)) if kind is nn.LSTM else h


def parts(state):
    return state if isinstance(state, tuple) else (state,)


def run(kind, lengths, first, grad_last):
    stack = kind(3, 4, 2, bidirectional=True, rng=0)
    y, last = stack(packed(lengths, X[: len(lengths)]), first)
    grad_x, grad_first = stack.backward(y._replace(data=np.cos(y.data)), grad_last)
    gradients = [p.grad for p in stack.parameters()]
    return unpack_sequence(y), parts(last), unpack_sequence(grad_x), parts(grad_first), gradients


@pytest.mark.parametrize("kind", STACKS)
@pytest.mark.parametrize("given", [True, False])
def test_stacks(kind, given):
    first, grad = (states_of(kind, 5, seed) for seed in (3, 7))
    y, last, grad_x, grad_first, gradients = run(kind, LENGTHS, first if given else None, grad)

    def pick(state):
        return tuple(s[:, THERE] for s in state) if isinstance(state, tuple) else state[:, THERE]

    stack = kind(3, 4, 2, bidirectional=True, rng=0)
    alone, last_alone = stack(packed([2, 5, 3], X[THERE]), pick(first) if given else None)
    back, first_alone = stack.backward(alone._replace(data=np.cos(alone.data)), pick(grad))
    rows, grads = unpack_sequence(alone), unpack_sequence(back)
    for place, index in enumerate(THERE):
        np.testing.assert_array_equal(y[index], rows[place])
        np.testing.assert_array_equal(grad_x[index], grads[place])
    for mine, theirs in zip(last + grad_first, parts(last_alone) + parts(first_alone), strict=True):
        np.testing.assert_array_equal(mine[:, THERE], theirs)
    for mine, theirs in zip(gradients, [p.grad for p in stack.parameters()], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    # Nothing happened to the others: h_n is h_0, and its gradient that of h_n.
    assert [len(y[1]), len(grad_x[4])] == [0, 0]
    for mine, start in zip(last, parts(first), strict=True):
        np.testing.assert_array_equal(mine[:, [1, 4]], start[:, [1, 4]] if given else 0)
    for mine, end in zip(grad_first, parts(grad), strict=True):
        np.testing.assert_array_equal(mine[:, [1, 4]], end[:, [1, 4]])


@pytest.mark.parametrize("kind", STACKS)
def test_a_batch_without_a_step(kind):
    first, grad = states_of(kind, 2, 3), states_of(kind, 2, 5)
    y, last, grad_x, grad_first, gradients = run(kind, [0, 0], first, grad)
    assert [a.shape for a in y + grad_x] == [(0, 8), (0, 8), (0, 3), (0, 3)]
    for one, two in zip(last + grad_first, parts(first) + parts(grad), strict=True):
        np.testing.assert_array_equal(one, two)
    assert not any(np.any(g) for g in gradients)


def networks():
    return {
        "deepgru": nn.DeepGRU(3, 2, SMALL, dropout=0, rng=0),
        "pooled": nn.DeepGRU(3, 2, SMALL, pooling=("mean", "max"), bidirectional=True, dropout=0, rng=0),
        "rnn": nn.SequenceRNN(3, 4, 2, pooling=("last", "mean", "max"), rng=0),
        "lstm": nn.SequenceRNN(3, 4, 2, rnn="lstm", num_layers=2, bidirectional=True, rng=0),
        "video": nn.VideoRNN(nn.Linear(3, 4, rng=1), 4, 4, 2, fc=3, rng=0),
        "attention": nn.Sequential(nn.Outputs(nn.GRU(3, 4, rng=0)), nn.AttentionPool(4, rng=0)),
        "pool": nn.Sequential(nn.Outputs(nn.GRU(3, 4, rng=0)), nn.SequencePool()),
        "last": nn.LastState(nn.LSTM(3, 4, rng=0)),
        "softmax": nn.Sequential(nn.SequenceSoftmax(), nn.SequencePool()),
    }


@pytest.mark.parametrize("name", sorted(networks()))
def test_networks(name):
    """Of no step comes one row, of zeros pooled, that is the same in every batch; others keep their bits."""
    model = networks()[name].eval()
    whole = model(packed(LENGTHS))
    np.testing.assert_array_equal(whole[THERE], model(packed([2, 5, 3], X[THERE])))
    nothing = model(packed([0, 0], X[:2]))
    np.testing.assert_allclose(nothing, whole[[1, 4]], atol=1e-6)
    if name in ("attention", "pool", "last", "softmax"):
        assert not nothing.any()
    for lengths in (LENGTHS, [0, 0]):
        model = networks()[name].train()
        y = model(packed(lengths, X[: len(lengths)]))
        if name == "deepgru" and lengths == [0, 0]:
            assert y.shape == (2, 2)
        model.backward(np.ones_like(y))
        assert all(p.grad is not None and np.isfinite(p.grad).all() for p in model.parameters())


def test_padded_batches_of_networks():
    model = networks()["deepgru"].eval()
    x = np.zeros((2, 0, 3), np.float32)
    assert model(x, [0, 0]).shape == (2, 2)
    assert model.attention_weights(x, [0, 0]).shape == (2, 0)
    assert not model.attention_weights(X, LENGTHS)[[1, 4]].any()
    assert model(np.zeros((0, 4, 3))).shape == (0, 2)


def test_a_padded_gradient_has_zeros_where_there_is_no_step():
    model = networks()["rnn"]
    y = model(X, LENGTHS)
    grad = model.backward(np.ones_like(y), need_input=True)
    assert grad.shape == X.shape
    assert not grad[[1, 4]].any()
    assert grad[THERE].any()


def test_modules_over_packed_rows():
    given = packed(LENGTHS)
    module = nn.Residual(nn.SequenceWise(nn.Linear(3, 3, rng=0)))
    y = module(given)
    assert y.n_sequences == 5
    back = module.backward(y)
    assert [len(one) for one in unpack_sequence(back)] == LENGTHS


def test_attention_gives_a_sequence_without_a_step_zeros():
    module = nn.Attention(3, rng=0)
    given = pack_sequence([X[0], X[1, :0]])
    h_last = normal(2, 3)
    found = module(given.data, h_last, given.batch_sizes)
    assert found[0, :3].any()
    assert not found[1, :3].any()
    grad_h, grad_last = module.backward(np.ones_like(found))
    assert grad_h.shape == given.data.shape
    assert grad_last.shape == h_last.shape


@pytest.mark.parametrize("convolution", [None, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_networks_of_frames(convolution, bidirectional):
    """Of no step comes no row; others keep their bits."""
    model = nn.FrameRNN(3, 4, 2, convolution=convolution, bidirectional=bidirectional, rng=0).eval()
    whole, there = model(packed(LENGTHS)), model(packed([2, 5, 3], X[THERE]))
    np.testing.assert_array_equal(whole.data, there.data)
    assert model(packed([0, 0], X[:2])).data.shape == (0, 2)
    assert model(X, LENGTHS).shape == (*X.shape[:2], 2)
    assert not model(X, LENGTHS)[[1, 4]].any()
    model.train()
    y = model(X, LENGTHS)
    grad = model.backward(np.ones_like(y), need_input=True)
    assert grad.shape == X.shape
    assert not grad[[1, 4]].any()
