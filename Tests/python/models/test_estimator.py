"""The template of fit: validation, early stopping, going on from the last fit."""

import numpy as np
import pytest
from samples import make, rising, weights_of
from sklearn.exceptions import ConvergenceWarning

from seriatim.models import DeepGRUClassifier, DeepGRURegressor, GRUClassifier

X, Y = rising()


# ---- Validation


def test_validation_data_is_watched_without_stopping():
    validation = rising(seed=1)
    model = make().fit(X, Y, validation_data=validation)
    assert len(model.history_["validation_loss"]) == len(model.history_["loss"]) == 6
    assert model.history_["validation_score"][-1] == pytest.approx(model.score(*validation))
    np.testing.assert_array_equal(weights_of(model), weights_of(make().fit(X, Y)))


@pytest.mark.parametrize("kind", [DeepGRUClassifier, DeepGRURegressor, GRUClassifier])
def test_early_stopping_restores_the_best_weights(kind):
    validation = rising(seed=1)
    model = make(kind, early_stopping=True, max_epochs=100, n_iter_no_change=5)
    model.fit(X, Y, validation_data=(validation[0].X, validation[1], validation[0].lengths))
    losses = np.array(model.history_["validation_loss"])
    assert len(losses) < 100
    given = model.preprocessing_.transform(model.scaling_.transform(validation[0]))
    targets = model._targets()
    output = model._outputs(model.module_, given, targets, 4096)
    kept = targets.measure(output, targets.encode(validation[1]), None)
    assert losses[model.best_epoch_ - 1] < losses.min() + model.tol
    assert kept[0] == pytest.approx(losses[model.best_epoch_ - 1], rel=1e-5)


def test_a_training_that_was_still_improving_says_so():
    model = make(GRUClassifier, hidden_size=4, early_stopping=True, max_epochs=3, validation_fraction=0.3)
    with pytest.warns(ConvergenceWarning, match="last epoch .3. while the validation score was still improving"):
        model.fit(X, Y)
