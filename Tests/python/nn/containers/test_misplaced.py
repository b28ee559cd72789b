"""What is given where it does not belong is refused with what to do instead."""

from __future__ import annotations

import numpy as np
import pytest
from support import normal

from seriatim import functional as F
from seriatim import nn, pack_sequence

ROWS = pack_sequence([normal(3, 3), normal(2, 3)])
VIDEOS = pack_sequence([normal(3, 1, 4, 4), normal(2, 1, 4, 4)])
GRU = nn.GRU(3, 2, rng=0)


@pytest.mark.parametrize("module", [GRU, nn.Outputs(GRU), nn.Sequential(nn.Linear(3, 3), nn.LastState(GRU))])
@pytest.mark.parametrize("x", [normal(4, 2, 3), normal(4, 3), ROWS], ids=["sequences", "frames", "packed"])
def test_frames_of_all_sequences_are_not_one(module, x):
    with pytest.raises(ValueError, match=r"SequenceWise: expected a module of frames, got .* with a recurrent layer"):
        nn.SequenceWise(module)(x)


def test_modules_of_frames_stay_allowed():
    inner = nn.Sequential(nn.SequenceWise(nn.Linear(3, 2)), nn.ReLU())
    assert nn.SequenceWise(inner)(normal(4, 2, 3)).shape == (4, 2, 2)


@pytest.mark.parametrize("module", [nn.SequenceRNN(4, 3, 2), nn.DeepGRU(4, 2)])
def test_modules_of_whole_sequences(module):
    with pytest.raises(ValueError, match=f"{type(module).__name__}: expected a module of frames or one that knows"):
        nn.VideoSequential(nn.Flatten(), module)(normal(5, 2, 1, 2, 2))


def test_packed_videos():
    net = nn.Unet([nn.Conv2d(1, 1, 1)], [nn.Conv2d(1, 1, 1)], nn.Upsample(scale_factor=0.5), nn.MergeSkip())
    for call in (lambda: net(VIDEOS), lambda: nn.MergeSkip()(VIDEOS, VIDEOS)):
        with pytest.raises(TypeError, match="got a PackedSequence: pad_packed_sequence pads it"):
            call()


def test_packed_and_ragged_labels():
    with pytest.raises(TypeError, match=r"log_probs: .* got a PackedSequence: give what pad_packed_sequence"):
        F.ctc_greedy_decode(ROWS)
    with pytest.raises(TypeError, match=r"log_probs: .* got a PackedSequence: nn.CTCLoss"):
        F.ctc_loss(ROWS, [[1], [2]])
    for log_probs in (ROWS, normal(3, 2, 3)):
        with pytest.raises(TypeError, match=r"targets: .* got a PackedSequence: give the labels of all"):
            nn.CTCLoss()(log_probs, pack_sequence([[1, 2], [1]]))
        with pytest.raises(ValueError, match=r"targets: expected rows of one length, got \[3, 1\]: .* target_lengths"):
            nn.CTCLoss()(log_probs, [[1, 2, 1], [2]])


def test_the_empty_side_is_named():
    for module in (nn.AdaptiveAvgPool2d(2), nn.MaxPool2d(2), nn.Upsample(scale_factor=2)):
        with pytest.raises(ValueError, match=r"got \(2, 3, 0, 4\), whose axis 2 is empty"):
            module(np.zeros((2, 3, 0, 4)))


@pytest.mark.parametrize("stack", [nn.ConvGRU, nn.ConvLSTM])
@pytest.mark.parametrize("steps", [0, 2])
def test_states_that_were_not_given_have_no_gradient(stack, steps):
    model = stack(1, 2, 3, 1)
    y, states = model(normal(steps, 2, 1, 3, 3))
    assert model.backward(y)[1] == [None if stack is nn.ConvGRU else (None, None)]
    y, _ = model(normal(steps, 2, 1, 3, 3), states)
    assert np.shape(model.backward(y)[1][0]) == np.shape(states[0])
