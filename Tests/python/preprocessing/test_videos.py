"""Transformers and augmentations on frames: each number over time, channels for scaling, or a refusal."""

from __future__ import annotations

import numpy as np
import pytest
from support import close, normal

from seriatim import Sequences, nn
from seriatim import preprocessing as prep
from seriatim.models import VideoClassifier
from seriatim.preprocessing._frames import are_videos

VIDEOS = [normal(t, 2, 3, 4, seed=t) + np.array([[[5.0]], [[0.0]]], np.float32) for t in (4, 1, 6, 9)]
TARGET = np.array([0, 1, 0, 1])
OVER_TIME = [
    prep.Deltas(order=2),
    prep.Downsample(),
    prep.Downsample(method="mean"),
    prep.Filter(3),
    prep.Pad(),
    prep.Resample(5),
    prep.Stack(2),
    prep.TrimConstants(),
]
BY_CHANNEL = [prep.Center(), prep.Standardize(), prep.MinMaxScale(), prep.Standardize(over="sequence")]
MOVING = [prep.Crop(0.5), prep.MaskTime(0.9), prep.Mix(), prep.Tempo(), prep.TimeWarp()]
NOT_FOR_VIDEOS = [prep.MaskFeatures(), prep.Rotate(), prep.WarpFeatures(), prep.LevelAndShape()]


def named(steps):
    return pytest.mark.parametrize("step", steps, ids=repr)


def test_all_that_there_is_is_tried():
    others = {"Augmentation", "Compose", "Jitter", "Scale", "Shift", "SequenceTransformer"}
    tried = {type(step).__name__ for step in (*OVER_TIME, *BY_CHANNEL, *MOVING, *NOT_FOR_VIDEOS)}
    assert tried | others == set(prep.__all__)


def flat(videos):
    return [video.reshape(len(video), -1) for video in videos]


@named(OVER_TIME)
def test_over_time_every_number_goes_by_itself(step):
    found = step.fit_transform(VIDEOS)
    for video, wanted in zip(found, step.fit_transform(flat(VIDEOS)), strict=True):
        np.testing.assert_array_equal(video, wanted.reshape(len(wanted), -1, 3, 4))


@named(MOVING)
def test_augmentation_over_time(step):
    found = step(Sequences.from_list(VIDEOS), np.random.default_rng(0), TARGET)
    wanted = step(Sequences.from_list(flat(VIDEOS)), np.random.default_rng(0), TARGET)
    assert found.X.shape[1:] == (2, 3, 4)
    np.testing.assert_array_equal(found.lengths, wanted.lengths)
    np.testing.assert_array_equal(found.X.reshape(len(found.X), -1), wanted.X)


@named(BY_CHANNEL)
def test_features_of_scaling_are_channels(step):
    found = step.fit_transform(VIDEOS)
    pixels = [video.transpose(0, 2, 3, 1).reshape(-1, 2) for video in VIDEOS]
    for video, wanted in zip(found, step.fit_transform(pixels), strict=True):
        close(video.transpose(0, 2, 3, 1).reshape(-1, 2), wanted)
    if step.over == "training":
        assert step.shift_.shape == (2,)


@pytest.mark.parametrize("step", [prep.Scale(per="feature"), prep.Shift()], ids=repr)
def test_scale_and_shift_change_channels(step):
    found = step(Sequences.from_list(VIDEOS), np.random.default_rng(0))
    for before, after in zip(VIDEOS, found, strict=True):
        change = after - before if isinstance(step, prep.Shift) else after / before
        np.testing.assert_allclose(change, np.broadcast_to(change[:1, :, :1, :1], change.shape), rtol=1e-3, atol=1e-5)
        assert change[0, 0, 0, 0] != change[0, 1, 0, 0]


@named(NOT_FOR_VIDEOS)
def test_what_means_nothing_for_frames_says_so(step):
    videos, rng = Sequences.from_list(VIDEOS), np.random.default_rng(0)
    message = rf"{type(step).__name__}: is for \(T, D\) sequences, not for videos of shape \(T, 2, 3, 4\)"
    with pytest.raises(ValueError, match=message):
        _ = step(videos, rng) if isinstance(step, prep.Augmentation) else step.fit(videos)


def test_forms_of_videos():
    cube = np.stack([video[:4] for video in (VIDEOS[0], VIDEOS[2], VIDEOS[3])])
    step = prep.Standardize().fit(cube)
    wanted = step.transform(cube)
    assert wanted.shape == cube.shape
    rows, lengths = cube.reshape(-1, 2, 3, 4), [4, 4, 4]
    np.testing.assert_array_equal(step.transform(rows, lengths=lengths).reshape(cube.shape), wanted)
    np.testing.assert_array_equal(step.transform(Sequences(rows, lengths)).X.reshape(cube.shape), wanted)
    np.testing.assert_array_equal(step.transform(dict(enumerate(cube)))[1], wanted[1])
    assert prep.Standardize().fit(rows, lengths=lengths).n_features_in_ == 24
    with pytest.raises(ValueError, match="3, 2, 3, 4"):
        step.transform(np.zeros((2, 4, 3, 2, 3, 4)))
    with pytest.raises(ValueError, match="expect"):
        step.transform([np.zeros((5, 24))])


def crop(sequences, rng, target):
    parts = []
    for video in sequences:
        length = max(1, len(video) - 1)
        first = rng.integers(0, len(video) - length + 1)
        parts.append(video[first : first + length])
    return Sequences.from_list(parts)


def test_a_classifier_of_videos_takes_them():
    cnn = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    steps = prep.Compose([prep.Tempo(), prep.Mix(), prep.Scale(), crop])
    model = VideoClassifier(cnn, 2, hidden_size=2, fc=2, max_epochs=1, augmentation=steps, random_state=0)
    model.set_params(preprocessing=prep.Standardize()).fit(VIDEOS, TARGET)
    assert model.predict(VIDEOS).shape == (4,)
    model.set_params(augmentation=prep.Rotate())
    with pytest.raises(ValueError, match="Rotate: is for"):
        model.fit(VIDEOS, TARGET)


def test_videos_by_name_are_videos():
    assert are_videos(dict(enumerate(VIDEOS)), None)
    assert not are_videos({"a": VIDEOS[0][0]}, None)
