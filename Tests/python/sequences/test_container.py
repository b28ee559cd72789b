"""Sequences: indexing, conversion, errors, and scikit-learn's own tools."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_val_predict,
    cross_val_score,
    learning_curve,
    permutation_test_score,
    train_test_split,
)
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import _num_samples

from seriatim.sequences import Sequences

LENGTHS = [3, 1, 4, 2]
STARTS = [0, 3, 4, 8]


@pytest.fixture(params=[(), (2,), (2, 3)])
def sequences(request):
    X = np.arange(10 * int(np.prod(request.param, dtype=int))).reshape(10, *request.param)
    return Sequences(X, LENGTHS)


def same(found, sequences, indices):
    assert isinstance(found, Sequences)
    assert len(found) == len(indices)
    for array, index in zip(found, indices, strict=True):
        np.testing.assert_array_equal(array, sequences[int(index)])


def test_one_sequence_is_a_view(sequences):
    assert len(sequences) == 4
    assert sequences.shape == (4,)
    for index, (start, length) in enumerate(zip(STARTS, LENGTHS, strict=True)):
        for found in (sequences[index], sequences[index - 4], sequences[np.int32(index)]):
            np.testing.assert_array_equal(found, sequences.X[start : start + length])
            assert np.shares_memory(found, sequences.X)
    assert [len(array) for array in sequences] == LENGTHS


@pytest.mark.parametrize("index", [4, -5])
def test_an_index_out_of_range(sequences, index):
    with pytest.raises(IndexError, match=str(index)):
        sequences[index]


@pytest.mark.parametrize(
    "index",
    [
        slice(None), slice(1, 3), slice(2, 2), slice(None, None, -1), slice(0, 4, 2),
        [2], [3, 0, 0], [-1], [], np.array([1, 2], np.int32), [True, False, True, True],
        np.zeros(4, bool), (np.array([2, 0]), ...),
    ],
)  # fmt: skip
def test_anything_else_gives_sequences(sequences, index):
    same(sequences[index], sequences, np.arange(4)[index])


@pytest.mark.parametrize("index", [[4], [True], np.zeros((1, 2), int), "first", [0.5]])
def test_indices_that_make_no_sense(sequences, index):
    with pytest.raises(IndexError):
        sequences[index]


def test_a_plain_slice_copies_nothing(sequences):
    part = sequences[1:3]
    assert np.shares_memory(part.X, sequences.X)
    np.testing.assert_array_equal(part.lengths, [1, 4])


def test_from_list_and_from_padded(sequences):
    again = Sequences.from_list(list(sequences))
    assert again == sequences
    assert again.X.dtype == sequences.X.dtype
    padded = np.full((4, 5, *sequences.X.shape[1:]), 99)
    for row, array in zip(padded, sequences, strict=True):
        row[: len(array)] = array
    assert Sequences.from_padded(padded, LENGTHS) == sequences


def test_equality(sequences):
    assert sequences == Sequences(sequences.X.copy(), LENGTHS)
    assert sequences != Sequences(sequences.X, [1, 3, 4, 2])
    assert sequences != Sequences(sequences.X + 1, LENGTHS)
    assert sequences != "sequences"
    with pytest.raises(TypeError):
        hash(sequences)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_copies(sequences, duplicate):
    twin = duplicate(sequences)
    assert twin == sequences
    assert not np.shares_memory(twin.X, sequences.X)
    same(twin[[2, 1]], sequences, [2, 1])


def test_repr_says_how_many_and_how_long():
    text = repr(Sequences(np.zeros((10, 2), np.float32), LENGTHS))
    for part in ("Sequences(n=4", "1 to 4", "(2,)", "float32"):
        assert part in text
    assert "n=0" in repr(Sequences(np.zeros((0, 2)), []))


@pytest.mark.parametrize(
    ("X", "lengths", "kind", "message"),
    [
        (np.zeros((5, 2)), [2, 2], ValueError, "lengths: expected a sum of 5.*got 4"),
        (np.zeros((5, 2)), [5, 0], ValueError, "lengths: expected lengths of at least 1, got 0"),
        (np.zeros((5, 2)), [6, -1], ValueError, "at least 1, got -1 for sequence 1"),
        (np.zeros((5, 2)), [2.5, 2.5], TypeError, "lengths: expected a 1-D array of integers"),
        (np.zeros((5, 2)), [[2, 3]], TypeError, "lengths: expected a 1-D array of integers"),
        (3.0, [1], ValueError, "X: expected"),
    ],
)
def test_errors(X, lengths, kind, message):
    with pytest.raises(kind, match=message):
        Sequences(X, lengths)


def test_errors_of_the_other_constructors():
    with pytest.raises(ValueError, match=r"sequence 1: expected shape \(T, 2\), got \(3, 1\)"):
        Sequences.from_list([np.zeros((2, 2)), np.zeros((3, 1))])
    with pytest.raises(ValueError, match="lengths: expected lengths from 1 to 3"):
        Sequences.from_padded(np.zeros((2, 3, 1)), [2, 4])
    with pytest.raises(ValueError, match="lengths: expected 2 integers"):
        Sequences.from_padded(np.zeros((2, 3, 1)), [2])
    with pytest.raises(ValueError, match="x: expected shape"):
        Sequences.from_padded(np.zeros(3), [1, 1, 1])


# ---- scikit-learn


class NearestLength(ClassifierMixin, BaseEstimator):
    """Knows sequences by their mean length: enough to see that splits keep sequences and labels together."""

    def __init__(self, power=1):
        self.power = power

    def fit(self, X, y):
        assert isinstance(X, Sequences)
        assert len(X) == len(y)
        assert X.lengths.sum() == len(X.X)
        self.classes_ = np.unique(y)
        self.means_ = np.array([np.mean(X.lengths[y == label]) for label in self.classes_])
        return self

    def predict_proba(self, X):
        distances = np.abs(X.lengths[:, None] - self.means_) ** self.power
        weights = np.exp(-distances)
        return weights / weights.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture
def labelled():
    rng = np.random.default_rng(0)
    y = np.tile(["long", "short"], 20)
    lengths = np.where(y == "long", rng.integers(10, 15, 40), rng.integers(1, 5, 40))
    return Sequences(rng.normal(size=(lengths.sum(), 2)), lengths), y


def test_what_scikit_learn_asks_of_an_array(labelled):
    s, y = labelled
    assert _num_samples(s) == 40
    assert indexable(s, y)[0] is s
    for index in ([3, 1], np.array([3, 1]), y == "long", slice(2, 5)):
        same(_safe_indexing(s, index), s, np.arange(40)[index])


def test_splitting(labelled):
    s, y = labelled
    train, test, of_train, of_test = train_test_split(s, y, test_size=0.25, stratify=y)
    assert len(train) == len(of_train) == 30
    for part, labels in ((train, of_train), (test, of_test)):
        np.testing.assert_array_equal(part.lengths >= 10, labels == "long")


def test_cross_validation(labelled):
    s, y = labelled
    np.testing.assert_array_equal(cross_val_score(NearestLength(), s, y, cv=4), np.ones(4))
    np.testing.assert_array_equal(cross_val_predict(NearestLength(), s, y, cv=4), y)
    groups = np.repeat(np.arange(4), 10)
    losses = cross_val_score(NearestLength(), s, y, groups=groups, cv=GroupKFold(4), scoring="neg_log_loss")
    assert np.all(losses > -0.5)


def test_searches_and_curves(labelled):
    s, y = labelled
    search = GridSearchCV(NearestLength(), {"power": [1, 2]}, cv=3, n_jobs=2).fit(s, y)
    assert search.best_score_ == 1
    np.testing.assert_array_equal(search.predict(s), y)
    sizes, *_ = learning_curve(NearestLength(), s, y, cv=4, train_sizes=[0.5, 1.0])
    np.testing.assert_array_equal(sizes, [15, 30])
    score, _, p = permutation_test_score(NearestLength(), s, y, cv=3, n_permutations=20)
    assert score == 1
    assert p < 0.1
