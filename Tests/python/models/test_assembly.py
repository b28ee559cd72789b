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


def test_a_checkpoint_belongs_to_one_training(tmp_path):
    def killed(history):
        if len(history["loss"]) == 3:
            raise SystemExit

    with pytest.raises(SystemExit):
        make(checkpoint_dir=tmp_path, callbacks=[killed]).fit(X, Y)
    (file,) = tmp_path.iterdir()
    for other in (make(checkpoint_dir=tmp_path, learning_rate=2e-2), make(checkpoint_dir=tmp_path, random_state=1)):
        plain = make(learning_rate=other.learning_rate, random_state=other.random_state).fit(X, Y)
        np.testing.assert_array_equal(weights_of(other.fit(X, Y)), weights_of(plain))
    assert list(tmp_path.iterdir()) == [file]
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="expected a checkpoint of a training"):
        make(checkpoint_dir=tmp_path).fit(X, Y)


def test_different_weights_are_different_trainings(tmp_path):
    def killed(history):
        if len(history["loss"]) == 3:
            raise SystemExit

    for weights in (np.ones(60), np.arange(60) % 3, np.linspace(0.1, 1, 60)):
        with pytest.raises(SystemExit):
            make(checkpoint_dir=tmp_path, callbacks=[killed]).fit(X, Y, sample_weight=weights)
    with pytest.raises(SystemExit):
        make(checkpoint_dir=tmp_path, callbacks=[killed]).fit(X, Y, validation_data=(X, Y))
    assert len(list(tmp_path.iterdir())) == 4
