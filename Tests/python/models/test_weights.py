"""Weights of classes and of sequences, zero among them, whole and in pieces."""

import numpy as np
import pytest
from samples import make, ragged, weights_of
from sklearn.utils.class_weight import compute_class_weight

from seriatim.models import GRUClassifier, ReservoirClassifier, ReservoirRegressor
from seriatim.preprocessing._targets import Labels

X, NUMBERS = ragged(24)
Y = np.array(["a", "b", "c"])[NUMBERS]
NAMES = Labels(np.array(["a", "b", "c"]))


def gru(**parameters):
    return make(GRUClassifier, **{"hidden_size": 2, "max_epochs": 1, "batch_size": 4, **parameters})


def test_a_dict_is_the_same_whole_and_in_pieces():
    found = NAMES.weights({"c": 5.0, "a": 0.0}, None, None)
    np.testing.assert_array_equal(found, [0, 1, 5])
    np.testing.assert_array_equal(NAMES.weights({"c": 5.0, "a": 0.0}, NUMBERS, None), found)
    model = gru(class_weight={"c": 5.0})
    model.partial_fit(X[:1], Y[:1], classes=["a", "b", "c"]).partial_fit(X[1:9], Y[1:9])
    assert np.isfinite(model.history_["loss"]).all()


def test_balanced_counts_what_weighs():
    target = np.array([0, 0, 0, 1, 2, 2])
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=target)
    np.testing.assert_array_equal(NAMES.weights("balanced", target, None), wanted.astype(np.float32))
    np.testing.assert_array_equal(NAMES.weights("balanced", np.arange(3), np.array([3.0, 1, 2])), wanted.astype("f"))
    # As if the class were not there.
    np.testing.assert_array_equal(
        NAMES.weights("balanced", target, np.array([1.0, 1, 1, 0, 1, 1])), np.float32([5 / 6, 1, 5 / 4])
    )
    with pytest.raises(ValueError, match="'balanced' is not supported for partial_fit"):
        gru(class_weight="balanced").partial_fit(X, Y)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"d": 1.0}, r"expected labels out of \['a', 'b', 'c'\], got \['d'\]"),
        ({0: 1.0, 1: 2.0}, r"got \[0, 1\]"),
        ({"a": -1.0}, "finite numbers of at least 0"),
        ({"a": np.nan}, "finite numbers of at least 0"),
        ({"a": 0, "b": 0, "c": 0}, "one of them above"),
        ("balance", "expected a dict, 'balanced' or None, got 'balance'"),
    ],
)
def test_class_weights_that_are_none(given, words):
    with pytest.raises(ValueError, match=words):
        gru(class_weight=given).fit(X, Y)


def test_sample_weights_of_another_shape():
    for wrong in (1.0, np.ones(1), np.ones((len(X), 1)), np.ones((1, len(X)))):
        with pytest.raises(ValueError, match=r"sample_weight: expected .* of shape"):
            gru().fit(X, Y, sample_weight=wrong)


def test_a_class_that_this_training_has_not_is_said():
    with pytest.warns(UserWarning, match=r"got \['c'\] as well: no sequence has such a label"):
        gru(class_weight={"a": 1.0, "b": 2.0, "c": 3.0}).fit(X[NUMBERS < 2], Y[NUMBERS < 2])


def test_a_class_of_no_weight_teaches_nothing():
    some = NUMBERS > 0
    # Batches of that class alone are among these.
    model = gru(class_weight={"a": 0.0}, batch_size=2, max_epochs=3, dropout=0.0, augmentation=None).fit(X, Y)
    assert np.isfinite(weights_of(model)).all()
    assert np.isfinite(model.history_["loss"]).all()
    assert model.predict_proba(X[some])[:, 0].mean() < 0.4
    piece = gru(class_weight={"a": 0.0}).partial_fit(X[:1], Y[:1], classes=["a", "b", "c"])
    before = weights_of(piece)
    np.testing.assert_array_equal(weights_of(piece.partial_fit(X[:1], Y[:1])), before)


def test_a_piece_of_no_weight_leaves_the_model_as_it_is():
    for model in (gru(), make(max_epochs=1)):
        model.partial_fit(X[:6], Y[:6])
        before = model.predict_proba(X)
        model.partial_fit(X[:6], Y[:6], sample_weight=np.zeros(6))
        np.testing.assert_array_equal(model.predict_proba(X), before)


def test_an_error_of_the_readout_leaves_a_model_that_was_to_go_on_as_it_was():
    model = gru(warm_start=True, reservoir=True).fit(X, Y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="at least 2 sequences that count"):
        model.fit(X[:2], Y[:2], sample_weight=[0.5, 0.0])
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.n_iter_ == len(model.history_["loss"]) == 1


def test_weights_that_leave_nothing():
    with pytest.raises(ValueError, match="expected a sequence that counts"):
        gru(class_weight={"a": 0.0, "b": 0.0}).fit(X, Y, sample_weight=(NUMBERS < 2).astype(float))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", range(3))
def test_validation_has_what_counts(seed):
    weights = np.zeros(24)
    weights[:6] = 0.5
    model = gru(early_stopping=True, max_epochs=2, random_state=seed)
    with pytest.warns(UserWarning, match="chooses the epoch by 1 sequence"):
        model.fit(X, Y, sample_weight=weights)
    assert np.isfinite(model.history_["validation_loss"]).all()


@pytest.mark.parametrize("kind", [ReservoirClassifier, ReservoirRegressor])
def test_a_readout_leaves_out_what_weighs_nothing(kind):
    weights = np.where(NUMBERS == 0, 0, 0.3)
    target = Y if kind is ReservoirClassifier else NUMBERS
    model = kind(hidden_size=8, scaling=None, preprocessing=None, random_state=0)
    predicted = model.fit(X, target, sample_weight=weights).predict(X)
    if kind is ReservoirClassifier:
        assert "a" not in predicted
    else:
        some = model.fit(X[NUMBERS > 0], target[NUMBERS > 0], sample_weight=weights[NUMBERS > 0])
        np.testing.assert_array_equal(some.predict(X), predicted)
    with pytest.raises(ValueError, match="at least 2 sequences that count, got 1 sample"):
        model.fit(X, target, sample_weight=0.5 * (np.arange(24) == 4))
