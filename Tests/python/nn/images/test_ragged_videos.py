"""Ragged videos, packed, and batches that come first: as every video alone, time-major."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from support import normal

from seriatim import nn, pack_sequence, unpack_sequence

LENGTHS = (2, 5, 1, 5, 3)
VIDEOS = [normal(n, 3, 4, 4) for n in LENGTHS]
PACKED = pack_sequence(VIDEOS, enforce_sorted=False)
STACKS = {
    "gru": lambda **options: nn.ConvGRU(3, [4, 2], [3, 1], 2, rng=0, **options),
    "lstm": lambda **options: nn.ConvLSTM(3, [4, 2], [3, 1], 2, rng=0, **options),
}


def states(kind, batch, seed):
    """A state, or a gradient of one, of each layer."""
    made = np.random.default_rng(seed).normal(size=(2, batch, 4, 4, 4)).astype(np.float32)
    layers = [(made[0], made[1]), (made[1][:, :2], made[0][:, :2])]
    return [layer if kind == "lstm" else layer[0] for layer in layers]


def chosen(layers, one):
    return [tuple(s[one] for s in layer) if type(layer) is tuple else layer[one] for layer in layers]


def flat(layers):
    return [s for layer in layers for s in (layer if type(layer) is tuple else (layer,))]


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("kind", STACKS)
def test_packed_videos_are_each_what_it_is_alone(kind, given):
    model, alone = STACKS[kind](), STACKS[kind]()
    h0 = states(kind, len(VIDEOS), 1) if given else None
    y, last = model(PACKED, h0)
    grads, grad_h = [normal(n, 2, 4, 4) for n in LENGTHS], states(kind, len(VIDEOS), 2)
    grad_x, first = model.backward(pack_sequence(grads, enforce_sorted=False), grad_h)
    outs, backs = unpack_sequence(y), unpack_sequence(grad_x)
    for index, video in enumerate(VIDEOS):
        one = slice(index, index + 1)
        want, end = alone(video[:, None], None if h0 is None else chosen(h0, one))
        # Convolutions round by how many images they have.
        np.testing.assert_allclose(outs[index], want[:, 0], rtol=1e-5, atol=1e-6)
        for got, other in zip(flat(chosen(last, one)), flat(end), strict=True):
            np.testing.assert_allclose(got, other, rtol=1e-5, atol=1e-6)
        back, start = alone.backward(grads[index][:, None], chosen(grad_h, one))
        np.testing.assert_allclose(backs[index], back[:, 0], rtol=1e-5, atol=1e-6)
        for got, other in zip(flat(first), flat(start), strict=True):
            assert (got is None) == (other is None) == (not given)
            if given:
                np.testing.assert_allclose(got[index], other[0], rtol=1e-5, atol=1e-6)
    for one, other in zip(model.parameters(), alone.parameters(), strict=True):
        np.testing.assert_allclose(one.grad, other.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", STACKS)
def test_packed_videos_of_one_length_are_the_array(kind):
    model = STACKS[kind]().eval()
    x = normal(3, 2, 3, 4, 4)
    y, last = model(pack_sequence([x[:, 0], x[:, 1]]))
    want, end = model(x)
    assert np.array_equal(y.data.reshape(want.shape), want)
    assert all(np.array_equal(a, b) for a, b in zip(flat(last), flat(end), strict=True))


@pytest.mark.parametrize("kind", STACKS)
def test_gradients_of_packed_videos_are_differences(kind):
    nn.gradcheck(STACKS[kind](), pack_sequence(VIDEOS[:3], enforce_sorted=False))


@pytest.mark.parametrize("kind", STACKS)
def test_batches_may_come_first(kind):
    model, first = STACKS[kind](), STACKS[kind](batch_first=True)
    x, grad = normal(3, 2, 3, 4, 4), normal(3, 2, 2, 4, 4)
    y, last = model(x)
    turned, end = first(x.swapaxes(0, 1))
    assert np.array_equal(turned, y.swapaxes(0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(flat(last), flat(end), strict=True))
    with pytest.raises(ValueError, match=r"expected shape \(2, 3, 2, 4, 4\)"):
        first.backward(grad)
    back, _ = first.backward(grad.swapaxes(0, 1))
    assert np.array_equal(back, model.backward(grad)[0].swapaxes(0, 1))
    assert np.array_equal(flat(first(x[0]))[-1], flat(model(x[0]))[-1])
    with pytest.raises(ValueError, match=r"\(B, T, C, H, W\)"):
        first(x[0, 0])


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_memory_of_packed_videos_is_each_ones_last_state(cell):
    model = nn.ConvRNN(3, 2, cell=cell, rng=0).eval()
    more = pack_sequence([video[:1] for video in VIDEOS], enforce_sorted=False)
    y, then = model(PACKED), model(more)
    for index, video in enumerate(VIDEOS):
        alone = nn.ConvRNN(3, 2, cell=cell, rng=0).eval()
        np.testing.assert_allclose(unpack_sequence(y)[index], alone(video[:, None])[:, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(unpack_sequence(then)[index], alone(video[:1, None])[:, 0], rtol=1e-5, atol=1e-6)
    model.train().reset_all()
    y = model(PACKED)
    grad = model.backward(y)
    assert grad.batch_sizes is PACKED.batch_sizes
    assert grad.data.shape == PACKED.data.shape
    nn.gradcheck(nn.SequenceWise(nn.Conv2d(3, 2, 3, rng=0)), PACKED)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_conv_rnn_with_batches_first(cell):
    model, first = nn.ConvRNN(3, 2, cell=cell, rng=0), nn.ConvRNN(3, 2, cell=cell, rng=0, batch_first=True)
    x = normal(3, 2, 3, 4, 4)
    y = model(x)
    assert np.array_equal(first(x.swapaxes(0, 1)), y.swapaxes(0, 1))
    assert np.array_equal(first.backward(y.swapaxes(0, 1)), model.backward(y).swapaxes(0, 1))
    with pytest.raises(ValueError, match="batch_first=False"):
        nn.VideoSequential(first)(x)


def test_packed_videos_go_through_a_whole_network():
    net = nn.VideoSequential(
        nn.ConvLayer(3, 2, norm="none", rng=0), nn.ConvRNN(2, 2, cell="rnn", rng=1), nn.ConvGRU(2, 3, 3, 1, rng=2),
        nn.Flatten(), nn.Linear(48, 2, rng=3),
    )  # fmt: skip
    alone = copy.deepcopy(net)
    y = net(PACKED)
    grad = net.backward(y)
    for index, video in enumerate(VIDEOS):
        alone.reset_all()
        want = alone(video[:, None])
        np.testing.assert_allclose(unpack_sequence(y)[index], want[:, 0], rtol=1e-5, atol=1e-6)
        back = alone.backward(want)
        np.testing.assert_allclose(unpack_sequence(grad)[index], back[:, 0], rtol=1e-4, atol=1e-5)


def test_refusals_of_packed_videos():
    model = STACKS["gru"]()
    with pytest.raises(ValueError, match=r"x.data: expected shape \(frames, 3, height, width\)"):
        model(PACKED._replace(data=PACKED.data[:, :2]))
    with pytest.raises(ValueError, match=r"hidden: expected shape \(5, 4, 4, 4\)"):
        model(PACKED, states("gru", 4, 0))
    y, _ = model(PACKED)
    with pytest.raises(ValueError, match="grad_output: expected shape"):
        model.backward(y.data[1:])
    with pytest.raises(ValueError, match="grad_output: expected a PackedSequence of the lengths"):
        model.backward(pack_sequence([y.data[:8], y.data[8:]]))
    model.backward(y)
