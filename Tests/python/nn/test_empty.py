"""Batches of none: every module gives results of none, and gradients that are zeros."""

from __future__ import annotations

import numpy as np
import pytest
from every_module import MODULES

from seriatim import PackedSequence, nn
from seriatim.sequences import pack_padded_sequence

# Along which axis of the input samples lie; 0 for those that are not named.
TIME_MAJOR = ["gru", "conv_gru", "conv_lstm", "conv_lstm_cell", "conv_rnn", "conv_rnn_gru", "conv_rnn_rnn"]
TIME_MAJOR += ["sequence_wise", "sequence_wise_flat", "video_sequential", "video_head", "video_branches", "unet"]
# One sample, or called with what says how many there are; below.
LEFT_OUT = {"rnn", "ind_rnn", "rnn_cell", "min_lstm_cell", "attention", "sequence_pool", "character_rnn"}
LEFT_OUT |= {"sequential", "log_softmax", "merge_skip"}  # One row, or one distribution, of all samples; two inputs.
NOBODY = pack_padded_sequence(np.zeros((0, 5, 3), np.float32), [], batch_first=True)


def emptied(name, x):
    if isinstance(x, PackedSequence):
        return NOBODY if x.data.ndim == 2 else NOBODY._replace(data=x.data[:0])
    return np.take(x, [], axis=int(name in TIME_MAJOR))


def shapes_of(result, axis):
    if isinstance(result, PackedSequence):
        return [(result.n_sequences, *result.data.shape)]
    if isinstance(result, (tuple, list)):
        return [shape for part in result for shape in shapes_of(part, axis)]
    return [np.shape(result)]


def statistics(module):
    return [np.array(b) for n, b in module.named_buffers() if "num_batches" not in n and b is not None]


@pytest.mark.parametrize("name", sorted(set(MODULES) - LEFT_OUT))
def test_a_batch_of_none(name):
    make, x, *rest = MODULES[name]
    given = emptied(name, x)
    extra = [[]] if len(rest) == 1 and getattr(rest[0], "ndim", 0) == 1 else []
    module = make()
    kept = statistics(module)
    y = module.train()(given, *extra)
    for shape, full in zip(shapes_of(y, 0), shapes_of(make()(x, *rest), 0), strict=True):
        assert 0 in shape
        assert len(shape) == len(full)
        assert shape[-1] == full[-1]
    first = y[0] if isinstance(y, (tuple, list)) else y
    if name not in ("by_hand", "by_hand_inside") and not name.startswith("conv_gru"):
        like = first._replace(data=np.ones_like(first.data)) if isinstance(first, PackedSequence) else first
        options = {"need_input": True} if name.startswith(("deepgru", "sequence_rnn", "ensemble")) else {}
        module.backward(like, **options)
        for parameter_name, parameter in module.named_parameters():
            assert parameter.grad is not None, parameter_name
            assert not parameter.grad.any(), parameter_name
    for before, after in zip(kept, statistics(module), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", ["ConvGRU", "ConvLSTM"])
def test_states_stay_where_there_is_no_step(name):
    module = getattr(nn, name)(3, [4], 3, 1, rng=0)
    state = np.ones((2, 4, 6, 6), np.float32)
    first = [state] if name == "ConvGRU" else [(state, 2 * state)]
    y, last = module(np.zeros((0, 2, 3, 6, 6)), first)
    assert y.shape == (0, 2, 4, 6, 6)
    np.testing.assert_array_equal(last[0], first[0])


def test_layers_without_a_step_say_what_to_do():
    with pytest.raises(ValueError, match=r"with a step, got \(0, 2, 3\); pack_padded_sequence takes lengths of 0"):
        nn.GRU(3, 4)(np.zeros((0, 2, 3)))


def test_torch_agrees():
    torch = pytest.importorskip("torch")
    for name, shape in [("BatchNorm1d", (0, 3)), ("BatchNorm1d", (2, 3, 0)), ("BatchNorm2d", (2, 3, 0, 4))]:
        ours, theirs = getattr(nn, name)(3), getattr(torch.nn, name)(3)
        assert ours(np.zeros(shape)).shape == tuple(theirs(torch.zeros(shape)).shape)
        np.testing.assert_array_equal(ours.running_mean, theirs.running_mean.numpy())
        assert int(ours.num_batches_tracked) == int(theirs.num_batches_tracked)
