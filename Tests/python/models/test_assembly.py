"""Optimiser, schedule, averaged weights and checkpoint, out of an estimator's parameters."""

import numpy as np
import pytest
from samples import make, rising, weights_of

from seriatim import optim

X, Y = rising()


def _steps(optimizer, total):
    return optim.StepLR(optimizer, max(1, total // 2), 0.5)


@pytest.mark.parametrize("schedule", ["cosine", "constant", "one_cycle", "plateau", "callable"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd", "rmsprop"])
def test_schedules_and_optimizers(schedule, optimizer):
    if schedule == "callable":
        schedule = _steps
    rate = 0.1 if optimizer == "sgd" else 1e-2
    model = make(schedule=schedule, optimizer=optimizer, learning_rate=rate, max_epochs=25).fit(X, Y)
    assert model.history_["loss"][-1] < 0.8 * model.history_["loss"][0]
    assert optimizer == "sgd" or model.score(X, Y) > 0.9


def test_averaged_weights_are_kept():
    plain, averaged = make().fit(X, Y), make(weight_averaging=0.9).fit(X, Y)
    assert averaged.history_["loss"] == plain.history_["loss"]
    assert np.abs(weights_of(plain) - weights_of(averaged)).max() > 1e-4
    longer = make(weight_averaging=0.9, max_epochs=25).fit(X, Y)
    assert longer.score(X, Y) > 0.9
