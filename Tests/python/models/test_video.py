"""The classifier of videos."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from seriatim import Sequences, nn
from seriatim.models import VideoClassifier


def moving_bars(n, seed=0):
    """Videos of a bar that moves left or right: a single frame does not show which."""
    rng = np.random.default_rng(seed)
    videos, labels = [], rng.integers(0, 2, n)
    for label in labels:
        length, start = rng.integers(4, 8), rng.integers(0, 12)
        video = 0.1 * rng.normal(size=(length, 1, 12, 12))
        for t in range(length):
            video[t, 0, :, (start + (t if label else -t)) % 12] += 1
        videos.append(video.astype(np.float32))
    return videos, np.array(["left", "right"])[labels]


def cnn():
    return nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                         nn.Linear(8 * 36, 16, rng=0), nn.Tanh())  # fmt: skip


def classifier(**given):
    return VideoClassifier(
        cnn(), 16, **{"hidden_size": 16, "fc": 16, "max_epochs": 12, "learning_rate": 5e-3, "random_state": 0, **given}
    )


@pytest.mark.parametrize("rnn", ["lstm", "gru"])
def test_learns_what_single_frames_do_not_show(rnn):
    videos, labels = moving_bars(200)
    test, wanted = moving_bars(60, seed=1)
    model = classifier(rnn=rnn, max_epochs=30)
    before = model.embedding.state_dict()
    assert model.fit(videos, labels).score(test, wanted) > 0.95
    for name, value in model.embedding.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    forms = (
        (Sequences.from_list(test), None),
        (np.concatenate(test), [len(v) for v in test]),
    )
    for X, lengths in forms:
        np.testing.assert_array_equal(model.predict_proba(X, lengths), model.predict_proba(test))
    assert model.n_features_in_ == 144
    assert list(model.classes_) == ["left", "right"]


def test_the_same_seed_gives_the_same_bits():
    videos, labels = moving_bars(20)
    first = classifier(max_epochs=2).fit(videos, labels)
    second = clone(first).fit(videos, labels)
    np.testing.assert_array_equal(first.predict_proba(videos), second.predict_proba(videos))


def test_frozen_embeddings_and_callables():
    videos, labels = moving_bars(24)
    model = classifier(max_epochs=2, freeze=True).fit(videos, labels)
    for name, value in model.module_.embedding.state_dict().items():
        np.testing.assert_array_equal(value, model.embedding.state_dict()[name])
    model = VideoClassifier(lambda frames: frames.mean(axis=2).reshape(len(frames), -1), 12, max_epochs=2)
    assert model.fit(videos, labels).predict_proba(videos).shape == (24, 2)


def test_a_table_is_no_video():
    assert not classifier().__sklearn_tags__().input_tags.two_d_array


def test_errors():
    videos, labels = moving_bars(4)
    with pytest.raises(ValueError, match=r"X\[1\]: expected a video"):
        classifier().fit([videos[0], videos[1][0]], labels[:2])
    with pytest.raises(ValueError, match=r"got shape .* without lengths"):
        classifier().fit(videos[0], labels[:1])
    with pytest.raises(ValueError, match="X: expected finite numbers"):
        classifier().fit([np.full((2, 1, 12, 12), np.nan)] * 2, labels[:2])
    model = classifier(max_epochs=1).fit(videos, labels)
    with pytest.raises(ValueError, match="X has 100 features, but VideoClassifier is expecting 144"):
        model.predict([np.zeros((2, 1, 10, 10))])


def test_forms_and_a_single_video():
    videos, labels = moving_bars(6)
    make = classifier(max_epochs=1)
    model = make.fit((v for v in videos), labels)
    wanted = model.predict_proba(videos)
    for given in (dict(enumerate(videos)), tuple(videos), [v.tolist() for v in videos]):
        np.testing.assert_array_equal(model.predict_proba(given), wanted)
    for one in (videos[2], list(videos[2]), [videos[2]]):
        np.testing.assert_array_equal(model.predict_proba(one), wanted[2:3])
    padded = np.zeros((6, 9, 1, 12, 12), np.float32)
    for row, video in zip(padded, videos, strict=True):
        row[-len(video) :] = video
    front = Sequences.from_padded(padded, [len(v) for v in videos], side="left")
    np.testing.assert_array_equal(model.predict_proba(front), wanted)


def test_frames_turned_round_are_named():
    rng = np.random.default_rng(0)
    videos = [rng.normal(size=(2, 3, 5, 6)).astype(np.float32) for _ in range(4)]
    labels = [0, 1, 0, 1]
    model = VideoClassifier(lambda x: x.reshape(len(x), -1)[:, :3], 3, hidden_size=2, fc=2, max_epochs=1).fit(
        videos, labels
    )
    portrait, last = [v.swapaxes(2, 3) for v in videos], [v.transpose(0, 2, 3, 1) for v in videos]
    for call in (model.predict, lambda X: model.score(X, labels), lambda X: model.partial_fit(X, labels)):
        with pytest.raises(ValueError, match=r"frames of shape \(3, 6, 5\), but .* \(3, 5, 6\).*exchanged"):
            call(portrait)
        with pytest.raises(ValueError, match=r"channels last\? They come first: frames.transpose\(0, 3, 1, 2\)"):
            call(np.stack(last))
    with pytest.raises(ValueError, match=r"validation_data: .*height and width"):
        model.fit(videos, labels, validation_data=(portrait, labels))
    with pytest.warns(UserWarning, match="channels last"):
        model.fit(last, labels)
    with pytest.raises(ValueError, match="a channel axis is missing"):
        model.fit([v[:, 0] for v in videos], labels)
    # A file of an older version does not say how frames lie.
    del model._frame_shape
    with pytest.raises(ValueError, match="expecting 90 features"):
        model.predict([v[:, :1] for v in videos])
