"""The loop: history, callbacks, interruption, divergence, and that an error undoes it."""

import logging

import numpy as np
import pytest
from samples import make, rising, weights_of
from sklearn.exceptions import NotFittedError

from seriatim import Sequences
from seriatim.models import DeepGRUClassifier, DeepGRURegressor, GRUClassifier

X, Y = rising()


@pytest.fixture(scope="module")
def data():
    """Sequences that rise or fall, with noise: easy, ragged."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 20, 60)
    y = rng.integers(0, 2, 60)
    rows = [
        np.outer(np.linspace(-1, 1, n) * (1 if label else -1), [1.0, 0.5]) + 0.1 * rng.normal(size=(n, 2))
        for n, label in zip(lengths, y, strict=True)
    ]
    return Sequences.from_list(rows), y


def test_logging(caplog):
    with caplog.at_level(logging.INFO, logger="seriatim"):
        make(max_epochs=3).fit(X, Y)
    assert [record.getMessage()[:12] for record in caplog.records] == [f"epoch {i} of 3" for i in (1, 2, 3)]


def test_history_is_ready_for_a_data_frame():
    pandas = pytest.importorskip("pandas")
    model = make(warm_start=True, max_epochs=2).fit(X, Y).fit(X, Y, validation_data=(X, Y))
    frame = pandas.DataFrame(model.history_)
    assert frame.shape == (4, 4)
    assert frame["validation_loss"].isna().tolist() == [True, True, False, False]
    frame = pandas.DataFrame(model.partial_fit(X, Y).history_)
    assert frame["validation_loss"].isna().tolist() == [True, True, False, False, True]


@pytest.mark.parametrize("kind", [DeepGRUClassifier, DeepGRURegressor, GRUClassifier])
def test_an_error_leaves_a_model_that_was_to_go_on_as_it_was(kind):
    model = make(kind, warm_start=True, max_epochs=2).fit(X, Y)
    twin = make(kind, warm_start=True, max_epochs=2).fit(X, Y)
    before, history = weights_of(model), {k: list(v) for k, v in model.history_.items()}

    def fails(history):
        if len(history["loss"]) == 4:
            raise ArithmeticError

    model.set_params(callbacks=[fails], max_epochs=5)
    with pytest.raises(ArithmeticError):
        model.fit(X, Y, validation_data=(X, Y))
    np.testing.assert_array_equal(weights_of(model), before)
    assert model.history_ == history
    model.set_params(callbacks=None, max_epochs=2).fit(X, Y)
    np.testing.assert_array_equal(weights_of(model), weights_of(twin.fit(X, Y)), "it goes on as if nothing had been")


def test_callbacks_can_end_the_training(data):
    X, y = data
    seen = []
    model = make(callbacks=[lambda history: seen.append(history["loss"][-1]) or len(seen) == 2]).fit(X, y)
    assert model.n_iter_ == 2


def test_interruption_leaves_a_usable_model(data):
    X, y = data

    def interrupt(history):
        if len(history["loss"]) == 3:
            raise KeyboardInterrupt

    model = make(callbacks=[interrupt])
    with pytest.warns(RuntimeWarning, match="interrupted after 3 whole epochs"):
        model.fit(X, y)
    assert model.predict(X).shape == (60,)
    assert model.n_iter_ == 3


def test_progress_is_shown_only_when_asked_for(data, capfd):
    X, y = data
    make(max_epochs=2).fit(X, y)
    assert capfd.readouterr() == ("", "")
    make(max_epochs=2, verbose=1, early_stopping=True).fit(X, y)
    shown = capfd.readouterr().err
    assert "epoch 2/2" in shown
    assert "loss=" in shown
    assert "validation=" in shown


def test_divergence_is_said_and_leaves_nothing_behind(data):
    X, y = data
    model = make(learning_rate=1e30, schedule="constant")
    with pytest.raises(ValueError, match="training has diverged"):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_batches_without_weight_teach_nothing(data):
    X, y = data
    weights = np.zeros(60)
    weights[:2] = 0.5
    assert np.isfinite(make(max_epochs=2).fit(X, y, sample_weight=weights).history_["loss"]).all()
