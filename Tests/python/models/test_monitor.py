"""What early stopping goes by."""

import numpy as np
import pytest
from samples import make, ragged
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss, make_scorer, mean_absolute_error, roc_auc_score

import seriatim
from seriatim import nn
from seriatim.models import DeepGRURegressor, GRUClassifier, VideoClassifier
from seriatim.models._data import Examples
from seriatim.models._monitor import make_measure
from seriatim.preprocessing._targets import Labels

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, NUMBERS = ragged(30)
Y = np.array(["slow", "rare", "fast"])[NUMBERS]
V, OF_V = ragged(12, seed=1)
VALIDATION = (V, np.array(["slow", "rare", "fast"])[OF_V])


def gru(monitor="loss", **parameters):
    return make(GRUClassifier, **{"hidden_size": 3, "max_epochs": 3, "monitor": monitor, **parameters})


def own(estimator, X, y):
    return float((estimator.predict(X) == y)[y == "rare"].mean())


@pytest.mark.parametrize(
    ("monitor", "measure"),
    [
        ("balanced_accuracy", lambda model: balanced_accuracy_score(VALIDATION[1], model.predict(V))),
        ("f1_macro", lambda model: f1_score(VALIDATION[1], model.predict(V), average="macro")),
        ("roc_auc_ovr", lambda model: roc_auc_score(VALIDATION[1], model.predict_proba(V), multi_class="ovr")),
        ("neg_log_loss", lambda model: -log_loss(VALIDATION[1], model.predict_proba(V))),
        (own, lambda model: own(model, *VALIDATION)),
        (make_scorer(balanced_accuracy_score), lambda model: balanced_accuracy_score(VALIDATION[1], model.predict(V))),
    ],
)
@pytest.mark.parametrize("more", [{}, {"n_estimators": 2, "weight_averaging": 0.9}])
def test_a_scorer_is_what_it_is_of_the_model(monitor, measure, more):
    model = gru(monitor, **more).fit(X, Y, validation_data=VALIDATION)
    name = monitor if isinstance(monitor, str) else getattr(monitor, "__name__", "monitor")
    column = model.history_[f"validation_{name}"]
    assert len(column) == 3
    assert column[-1] == pytest.approx(measure(model), rel=1e-5)
    assert model.best_epoch_ is None
    np.testing.assert_array_equal(model.predict_proba(V), gru(**more).fit(X, Y).predict_proba(V))


def test_the_epoch_with_the_best_loss_is_kept_and_counted_from_one():
    model = gru(early_stopping=True, max_epochs=60, n_iter_no_change=2, learning_rate=0.1)
    model.fit(X, Y, validation_data=VALIDATION)
    losses = np.array(model.history_["validation_loss"])
    assert model.best_epoch_ == 1 + losses.argmin() < model.n_iter_ < 60
    again = gru(max_epochs=60, learning_rate=0.1, callbacks=[lambda h: len(h["loss"]) == model.best_epoch_]).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(V), again.predict_proba(V))
    model.set_params(warm_start=True, max_epochs=2).fit(X, Y, validation_data=VALIDATION)
    assert model.best_epoch_ > len(losses)


def test_of_equal_scores_the_lower_loss_is_better():
    def always(estimator, X, y):
        return 0.5

    model = gru(always, early_stopping=True, max_epochs=8, n_iter_no_change=1, learning_rate=1e-3)
    model.fit(X, Y, validation_data=VALIDATION)
    assert (np.diff(model.history_["validation_loss"]) < 0).all()
    assert model.best_epoch_ == 8


def test_a_regressor_is_scored_in_its_own_unit():
    y = 1e4 + 100.0 * NUMBERS
    model = DeepGRURegressor(dims=dict.fromkeys(("gru1", "gru2", "gru3", "fc"), 3), max_epochs=2, random_state=0)
    model.set_params(monitor="neg_mean_absolute_error").fit(X, y, validation_data=(V, 1e4 + 100.0 * OF_V))
    wanted = -mean_absolute_error(1e4 + 100.0 * OF_V, model.predict(V))
    assert model.history_["validation_neg_mean_absolute_error"][-1] == pytest.approx(wanted, rel=1e-5)


def test_class_weights_count_in_the_validation_loss_as_in_training():
    weights = {"slow": 0.0, "rare": 3.0, "fast": 1.0}
    model = gru(class_weight=weights).fit(X, Y, validation_data=VALIDATION)
    each = -np.log(model.predict_proba(V)[np.arange(12), np.searchsorted(model.classes_, VALIDATION[1])])
    wanted = np.average(each, weights=[weights[label] for label in VALIDATION[1]])
    assert model.history_["validation_loss"][-1] == pytest.approx(wanted, rel=1e-5)
    with pytest.raises(ValueError, match="validation sequences that count, got only some whose"):
        gru(class_weight=weights).fit(X, Y, validation_data=(V[OF_V == 0], VALIDATION[1][OF_V == 0]))


def test_weights_of_sequences_count_in_a_scorer():
    targets = Labels(np.array(["fast", "rare", "slow"]))
    target, weights = np.array([0, 0, 1, 2]), np.float32([1, 5, 2, 0.5])
    given = targets.classes[target]
    output = targets.ideal(np.array([0, 1, 1, 1]))
    measure = make_measure("balanced_accuracy", targets, Examples(V[:4], target, weights, given), None)
    wanted = balanced_accuracy_score(given, ["fast", "rare", "rare", "rare"], sample_weight=weights)
    assert measure(output).watched == pytest.approx(wanted)
    with pytest.raises(ValueError, match=r"monitor='own': .*unexpected keyword argument 'sample_weight'"):
        make_measure(own, targets, Examples(V[:4], target, weights, given), None)


def test_videos_are_monitored_as_well():
    videos = np.random.default_rng(0).normal(size=(12, 2, 1, 2, 2))
    model = VideoClassifier(nn.Flatten(), 4, hidden_size=2, fc=2, max_epochs=3, random_state=0, early_stopping=True)
    model.set_params(monitor="f1_macro", validation_fraction=0.5).fit(videos, np.arange(12) % 2)
    assert len(model.history_["validation_f1_macro"]) == model.n_iter_
    assert 1 <= model.best_epoch_ <= model.n_iter_


def test_the_plateau_goes_by_the_monitor():
    def falling(estimator, X, y, epochs=[0]):  # noqa: B006
        epochs[0] -= 1
        return float(epochs[0])

    model = gru(falling, schedule="plateau", max_epochs=13, learning_rate=1e-3)
    model.fit(X, Y, validation_data=VALIDATION)
    assert model._optimizer.param_groups[0]["lr"] == pytest.approx(1e-4)


@pytest.mark.parametrize(
    ("monitor", "words"),
    [
        ("acuracy", r"monitor: expected 'loss', one of .* did you mean 'accuracy'\?"),
        (3, "monitor: expected 'loss', one of"),
        ("roc_auc_ovr_weighted", "monitor='roc_auc_ovr_weighted': cannot be said of .* 8 sequences of 2 of 3 classes"),
        ("neg_log_loss", "monitor='neg_log_loss': cannot be said of the validation part"),
        ("r2", "monitor='r2': .*could not convert string.*a scorer of numbers, not of labels: monitor='accuracy'"),
        ("f1", "monitor='f1': cannot be said.*does not suit these labels: monitor='f1_macro', 'f1_weighted'"),
        (lambda model, X, y: model.predict(X[:2]), "monitor: cannot|monitor='monitor': .*as a whole alone"),
        (lambda model, X, y: np.nan, "it is nan"),
    ],
)
def test_a_monitor_that_does_not_fit_is_refused_before_training(monitor, words):
    model, begun = gru(monitor), []
    model.callbacks = [begun.append]
    with pytest.raises(ValueError, match=words):
        model.fit(X, Y, validation_data=(V[OF_V < 2], VALIDATION[1][OF_V < 2]))
    assert not begun
    assert not hasattr(model, "module_")


def test_files_keep_the_best_epoch_and_do_without_a_callable(tmp_path):
    model = gru(own, early_stopping=True).fit(X, Y, validation_data=VALIDATION)
    seriatim.save(model, tmp_path / "model")
    again = seriatim.load(tmp_path / "model")
    assert again.best_epoch_ == model.best_epoch_ in (1, 2, 3)
    assert again.monitor == "loss"


def test_a_resumed_training_remembers_its_best_epoch(tmp_path):
    def kill(history):
        if len(history["loss"]) == 4:
            raise RuntimeError("killed")

    def fit(**more):
        model = gru("accuracy", early_stopping=True, max_epochs=5, learning_rate=0.3, **more)
        return model.fit(X, Y, validation_data=VALIDATION)

    with pytest.raises(RuntimeError, match="killed"):
        fit(checkpoint_dir=tmp_path, callbacks=[kill])
    whole, resumed = fit(), fit(checkpoint_dir=tmp_path)
    assert resumed.best_epoch_ == whole.best_epoch_
    np.testing.assert_array_equal(resumed.predict_proba(V), whole.predict_proba(V))
