"""Training on one sequence at a time, where nothing normalises batches."""

import numpy as np
import pytest
from samples import DIMS, make, ragged, weights_of

from seriatim import nn
from seriatim.models import (
    DeepGRUClassifier,
    DeepGRURegressor,
    GRUClassifier,
    LSTMClassifier,
    ReservoirClassifier,
    VideoClassifier,
)

X, Y = ragged(5)
VIDEOS = [np.random.default_rng(i).normal(size=(2, 1, 4, 4)).astype(np.float32) for i in range(3)]


def video(*more, **parameters):
    frames = nn.Sequential(nn.Conv2d(1, 2, 3), *more, nn.Flatten())
    return VideoClassifier(frames, 8, hidden_size=2, fc=2, max_epochs=1, random_state=0, **parameters)


@pytest.mark.parametrize("kind", [GRUClassifier, LSTMClassifier])
@pytest.mark.parametrize("more", [{}, {"n_estimators": 2, "weight_averaging": 0.9}])
def test_batches_of_one(kind, more):
    model = kind(hidden_size=2, max_epochs=2, batch_size=1, random_state=0, **more).fit(X, Y)
    steps = model._optimizer.state_dict()
    assert model.n_iter_ == 2
    assert np.isfinite(weights_of(model)).all()
    pieces = kind(hidden_size=2, random_state=0, **more)
    for x, label in zip(X, Y, strict=True):
        pieces.partial_fit([x], [label], classes=[0, 1, 2])
    assert pieces.n_iter_ == 5
    assert steps.keys() == pieces._optimizer.state_dict().keys()


@pytest.mark.filterwarnings("ignore:y has a single class", "ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_of_one_sequence():
    model = GRUClassifier(hidden_size=2, max_epochs=1, random_state=0).fit(X[:1], ["only"])
    assert model.predict(X).tolist() == ["only"] * 5
    # No reservoir beside it, whose readout leaves one out.
    assert not GRUClassifier(hidden_size=2, max_time=0.01, n_estimators=1).fit(X[:1], ["only"]).reservoir_
    for model in (ReservoirClassifier(hidden_size=4), GRUClassifier(hidden_size=2, max_epochs=1, reservoir=True)):
        with pytest.raises(ValueError, match="at least 2 sequences that count, got 1 sample"):
            model.fit(X[:1], [0])
    with pytest.raises(ValueError, match="early_stopping: expected a class with at least 2 sequences"):
        GRUClassifier(hidden_size=2, max_epochs=2, early_stopping=True).fit(X[:1], [0])


def test_videos_one_at_a_time():
    video(batch_size=1).fit(VIDEOS, [0, 1, 0])
    video(nn.BatchNorm2d(2), batch_size=1).fit(VIDEOS, [0, 1, 0]).partial_fit(VIDEOS[:1], [1])
    video().partial_fit(VIDEOS[:1], [0], classes=[0, 1])


@pytest.mark.parametrize("kind", [DeepGRUClassifier, DeepGRURegressor])
def test_what_normalises_batches_says_so(kind):
    with pytest.raises(ValueError, match="batch_size: expected an integer of at least 2"):
        make(kind, batch_size=1).fit(X, Y)
    model = kind(dims=DIMS, max_epochs=1, batch_size=2).fit(X, Y)
    with pytest.raises(ValueError, match=r"at least 2 sequences to train on .batch normalisation., got 1 sample"):
        model.partial_fit(X[:1], Y[:1]) if kind is DeepGRUClassifier else model.fit(X[:1], Y[:1])
