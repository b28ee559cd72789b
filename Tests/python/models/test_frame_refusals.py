"""FrameClassifier and FrameRegressor: what is refused, and what is said of it."""

import numpy as np
import pytest

from seriatim import distributed
from seriatim import preprocessing as prep
from seriatim.models import FrameClassifier, FrameRegressor

FAST = {"hidden_size": 4, "max_epochs": 2, "random_state": 0}
RNG = np.random.default_rng(0)
X = [RNG.normal(size=(k, 2)) for k in RNG.integers(3, 25, 40)]
Y = [np.where(x[:, 0] > 0, "up", "down") for x in X]
LABELS, LENGTHS = np.concatenate(Y), [len(x) for x in X]


@pytest.mark.parametrize(
    ("given", "y", "words"),
    [
        (X, Y[1:], "y: expected targets of 40 sequences, got those of 39"),
        (X, [Y[0][1:], *Y[1:]], r"y\[0\]: expected a target for each of \d+ frames, got"),
        (X, LABELS[1:], r"y: expected a target for each of \d+ frames"),
        (X, np.zeros(len(X)), "one for each sequence"),
        (dict(enumerate(X)), {i + 1: y for i, y in enumerate(Y)}, "expected the keys of X in their order"),
        (X, [[None] * n for n in LENGTHS], "y: expected a label for each frame, got None at index 0"),
        (X, [[1] * LENGTHS[0], *Y[1:]], "y: expected labels of one kind"),
        (X, [y == "?" for y in Y], "all have the label ignore_label=False"),
        (X, None, "requires y to be passed"),
    ],
)
def test_targets_that_do_not_fit(given, y, words):
    model = FrameClassifier(**FAST, ignore_label=False)
    with pytest.raises(ValueError, match=words):
        model.fit(given, y)
    assert not hasattr(model, "module_")


def test_numbers_that_do_not_fit():
    for y, words in [
        ([np.full(n, np.nan) for n in LENGTHS], "expected a frame with a number"),
        ([np.full(n, np.inf) for n in LENGTHS], "got infinity"),
        ([np.zeros((n, 1, 1)) for n in LENGTHS], "numbers of shape"),
        ([np.zeros((n, 1 + i % 2)) for i, n in enumerate(LENGTHS)], "targets of one shape a frame"),
    ]:
        with pytest.raises(ValueError, match=words):
            FrameRegressor(**FAST).fit(X, y)


@pytest.mark.parametrize("step", [prep.Stack(2), prep.Downsample(2), prep.Resample(5), prep.Pad(40)])
def test_frames_must_stay(step):
    with pytest.raises(ValueError, match="preprocessing: expected every frame to stay"):
        FrameClassifier(**FAST, preprocessing=step).fit(X, Y)


@pytest.mark.parametrize("change", [prep.Tempo(0.5, 2), prep.Crop(0.5)])
def test_augmentation_must_keep_frames(change):
    with pytest.raises(ValueError, match=r"augmentation: expected sequences of .* frames.*Tempo, Crop"):
        FrameClassifier(**FAST, augmentation=change).fit(X, Y)


def test_parameters_that_do_not_fit():
    for given in ({"convolution": 0}, {"ignore_label": [1]}, {"rnn": "min_gru"}, {"hidden_size": 0}):
        with pytest.raises((ValueError, TypeError), match=f"{next(iter(given))}: expected"):
            FrameClassifier(**{**FAST, **given}).fit(X, Y)


def test_there_is_no_training_in_shards():
    assert "micro_shards" not in FrameClassifier().get_params()
    with distributed.use(distributed.alone()), pytest.raises(ValueError, match="not trained in shards"):
        FrameClassifier(**FAST).fit(X, Y)
