"""What stands side by side: along features or channels, and of batches that are packed alike."""

from __future__ import annotations

import numpy as np
import pytest
from support import normal

from seriatim import nn, pack_sequence

LONG, SHORT, NONE = normal(3, 2), normal(2, 2, seed=1), np.zeros((0, 2))
PACKED = pack_sequence([LONG, SHORT], enforce_sorted=False)
OTHERS = {
    "order": pack_sequence([SHORT, LONG], enforce_sorted=False),
    "2 sequences": pack_sequence([LONG, SHORT, NONE], enforce_sorted=False),
    "lengths": pack_sequence([SHORT, LONG[:2], SHORT[:1]], enforce_sorted=False),
}


def _gru(seed):
    return nn.Outputs(nn.GRU(4, 3, rng=seed))


def test_concat_of_sequences_joins_features():
    x, one, other = normal(5, 7, 4), _gru(0), _gru(1)
    wanted = np.concatenate([one.trace(x)[0], other.trace(x)[0]], axis=2)
    for dim in (1, 2, -1):
        net = nn.Concat(one, other, dim=dim)
        np.testing.assert_array_equal(net(x), wanted)
        assert net.backward(wanted).shape == x.shape
    single = nn.Concat(one, other)(x[:, 0])
    np.testing.assert_allclose(single, wanted[:, 0], rtol=1e-6, atol=1e-6)
    assert nn.Concat(nn.LastState(nn.GRU(4, 3)), nn.LastState(nn.GRU(4, 3)))(x).shape == (7, 6)
    for dim in (0, -2, -3):
        with pytest.raises(ValueError, match="dim: expected the axis of channels, 1"):
            nn.Concat(one, other, dim=dim)(x)


def test_concat_of_frames_joins_channels():
    convs = [nn.SequenceWise(nn.Conv2d(2, 2, 3, rng=seed)) for seed in (0, 1)]
    net = nn.Concat(*convs)
    assert net(normal(3, 4, 2, 5, 5)).shape == (3, 4, 4, 3, 3)
    assert net(normal(4, 2, 5, 5)).shape == (4, 4, 3, 3)
    last = nn.Concat(nn.LastState(nn.GRU(4, 3)), nn.LastState(nn.GRU(4, 2)))
    assert nn.VideoSequential(nn.Flatten(), last)(normal(5, 7, 1, 2, 2)).shape == (7, 5)


def test_parts_that_do_not_fit_are_refused_in_words():
    with pytest.raises(ValueError, match=r"Join: expected parts that differ along axis -1 alone, got \[\(3, 2\), \(4"):
        nn.Join()((normal(3, 2), normal(4, 2)))
    with pytest.raises(ValueError, match=r"dim: expected an axis of shape \(4, 3\), from -2 to 1, got 5"):
        nn.Concat(nn.Linear(2, 3), nn.Linear(2, 3), dim=5)(normal(4, 2))
    with pytest.raises(ValueError, match="dim: expected an axis of features behind the rows"):
        nn.Join(dim=0)((PACKED, PACKED))
    with pytest.raises(TypeError, match="Join: expected arrays, or PackedSequences, for all parts"):
        nn.Join()((PACKED, PACKED.data))
    for state in ([normal(3, 2, 5, 5)], [(normal(3, 2, 5, 5),)]):
        with pytest.raises(TypeError, match=r"hidden: expected a pair \(h, c\) of each layer"):
            nn.ConvLSTM(1, 2, 3, 1)(normal(4, 3, 1, 5, 5), state)


@pytest.mark.parametrize("what", OTHERS)
def test_other_batches_are_refused(what):
    other = OTHERS[what]
    with pytest.raises(ValueError, match=f"part 1: expected .*{what}"):
        nn.Join()((PACKED, other))
    if len(other.data) == len(PACKED.data):
        for module in (nn.Outputs(nn.GRU(2, 2)), nn.SequenceWise(nn.Linear(2, 2))):
            module(PACKED)
            with pytest.raises(ValueError, match=f"grad.*: expected .*{what}"):
                module.backward(other)
        with pytest.raises(ValueError, match=f"target: expected .*{what}"):
            nn.MSELoss()(PACKED, other)
