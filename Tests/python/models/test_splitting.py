"""What is trained on, and what is kept for validation."""

import numpy as np
import pytest
from samples import DIMS, make, rising, weights_of
from sklearn.base import clone

from seriatim.models import DeepGRUClassifier, DeepGRURegressor, GRUClassifier
from seriatim.models._splitting import check_groups, only_in_training, split

still_improving = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


X, Y = rising()


def validated(classes, fraction=0.1, seed=0, **more):
    """Return how many of each class are kept for validation, of a split that is one."""
    classes = np.asarray(classes)
    training, kept = split(classes, fraction, seed, **more)
    np.testing.assert_array_equal(np.sort(np.concatenate([training, kept])), np.arange(len(classes)))
    assert len(kept)
    assert set(classes[training]) == set(classes)
    return np.bincount(classes[kept], minlength=classes.max() + 1).tolist(), kept


@pytest.mark.parametrize("seed", range(5))
def test_shares_of_classes_are_kept_and_no_class_is_lost(seed):
    assert validated([0] * 60 + [1] * 30 + [2] * 10, seed=seed)[0] == [6, 3, 1]
    assert validated([0] * 39 + [1], seed=seed)[0] == [4, 0]
    assert validated([0] * 38 + [1, 1], 0.9, seed)[0] == [35, 1]
    few = validated(np.repeat(np.arange(30), 2), seed=seed)[0]
    assert sum(few) == 6
    assert max(few) == 1
    assert validated([0, 0, 1], seed=seed)[0] == [1, 0]
    assert validated([0] * 10, 0.99, seed)[0] == [9]
    assert validated([0] * 20 + [1] * 20, 0.5, seed)[0] == [10, 10]


def test_other_seeds_split_otherwise():
    assert len({tuple(validated([0] * 30, seed=seed)[1]) for seed in range(5)}) > 1
    np.testing.assert_array_equal(validated([0] * 30, seed=3)[1], validated([0] * 30, seed=3)[1])


@pytest.mark.parametrize("seed", range(5))
def test_what_weighs_nothing_is_not_validated_on(seed):
    classes, weights = np.array([0] * 20 + [1] * 20), np.tile([1.0, 0.0], 20)
    counts, kept = validated(classes, 0.2, seed, weights=weights)
    assert counts == [2, 2]
    assert weights[kept].all()
    # One that counts, beside any number that do not, is the only one.
    assert validated([0] * 9 + [1] * 3, 0.5, seed, weights=np.array([1.0] * 10 + [0, 0]))[0][1] == 0


@pytest.mark.parametrize("seed", range(5))
def test_whole_groups_and_no_class_is_lost(seed):
    # Ten speakers of two words; the last one alone has a third.
    groups, classes = np.repeat(np.arange(10), 6), np.tile([0, 0, 0, 0, 1, 1], 10)
    classes[-1] = 2
    for fraction, most in ((0.1, 1), (0.3, 3), (0.9, 9)):
        counts, kept = validated(classes, fraction, seed, groups=groups)
        taken = np.unique(groups[kept])
        assert len(kept) == 6 * len(taken)
        assert 1 <= len(taken) <= most
        assert counts[2] == 0
    # Groups of different sizes and words: both words are validated on.
    sizes = np.array([1, 2, 3, 4] * 6)
    groups = np.repeat(np.arange(24), sizes)
    classes = (groups % 3 == 0).astype(int)
    counts, kept = validated(classes, 0.3, seed, groups=groups)
    assert abs(len(kept) / len(classes) - 0.3) < 0.12
    assert min(counts) > 0


def test_what_cannot_be_split():
    with pytest.raises(ValueError, match=r"a class with at least 2 sequences, .* got 3 sequences"):
        split(np.arange(3), 0.1, 0)
    with pytest.raises(ValueError, match="each of 2 groups has all of some class"):
        split(np.array([0, 0, 1, 1]), 0.1, 0, groups=np.array([0, 0, 1, 1]))


def test_classes_that_validation_cannot_have():
    classes, groups = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 1, 0, 0, 1])
    assert only_in_training(classes, None, None).tolist() == [2]
    assert only_in_training(classes, groups, None).tolist() == [1, 2]
    assert only_in_training(classes, None, np.array([1, 0, 0, 1, 1, 1])).tolist() == [0, 2]


@still_improving
@pytest.mark.filterwarnings("ignore:a single sequence of")
def test_a_class_that_stays_in_training_is_named():
    labels = np.where(Y == 0, "common", "usual").astype(object)
    labels[7] = "rare"
    model = make(GRUClassifier, hidden_size=2, max_epochs=2, early_stopping=True)
    with pytest.warns(UserWarning, match="the only sequence of class 'rare' stays in training"):
        model.fit(X, labels)
    labels[6:12] = "own"
    with pytest.warns(UserWarning, match="the only group that has class 'own' stays in training"):
        model.fit(X, labels, groups=np.arange(60) // 6)


@still_improving
def test_groups_are_not_divided():
    groups = np.arange(60) // 6
    seen = {}

    class Watched(DeepGRUClassifier):
        def _learn(self, training, *rest):
            seen["trained"] = {row.tobytes() for row in training.sequences}
            return super()._learn(training, *rest)

    model = Watched(dims=DIMS, max_epochs=2, early_stopping=True, validation_fraction=0.2, random_state=0)
    model.set_params(n_iter_no_change=1).fit(X, Y, groups=groups)
    of_group = {g: {X[i].tobytes() in seen["trained"] for i in np.flatnonzero(groups == g)}
                for g in range(10)}  # fmt: skip
    assert all(len(found) == 1 for found in of_group.values())
    assert 1 <= sum(found == {False} for found in of_group.values()) <= 4


def test_bad_groups():
    for groups, words in ((np.zeros(60), "at least 2 groups"), (np.arange(3), "a group for each of 60")):
        with pytest.raises(ValueError, match=words):
            make(early_stopping=True).fit(X, Y, groups=groups)
    assert check_groups(["b", "a", "b"], 3).tolist() == [0, 1, 0]


@still_improving
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("kind", [DeepGRUClassifier, DeepGRURegressor])
def test_the_part_goes_by_content_not_by_place(kind, grouped):
    turn, groups = np.random.default_rng(1).permutation(60), np.array([f"speaker {i // 6}" for i in range(60)])
    y = Y if kind is DeepGRUClassifier else Y + np.arange(60) / 60
    model = make(kind, max_epochs=2, early_stopping=True, validation_fraction=0.2, random_state=3)
    found = [
        clone(model).fit(X[index], y[index], groups=groups[index] if grouped else None)
        for index in (np.arange(60), turn)
    ]
    assert found[0].history_["validation_loss"] == found[1].history_["validation_loss"]
    np.testing.assert_array_equal(weights_of(found[0]), weights_of(found[1]))
