"""Streams of VideoRNN: logits behind every frame, with the bits of the frames so far."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from seriatim import nn

T, B = 6, 3


def _embedding():
    return nn.Sequential(
        nn.ConvLayer(3, 8, rng=1),
        nn.AdaptiveAvgPool2d((2, 2)),
        nn.Flatten(),
        nn.Dropout(0.5, rng=0),
        nn.Linear(32, 6, rng=0),
    )


def _model(kind, embedding=None, **options):
    embedding = _embedding() if embedding is None else embedding
    model = nn.VideoRNN(
        embedding, 6, 5, 4, rnn=kind, num_layers=2, bidirectional=False, fc=9, rng=0, frames_at_once=2, **options
    )
    model(_videos(1).swapaxes(0, 1))
    return model


def _videos(seed=0):
    return np.random.default_rng(seed).standard_normal((T, B, 3, 8, 8)).astype(np.float32)


def _so_far(model, x):
    model = copy.deepcopy(model).eval()
    return np.stack([model(x[: t + 1].swapaxes(0, 1)) for t in range(len(x))])


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_logits_behind_every_frame(kind):
    model, x = _model(kind), _videos()
    wanted = _so_far(model, x)
    stream = model.stream(B)
    found = [stream.push(x[:2]), stream.step(x[2])[None], stream.push(x[3:3]), stream.push(x[3:])]
    np.testing.assert_array_equal(np.concatenate(found), wanted)
    np.testing.assert_array_equal(stream.frames, [T] * B)
    stream.reset()
    first = stream.push([x[:2, 0], x[:0, 1], x[:5, 2]])
    rest = stream.push([x[2:, 0], x[:, 1], x[5:, 2]])
    for b in range(B):
        np.testing.assert_array_equal(np.concatenate([first[b], rest[b]]), wanted[:, b])
    single = model.stream()
    np.testing.assert_array_equal(single.push(x[:3, 1]), wanted[:3, 1])
    np.testing.assert_array_equal(single.step(x[3, 1]), wanted[3, 1])
    assert model.training


def test_state_masks_and_weights_of_its_making():
    model, x = _model("lstm"), _videos()
    wanted = _so_far(model, x)
    stream, other = model.stream(B), model.stream(B)
    for parameter in model.parameters():
        parameter.data = parameter.data + 1
    stream.push(x[:3])
    state = stream.state
    assert set(state) == {"rnn.h", "rnn.c", "frames"}
    other.state = state
    np.testing.assert_array_equal(other.push(x[3:]), wanted[3:])
    other.reset([True, False, False])
    np.testing.assert_array_equal(other.push(x)[:, 0], wanted[:, 0])
    with pytest.raises(ValueError, match="state"):
        stream.state = {"frames": state["frames"]}
    np.testing.assert_array_equal(stream.push(x[3:]), wanted[3:])


def test_an_embedding_that_is_no_module():
    model, x = _model("gru", lambda frames: frames[:, 0, 0, :6]), _videos()
    np.testing.assert_array_equal(model.stream(B).push(x), _so_far(model, x))


def test_refusals_change_nothing():
    with pytest.raises(ValueError, match="bidirectional=False"):
        nn.VideoRNN(_embedding(), 6, 5, 4).stream()
    with pytest.raises(TypeError, match="knows of time"):
        nn.VideoRNN(nn.Sequential(nn.ConvRNN(3, 1, rng=0), nn.Flatten()), 64, 5, 4, bidirectional=False).stream()
    x, stream = _videos(), _model("gru").stream(B)
    stream.push(x[:2])
    before = stream.state
    for call, given in (
        (stream.step, x[0, 0]),
        (stream.step, x[0, :2]),
        (stream.step, x[0, :, :2]),
        (stream.push, x[:, :2]),
        (stream.push, [x[:, 0], x[:, 1]]),
        (stream.push, [x[:, 0], x[:, 1], x[:, 2, :, :4]]),
    ):
        with pytest.raises(ValueError, match="expected"):
            call(given)
        state = stream.state
        assert all(np.array_equal(state[name], before[name]) for name in before)
