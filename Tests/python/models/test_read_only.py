"""Models whose arrays came back read-only, as from joblib's workers and from memory maps, go on training."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from samples import make, rising, weights_of

from seriatim import nn, optim
from seriatim.models import DeepGRUClassifier, DeepGRURegressor, GRUClassifier, VideoClassifier

X, Y = rising(12)


def read_only(value):
    """Return a copy whose arrays are read-only: their memory is bytes."""
    memory = []
    data = pickle.dumps(value, protocol=5, buffer_callback=memory.append)
    return pickle.loads(data, buffers=[bytes(part.raw()) for part in memory])


def videos(n=12):
    return [np.random.default_rng(i).normal(size=(3, 1, 4, 4)).astype(np.float32) for i in range(n)]


CNN = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
ESTIMATORS = {
    "averaged": (make(DeepGRUClassifier, weight_averaging=0.9), X),
    "stopped": (make(DeepGRURegressor, early_stopping=True, optimizer="rmsprop", validation_fraction=0.5), X),
    "several": (make(GRUClassifier, hidden_size=2, optimizer="sgd", n_estimators=2), X),
    "videos": (VideoClassifier(CNN, 2, hidden_size=2, fc=2, random_state=0), videos()),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_go_on(name):
    model, data = ESTIMATORS[name]
    model.set_params(max_epochs=2, warm_start=True).fit(data, Y)
    before = copy.deepcopy(model)
    others = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), read_only(model)]
    model.fit(data, Y)
    for other in others:
        np.testing.assert_array_equal(weights_of(other.fit(data, Y)), weights_of(model))
    if hasattr(before, "partial_fit"):
        np.testing.assert_array_equal(
            weights_of(read_only(before).partial_fit(data, Y)), weights_of(before.partial_fit(data, Y))
        )


def test_a_memory_map(tmp_path):
    model = make(max_epochs=1, warm_start=True).fit(X, Y)
    joblib.dump(model, tmp_path / "model")
    mapped = joblib.load(tmp_path / "model", mmap_mode="r")
    np.testing.assert_array_equal(weights_of(mapped.fit(X, Y)), weights_of(model.fit(X, Y)))


def step(module, optimizer, average):
    optimizer.zero_grad()
    output = module(np.random.default_rng(0).normal(size=(5, 3)))
    module.backward(np.ones_like(output))
    optimizer.step()
    average.update()
    with average.applied():
        return module.state_dict()


@pytest.mark.parametrize("rule", [optim.SGD, optim.RMSprop, optim.Adam, optim.AdamW])
def test_steps_by_hand(rule):
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Linear(4, 2))
    extra = {"momentum": 0.9} if rule in (optim.SGD, optim.RMSprop) else {}
    parts = module, rule(module.parameters(), **extra), optim.WeightAverage(module, 0.9)
    step(*parts)
    copies = [read_only(parts), copy.deepcopy(parts)]
    wanted = step(*parts)
    for other in copies:
        found = step(*other)
        for name, values in wanted.items():
            np.testing.assert_array_equal(found[name], values, err_msg=name)
    for part, other in zip(parts, read_only(parts), strict=True):
        other.load_state_dict(read_only(part.state_dict()))


def test_a_read_only_buffer_is_copied():
    norm, given = nn.BatchNorm1d(2), np.zeros(2, np.float32)
    given.flags.writeable = False
    norm.running_mean = given
    norm(np.array([[1, 2], [3, 4]], np.float32))
    assert norm.running_mean.all()
    assert not given.any()
