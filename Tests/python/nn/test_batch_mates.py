"""In evaluation what a sequence, or an image, gives is the same bits whatever else is in its batch."""

from __future__ import annotations

import numpy as np
import pytest
from support import normal

from seriatim import nn
from seriatim.sequences import pack_sequence, unpack_sequence

# More sequences at a step than the rows of any tile, and fewer.
LENGTHS = [9, 9, 7, 5, 3, 2, 2, *[1] * 18]
SEQUENCES = [normal(length, 5, seed=length + 10 * i) for i, length in enumerate(LENGTHS)]
CUTS = (1, 2, 3, 4, 7, 8, 11, 13, 16)


def packed(sequences):
    return pack_sequence(sequences, enforce_sorted=False)


def outputs_of(stack):
    def run(sequences):
        y, _ = stack(packed(sequences))
        return [rows.tobytes() for rows in unpack_sequence(y)]

    return run


def attention_of(model):
    def run(sequences):
        weights = model.attention_weights(packed(sequences))
        return [row[: len(one)].tobytes() for row, one in zip(weights, sequences, strict=True)]

    return run


def rows_of(model, pack):
    return lambda given: [row.tobytes() for row in model(pack(given))]


STACKS = [nn.GRU, nn.LSTM, nn.RNN, nn.MinGRU, nn.MinLSTM, nn.IndRNN]
DEEP = nn.DeepGRU(
    5, 3, {"gru1": 20, "gru2": 9, "gru3": 6, "fc": 4}, bidirectional=True, pooling=("mean",), rng=0
).eval()
CNN = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1, rng=0), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 12, 3, stride=2, groups=4, rng=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
    nn.Linear(48, 21, rng=2), nn.LogSoftmax(),
).eval()  # fmt: skip


@pytest.mark.parametrize("kind", STACKS)
@pytest.mark.parametrize("size", [6, 33])
def test_stacks(kind, size):
    check(outputs_of(kind(5, size, 2, bidirectional=True, rng=1).eval()), SEQUENCES)


def test_models_of_sequences():
    check(rows_of(DEEP, packed), SEQUENCES)
    check(attention_of(DEEP), SEQUENCES)
    check(rows_of(nn.SequenceRNN(5, 20, 3, pooling=("last", "mean", "max"), rng=0).eval(), packed), SEQUENCES)
    for bidirectional in (False, True):
        model = nn.FrameRNN(5, 20, 3, bidirectional=bidirectional, convolution=4, rng=0).eval()
        check(lambda given, model=model: [one.tobytes() for one in unpack_sequence(model(packed(given)))], SEQUENCES)


def test_images():
    check(rows_of(CNN, np.asarray), normal(len(LENGTHS), 3, 9, 10))


def check(run, given):
    whole = run(given)
    for cut in CUTS:
        parts = [one for first in range(0, len(given), cut) for one in run(given[first : first + cut])]
        assert parts == whole, f"{cut} at a time"
