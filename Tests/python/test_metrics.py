"""Metrics of labels of frames: against scikit-learn's and a table by hand; forms, ignored frames, scorers."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, make_scorer
from sklearn.model_selection import GridSearchCV

from seriatim import Sequences, load, metrics, save
from seriatim.models import FrameClassifier, GRUClassifier


def labels(seed, lengths=(7, 1, 30, 12)):
    rng = np.random.default_rng(seed)
    return [np.repeat(rng.integers(0, 4, n), rng.integers(1, 4, n))[:n] for n in lengths]


TRUE, PRED = labels(0), labels(1)


def levenshtein(one, other):
    """The textbook's table."""
    table = np.zeros((len(one) + 1, len(other) + 1), int)
    table[:, 0], table[0] = np.arange(len(one) + 1), np.arange(len(other) + 1)
    for i in range(len(one)):
        for j in range(len(other)):
            replaced = table[i, j] + (one[i] != other[j])
            table[i + 1, j + 1] = min(table[i, j + 1] + 1, table[i + 1, j] + 1, replaced)
    return table[-1, -1]


def runs(sequence):
    return [label for i, label in enumerate(sequence) if i == 0 or label != sequence[i - 1]]


def by_hand(true, pred):
    pairs = [(runs(list(one)), runs(list(other))) for one, other in zip(true, pred, strict=True)]
    return sum(levenshtein(*pair) for pair in pairs) / sum(len(one) for one, _ in pairs)


def test_frames_against_scikit_learn():
    true, pred = np.concatenate(TRUE), np.concatenate(PRED)
    assert metrics.frame_accuracy(TRUE, PRED) == accuracy_score(true, pred)
    for average in ("macro", "micro", "weighted"):
        assert metrics.frame_f1(TRUE, PRED, average=average) == f1_score(true, pred, average=average)
    assert len(metrics.frame_f1(TRUE, PRED, average=None)) == 4


@pytest.mark.parametrize("seed", range(6))
def test_segments_against_the_table(seed):
    true, pred = labels(seed), labels(seed + 10)
    assert metrics.segment_edit_distance(true, pred) == pytest.approx(by_hand(true, pred))
    assert metrics.segment_edit_similarity(true, pred) == 1 - metrics.segment_edit_distance(true, pred)


@pytest.mark.parametrize(
    ("true", "pred", "distance"),
    [("aaabbb", "aabbbb", 0), ("aaabbbccc", "aaaaaaccc", 1 / 3), ("aaaaaa", "ababab", 5), ("ab", "ba", 1)],
)
def test_distances_that_are_known(true, pred, distance):
    assert metrics.segment_edit_distance(list(true), list(pred)) == pytest.approx(distance)


ALL = (metrics.frame_accuracy, metrics.frame_f1, metrics.segment_edit_distance, metrics.segment_edit_similarity)


@pytest.mark.parametrize("metric", ALL)
def test_forms_are_the_same_numbers(metric):
    wanted = metric(TRUE, PRED)
    whole = Sequences.from_list(PRED)
    assert metric(dict(enumerate(TRUE)), whole) == wanted
    assert metric([list(one) for one in TRUE], (one for one in PRED)) == wanted
    assert metric(TRUE, np.concatenate(PRED)) == wanted == metric(np.concatenate(TRUE), PRED)
    assert metric([one.astype(str) for one in TRUE], [one.astype(str) for one in PRED]) == wanted
    equal = np.stack([TRUE[2][:5], TRUE[3][:5]]), np.stack([PRED[2][:5], PRED[3][:5]])
    assert metric(*equal) == metric(*map(list, equal))


@pytest.mark.parametrize("metric", ALL)
def test_ignored_frames_do_not_count(metric):
    true = [np.insert(one, len(one) // 2, -1) for one in TRUE]
    pred = [np.insert(one, len(one) // 2, 9) for one in PRED]
    assert metric(true, pred, ignore_label=-1) == metric(TRUE, PRED)
    assert metric(true, pred) != metric(TRUE, PRED)
    floats = [np.where(one == -1, np.nan, one) for one in true]
    assert metric(floats, pred, ignore_label=np.nan) == metric(TRUE, PRED)
    assert metric([*TRUE, [-1, -1]], [*PRED, [0, 1]], ignore_label=-1) == metric(TRUE, PRED)


@pytest.mark.parametrize("metric", ALL)
def test_weights_are_of_sequences(metric):
    twice = metric([*TRUE, TRUE[0]], [*PRED, PRED[0]])
    assert metric(TRUE, PRED, sample_weight=[2, 1, 1, 1]) == pytest.approx(twice)
    assert metric(TRUE, PRED, sample_weight=[0, 1, 1, 1]) == pytest.approx(metric(TRUE[1:], PRED[1:]))
    for wrong in ([1, 1], [-1, 1, 1, 1], [0, 0, 0, 0]):
        with pytest.raises(ValueError, match="sample_weight: expected 4 numbers"):
            metric(TRUE, PRED, sample_weight=wrong)


@pytest.mark.parametrize("metric", ALL)
def test_refusals(metric):
    for true, pred, words in [
        (TRUE, PRED[1:], f"y_pred: expected labels of {len(TRUE)} sequences, as y_true, got those of {len(TRUE) - 1}"),
        (TRUE, [PRED[0][1:], *PRED[1:]], r"y_pred\[0\]: expected labels of . frames, as y_true\[0\], got ."),
        (TRUE, [one.astype(str) for one in PRED], "y_pred: expected labels like y_true's"),
        (TRUE, [PRED[0].astype(str), *PRED[1:]], "y_pred: expected labels of one kind"),
        ([], [], r"expected labels \(T,\), one a frame"),
        ([[]], [[]], r"expected labels \(T,\), one a frame"),
        (3, 3, r"expected labels \(T,\), one a frame"),
    ]:
        with pytest.raises(ValueError, match=words):
            metric(true, pred)
    with pytest.raises(ValueError, match="all of them ignored"):
        metric([[1, 1]], [[1, 1]], ignore_label=1)


def walks(n=30):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(k, 2)).cumsum(axis=0) for k in rng.integers(3, 20, n)]
    return X, [np.where(x[:, 0] > 0, "up", "down") for x in X]


SCORERS = (metrics.frame_accuracy_scorer, metrics.frame_f1_scorer, metrics.segment_edit_scorer)
FAST = {"hidden_size": 4, "max_epochs": 3, "learning_rate": 1e-2, "random_state": 0}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scorer", SCORERS)
def test_scorers_in_searches_and_as_monitors(scorer):
    X, y = walks()
    search = GridSearchCV(FrameClassifier(**FAST), {"rnn": ["gru", "lstm"]}, scoring=scorer, cv=2, error_score="raise")
    search.fit(Sequences.from_list(X), y)
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    model = FrameClassifier(**FAST, early_stopping=True, validation_fraction=0.5, monitor=scorer).fit(X, y)
    assert len(model.history_["validation_monitor"]) == 3
    given = FrameClassifier(**FAST, monitor=scorer, early_stopping=True).fit(X, y, validation_data=(X, y))
    assert given.history_["validation_monitor"][given.best_epoch_ - 1] == pytest.approx(scorer(given, X, y))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:early_stopping")
@pytest.mark.parametrize("scorer", [*SCORERS, make_scorer(metrics.frame_f1, ignore_label=-1, average="micro")])
def test_files_know_scorers(tmp_path, scorer):
    X, y = walks()
    model = FrameClassifier(**FAST, early_stopping=True, monitor=scorer).fit(X, y)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model")
    assert repr(again.monitor) == repr(scorer)
    assert again.monitor(again, X, y) == scorer(model, X, y)


def test_a_classifier_of_sequences_has_no_labels_of_frames():
    X, _ = walks()
    model = GRUClassifier(**FAST).fit(X, np.arange(30) % 2)
    with pytest.raises(ValueError, match=r"y_pred: expected labels of 30 sequences"):
        metrics.frame_accuracy_scorer(model, X, [np.zeros(len(x), int) for x in X])
