"""Ctrl-C where any function of the library begins, where signals are heard: no lock and no claim stays held."""

import sys

import numpy as np
import pytest
from samples import rising

from seriatim import nn
from seriatim.models import GRUClassifier
from seriatim.nn.base import _guards


def interrupted(call, every):
    """Raise KeyboardInterrupt at each n-th call within the library in turn; yields after each."""
    at = 0
    while True:
        count = 0

        def trace(frame, event, argument, at=at):
            nonlocal count
            if "seriatim" not in frame.f_code.co_filename:
                return None
            count += event == "call"
            if count > at:
                sys.settrace(None)
                raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            call()
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(None)
        if count <= at:
            return
        yield
        at += every


def held():
    return [guard for guard in _guards._guards if guard._is_owned()]


@pytest.mark.parametrize(
    "make", [lambda: nn.Linear(2, 2, rng=0), lambda: nn.GRU(2, 2, rng=0), lambda: nn.BatchNorm1d(2)]
)
def test_no_lock_of_gradients_stays_held(make):
    x = np.ones((3, 1, 2) if isinstance(make(), nn.GRU) else (3, 2), np.float32)

    def call():
        module = make()
        y = module(x)
        module.backward(np.ones_like(y[0] if isinstance(y, tuple) else y))

    count = 0
    for _ in interrupted(call, 1):
        assert not held()
        count += 1
    assert count > 10


@pytest.mark.filterwarnings("ignore")
def test_no_claim_of_a_fit_stays():
    X, y = rising(4, 3)
    model = GRUClassifier(hidden_size=2, max_epochs=1, random_state=0, effort="fast")
    for _ in interrupted(lambda: model.fit(X, y), 499):
        pass
    model.fit(X, y)
