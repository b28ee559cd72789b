"""One sequence or image that is not finite, or far too large, leaves the bits of all others alone."""

from __future__ import annotations

import numpy as np
import pytest
from every_module import MODULES
from support import normal

from seriatim import PackedSequence, nn
from seriatim.sequences import pad_packed_sequence

# Which sample is spoiled, and along which axis of the input samples lie; 0 for those that are not named.
PLACE = 1
TIME_MAJOR = ["gru", "conv_gru", "conv_lstm", "conv_lstm_cell", "conv_rnn", "conv_rnn_gru", "conv_rnn_rnn"]
TIME_MAJOR += ["sequence_wise", "sequence_wise_flat", "video_sequential", "video_head", "video_branches", "unet"]
# One sample, samples that see each other, no numbers, or rows without their order.
LEFT_OUT = {"rnn", "ind_rnn", "rnn_cell", "min_lstm_cell", "log_softmax", "embedding", "character_rnn"}
LEFT_OUT |= {"sequential", "attention", "sequence_pool", "ensemble_of_frames"}
# In training these have statistics of the batch.
BATCH_STATISTICS = {"batch_norm1d", "batch_norm2d", "conv_layer", "conv_rnn", "conv_rnn_gru", "conv_rnn_rnn"}
BATCH_STATISTICS |= {"video_sequential", "video_head", "video_step", "video_branches", "conv_rnn_packed"}
BATCH_STATISTICS |= {"res_block", "pre_act_block", "unet", "conv_layer_softmax", "deepgru", "deepgru_pooled"}


def spoiled(x, axis, value):
    """The same with one sample's first number replaced."""
    if isinstance(x, PackedSequence):
        data = x.data.copy()
        data[int(np.nonzero(x.sorted_indices == PLACE)[0][0]), 0] = value
        return x._replace(data=data)
    x = x.copy()
    np.moveaxis(x, axis, 0)[PLACE].flat[0] = value
    return x


def arrays_of(result):
    """All arrays of a result; packed ones padded."""
    if isinstance(result, PackedSequence):
        return [pad_packed_sequence(result, batch_first=True)[0]]
    if isinstance(result, (tuple, list)):
        return [array for part in result for array in arrays_of(part)]
    return [] if result is None else [np.asarray(result)]


def confined(clean, other):
    """Whether the two differ at the spoiled sample's place of an axis alone."""
    where = np.nonzero(clean.view(np.uint32) != other.view(np.uint32))
    return not where[0].size or any(set(indices) == {PLACE} for indices in where)


@pytest.mark.parametrize("value", [np.nan, -np.inf, 1e20])
@pytest.mark.parametrize("name", sorted(set(MODULES) - LEFT_OUT))
def test_other_samples_keep_their_bits(name, value):
    make, x, *rest = MODULES[name]
    axis = int(name in TIME_MAJOR)

    def run(x):
        module = make().eval()
        results = [arrays_of(module(x, *rest))]
        if name not in BATCH_STATISTICS and name not in ("by_hand", "by_hand_inside"):
            y = module.train()(x, *rest)
            first = y[0] if isinstance(y, (tuple, list)) else y
            if isinstance(first, PackedSequence):
                ones = first._replace(data=np.ones_like(first.data))
            else:
                ones = np.ones_like(first)
            if name.startswith("conv_gru"):
                return results
            options = {"need_input": True} if name.startswith(("deepgru", "sequence_rnn", "ensemble")) else {}
            results.append(arrays_of(module.backward(ones, **options)))
        return results

    with np.errstate(all="ignore"):
        clean, other = run(x), run(spoiled(x, axis, value))
    for one, two in zip(clean, other, strict=True):
        for a, b in zip(one, two, strict=True):
            assert confined(a, b), f"{name}: {np.argwhere(a.view(np.uint32) != b.view(np.uint32))[:20]}"


@pytest.mark.parametrize("name", ["Conv2d", "ConvGRU", "ConvLSTM"])
def test_images_of_winograds_size(name):
    """Other images, and what is too far away to see the pixel."""
    module = nn.Conv2d(8, 8, 3, padding=1, rng=0) if name == "Conv2d" else getattr(nn, name)(8, [8], 3, 1, rng=0)
    x = normal(1, 2, 8, 16, 20)[0 if name == "Conv2d" else ...]
    other = x.copy()
    other[..., 1, 3, 8, 9] = np.nan
    y, z = (arrays_of(module.eval()(given))[0].reshape(2, 8, 16, 20) for given in (x, other))
    assert confined(y, z)
    seen = np.zeros((16, 20), bool)
    seen[7:10, 8:11] = True
    np.testing.assert_array_equal(np.isnan(z[1]), np.broadcast_to(seen, z[1].shape))
    np.testing.assert_allclose(z[1][:, ~seen], y[1][:, ~seen], rtol=0, atol=5e-6)
