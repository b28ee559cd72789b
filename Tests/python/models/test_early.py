"""Deciding before a sequence has ended."""

import copy

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

import seriatim
from seriatim import nn
from seriatim.models import EarlyClassifier, GRUClassifier, ReservoirClassifier


def made(count=60, seed=0):
    """Sequences of two kinds, which differ from their third frame on."""
    random = np.random.default_rng(seed)
    y = np.array(["up", "down"])[np.arange(count) % 2]
    X = []
    for label in y:
        one = random.normal(0, 0.3, (int(random.integers(20, 40)), 2))
        one[2:] += 1.5 if label == "up" else -1.5
        X.append(one.astype(np.float32))
    return X, y


@pytest.fixture(scope="module")
def early():
    network = GRUClassifier(bidirectional=False, hidden_size=8, max_epochs=12, preprocessing=None, random_state=0)
    return EarlyClassifier(network, random_state=0).fit(*made(120))


def test_decisions_fall_early_and_are_right(early):
    X, y = made(seed=1)
    labels, frames = early.decide(X)
    lengths = np.array([len(one) for one in X])
    assert (frames >= 1).all()
    assert (frames <= lengths).all()
    assert early.score(X, y) == np.mean(labels == y) > 0.8
    assert early.earliness(X) == pytest.approx(np.mean(frames / lengths))
    assert early.earliness(X) < 0.6
    assert early.validation_["accuracy"] >= early.validation_["at_end"] - early.max_loss
    # Each decision is that of the classifier on what has been seen, and the first that is sure.
    for one, label, frame in zip(X[:6], labels, frames, strict=False):
        probabilities = early.estimator_.predict_proba([one[:frame]])[0]
        assert early.classes_[probabilities.argmax()] == label
        assert probabilities.max() >= early.threshold_ or frame == len(one)
        if frame > 1:
            assert early.estimator_.predict_proba([one[: frame - 1]]).max() < early.threshold_


def test_forms_of_sequences_make_no_difference(early):
    X, _ = made(10, seed=2)
    labels, frames = early.decide(np.concatenate(X), [len(one) for one in X])
    other = early.decide(X)
    assert labels.tolist() == other[0].tolist()
    assert frames.tolist() == other[1].tolist()


@pytest.fixture(scope="module")
def late():
    """What looks two frames ahead."""
    network = GRUClassifier(bidirectional=False, hidden_size=8, max_epochs=12, random_state=0)
    return EarlyClassifier(network, random_state=0).fit(*made(120))


@pytest.mark.parametrize("name", ["early", "late"])
@pytest.mark.parametrize("threshold", [None, np.inf])
def test_a_stream_decides_as_decide_does(name, threshold, request, monkeypatch):
    early = request.getfixturevalue(name)
    assert early.estimator_.stream().delay == (2 if name == "late" else 0)
    if threshold is not None:
        monkeypatch.setattr(early, "threshold_", threshold)
    X, _ = made(12, seed=4)
    labels, frames = early.decide(X)
    stream = early.stream()
    for one, label, frame in zip(X, labels, frames, strict=True):
        said = [stream.step(x) for x in one]
        assert stream.finish() == [label]
        assert stream.frames.tolist() == [frame]
        if threshold is None and frame < len(one):
            assert said == [None] * (frame - 1) + [label] * (len(one) - frame + 1)
        stream.reset()
        assert stream.decisions == [None]


def test_streams_end_and_begin_anew_each_by_itself(early, monkeypatch):
    monkeypatch.setattr(early, "threshold_", np.inf)
    X, _ = made(2, seed=5)
    stream = early.stream(2)
    assert stream.finish() == [None, None]
    stream.reset()
    for x in zip(X[0][:9], X[1][:9], strict=True):
        assert stream.step(np.stack(x)) == [None, None]
    label = early.predict([X[0][:9]])[0]
    assert stream.finish([True, False]) == [label, None]
    with pytest.raises(ValueError, match="stream 0 has ended"):
        stream.step(np.zeros((2, 2)))
    stream.reset([True, False])
    assert stream.decisions == [None, None]
    stream.step(np.stack([X[0][0], X[1][9]]))
    assert stream.finish() == early.predict([X[0][:1], X[1][:10]]).tolist()
    assert stream.frames.tolist() == [1, 10]


def test_where_no_threshold_is_good_enough_the_rule_is_to_wait(early):
    X, _ = made(10, seed=3)
    early.threshold_, before = np.inf, early.threshold_
    try:
        assert early.decide(X)[1].tolist() == [len(one) for one in X]
    finally:
        early.threshold_ = before


def test_what_does_not_fit_is_refused():
    X, y = made(20)
    with pytest.raises(TypeError, match="estimator: expected a classifier with `stream`, got int"):
        EarlyClassifier(3).fit(X, y)
    with pytest.raises(TypeError, match="estimator: expected a classifier with `stream`, got the class GRUClassifier"):
        EarlyClassifier(GRUClassifier).fit(X, y)
    with pytest.raises(ValueError, match="max_loss: expected a number from 0 to below 1, got -1"):
        EarlyClassifier(GRUClassifier(), max_loss=-1).fit(X, y)
    with pytest.raises(ValueError, match="validation_fraction: expected a number between 0 and 1, got 0"):
        EarlyClassifier(GRUClassifier(), validation_fraction=0).fit(X, y)
    with pytest.raises(ValueError, match="max_loss: expected a number from 0 to below 1, got 'a'"):
        EarlyClassifier(GRUClassifier(), max_loss="a").fit(X, y)
    with pytest.raises(ValueError, match=r"y: expected a label a sequence, shape \(n,\), got \(20, 2\)"):
        EarlyClassifier(GRUClassifier()).fit(X, np.eye(2)[np.arange(20) % 2])
    with pytest.raises(ValueError, match="estimator: expected one direction, got ReservoirClassifier"):
        EarlyClassifier(ReservoirClassifier(hidden_size=8)).fit(X, y)
    with pytest.raises(TypeError, match="estimator: expected a classifier with `stream`, got GRU"):
        EarlyClassifier(nn.GRU(2, 3)).fit(X, y)
    one_way = GRUClassifier(bidirectional=False)
    for wrong in (y[:10], np.tile(y, 2)):
        with pytest.raises(ValueError, match=f"y: expected a label for each of 20 sequences, got {len(wrong)}"):
            EarlyClassifier(one_way).fit(X, wrong)
    with pytest.raises(ValueError, match="y: expected a label for each sequence, got NaN"):
        EarlyClassifier(one_way).fit(X, np.full(20, np.nan))
    with pytest.raises(ValueError, match="Unknown label type"):
        EarlyClassifier(one_way).fit(X, np.linspace(0, 1, 20))
    with pytest.raises(ValueError, match="holds back some of every one and leaves some, got 3 of"):
        EarlyClassifier(one_way).fit(X[:3], ["a", "a", "b"])


@pytest.mark.parametrize("threshold", [None, np.inf])
def test_a_file_keeps_the_rule(early, tmp_path, threshold):
    model = copy.copy(early)
    if threshold is not None:
        model.threshold_ = threshold
    seriatim.save(model, tmp_path / "early")
    again = seriatim.load(tmp_path / "early")
    assert again.get_params(deep=False).keys() == model.get_params(deep=False).keys()
    assert (again.threshold_, again.validation_) == (model.threshold_, model.validation_)
    X, _ = made(10, seed=3)
    for one, other in zip(again.decide(X), model.decide(X), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not hasattr(seriatim.load(_saved(EarlyClassifier(early.estimator), tmp_path)), "estimator_")


def _saved(model, path):
    seriatim.save(model, path / "another")
    return path / "another"


def test_a_fit_that_fails_leaves_the_last_one(early):
    model, X = copy.copy(early), made(10, seed=3)[0]
    before = model.decide(X)
    model.max_loss = 2.0
    with pytest.raises(ValueError, match="max_loss"):
        model.fit(*made(20))
    model.max_loss, model.estimator = 0.01, DummyClassifier()
    with pytest.raises(TypeError, match="stream"):
        model.fit(*made(20))
    for one, other in zip(before, model.decide(X), strict=True):
        np.testing.assert_array_equal(one, other)
