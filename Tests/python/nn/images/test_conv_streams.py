"""Streams of convolutional recurrences, and of what is made of them: the bits of whole sequences, however cut."""

from __future__ import annotations

import copy
import pickle
import tracemalloc

import numpy as np
import pytest

from seriatim import nn
from seriatim.sequences import pack_sequence

T, B, C, SIZE = 7, 3, 3, (6, 9)


def _stack():
    return nn.VideoSequential(
        nn.ConvLayer(C, 8, rng=0),
        nn.ConvRNN(8, 8, cell="gru", stride=2, rng=1),
        nn.Residual(nn.ConvGRU(8, 8, 3, 1, rng=2)),
        nn.SequenceWise(nn.ConvLayer(8, 4, rng=3)),
        nn.Flatten(),
        nn.Dropout(0.5, rng=0),
        nn.Outputs(nn.LSTM(4 * 3 * 5, 5, 2, dropout=0.5, rng=4)),
        nn.MinGRU(5, 6, rng=5),
        nn.Linear(6, 2, rng=6),
    )


MODULES = {
    "ConvGRU": lambda: nn.ConvGRU(C, [4, 9], [3, 5], 2, rng=0),
    "ConvLSTM": lambda: nn.ConvLSTM(C, [9, 4], 3, 2, rng=0),
    "ConvRNN lstm": lambda: nn.ConvRNN(C, 4, cell="lstm", stride=2, rng=0),
    "ConvRNN gru": lambda: nn.ConvRNN(C, 4, cell="gru", separable=True, rng=0),
    "ConvRNN rnn": lambda: nn.ConvRNN(C, 4, cell="rnn", separable_hidden=True, rng=0),
    "Sequential": lambda: nn.Sequential(nn.ConvLayer(C, 4, rng=0), nn.ConvRNN(4, 4, rng=1)),
    "Concat": lambda: nn.Concat(nn.ConvRNN(C, 4, rng=0), nn.ConvRNN(C, 5, cell="rnn", rng=1)),
    "SequenceWise": lambda: nn.SequenceWise(nn.ConvLayer(C, 4, rng=0)),
    "VideoSequential": _stack,
}


def _videos(seed=0, frames=T):
    return np.random.default_rng(seed).standard_normal((frames, B, C, *SIZE)).astype(np.float32)


def _trained(make):
    """Return a module whose running statistics have moved, in training mode."""
    module = make()
    module(_videos(1))
    if hasattr(module, "reset_all"):
        module.reset_all()
    return module


def _whole(module, x):
    module = copy.deepcopy(module).eval()
    y = module(x)
    return y[0] if isinstance(module, (nn.ConvGRU, nn.ConvLSTM)) else y


def _same_state(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture(params=MODULES)
def module(request):
    return _trained(MODULES[request.param])


def test_bits_of_the_whole_however_cut(module):
    x, whole = _videos(), _whole(module, _videos())
    assert module.training
    for cuts in ([T], [1] * T, [2, 0, 4, 1]):
        stream, found, first = module.stream(B), [], 0
        for count in cuts:
            part = x[first : first + count]
            found.append(stream.step(part[0])[None] if count == 1 else stream.push(part))
            first += count
        np.testing.assert_array_equal(np.concatenate(found), whole)
        np.testing.assert_array_equal(stream.frames, [T] * B)
    assert module.training


def test_streams_at_different_places(module):
    x, whole = _videos(), _whole(module, _videos())
    stream = module.stream(B)
    found = [[], [], []]
    places = np.zeros(B, int)
    for counts in ([2, 0, 5], [0, 0, 0], [1, 1, 1], [4, 6, 1]):
        parts = stream.push([x[places[b] : places[b] + counts[b], b] for b in range(B)])
        assert [len(part) for part in parts] == counts
        for own, part in zip(found, parts, strict=True):
            own.append(part)
        places += counts
        np.testing.assert_array_equal(stream.frames, places)
    for b in range(B):
        np.testing.assert_array_equal(np.concatenate(found[b]), whole[:, b])


def test_one_stream_without_its_axis(module):
    x, whole = _videos()[:, 1], _whole(module, _videos())[:, 1]
    stream = module.stream()
    np.testing.assert_array_equal(stream.step(x[0]), whole[0])
    np.testing.assert_array_equal(stream.step(x[1:2]), whole[1:2])
    np.testing.assert_array_equal(stream.push(x[2:4]), whole[2:4])
    np.testing.assert_array_equal(stream.push(x[4:5, None]), whole[4:5, None])
    np.testing.assert_array_equal(stream.push([x[5:]])[0], whole[5:])
    assert stream.push(x[:0]).shape == (0, *whole.shape[1:])


def test_reset_of_some_and_of_all(module):
    x, whole = _videos(), _whole(module, _videos())
    stream = module.stream(B)
    stream.push(_videos(3))
    stream.reset([True, False, True])
    np.testing.assert_array_equal(stream.frames, [0, T, 0])
    after = stream.push(x)
    np.testing.assert_array_equal(after[:, [0, 2]], whole[:, [0, 2]])
    if not isinstance(module, nn.SequenceWise):
        assert not np.array_equal(after[:, 1], whole[:, 1])
    stream.reset()
    np.testing.assert_array_equal(stream.push(x), whole)


def test_state_taken_and_put_back(module):
    x, whole = _videos(), _whole(module, _videos())
    stream = module.stream(B)
    fresh = stream.state
    assert list(fresh) == ["frames"]
    stream.push(x[:3])
    kept = stream.state
    held = {name: array.copy() for name, array in kept.items()}
    rest = stream.push(x[3:])
    assert _same_state(kept, held)
    stream.state = kept
    for array in kept.values():
        array[...] = 7
    assert _same_state(stream.state, held)
    np.testing.assert_array_equal(stream.push(x[3:]), rest)
    other = module.stream(B)
    other.state = held
    assert _same_state(other.state, held)
    np.testing.assert_array_equal(other.push(x[3:]), whole[3:])
    other.state = fresh
    np.testing.assert_array_equal(other.push(x), whole)


def test_weights_are_those_of_its_making(module):
    x, whole = _videos(), _whole(module, _videos())
    stream = module.stream(B)
    first = stream.push(x[:3])
    for parameter in module.parameters():
        parameter.data = parameter.data + 1
    module(_videos(4))
    np.testing.assert_array_equal(np.concatenate([first, stream.push(x[3:])]), whole)


def test_a_wrong_state_changes_nothing(module):
    stream = module.stream(B)
    stream.push(_videos()[:3])
    before = stream.state
    names = [name for name in before if name != "frames"]
    wrong = [
        {**before, "other": before["frames"]},
        {**before, "frames": before["frames"][:1]},
        {**before, "frames": -1},
    ]
    for name in names:
        wrong.append({key: array for key, array in before.items() if key != name})
        wrong.append({**before, name: before[name][:, :1]})
        wrong.append({**before, name: before[name][..., None]})
        wrong.append({**before, name: 0.0})
    for state in wrong:
        with pytest.raises(ValueError, match="state"):
            stream.state = state
        assert _same_state(stream.state, before)
    with pytest.raises(TypeError, match="dict of arrays"):
        stream.state = list(before)
    assert _same_state(stream.state, before)


def test_wrong_frames_and_masks_change_nothing(module):
    x = _videos()
    stream = module.stream(B)
    stream.push(x[:2])
    before = stream.state
    wrong = [
        (stream.step, x[0, :2], "x_t: expected shape"),
        (stream.step, x[0, 0], "x_t: expected shape"),
        (stream.push, x[:, :1], "frames: expected shape"),
        (stream.push, list(x[0, :2, None]), "list of 3 arrays"),
        (stream.push, [x[:, 0], x[:, 1], x[:, 2, :, :4]], r"frames\[2\]: expected shape"),
        (stream.push, x[..., :5], "before"),
        (stream.push, x[:, :, :2], "expected"),
        (stream.reset, [True], "mask: expected 3 booleans"),
        (stream.reset, [1, 0, 1], "mask: expected 3 booleans"),
    ]
    for call, given, message in wrong:
        with pytest.raises(ValueError, match=message):
            call(given)
        assert _same_state(stream.state, before)


def test_images_of_another_size_after_reset(module):
    if any(isinstance(one, nn.Flatten) for one in module.modules()):
        pytest.skip("its layers know the size")
    stream = module.stream(B)
    stream.push(_videos())
    stream.reset([True] * B)
    x = np.ascontiguousarray(_videos()[..., :4])
    np.testing.assert_array_equal(stream.push(x), _whole(module, x))
    kept = stream.state
    if len(kept) > 1:
        stream.state = kept
        with pytest.raises(ValueError, match="of a stream, reset"):
            stream.push(_videos())
        assert _same_state(stream.state, kept)


class _Failing(nn.Module):
    """Frames as they are, until something is to be raised."""

    error: BaseException | None = None

    def trace(self, x):
        if _Failing.error is not None:
            raise _Failing.error
        return np.array(x), None

    def pullback(self, context, grad_output):
        return grad_output


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("own")])
def test_nothing_has_changed_after_an_error_behind_a_memory(error, monkeypatch):
    x = _videos()
    module = nn.VideoSequential(nn.ConvRNN(C, 4, rng=0), nn.ConvGRU(4, 4, 3, 1, rng=0), _Failing()).eval()
    whole = _whole(module, x)
    stream = module.stream(B)
    stream.push(x[:2])
    before = stream.state
    for call, given in ((stream.push, x[2:]), (stream.step, x[2]), (stream.push, [x[2:, 0], x[2:3, 1], x[:0, 2]])):
        monkeypatch.setattr(_Failing, "error", error)
        with pytest.raises(type(error)):
            call(given)
        assert _same_state(stream.state, before)
        monkeypatch.setattr(_Failing, "error", None)
    np.testing.assert_array_equal(stream.push(x[2:]), whole[2:])


def test_a_stream_leaves_the_modules_memory():
    module, x = nn.ConvRNN(C, 4, rng=0).eval(), _videos()
    first = module(x[:3])
    stream = module.stream(B)
    np.testing.assert_array_equal(stream.push(x[:3]), first)
    np.testing.assert_array_equal(stream.push(x[3:]), module(x[3:]))


@pytest.mark.parametrize("cell", [nn.ConvGRUCell(C, 4, 3, rng=0), nn.ConvLSTMCell(2, rng=0)])
def test_cells(cell):
    x = np.random.default_rng(0).standard_normal((T, B, 8, *SIZE)).astype(np.float32)
    if isinstance(cell, nn.ConvGRUCell):
        x, whole, h = x[:, :, :C], [], None
        cell.eval()
        for frame in x:
            h = cell(frame, h)
            whole.append(h)
    else:
        whole = _whole(cell, x)
    stream = cell.stream(B)
    np.testing.assert_array_equal(
        np.concatenate([stream.push(x[:3]), stream.step(x[3])[None], stream.push(x[4:])]), whole
    )
    assert set(stream.state) == ({"h", "frames"} if isinstance(cell, nn.ConvGRUCell) else {"h", "c", "frames"})


def test_batch_first_modules_stream_time_first():
    x = _videos()
    one, other = nn.ConvLSTM(C, 4, 3, 1, rng=0), nn.ConvLSTM(C, 4, 3, 1, rng=0, batch_first=True)
    np.testing.assert_array_equal(other.stream(B).push(x), one.stream(B).push(x))
    assert other.batch_first


def test_the_last_state_is_that_of_the_frames_so_far():
    x = _videos()
    module = nn.VideoSequential(
        nn.ConvRNN(C, 2, rng=0), nn.Flatten(), nn.LastState(nn.GRU(2 * 6 * 9, 4, 2, rng=1)), nn.Linear(4, 3, rng=2)
    ).eval()
    found = module.stream(B).push(x)
    for t in range(T):
        module.reset_all()
        np.testing.assert_array_equal(found[t], module(x[: t + 1]))


def test_frames_of_features():
    x = np.random.default_rng(0).standard_normal((T, B, 5)).astype(np.float32)
    module = nn.SequenceWise(nn.Linear(5, 2, rng=0)).eval()
    np.testing.assert_array_equal(module.stream(B).push(x), module(x))
    np.testing.assert_array_equal(module.stream().step(x[0, 0]), module(x)[0, 0])


def test_ragged_videos_are_those_of_a_packed_sequence():
    x = _videos()
    parts = [x[:4, 0], x[:7, 1], x[:1, 2]]
    module = nn.ConvLSTM(C, 4, 3, 1, rng=0).eval()
    packed, _ = module(pack_sequence(parts, enforce_sorted=False))
    found = pack_sequence(module.stream(B).push(parts), enforce_sorted=False)
    np.testing.assert_array_equal(found.data, packed.data)


class _Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.ConvRNN(C, 4, rng=0)

    def trace(self, x):
        return self.rnn.trace(x)

    def pullback(self, context, grad_output):
        return self.rnn.pullback(context, grad_output)


def test_refusals():
    shared = nn.ConvRNN(C, C, rng=0)
    backward = nn.VideoSequential(nn.Flatten(), nn.GRU(12, 2, bidirectional=True, rng=0))
    window = nn.VideoSequential(nn.Flatten(), nn.Outputs(nn.GRU(12, 2)), nn.FrameWindow(2, 3, 1))
    with pytest.raises(ValueError, match="bidirectional=False"):
        backward.stream()
    for module, message in (
        (nn.VideoSequential(shared, shared), "one place"),
        (nn.VideoSequential(_Own()), "_Own: has no stream"),
        (nn.SequenceWise(nn.VideoSequential(shared)), "SequenceWise: has no stream"),
        (window, "FrameWindow: has no stream"),
    ):
        with pytest.raises(TypeError, match=message):
            module.stream()
    with pytest.raises(ValueError, match="batch_size"):
        shared.stream(0)
    stream = shared.stream()
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="state"):
            copied(stream)


def test_one_call_at_a_time():
    stream = nn.ConvRNN(C, 4, rng=0).stream(B)
    with stream._lock, pytest.raises(RuntimeError, match="one call at a time"):
        stream.step(_videos()[0])


@pytest.mark.parametrize("module", [nn.ConvGRU(8, 16, 3, 1, rng=0), nn.ConvLSTM(8, 16, 3, 1, rng=0)])
def test_what_a_step_allocates(module):
    """Python's memory: a copy of each state; what is larger is the kernels' kept memory. Nothing is packed again."""
    x = np.random.default_rng(0).standard_normal((12, 1, 8, 32, 32)).astype(np.float32)
    stream = module.stream()
    for frame in x[:10]:
        y = stream.step(frame)
    kept = sum(array.nbytes for array in stream.state.values())
    tracemalloc.start()
    try:
        first = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for frame in x[10:]:
            y = stream.step(frame)
        last, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert y.shape == (1, 16, 32, 32)
    assert peak - first < 2 * kept + 16384
    assert last - first < kept + 16384
