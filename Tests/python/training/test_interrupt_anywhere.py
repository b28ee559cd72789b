"""Ctrl-C where any function of the library begins, where signals are heard: no lock and no claim stays held."""

import sys
from contextvars import copy_context

import numpy as np
import pytest
from samples import rising

from seriatim import nn
from seriatim.models import GRUClassifier
from seriatim.nn.base import _guards, _undo
from seriatim.nn.base._parameter import Gradients
from seriatim.nn.base._together import together

# Variables that say something of a call that runs.
BORROWED = {"journal", "elsewhere", "record", "is_kept", "is_evaluating", "together"}


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


def test_nothing_that_holds_for_one_call_stays():
    net = nn.Sequential(nn.Linear(2, 2, rng=0), nn.BatchNorm1d(2))

    def call():
        _, context = net.trace(np.ones((3, 2), np.float32))
        Gradients(net.parameters()).receive(net.pullback, context, np.ones((3, 2), np.float32))

    before = dict(copy_context().items())
    for _ in interrupted(call, 1):
        assert not _undo.is_noting()
        assert {v: x for v, x in copy_context().items() if v.name in BORROWED} == {
            v: x for v, x in before.items() if v.name in BORROWED
        }


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shards", [None, 2])
def test_no_claim_of_a_fit_stays(shards):
    X, y = rising(4, 3)
    model = GRUClassifier(hidden_size=2, max_epochs=1, random_state=0, effort="fast", micro_shards=shards)
    before = together.get()
    for _ in interrupted(lambda: model.fit(X, y), 499 if shards is None else 997):
        assert together.get() is before
        assert not _undo.is_noting()
    model.fit(X, y)
