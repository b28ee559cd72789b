"""Parameters that change between a fit and one that goes on from it: each is followed, or refused by its name."""

import copy
import inspect
import pickle

import numpy as np
import pytest
from samples import DIMS, rising, weights_of
from sklearn.base import clone

from seriatim import load, models, nn, optim, save
from seriatim import preprocessing as prep
from seriatim.models import (
    DeepGRUClassifier,
    DeepGRURegressor,
    FrameClassifier,
    FrameRegressor,
    GRUClassifier,
    LSTMClassifier,
    VideoClassifier,
)
from seriatim.models._continuing import HOW

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:early_stopping"),
]
X, Y = rising(16)
VIDEOS = [np.random.default_rng(i).normal(size=(2, 1, 2, 2)).astype(np.float32) for i in range(16)]
LABELS = np.arange(len(X.X)) % 2
RUN = {"max_epochs": 2, "batch_size": 8, "random_state": 0, "warm_start": True}


def cnn(seed=0):
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3, rng=seed))


def stop(history):
    return True


def flat(frames):
    return frames.reshape(-1, 4)


def stack(**parameters):
    return GRUClassifier(**{"hidden_size": 2, "num_layers": 2, "dropout": 0.1, **RUN, **parameters}).fit(X, Y)


def deep(kind=DeepGRUClassifier, **parameters):
    return kind(**{"dims": DIMS, **RUN, **parameters}).fit(X, Y)


def frames(**parameters):
    return FrameClassifier(**{"hidden_size": 2, **RUN, **parameters}).fit(X, LABELS)


def video(embedding=None, size=3, **parameters):
    given = cnn() if embedding is None else embedding
    return VideoClassifier(given, size, **{"hidden_size": 2, "fc": 2, **RUN, **parameters}).fit(VIDEOS, Y)


KINDS = (
    GRUClassifier,
    LSTMClassifier,
    DeepGRUClassifier,
    DeepGRURegressor,
    FrameClassifier,
    FrameRegressor,
    VideoClassifier,
)


def test_the_table_has_every_parameter():
    going_on = {each for each in map(models.__dict__.get, models.__all__) if "warm_start" in _parameters(each)}
    assert going_on == set(KINDS)
    known = {name for kind in KINDS for name in _parameters(kind)}
    assert known == set(HOW)
    refused = {name for name, why in HOW.items() if why is not None}
    assert {name for names in CHANGED.values() for name in names} == refused
    others = {"warm_start", "freeze", "random_state", "ignore_label"}
    assert set(FOLLOWED) == known - refused - others, "each has a test below"


def _parameters(kind):
    return set(inspect.signature(kind).parameters)


# ---- What cannot change

_PREPARED = {"scaling": prep.MinMaxScale(), "preprocessing": prep.Filter(3)}
CHANGED = {
    "stack": {"hidden_size": 3, "num_layers": 1, "bidirectional": False, "pooling": ("mean",), "n_estimators": 2,
              **_PREPARED},
    "deep": {
        "dims": {**DIMS, "gru3": 7}, "bidirectional": True, "pooling": ("max",), "n_estimators": 2, **_PREPARED
    },
    "frames": {"rnn": "lstm", "convolution": 2, "num_layers": 2, **_PREPARED},
    "video": {
        "embedding": cnn(1), "embedding_size": 4, "hidden_size": 3, "rnn": "gru", "num_layers": 2,
        "bidirectional": False, "fc": 3, "preprocessing": prep.Filter(3),
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    return {"stack": stack(), "deep": deep(), "frames": frames(), "video": video()}


def restored(how, model, folder):
    if how == "file":
        save(model, folder / "model")
        return load(folder / "model")
    return {"itself": copy.deepcopy, "pickle": lambda one: pickle.loads(pickle.dumps(one))}[how](model)


@pytest.mark.parametrize("how", ["itself", "pickle", "file"])
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in CHANGED.items() for name in names])
def test_what_the_network_is_made_of_is_refused(tmp_path, fitted, kind, name, how):
    model = restored(how, fitted[kind], tmp_path)
    data, before = (VIDEOS if kind == "video" else X), weights_of(model)
    y = LABELS if kind == "frames" else Y
    model.set_params(**{name: CHANGED[kind][name]})
    with pytest.raises(ValueError, match=rf"^{name}: expected .*as in the last fit.*Set it back, or.*warm_start=False"):
        model.fit(data, y)
    with pytest.raises(ValueError, match=rf"^{name}: expected .*partial_fit of a clone"):
        model.partial_fit(data, y)
    np.testing.assert_array_equal(weights_of(model), before)
    if how == "file":
        model.set_params(**{name: fitted[kind].get_params()[name], "max_epochs": 1}).fit(data, y)


def test_a_transformer_that_was_changed_in_place_is_refused():
    model = stack(preprocessing=prep.Filter(3))
    model.set_params(preprocessing__window_size=5)
    with pytest.raises(ValueError, match="preprocessing: expected"):
        model.fit(X, Y)
    model.set_params(preprocessing=prep.Filter(3)).fit(X, Y)


def test_a_callable_that_embeds_is_known():
    model = video(flat, 4)
    model.fit(VIDEOS, Y)
    with pytest.raises(ValueError, match="embedding: expected flat"):
        model.set_params(embedding=lambda frames: frames.reshape(-1, 4) * 2).fit(VIDEOS, Y)
    rows = (row for row in ())
    unknown = video(lambda frames: flat(frames) if rows else None, 4)
    unknown.fit(VIDEOS, Y)
    with pytest.raises(ValueError, match="embedding: expected"):
        unknown.set_params(embedding=lambda frames: flat(frames) * 2 if rows else None).fit(VIDEOS, Y)


def test_what_comes_to_the_same_is_no_change():
    model = GRUClassifier(max_epochs=1, warm_start=True, random_state=0).fit(X, Y)
    assert model.pooling_ == ("last", "mean", "max")
    # It stays what it became, though the rule would now say the last states alone.
    model.set_params(hidden_size=np.int64(64)).fit(X, Y)
    assert model.pooling_ == model.module_.pooling == ("last", "mean", "max")
    model.set_params(pooling=["last", "mean", "max"], n_estimators=1).fit(X, Y)
    with pytest.raises(ValueError, match=r"hidden_size: expected 64, as in the last fit.*got 65"):
        model.set_params(hidden_size=65).fit(X, Y)


def test_an_effort_of_more_networks_is_refused():
    model = GRUClassifier(hidden_size=2, effort="fast", warm_start=True, callbacks=[stop], reservoir=False).fit(X, Y)
    with pytest.raises(ValueError, match=r"effort: expected 'fast'.*3 networks, and there are 1"):
        model.set_params(effort="balanced").fit(X, Y)
    model.set_params(n_estimators=1).fit(X, Y)
    assert model.n_iter_ == 2


def test_labels_that_were_not_said_to_come_are_refused():
    model = stack()
    with pytest.raises(ValueError, match="7"):
        model.partial_fit(X, Y, classes=[0, 1, 7])


# ---- What is followed

_STOPS = {"early_stopping": True, "validation_fraction": 0.5, "max_epochs": 4, "n_iter_no_change": 4}
_ALONE = {"reservoir": False}
# Each with what it changes to, and what the first fit needs besides.
FOLLOWED = {
    "learning_rate": (0.5, {}),
    "schedule": ("constant", {}),
    "optimizer": ("sgd", {}),
    "weight_decay": (0.5, {}),
    "clip_norm": (1e-3, {}),
    "weight_averaging": (0.5, {}),
    "batch_size": (4, {}),
    "micro_shards": (4, {}),
    "max_epochs": (3, {}),
    "max_time": (1e-9, {}),
    "augmentation": (prep.Jitter(0.5), {}),
    "dropout": (0.9, {}),
    "early_stopping": (True, {"validation_fraction": 0.5}),
    "validation_fraction": (0.25, _STOPS),
    "n_iter_no_change": (1, {**_STOPS, "tol": 100}),
    "tol": (100, {**_STOPS, "n_iter_no_change": 1, "tol": -100}),
    "monitor": ("balanced_accuracy", _STOPS),
    "label_smoothing": (0.3, {}),
    "class_weight": ({0: 1, 1: 9}, {}),
    "effort": (
        "best",
        {"effort": "fast", "max_epochs": "auto", "callbacks": [stop], "n_estimators": 1, "reservoir": False},
    ),
    "reservoir": (True, {"hidden_size": 2}),
    "callbacks": ([stop], {}),
    "verbose": (1, {}),
    "checkpoint_dir": ("", {}),
    "checkpoint_every": (2, {}),
    "predict_rows": (7, {}),
}
_LOOKED_AT = {"verbose", "checkpoint_dir", "checkpoint_every", "predict_rows"}


def outcome(model):
    history = {name: column for name, column in model.history_.items() if name != "seconds"}
    return repr((weights_of(model).tolist(), history, getattr(model, "max_epochs_", None)))


@pytest.mark.parametrize("name", sorted(set(FOLLOWED) - _LOOKED_AT - {"reservoir"}))
def test_what_is_followed_makes_a_difference(name):
    now, first = FOLLOWED[name]
    model = stack(**first)
    same, other = copy.deepcopy(model), copy.deepcopy(model).set_params(**{name: now})
    twin = copy.deepcopy(model)
    assert outcome(same.fit(X, Y)) == outcome(twin.fit(X, Y))
    assert outcome(other.fit(X, Y)) != outcome(same)


def test_the_run_is_followed(tmp_path, capsys):
    seen = []
    model = stack(max_epochs=2)
    model.set_params(verbose=1, max_epochs=4, checkpoint_dir=tmp_path, checkpoint_every=2, predict_rows=7)
    model.set_params(callbacks=[lambda history: seen.append(len(list(tmp_path.iterdir())))]).fit(X, Y)
    assert seen == [0, 0, 1, 1]
    assert "GRUClassifier" in capsys.readouterr().out
    assert (model.n_iter_, model.predict_rows_) == (6, 7)
    assert model.set_params(warm_start=False, callbacks=None, verbose=0, hidden_size=3).fit(X, Y).n_iter_ == 4


@pytest.mark.parametrize("kind", [DeepGRUClassifier, DeepGRURegressor])
def test_dropout_of_deepgru(kind):
    model = deep(kind)
    assert model.module_.dropout == 0.5
    model.set_params(dropout=0.9).fit(X, Y)
    assert model.module_.dropout == model.dropout_ == 0.9


def test_dropout_of_a_stack_comes_back_from_a_file(tmp_path):
    model = stack().set_params(dropout=0.75).fit(X, Y)
    save(model, tmp_path / "model")
    again = load(tmp_path / "model").module_
    assert again.dropout == again.rnn.dropout == 0.75
    assert stack(num_layers=1, dropout=0.5).set_params(dropout=0.9).fit(X, Y).module_.rnn.dropout == 0


def test_freezing():
    model = video(freeze=True)
    frozen = [p.data.copy() for p in model.module_.embedding.parameters()]
    model.set_params(freeze=False).fit(VIDEOS, Y)
    learned = [p.data.copy() for p in model.module_.embedding.parameters()]
    assert not all(map(np.array_equal, frozen, learned))
    model.set_params(freeze=True).fit(VIDEOS, Y)
    assert all(map(np.array_equal, learned, [p.data for p in model.module_.embedding.parameters()]))


def test_a_parameter_that_its_owner_froze_stays_frozen():
    given = cnn()
    given[1].bias.requires_grad = False
    model = video(given, freeze=True).set_params(freeze=False).fit(VIDEOS, Y)
    weight, bias = model.module_.embedding.parameters()
    assert weight.requires_grad
    assert not bias.requires_grad


def test_a_reservoir_comes_and_goes():
    model = stack(hidden_size=2)
    assert model.reservoir_ is False
    with pytest.raises(ValueError, match=r"reservoir: expected 'auto'.*solved for all sequences at once"):
        model.set_params(reservoir=True).partial_fit(X, Y)
    assert len(model.fit(X, Y).module_) == 2
    assert model.reservoir_ is True
    model.set_params(reservoir="auto").partial_fit(X, Y)
    assert len(model.module_) == 2, "it stays where nothing is said of it"
    model.set_params(reservoir=False).fit(X, Y)
    assert not isinstance(model.module_, nn.Ensemble)


@pytest.mark.parametrize("seed", [1, None, np.random.RandomState(1)], ids=["number", "none", "state"])
def test_another_random_state_is_drawn_from(seed):
    model = stack(augmentation=prep.Jitter(0.5))
    same, other = copy.deepcopy(model), copy.deepcopy(model).set_params(random_state=seed)
    assert outcome(other.fit(X, Y)) != outcome(same.fit(X, Y))
    assert other._rng is not model._rng


def test_a_random_state_goes_on_where_it_was():
    whole, after = stack(random_state=np.random.RandomState(3)), stack(random_state=np.random.RandomState(3))
    stream = stream_of(after)
    after.set_params(early_stopping=True, validation_fraction=0.5).fit(X, Y)
    assert stream_of(after) == stream
    assert stream_of(whole.set_params(random_state=np.random.RandomState(4)).fit(X, Y)) != stream


def stream_of(model):
    """Which sequence of draws it is, wherever in it the generator is."""
    return model._rng.bit_generator.state["state"]["inc"]


def test_frames_that_are_ignored_are_followed():
    model = frames()
    same, other = copy.deepcopy(model), copy.deepcopy(model).set_params(ignore_label=1)
    assert outcome(other.fit(X, LABELS)) != outcome(same.fit(X, LABELS))
    np.testing.assert_array_equal(other.classes_, [0, 1])


def test_a_rate_that_a_schedule_had_come_to_is_followed():
    def falls(optimizer, steps):
        return optim.StepLR(optimizer, 1, 0.1)

    model = stack(learning_rate=1.0, schedule=falls, max_epochs=2)
    reached = model._optimizer.param_groups[0]["lr"]
    model.set_params(learning_rate=reached).fit(X, Y)
    assert model._optimizer.param_groups[0]["initial_lr"] == reached


def test_an_error_leaves_what_was_not_followed():
    model = video(freeze=True)

    def fail(history):
        raise MemoryError

    with pytest.raises(MemoryError):
        model.set_params(freeze=False, callbacks=[fail]).fit(VIDEOS, Y)
    assert not any(p.requires_grad for p in model.module_.embedding.parameters())
    other = deep()
    with pytest.raises(MemoryError):
        other.set_params(dropout=0.9, callbacks=[fail]).fit(X, Y)
    assert other.module_.dropout == 0.5


def test_partial_fit_follows():
    names = "learning_rate", "label_smoothing", "class_weight", "augmentation", "clip_norm", "optimizer", "dropout"
    first = clone(stack()).partial_fit(X, Y)
    same = outcome(copy.deepcopy(first).partial_fit(X, Y))
    for name in names:
        other = copy.deepcopy(first).set_params(**{name: FOLLOWED[name][0]})
        assert outcome(other.partial_fit(X, Y)) != same, name


def test_what_is_unfrozen_in_the_network_itself_stays_so():
    model = video(freeze=True)
    model.module_.embedding[1].requires_grad_(True)
    before = [p.data.copy() for p in model.module_.embedding.parameters()]
    model.fit(VIDEOS, Y)
    assert not all(map(np.array_equal, before, [p.data for p in model.module_.embedding.parameters()]))
    model.embedding[1].requires_grad_(False)
    model.set_params(freeze=False).fit(VIDEOS, Y)
    assert not any(p.requires_grad for p in model.module_.embedding.parameters())
    model.embedding[1].bias.requires_grad = True
    model.fit(VIDEOS, Y)
    assert [p.requires_grad for p in model.module_.embedding.parameters()] == [False, True]
