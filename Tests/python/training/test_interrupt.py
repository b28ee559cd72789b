"""Ctrl-C: a fit by hand leaves a usable model, a search ends at once."""

import signal
import subprocess
import sys

import numpy as np
import pytest
from samples import make, ragged
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, learning_curve
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline

from seriatim import nn
from seriatim.models import CharacterModel, DeepGRURegressor, GRUClassifier, VideoClassifier
from seriatim.training._interrupt import called_by_hand

X, Y = ragged(12)
by_hand = pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")


def interrupt(history):
    if len(history["loss"]) == 2:
        # What the terminal's Ctrl-C makes.
        signal.raise_signal(signal.SIGINT)


def gru(**parameters):
    return make(GRUClassifier, **{"hidden_size": 2, "callbacks": [interrupt], **parameters})


SEARCHES = {
    "GridSearchCV": lambda model: GridSearchCV(model, {"dropout": [0.0, 0.1]}, cv=2).fit(X, Y),
    "of a pipeline": lambda model: GridSearchCV(make_pipeline(model), {}, cv=2).fit(X, Y),
    "cross_val_score": lambda model: cross_val_score(model, X, Y, cv=2),
    "cross_val_predict": lambda model: cross_val_predict(model, X, Y, cv=2),
    "learning_curve": lambda model: learning_curve(model, X, Y, cv=2, train_sizes=[6]),
    "calibration": lambda model: CalibratedClassifierCV(model, cv=2).fit(X, Y),
    "voting": lambda model: VotingClassifier([("a", model), ("b", model)]).fit(X, Y),
    "stacking": lambda model: StackingClassifier([("a", model)], LogisticRegression(), cv=2).fit(X, Y),
    "one versus rest": lambda model: OneVsRestClassifier(model).fit(X, Y),
    "a step before the last": lambda model: make_pipeline(model, LogisticRegression()).fit(X, Y),
    "a union": lambda model: FeatureUnion([("a", model)]).fit_transform(X, Y),
    "a function of a search": lambda model: cross_val_score(
        LogisticRegression(), np.ones((12, 1)), Y, cv=2, scoring=lambda *_: model.fit(X, Y).score(X, Y)
    ),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_ends_at_once(name):
    fits = []
    model = gru(callbacks=[lambda history: fits.append(len(history["loss"])), interrupt])
    with pytest.raises(KeyboardInterrupt):
        SEARCHES[name](model)
    assert fits == [1, 2]


def test_an_interrupted_search_leaves_a_model_that_was_to_go_on_as_it_was():
    model = gru(callbacks=None, warm_start=True).fit(X, Y)
    before, epochs = model.predict_proba(X), model.n_iter_
    model.callbacks = [lambda history: len(history["loss"]) == epochs + 2 and signal.raise_signal(signal.SIGINT)]
    with pytest.raises(KeyboardInterrupt):
        make_pipeline(model, LogisticRegression()).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), before)
    assert model.n_iter_ == epochs


@by_hand
def test_a_fit_by_hand_leaves_a_usable_model():
    words = "interrupted after 2 whole epochs; the model is usable"
    with pytest.warns(RuntimeWarning, match=words):
        assert gru().fit(X, Y).predict(X).shape == (12,)
    with pytest.warns(RuntimeWarning, match=words):
        assert make_pipeline(gru()).fit(X, Y).predict(X).shape == (12,)
    with pytest.warns(RuntimeWarning, match=words):
        assert gru().fit_transform(X, Y).shape[0] == 12
    with pytest.warns(RuntimeWarning, match=words):
        assert make(DeepGRURegressor, callbacks=[interrupt]).fit(X, Y).predict(X).shape == (12,)
    with pytest.warns(RuntimeWarning, match=words):
        model = CharacterModel(hidden_size=2, max_epochs=5, callbacks=[interrupt]).fit("abcabc")
    assert model.n_iter_ == 2
    frames = nn.Sequential(nn.Flatten())
    with pytest.warns(RuntimeWarning, match=words):
        VideoClassifier(frames, 4, hidden_size=2, fc=2, callbacks=[interrupt]).fit(
            np.ones((4, 2, 1, 2, 2)), [0, 1, 0, 1]
        )


def called_from(name, path="/somewhere/script.py"):
    """Return what is said of a call from a module of a name."""
    space = {"__name__": name}
    exec(compile("def call(function):\n    return function()", path, "exec"), space)
    return space["call"]


def test_who_calls():
    site = "/usr/lib/python3/site-packages/some/search.py"
    assert called_by_hand()
    assert called_from("__main__")(called_by_hand)
    assert called_from("sklearn.pipeline", site)(called_by_hand)
    assert called_from("aeon.classification.base", site)(called_by_hand)
    assert not called_from("some.search", site)(called_by_hand)
    assert not called_from("sklearn.ensemble._base", site)(called_by_hand)
    assert not called_from("joblib.parallel", site)(lambda: called_from("sklearn.base", site)(called_by_hand))
    # A user's function is the nearest, and a search calls it.
    assert not called_from("optuna.study", site)(lambda: called_from("__main__")(called_by_hand))
    assert called_from("pytest.main", site)(lambda: called_from("__main__")(called_by_hand))


SCRIPT = """
import os, signal, threading, warnings
import numpy as np
from sklearn.model_selection import cross_val_score
from seriatim.models import GRUClassifier
X, y = np.random.default_rng(0).normal(size=(12, 40, 2)), np.arange(12) % 2
kill = lambda: os.kill(os.getpid(), signal.SIGINT)
begun = lambda history: len(history["loss"]) == 1 and threading.Timer(0.05, kill).start()
model = GRUClassifier(hidden_size=2, max_epochs=100_000, callbacks=[begun])
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    print(model.fit(X, y).predict(X).shape, "usable" in str(caught[-1].message))
try:
    print(cross_val_score(model, X, y, cv=2, error_score=0))
except KeyboardInterrupt:
    print("ended")
"""


def test_a_signal_from_outside():
    found = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.split("\n")[:2] == ["(12,) True", "ended"], found.stderr
