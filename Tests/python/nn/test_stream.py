"""Streams of modules: the bits of the whole sequence however its frames are cut, states, refusals, no allocation."""

import pickle
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from support import with_threads

from seriatim import nn

DIMS = {"gru1": 8, "gru2": 7, "gru3": 6, "fc": 5}
BATCH, STEPS, INPUTS = 3, 23, 5


def of_sequences(module, x):
    return module(np.ascontiguousarray(x.swapaxes(0, 1)))


def of_layers(module, x):
    return module(x)[0][-1]


def of_frames(module, x):
    return of_sequences(module, x)[:, -1]


LAYERS = {
    "gru": lambda: nn.GRU(INPUTS, 7, 2, rng=1),
    "gru_before": lambda: nn.GRU(INPUTS, 7, reset_after=False, rng=1),
    "gru_norm": lambda: nn.GRU(INPUTS, 17, norm="layer", rng=1),
    "gru_zoneout": lambda: nn.GRU(INPUTS, 7, zoneout=0.1, rng=1),
    "lstm": lambda: nn.LSTM(INPUTS, 9, 2, rng=1),
    "lstm_projected": lambda: nn.LSTM(INPUTS, 9, 2, proj_size=4, rng=1),
    "lstm_peephole": lambda: nn.LSTM(INPUTS, 9, peephole=True, rng=1),
    "rnn": lambda: nn.RNN(INPUTS, 33, nonlinearity="relu", rng=1),
    "min_gru": lambda: nn.MinGRU(INPUTS, 7, 2, rng=1),
    "min_lstm": lambda: nn.MinLSTM(INPUTS, 7, rng=1),
    "ind_rnn": lambda: nn.IndRNN(INPUTS, 7, rng=1),
}
ALL = ("last", "mean", "max", "positive")
NETWORKS = {
    "last": lambda: nn.SequenceRNN(INPUTS, 9, 4, rng=2),
    "pools": lambda: nn.SequenceRNN(INPUTS, 9, 4, rnn="lstm", num_layers=2, pooling=ALL, rng=2),
    "relu": lambda: nn.SequenceRNN(INPUTS, 9, 4, rnn="rnn", pooling=("mean",), head="linear", rng=2),
    "deepgru": lambda: nn.DeepGRU(INPUTS, 4, DIMS, rng=2),
    "deepgru_pools": lambda: nn.DeepGRU(INPUTS, 4, DIMS, pooling=("mean", "max"), rng=2),
}
FRAMES = {
    "frames": lambda: nn.FrameRNN(INPUTS, 9, 4, rng=3),
    "window": lambda: nn.FrameRNN(INPUTS, 9, 4, rnn="lstm", convolution=4, head="linear", rng=3),
}
MADE = {**LAYERS, **NETWORKS, **FRAMES}


def frames(steps=STEPS, batch=BATCH, seed=0):
    return np.random.default_rng(seed).standard_normal((steps, batch, INPUTS)).astype(np.float32)


def same(a, b):
    np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("name", MADE)
def test_steps_have_the_bits_of_the_whole_sequence(name):
    module, x = MADE[name]().eval(), frames()
    whole = of_layers if name in LAYERS else of_frames if name in FRAMES else of_sequences
    stream = module.stream(BATCH)
    for step in range(STEPS):
        same(stream.step(x[step]), whole(module, x[: step + 1]))


@pytest.mark.parametrize("name", MADE)
def test_cuts_make_no_difference(name):
    module, x = MADE[name]().eval(), frames()
    whole = module.stream(BATCH).push(x)
    stream, cuts = module.stream(BATCH), [0, 1, 3, 4, 11, 11, STEPS]
    same(np.concatenate([stream.push(x[first:last]) for first, last in pairwise(cuts)]), whole)
    # Each at its own place.
    stream, places, found = module.stream(BATCH), np.zeros(BATCH, int), [[] for _ in range(BATCH)]
    for counts in ([0, 5, 3], [7, 0, 1], [2, 9, 1], [14, 9, 18]):
        some = [
            x[place : place + count, index] for index, (place, count) in enumerate(zip(places, counts, strict=True))
        ]
        for index, rows in enumerate(stream.push(some)):
            found[index].append(rows)
        places += counts
    for index in range(BATCH):
        same(np.concatenate(found[index]), np.ascontiguousarray(whole[:, index]))
    same(stream.frames, np.full(BATCH, STEPS))


@pytest.mark.parametrize("name", MADE)
def test_a_state_goes_on_in_another_stream(name):
    module, x = MADE[name]().eval(), frames()
    whole, first = module.stream(BATCH).push(x), module.stream(BATCH)
    first.push([x[:9, 0], x[:4, 1], x[:9, 2]])
    state = first.state
    second = module.stream(BATCH)
    second.push(x[:15])
    second.state = state
    first.push(x[:3])
    rows = second.push([x[9:, 0], x[4:, 1], x[9:, 2]])
    for index, place in enumerate((9, 4, 9)):
        same(rows[index], np.ascontiguousarray(whole[place:, index]))
    second.reset(np.array([False, True, False]))
    same(second.push([x[:0, 0], x[:6, 1], x[:0, 2]])[1], np.ascontiguousarray(whole[:6, 1]))
    second.reset()
    same(second.push(x), whole)


@pytest.mark.parametrize("name", MADE)
def test_what_does_not_fit_changes_nothing(name):
    module, x = MADE[name]().eval(), frames()
    stream = module.stream(BATCH)
    stream.push(x[:8])
    before = stream.state
    wrong = {key: value[..., :-1] for key, value in before.items()}
    for call in (
        lambda: stream.step(x[0, :2]),
        lambda: stream.step(x[0, 0]),
        lambda: stream.push(x[:, :, :4]),
        lambda: stream.push([x[:, 0]]),
        lambda: stream.push([x[:, 0], x[:, 1], x[0, 2]]),
        lambda: stream.reset(np.array([1, 0, 1])),
        lambda: setattr(stream, "state", {}),
        lambda: setattr(stream, "state", {**before, "frames": np.array([-1, 2, 3])}),
        lambda: setattr(stream, "state", wrong),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()
    for key, value in stream.state.items():
        same(value, before[key])
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(stream)


def test_an_interrupt_leaves_a_stream_as_it_was(monkeypatch):
    from seriatim.functional import _stream as engine
    from seriatim.nn.base import _network_stream

    module, x = NETWORKS["deepgru_pools"]().eval(), frames()
    stream = module.stream(BATCH, window=4)
    stream.push(x[:9])
    before = stream.state
    calls, run = [], engine.stream

    def interrupted(*given):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        run(*given)

    monkeypatch.setattr(_network_stream, "_ROWS", 6)
    monkeypatch.setattr(engine, "stream", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stream.push(x)
    monkeypatch.undo()
    for key, value in stream.state.items():
        same(value, before[key])


def test_sums_that_a_float_does_not_hold():
    module = nn.SequenceRNN(1, 1, 1, rnn="rnn", pooling=("mean",), head="linear", rng=0)
    module.rnn = nn.RNN(1, 1, nonlinearity="relu", rng=0)
    for name, value in {"weight_ih_l0": 1.0, "weight_hh_l0": 0.0, "bias_ih_l0": 0.0, "bias_hh_l0": 0.0}.items():
        parameter = getattr(module.rnn, name)
        parameter.data = np.full(parameter.shape, value, np.float32)
    x = np.full((4, 1, 1), 2e38, np.float32)
    stream = module.eval().stream()
    for step in range(4):
        same(stream.step(x[step]), of_sequences(module, x[: step + 1]))


def test_a_window_bounds_what_is_looked_back_at():
    module, x = nn.DeepGRU(INPUTS, 4, DIMS, rng=2).eval(), frames(40)
    bounded, all_of_it = module.stream(BATCH, window=6), module.stream(BATCH)
    found, whole = bounded.push(x), all_of_it.push(x)
    same(found[:6], whole[:6])
    assert (found[6:] != whole[6:]).any()
    assert bounded.state["history"].shape == (BATCH, 6, 6)
    stream = module.stream(BATCH, window=6)
    same(np.stack([stream.step(frame).copy() for frame in x]), found)
    with pytest.raises(ValueError, match="window: expected a positive"):
        module.stream(window=0)


def test_layers_one_behind_another():
    layers = [
        nn.Linear(INPUTS, 6, rng=0),
        nn.Tanh(),
        nn.Outputs(nn.GRU(6, 7, rng=0)),
        nn.BatchNorm1d(7),
        nn.Dropout(0.5),
    ]
    module = nn.Sequential(*layers, nn.Linear(7, 3, rng=0), nn.LeakyReLU(0.2), nn.Softmax())
    x = frames()
    module.eval()
    rows = module.stream(BATCH).push(x)
    h, _ = layers[2].module(np.tanh(layers[0](x)))
    assert rows.shape == (STEPS, BATCH, 3)
    np.testing.assert_allclose(rows.sum(axis=-1), 1, atol=1e-6)
    want = layers[3](np.ascontiguousarray(h.reshape(-1, 7)))
    for layer in (module[5], module[6], module[7]):
        want = layer(want)
    np.testing.assert_allclose(rows.reshape(-1, 3), want, atol=1e-6)


def test_one_stream_takes_frames_without_an_axis():
    module, x = nn.GRU(INPUTS, 7, rng=0).eval(), frames(batch=1)
    whole, _ = module(x)
    stream = module.stream()
    y = stream.step(x[0, 0])
    assert y.shape == (7,)
    same(stream.push(x[1:, 0]), np.ascontiguousarray(whole[1:, 0]))
    same(y, whole[0, 0])


def test_training_of_the_module_changes_no_stream():
    module, x = nn.SequenceRNN(INPUTS, 9, 4, dropout=0.5, rng=2), frames()
    stream, other = module.stream(BATCH), module.stream(BATCH)
    want = stream.push(x)
    for parameter in module.parameters():
        parameter.data += 1
    same(other.push(x), want)


@pytest.mark.parametrize(
    ("module", "error", "match"),
    [
        (nn.GRU(3, 4, bidirectional=True), ValueError, "GRU: expected one direction in a stream"),
        (nn.SequenceRNN(3, 4, 2, bidirectional=True), ValueError, "expected one direction in a stream"),
        (nn.DeepGRU(3, 2, DIMS, bidirectional=True), ValueError, "expected one direction in a stream"),
        (nn.FrameRNN(3, 4, 2, bidirectional=True, convolution=3), ValueError, "window of past frames"),
        (nn.Conv2d(1, 2, 3), TypeError, "Conv2d: has no stream"),
        (nn.BatchNorm1d(3, track_running_stats=False), ValueError, "running statistics"),
    ],
)
def test_what_needs_the_whole_sequence_is_refused(module, error, match):
    with pytest.raises(error, match=match):
        module.stream()


def test_a_forward_of_its_own_is_not_passed_over():
    class Own(nn.GRU):
        def forward(self, x, h0=None):
            return x, h0

    with pytest.raises(TypeError, match="Own: has no stream, for its forward is its own"):
        Own(3, 4).stream()


@pytest.mark.parametrize("batch", [1, 4])
def test_steps_allocate_nothing(batch):
    module, x = nn.GRU(INPUTS, 40, 2, rng=0).eval(), frames(batch=batch)
    stream = module.stream(batch)
    y = stream.step(x[0])
    y = stream.step(x[1])
    seen = set()
    tracemalloc.start()
    try:
        y = stream.step(x[2])
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(200):
            y = stream.step(x[3])
            seen.add(id(y))
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(seen) == 2
    # Python's own small objects of a call and of `seen`, far from an output's 160 bytes a step.
    assert after - before < 1024
    assert peak - before < 3072


def test_outputs_that_are_held_stay_as_they_are():
    module, x = nn.GRU(INPUTS, 7, rng=0).eval(), frames(batch=1)
    stream = module.stream()
    kept = [stream.step(frame) for frame in x]
    views = [stream.step(frame)[:1] for frame in x]
    assert len({id(one) for one in kept}) == STEPS
    whole, _ = module(np.concatenate([x, x]))
    same(np.stack(kept), np.ascontiguousarray(whole[:STEPS]))
    same(np.stack(views), np.ascontiguousarray(whole[STEPS:]))


def test_threads_make_no_difference():
    module, x = nn.DeepGRU(INPUTS, 4, rng=2).eval(), frames(6, 16)
    with_threads(lambda: module.stream(16).push(x))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    "module",
    [nn.GRU(40, 520, 2, rng=0), nn.GRU(40, 520, reset_after=False, rng=0), nn.LSTM(40, 456, proj_size=44, rng=0)],
    ids=["gru", "reset before", "projection"],
)
def test_threads_share_the_weights_of_a_step(module, batch):
    """These are so large that one step is more than one thread's."""
    x = np.random.default_rng(1).normal(size=(5, batch, 40)).astype(np.float32)

    def steps():
        stream = module.eval().stream(batch)
        found = np.stack([stream.step(frame) for frame in x])
        same(found, module(x)[0])
        return [found]

    with_threads(steps)


def test_a_layer_whose_states_nobody_takes_is_refused():
    with pytest.raises(TypeError, match=r"0, a GRU, gives its states as well.*nn.Outputs\(GRU"):
        nn.Sequential(nn.GRU(3, 4, rng=0), nn.Linear(4, 2, rng=0)).stream()
    assert (
        nn.Sequential(nn.Outputs(nn.GRU(3, 4, rng=0)), nn.GRU(4, 2, rng=0)).eval().stream().step(np.zeros(3)).size == 2
    )
