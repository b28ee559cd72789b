"""The template of fit: validation, early stopping, going on from the last fit."""

import numpy as np
import pytest
from samples import make, rising, weights_of
from sklearn.exceptions import ConvergenceWarning

from seriatim import optim
from seriatim import preprocessing as prep
from seriatim.models import DeepGRUClassifier, DeepGRURegressor, GRUClassifier

still_improving = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


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
    scores = np.array(model.history_["validation_score"])
    assert len(scores) < 100
    log = model.history_["validation_loss"]
    given = model.preprocessing_.transform(model.scaling_.transform(validation[0]))
    kept = model._measure(model._outputs(model.module_, given, 2 if kind is not DeepGRURegressor else 1),
                          Y_SCALED(model, validation[1]), None)  # fmt: skip
    best = int(np.argmax(scores > scores.max() - model.tol))
    assert kept[0] == pytest.approx(log[best], rel=1e-5)


def Y_SCALED(model, y):
    if isinstance(model, DeepGRURegressor):
        return ((y[:, None] - model.target_mean_) / model.target_scale_).astype(np.float32)
    return y


def test_a_training_that_was_still_improving_says_so():
    model = make(early_stopping=True, max_epochs=2, learning_rate=1e-3, validation_fraction=0.3, tol=-1.0)
    with pytest.warns(ConvergenceWarning, match="last epoch .2. while the validation score was still improving"):
        model.fit(X, Y)


# ---- How it learns


def _steps(optimizer, total):
    return optim.StepLR(optimizer, max(1, total // 2), 0.5)


# ---- Checkpoints


SETTINGS = {"max_epochs": 8, "early_stopping": True, "weight_averaging": 0.9, "n_iter_no_change": 50, "dropout": 0.5}


def augmented(**parameters):
    return make(augmentation=prep.Jitter(0.05), **{**SETTINGS, **parameters})


SCRIPT = """
import sys, warnings, numpy as np
sys.path.insert(0, {tests!r})
from models.test_training_comfort import X, Y, augmented, weights_of
warnings.simplefilter("ignore")
model = augmented(checkpoint_dir={folder!r}, max_epochs=40).fit(X, Y)
np.save({result!r}, weights_of(model))
"""
