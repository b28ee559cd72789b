"""What "auto" becomes, what is given stays as it is, time and effort, and what is said of a training."""

import numpy as np
import pytest
from samples import ragged
from sklearn.pipeline import Pipeline
from support import threads

import seriatim
from seriatim import Sequences, nn
from seriatim import preprocessing as prep
from seriatim.models import (
    DeepGRUClassifier,
    DeepGRURegressor,
    GRUClassifier,
    LSTMClassifier,
)
from seriatim.models import _policy as policy

CLASSIFIERS = [GRUClassifier, LSTMClassifier, DeepGRUClassifier]


X, Y = ragged()


# ---- The rule


@pytest.mark.parametrize("n", [10, 100, 400, 2000, 5000, 100_000])
@pytest.mark.parametrize("effort", list(policy.EFFORTS))
def test_steps_do_not_depend_on_the_number_of_sequences(n, effort):
    facts = policy.Facts(n, 50.0, 3, False)
    size = policy.batch_size(facts)
    epochs = policy.max_epochs(facts, size, policy.EFFORTS[effort])
    steps, wanted = epochs * -(-n // size), policy.EFFORTS[effort].steps
    assert 16 <= size <= 64
    assert 15 <= epochs <= 1000
    assert epochs in (15, 1000) or abs(steps - wanted) <= 0.5 * -(-n // size)


def test_what_auto_becomes():
    model = GRUClassifier(random_state=0, effort="fast").fit(X, Y)
    assert (model.batch_size_, model.max_epochs_, model.n_estimators_) == (16, 200, 1)
    assert (model.hidden_size_, model.pooling_) == (64, ("last", "mean", "max"))
    assert (model.learning_rate_, model.label_smoothing_, model.reservoir_) == (3e-3, 0.1, True)
    assert isinstance(model.scaling_, prep.Standardize)
    assert [type(step).__name__ for _, step in model.preprocessing_.steps] == ["Deltas", "Standardize"]
    assert [type(a).__name__ for a in model.augmentation_.augmentations] == ["Tempo", "Crop", "Jitter"]
    assert isinstance(model.module_, nn.Ensemble)
    assert model.get_params()["batch_size"] == "auto"
    balanced = GRUClassifier(random_state=0).fit(X, Y)
    # Three networks and a reservoir; transform leaves the reservoir out.
    assert len(balanced.module_) == 4
    assert balanced.transform(X).shape == (60, 3 * 6 * 64)


@pytest.mark.parametrize("given", [{"scaling": None}, {"preprocessing": None}, {"augmentation": None}])
def test_each_part_can_be_switched_off(given):
    model = GRUClassifier(**given, hidden_size=4, max_epochs=2, random_state=0).fit(X, Y)
    (name,) = given
    assert getattr(model, f"{name}_") is None
    # Preprocessing that is given means what it means on features as they are; there is no noise on unscaled ones.
    assert (model.scaling_ is None) == (name != "augmentation")
    assert model.augmentation_ is None
    if name != "preprocessing":
        assert model.preprocessing_ is not None


def test_an_augmentation_that_is_given_sees_features_as_they_are_given():
    seen = []

    def watch(sequences, rng, target):
        seen.append(np.abs(sequences.X).max())
        return sequences

    far, _ = ragged(scale=1000.0)
    GRUClassifier(hidden_size=4, max_epochs=1, augmentation=watch, random_state=0).fit(far, Y)
    assert max(seen) > 500
    model = GRUClassifier(hidden_size=8, max_epochs=40, augmentation=watch, random_state=0).fit(far, Y)
    assert model.score(far, Y) > 0.9


def test_symbols_and_tables_are_left_alone():
    rng = np.random.default_rng(0)
    symbols = Sequences(np.eye(4, dtype=np.float32)[rng.integers(0, 4, len(X.X))], X.lengths)
    model = GRUClassifier(hidden_size=4, max_epochs=1, random_state=0).fit(symbols, Y)
    assert (model.scaling_, model.preprocessing_, model.augmentation_) == (None, None, None)
    table = GRUClassifier(hidden_size=4, max_epochs=1, random_state=0).fit(rng.normal(size=(60, 3)), Y)
    assert isinstance(table.scaling_, prep.Standardize)
    assert (table.preprocessing_, table.augmentation_) == (None, None)


def test_units_that_differ_by_orders_of_magnitude():
    factor = 10.0 ** np.random.default_rng(1).uniform(-6, 3, 60)
    wild = Sequences.from_list([factor[i] * (2 + X[i]) for i in range(60)])
    model = GRUClassifier(hidden_size=16, max_epochs=60, random_state=0).fit(wild, Y)
    assert isinstance(model.scaling_, Pipeline)
    assert model.scaling_.steps[0][1].wide_.tolist() == [0, 1]
    assert model.score(wild, Y) > 0.9


@pytest.mark.parametrize(("longest", "factor"), [(30, None), (400, 3)])
def test_long_sequences_are_joined(longest, factor):
    long, y = ragged(longest=longest)
    model = DeepGRUClassifier(max_epochs=1, random_state=0).fit(long, y)
    last = model.preprocessing_.steps[-1][1]
    assert getattr(last, "factor", None) == factor
    weights = model.attention(long)
    assert weights.shape == (60, long.lengths.max())
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    for row, length in zip(weights, long.lengths, strict=True):
        assert row[:length].min() > 0
        assert not row[length:].any()


# ---- It learns, repeats itself, and comes back


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_defaults_learn_and_repeat_themselves(kind, tmp_path):
    model = kind(effort="fast", random_state=0).fit(X, Y)
    assert model.score(X, Y) == 1.0
    assert model.predict_proba(X).sum(axis=1) == pytest.approx(1, abs=1e-5)
    with threads(1):
        again = kind(effort="fast", random_state=0).fit(X, Y)
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(model.predict_proba(X[3:4]), model.predict_proba(X)[3:4])
    seriatim.save(model, tmp_path / "model.safetensors")
    loaded = seriatim.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    np.testing.assert_array_equal(loaded.transform(X), model.transform(X))
    assert loaded.get_params()["max_epochs"] == "auto"
    assert loaded.max_epochs_ == model.max_epochs_


def test_the_order_of_the_data_does_not_count():
    order = np.random.default_rng(0).permutation(60)
    settings = {"effort": "fast", "max_epochs": 3, "random_state": 0}
    one, other = GRUClassifier(**settings).fit(X, Y), GRUClassifier(**settings).fit(X[order], Y[order])
    np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))


def test_going_on_trains_all_members_and_makes_a_new_reservoir():
    model = GRUClassifier(hidden_size=4, n_estimators=2, reservoir=True, max_epochs=3, warm_start=True, random_state=0)
    model.fit(X, Y)
    first = [np.array(next(iter(member.parameters())).data) for member in model.module_]
    kinds = [type(member.rnn).__name__ for member in model.module_]
    model.fit(X, Y)
    assert kinds == [type(member.rnn).__name__ for member in model.module_] == ["GRU", "GRU", "RNN"]
    for member, before in zip(model.module_, first, strict=True):
        assert np.abs(next(iter(member.parameters())).data - before).max() > 0
    reservoir = [np.array(p.data) for p in model.module_[2].parameters()]
    model.partial_fit(X, Y)
    for parameter, before in zip(model.module_[2].parameters(), reservoir, strict=True):
        np.testing.assert_array_equal(parameter.data, before)
    assert len(model.history_["loss"]) == 7


def test_a_reservoir_that_is_asked_for_is_there_after_one_epoch():
    model = GRUClassifier(hidden_size=4, max_epochs=1, reservoir=True, random_state=0).fit(X, Y)
    assert [type(member.rnn).__name__ for member in model.module_] == ["GRU", "RNN"]
    pieces = GRUClassifier(hidden_size=4, reservoir=True, random_state=0).partial_fit(X, Y)
    assert isinstance(pieces.module_, nn.SequenceRNN)


def test_a_regressor():
    target = np.array([x[-1, 0] - x[0, 0] for x in X])
    model = DeepGRURegressor(effort="fast", random_state=0).fit(X, target)
    assert model.score(X, target) > 0.95
    assert isinstance(model.module_, nn.Ensemble)
    assert model.set_params(max_epochs=1).fit(X, np.stack([target, -target], axis=1)).predict(X).shape == (60, 2)


# ---- Time and effort


def test_verbose_says_what_auto_became(capsys):
    GRUClassifier(hidden_size=4, max_epochs=1, verbose=1, random_state=0).fit(X, Y)
    said = capsys.readouterr().out
    assert "GRUClassifier: 60 sequences of 8 to 29 steps; auto became" in said
    assert "batch_size=16" in said
    assert "hidden_size" not in said
