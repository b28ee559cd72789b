"""While an estimator is fitted, others are answered by what it was before, wholly; and it is fitted once at a time."""

import copy
import pickle
import threading

import numpy as np
import pytest
from samples import make, ragged, weights_of
from sklearn.base import clone

import seriatim
from seriatim import nn
from seriatim import preprocessing as prep
from seriatim.models import CharacterModel, DeepGRURegressor, GRUClassifier, VideoClassifier

X, Y = ragged(12)
VIDEOS = [np.full((2, 1, 4, 4), i, np.float32) for i in range(4)]


class Means:
    """An embedding that is no module and cannot be copied."""

    def __call__(self, frames):
        return frames.mean((2, 3))

    def __deepcopy__(self, memo):
        raise TypeError("cannot be copied")


def embedding():
    return nn.Sequential(nn.Conv2d(1, 2, 3, rng=0), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())


RUN = {"max_epochs": 1, "batch_size": 4, "random_state": 0, "warm_start": True}
MODELS = {
    "classifier": lambda: (make(GRUClassifier, hidden_size=2, dropout=0.2, num_layers=2, **RUN), X, Y),
    "ensemble": lambda: (GRUClassifier(hidden_size=2, n_estimators=2, **RUN), X, Y),
    "regressor": lambda: (make(DeepGRURegressor, **RUN), X, np.arange(12.0)),
    "video": lambda: (VideoClassifier(embedding(), 2, hidden_size=2, fc=2, **RUN), VIDEOS, [0, 1, 0, 1]),
    "callable": lambda: (VideoClassifier(Means(), 1, hidden_size=2, fc=2, **RUN), VIDEOS, [0, 1, 0, 1]),
}


def answers_of(model, data):
    return getattr(model, "predict_proba", model.predict)(data)


def in_thread(job):
    """Return what another thread gets, or raise what it raises."""
    found = []

    def run():
        try:
            found.append((job(), None))
        except BaseException as error:
            found.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if found[0][1] is not None:
        raise found[0][1]
    return found[0][0]


class Callback:
    """Does something behind an epoch; copies, which files make too, do nothing."""

    def __init__(self, action=None):
        self.action, self.calls = action, 0

    def __call__(self, history):
        self.calls += 1
        if self.action is not None:
            self.action()

    def __reduce__(self):
        return Callback, ()


def during(model, data, labels, action):
    """Fit, and do something behind an epoch."""
    callback = Callback(action)
    model.set_params(callbacks=[callback]).fit(data, labels)
    assert callback.calls


@pytest.mark.parametrize("kind", MODELS)
def test_others_are_answered_by_the_last_fit(kind):
    model, data, labels = MODELS[kind]()
    model.fit(data, labels)
    before, weights = answers_of(model, data), weights_of(model)
    twin = model if kind == "callable" else copy.deepcopy(model)

    def ask():
        copies = [] if kind == "callable" else [copy.copy(model), copy.deepcopy(model)]
        if kind not in ("callable", "video"):
            copies += [pickle.loads(pickle.dumps(model))]
        for one in [model, *copies]:
            np.testing.assert_array_equal(in_thread(lambda one=one: answers_of(one, data)), before)
            np.testing.assert_array_equal(weights_of(one), weights)

    during(model, data, labels, ask)
    assert not np.array_equal(weights_of(model), weights)
    if twin is not model:
        np.testing.assert_array_equal(weights_of(model), weights_of(twin.fit(data, labels)))


def test_a_file_that_is_written_during_a_fit_has_the_last_one(tmp_path):
    model, data, labels = MODELS["classifier"]()
    model.fit(data, labels)
    before = answers_of(model, data)
    during(model, data, labels, lambda: seriatim.save(model, tmp_path / "model"))
    np.testing.assert_array_equal(answers_of(seriatim.load(tmp_path / "model"), data), before)


def test_one_fit_at_a_time():
    model, data, labels = MODELS["classifier"]()
    alone = weights_of(clone(model).fit(data, labels))

    def again():
        for attempt in (model.fit, model.partial_fit):
            for call in (
                lambda attempt=attempt: attempt(data, labels),
                lambda a=attempt: in_thread(lambda: a(data, labels)),
            ):
                with pytest.raises(RuntimeError, match=r"GRUClassifier\.(partial_)?fit: expected one fit .* at a time"):
                    call()
        # Another object is another matter.
        in_thread(lambda: clone(model).set_params(callbacks=None).fit(data, labels))

    during(model, data, labels, again)
    np.testing.assert_array_equal(weights_of(model), alone)
    model.set_params(callbacks=None).fit(data, labels)
    scaler = prep.Standardize()
    scaler.fit(data)
    scaler.fit(data)


def test_what_is_set_during_a_fit_holds_from_the_next_one_on():
    model, data, labels = MODELS["classifier"]()
    alone = weights_of(clone(model).fit(data, labels))
    during(model, data, labels, lambda: model.set_params(hidden_size=5, learning_rate=1.0, predict_rows=3))
    np.testing.assert_array_equal(weights_of(model), alone)
    assert (model.hidden_size, model.predict_rows) == (5, 3)
    with pytest.raises(ValueError, match="hidden_size: expected 2, as in the last fit"):
        model.fit(data, labels)


@pytest.mark.parametrize("kind", MODELS)
def test_what_fails_leaves_all_as_it_was(kind):
    model, data, labels = MODELS[kind]()
    model.fit(data, labels)
    before, module = dict(vars(model)), model.module_.state_dict()

    def fail():
        raise KeyError("a callback's")

    with pytest.raises(KeyError, match="a callback's"):
        during(model, data, labels, fail)
    assert {**vars(model), "callbacks": None} == before
    for name, value in model.module_.state_dict().items():
        np.testing.assert_array_equal(value, module[name])
    model.set_params(callbacks=None).fit(data, labels)


def test_a_first_fit_that_fails_leaves_nothing():
    model, data, labels = MODELS["classifier"]()
    with pytest.raises(ValueError, match="hidden_size"):
        model.set_params(hidden_size=-1).fit(data, labels)
    assert set(vars(model)) == set(model.get_params())


def test_threads_see_whole_models():
    model, data, labels = MODELS["classifier"]()
    # Features and labels change, and their number with them.
    wide, other = [np.hstack([x, x]) for x in data], [f"label {y % 2}" for y in labels]
    seen, over = [], threading.Event()

    def look():
        while not over.is_set():
            for given, wanted in ((data, labels), (wide, other)):
                try:
                    seen.append(set(model.predict(given)) <= set(wanted))
                except ValueError as error:
                    seen.append("features" in str(error))

    model.set_params(warm_start=False).fit(data, labels)
    looker = threading.Thread(target=look)
    looker.start()
    try:
        for _ in range(3):
            model.fit(wide, other)
            model.fit(data, labels)
    finally:
        over.set()
        looker.join()
    assert all(seen)


def test_texts_during_a_fit():
    model = CharacterModel(hidden_size=4, max_epochs=1, batch_size=2, sequence_length=4, random_state=0).fit("abcabc")
    before = model.sample(8)
    model.set_params(callbacks=[lambda history: seen.append(model.sample(8))])
    seen = []
    model.fit("xyzxyzxyz")
    assert seen == [before]
    assert set(model.sample(8)) <= set("xyz")
