"""What stands between the kernels: how many functions of Python a step of training and a prediction call.

A count says the same on every machine. The bounds leave room for other versions of Python, NumPy and scikit-learn; work
for each parameter, or a check made twice, goes beyond them.
"""

from __future__ import annotations

import sys

import numpy as np
import pytest

from seriatim.models import DeepGRUClassifier, GRUClassifier

# Forty sequences of 20 to 40 frames, five mini-batches an epoch.
_RANDOM = np.random.default_rng(0)
X = [_RANDOM.standard_normal((20 + i % 21, 13)).astype(np.float32) for i in range(40)]
Y = np.arange(40) % 5


def _calls(run):
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


def _gru(epochs, **options):
    return GRUClassifier(hidden_size=4, bidirectional=False, batch_size=8, max_epochs=epochs, random_state=0, **options)


def _deepgru(epochs):
    dims = {"gru1": 4, "gru2": 4, "gru3": 4, "fc": 4}
    return DeepGRUClassifier(dims=dims, batch_size=8, max_epochs=epochs, random_state=0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("make", "step", "prediction"),
    [
        (_gru, 860, 450),
        (lambda epochs: _gru(epochs, augmentation=None, preprocessing=None), 540, 220),
        (_deepgru, 2050, 700),
    ],
)
def test_calls_of_a_step_and_of_a_prediction(make, step, prediction):
    model = make(1).fit(X, Y)
    model.predict(X[:1])
    assert _calls(lambda: model.predict(X[:1])) < prediction
    assert (_calls(lambda: make(3).fit(X, Y)) - _calls(lambda: make(1).fit(X, Y))) / 10 < step
