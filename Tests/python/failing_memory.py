"""Lets every request for memory fail in its turn, and looks at what is left: an error, and all as it was.

    python Tests/python/failing_memory.py [ROUNDS]

goes through all functions of `_core`, a training step, a fit, a prediction, saving and loading: first each request that
the extension makes (`_core.refuse_memory`), then each that Python itself makes (`_testcapi.set_nomemory`), of which the
long jobs have some 100,000: ROUNDS of them, 2,000 by default, are tried at each. Prints a line for each job.
"""

from __future__ import annotations

import copy
import gc
import os
import sys
import tempfile
from pathlib import Path

import core_arguments
import numpy as np

import seriatim
from seriatim import _core, models, nn, optim

try:
    import _testcapi
except ImportError:  # Pythons without their tests
    _testcapi = None

ENDLESS = 2**31 - 1


class OfTheExtension:
    """All of the extension's requests from one on fail, as when there is no memory left."""

    def begin(self, place):
        if _core.memory_info()["bytes_cached"]:
            _core.release_memory(0)
        _core.refuse_memory(place, ENDLESS)

    def end(self):
        _core.refuse_memory(0, 0)


class OfPython:
    """One of Python's own requests fails."""

    def begin(self, place):
        _testcapi.set_nomemory(place, place + 1)

    def end(self):
        _testcapi.remove_mem_hooks()


def tells_of_memory(error):
    """Whether it is a MemoryError, or what CPython (locks) and NumPy (no exception at all) say in its place."""
    while error is not None:
        if isinstance(error, MemoryError) or "can't allocate" in str(error) or "without" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def attempts(manner, job, places, enough=12):
    """Call job() with a request failing at each place; yield what it gave, or None. Ends when so many did not fail."""
    unharmed, end = 0, manner.end
    for place in places:
        results = [None]  # nothing is asked for once the job is done
        try:
            manner.begin(place)
            results[0] = job()
            end()
            unharmed += 1
        except Exception as error:
            end()
            if not tells_of_memory(error):
                raise
            unharmed = 0
        yield results.pop()
        if unharmed == enough:
            return


# ---- Functions of _core


def check_function(name, make, manner):
    """Return how many requests failed; raises AssertionError unless all is as it was after each."""
    function = getattr(_core, name)
    wanted_written, wanted = call(name, function, make())
    failures, used = 0, _core.memory_info()["bytes_used"]
    given = make()
    before = [value.tobytes() if isinstance(value, np.ndarray) else None for value in given]
    arguments = core_arguments.grouped(name, given)
    counts = references(given)
    for result in attempts(manner, lambda: function(*arguments), range(500)):
        if result is None and name not in IN_PLACE:
            failures += 1
        written = [value.tobytes() if isinstance(value, np.ndarray) else None for value in given]
        if result is not None and name not in UNSTEADY:
            assert (written, core_arguments.bits(result)) == (wanted_written, wanted), f"{name}: another result"
        assert written == before or result is not None or name in IN_PLACE, f"{name}: half changed"
        del result
        if written != before:
            given = make()
            before = [value.tobytes() if isinstance(value, np.ndarray) else None for value in given]
            arguments[:] = core_arguments.grouped(name, given)
            counts = references(given)
        assert references(given) == counts, f"{name}: references are lost or kept"
        assert _core.memory_info()["bytes_used"] <= used, f"{name}: memory is kept"
    return failures


def references(given):
    return [sys.getrefcount(value) for value in given if isinstance(value, np.ndarray)]


# Whose results differ from call to call, or have room that nobody writes to.
UNSTEADY = {"recurrent_forward", "recurrent_backward", *core_arguments.OPAQUE}
# Those that give None.
IN_PLACE = {name for name, table in core_arguments.TABLES.items() if not table["results"]}


def call(name, function, given):
    result = function(*core_arguments.grouped(name, given))
    return [value.tobytes() if isinstance(value, np.ndarray) else None for value in given], core_arguments.bits(result)


# ---- Jobs


class TrainingStep:
    """A step whose parts are tried again until they succeed: the weights are those of a step without failures."""

    def __init__(self):
        self.x = core_arguments.floats(5, 4, 3)
        self.wanted = None
        self.wanted = self.weights_after(lambda part: part())

    def weights_after(self, run):
        network = nn.Sequential(nn.LastState(nn.LSTM(3, 4, rng=0)), nn.BatchNorm1d(4), nn.Dropout(0.5, rng=1))
        network.append(nn.Linear(4, 2, rng=2))
        optimizer = optim.Adam(network.parameters(), lr=0.1)
        criterion, labels = nn.CrossEntropyLoss(), np.array([0, 1, 1, 0])
        scores = run(lambda: network(self.x))
        run(lambda: criterion(scores, labels))
        grad = run(criterion.backward)
        run(lambda: network.backward(grad))
        run(lambda: optim.clip_grad_norm_(network.parameters(), 0.1))
        run(optimizer.step)
        run(optimizer.zero_grad)
        return {name: value.tobytes() for name, value in network.state_dict().items()}

    def check(self, manner, places):
        failures = 0

        def again(part):
            nonlocal failures
            box = [None, False]

            def job():
                box[0] = part()
                box[1] = True

            for _ in attempts(manner, job, places, enough=1):
                if box[1]:
                    return box[0]
                failures += 1
            return part()

        assert self.weights_after(again) == self.wanted, "a training step: other weights after failures"
        return failures


def state_of(model):
    """What an estimator is: all of its attributes."""
    found = {}
    for name, value in vars(model).items():
        if isinstance(value, nn.Module):
            value = {key: array.tobytes() for key, array in value.state_dict().items()}
        found[name] = repr(value)
    return found


class Estimator:
    """A model that is fitted again, predicts, is saved and loaded."""

    def __init__(self, folder):
        self.model = models.GRUClassifier(
            hidden_size=4, max_epochs=1, batch_size=4, n_estimators=1, random_state=0, warm_start=False
        )
        self.x = [core_arguments.floats(n, 3) * k for k, n in enumerate((5, 4, 6, 5, 4, 6, 7, 3), 1)]
        self.y = [0, 1] * 4
        self.model.fit(self.x, self.y)
        self.path = Path(folder, "model.safetensors")
        seriatim.save(self.model, self.path)
        self.wanted = self.model.predict_proba(self.x).tobytes()
        self.bytes = self.path.read_bytes()

    def job(self, name):
        return {
            "fit": lambda: copy.copy(self.model).fit(self.x, self.y),
            "predict": lambda: self.model.predict_proba(self.x),
            "save": lambda: seriatim.save(self.model, self.path) or True,
            "load": lambda: seriatim.load(self.path),
        }[name]

    def check(self, name, manner, places):
        state, failures = state_of(self.model), 0
        job = (lambda: self.model.fit(self.x, self.y)) if name == "fit" else self.job(name)
        for result in attempts(manner, job, places):
            failures += result is None
            if name == "fit" and result is not None:
                assert self.model.predict_proba(self.x).tobytes() == self.wanted, "fit: another model"
                state = state_of(self.model)
            assert state_of(self.model) == state, f"{name}: the model has changed"
            if name == "predict" and result is not None:
                assert result.tobytes() == self.wanted, "predict: other numbers"
            if name == "save":
                assert os.listdir(self.path.parent) == [self.path.name], "save: files are left behind"
                assert result or self.path.read_bytes() == self.bytes, "save: half a file"
                self.bytes = self.path.read_bytes()
            if name == "load" and result is not None:
                assert result.predict_proba(self.x).tobytes() == self.wanted, "load: another model"
        assert self.model.predict_proba(self.x).tobytes() == self.wanted, f"{name}: the model has changed"
        return failures


def main(rounds=2000):
    manners = {"the extension's": OfTheExtension()}
    if _testcapi:
        manners["Python's"] = OfPython()
    for words, manner in manners.items():
        total = 0
        for name, makes in core_arguments.GOOD.items():
            for make in makes if name not in ("refuse_memory", "signatures") else []:
                check_function(name, make, manner)
                gc.collect()
                blocks = sys.getallocatedblocks()
                total += check_function(name, make, manner)
                gc.collect()
                assert sys.getallocatedblocks() <= blocks + 40, (name, sys.getallocatedblocks() - blocks)
        print(f"functions: {total} of {words} requests failed", flush=True)
        print(f"training step: {TrainingStep().check(manner, range(rounds))}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            estimator = Estimator(folder)
            for name in ("predict", "save", "load", "fit"):
                print(f"{name}: {estimator.check(name, manner, range(rounds))}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
