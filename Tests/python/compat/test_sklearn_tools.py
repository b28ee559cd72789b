"""``Sequences`` through scikit-learn's own tools, without metadata routing."""

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier, VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
    LeaveOneGroupOut,
    RandomizedSearchCV,
    RepeatedStratifiedKFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.svm import SVC

from seriatim import Sequences
from seriatim.models import DeepGRUClassifier, DeepGRURegressor, GRUClassifier, LSTMClassifier
from seriatim.preprocessing import Deltas, Resample, Standardize

DIMS = {"gru1": 8, "gru2": 8, "gru3": 8, "fc": 8}
NAMES = np.array(["down", "flat", "up"])


def gru(**given):
    few = {"hidden_size": 8, "max_epochs": 12, "learning_rate": 2e-2, "batch_size": 8, "random_state": 0}
    return GRUClassifier(**{**few, **given})


def deepgru(**given):
    few = {"dims": DIMS, "max_epochs": 25, "learning_rate": 1e-2, "batch_size": 8, "random_state": 0}
    return DeepGRUClassifier(**{**few, **given})


def regressor(**given):
    few = {"dims": DIMS, "max_epochs": 40, "learning_rate": 1e-2, "batch_size": 8, "random_state": 0}
    return DeepGRURegressor(**{**few, **given})


@pytest.fixture(scope="module")
def data():
    """Ragged sequences that go down, stay or go up, and the slope of each."""
    rng = np.random.default_rng(0)
    y = np.arange(48) % 3
    rows = [
        np.outer(np.linspace(-1, 1, n), [label - 1.0, 0.5]) + 0.1 * rng.normal(size=(n, 2))
        for n, label in zip(rng.integers(4, 14, 48), y, strict=True)
    ]
    return Sequences.from_list(rows), NAMES[y]


def slopes(y):
    return np.searchsorted(NAMES, y) - 1.0


# ---- Splitting


def test_train_test_split(data):
    X, y = data
    X_train, X_test, y_train, y_test, where, _ = train_test_split(
        X, y, np.arange(48), test_size=12, stratify=y, random_state=0
    )
    assert isinstance(X_train, Sequences)
    assert (len(X_train), len(X_test)) == (36, 12)
    assert X_train == X[where]
    assert gru().fit(X_train, y_train).score(X_test, y_test) > 0.9


@pytest.mark.parametrize("cv", [3, StratifiedKFold(3, shuffle=True, random_state=0), RepeatedStratifiedKFold(
    n_splits=2, n_repeats=2, random_state=0)])  # fmt: skip
def test_cross_val_score(data, cv):
    assert cross_val_score(gru(), *data, cv=cv).mean() > 0.9


@pytest.mark.parametrize("cv", [GroupKFold(4), LeaveOneGroupOut(), StratifiedGroupKFold(3)])
def test_subjects_are_not_divided(data, cv):
    X, y = data
    subjects = np.arange(48) // 12
    for train, test in cv.split(X, y, subjects):
        assert not set(subjects[train]) & set(subjects[test])
    scores = cross_val_score(gru(), X, y, groups=subjects, cv=cv)
    assert len(scores) == cv.get_n_splits(X, y, subjects)
    assert scores.mean() > 0.9


@pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss", "roc_auc_ovr", "f1_macro", "balanced_accuracy"])
def test_scorers_by_name(data, scoring):
    scores = cross_val_score(gru(), *data, cv=3, scoring=scoring, error_score="raise")
    assert np.isfinite(scores).all()
    assert scores.mean() > (-0.5 if scoring == "neg_log_loss" else 0.9)


def test_several_scores_at_once(data):
    scoring = ["accuracy", "neg_log_loss", "f1_macro"]
    found = cross_validate(gru(), *data, cv=3, scoring=scoring, return_train_score=True, return_estimator=True)
    for name in scoring:
        assert found[f"test_{name}"].shape == found[f"train_{name}"].shape == (3,)
    assert all(model.n_iter_ == 12 for model in found["estimator"])


@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_cross_val_predict(data, method):
    X, y = data
    found = cross_val_predict(gru(), X, y, cv=3, method=method)
    labels = found if method == "predict" else NAMES[found.argmax(axis=1)]
    assert np.mean(labels == y) > 0.9


def test_curves(data):
    sizes, train, test = learning_curve(gru(), *data, cv=3, train_sizes=[12, 32])
    assert list(sizes) == [12, 32]
    assert train.shape == test.shape == (2, 3)
    train, test = validation_curve(gru(), *data, param_name="learning_rate", param_range=[0.0, 2e-2], cv=3)
    assert test[1].mean() > test[0].mean()


def test_permuted_labels_cannot_be_learned(data):
    score, permuted, p = permutation_test_score(gru(), *data, cv=2, n_permutations=4, random_state=0)
    assert score > permuted.max()
    assert p == pytest.approx(0.2)


# ---- Searches


def test_grid_search(data):
    X, y = data
    grid = {"learning_rate": [0.0, 2e-2], "hidden_size": [6, 8]}
    search = GridSearchCV(gru(), grid, cv=3, scoring="neg_log_loss", error_score="raise").fit(X, y)
    assert search.best_params_["learning_rate"] == 2e-2
    assert search.score(X, y) > -0.5
    assert search.predict_proba(X).shape == (48, 3)
    np.testing.assert_array_equal(search.classes_, NAMES)
    assert search.best_estimator_.n_features_in_ == search.n_features_in_ == 2


def test_grid_search_by_subjects_and_several_scores(data):
    X, y = data
    search = GridSearchCV(
        gru(), {"num_layers": [1, 2]}, cv=GroupKFold(3), scoring=["accuracy", "neg_log_loss"], refit="neg_log_loss"
    )
    search.fit(X, y, groups=np.arange(48) // 12)
    assert search.cv_results_["mean_test_accuracy"].shape == (2,)


def test_randomised_and_halving_searches(data):
    X, y = data
    grid = {"learning_rate": [0.0, 2e-2]}
    random = RandomizedSearchCV(gru(), {"dropout": [0.0, 0.1, 0.2, 0.3]}, n_iter=2, cv=2, random_state=0).fit(X, y)
    assert len(random.cv_results_["params"]) == 2
    for kind in (HalvingGridSearchCV, HalvingRandomSearchCV):
        halving = kind(gru(), grid, cv=2, factor=2, min_resources=24, random_state=0, scoring="neg_log_loss")
        assert halving.fit(X, y).best_params_ == {"learning_rate": 2e-2}
        # What is halved are sequences, not observations.
        assert halving.n_resources_ == [24, 48][: len(halving.n_resources_)]
        assert halving.n_resources_[-1] <= len(X) < len(X.X)


def test_processes(data):
    alone = cross_val_score(gru(), *data, cv=3, n_jobs=1, scoring="neg_log_loss")
    np.testing.assert_array_equal(cross_val_score(gru(), *data, cv=3, n_jobs=2, scoring="neg_log_loss"), alone)
    search = GridSearchCV(gru(), {"learning_rate": [0.0, 2e-2]}, cv=2, n_jobs=2, scoring="neg_log_loss").fit(*data)
    assert search.best_params_ == {"learning_rate": 2e-2}


def test_search_over_a_pipeline(data):
    X, y = data
    model = make_pipeline(Standardize(), deepgru(max_epochs=15))
    grid = {"standardize__over": ["training", "sequence"], "deepgruclassifier__dropout": [0.0, 0.5]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 4
    assert search.predict(list(X)).shape == (48,)
    assert search.best_estimator_.score(X, y) > 0.8


def test_steps_may_change_lengths_and_features(data):
    X, y = data
    model = Pipeline([("length", Resample(6)), ("deltas", Deltas()), ("lstm", LSTMClassifier(
        hidden_size=8, max_epochs=12, learning_rate=2e-2, batch_size=8, random_state=0))])  # fmt: skip
    assert cross_val_score(model, X, y, cv=3).mean() > 0.9
    search = GridSearchCV(model, {"deltas": ["passthrough", Deltas(append=False)]}, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 2


# ---- Models on models


def test_calibration(data):
    X, y = data
    for options in ({}, {"ensemble": False, "method": "isotonic"}):
        probabilities = CalibratedClassifierCV(gru(), cv=2, **options).fit(X, y).predict_proba(X)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert np.mean(NAMES[probabilities.argmax(axis=1)] == y) > 0.9


@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_voting(data, voting):
    X, y = data
    assert VotingClassifier([("gru", gru()), ("deepgru", deepgru())], voting=voting).fit(X, y).score(X, y) > 0.9
    assert VotingRegressor([("one", regressor(max_epochs=2))]).fit(X, slopes(y)).predict(X).shape == (48,)


def test_stacking(data):
    X, y = data
    models = [("gru", gru()), ("lines", make_pipeline(Standardize("sequence"), deepgru()))]
    assert StackingClassifier(models, KNeighborsClassifier(3), cv=2).fit(X, y).score(X, y) > 0.9


def test_thresholds_and_one_against_the_rest(data):
    X, y = data
    rises = y == "up"
    tuned = TunedThresholdClassifierCV(gru(), cv=2, thresholds=5, scoring="f1").fit(X, rises)
    assert tuned.score(X, rises) > 0.9
    assert FixedThresholdClassifier(gru(), threshold=0.0).fit(X, rises).predict(X).all()
    assert OneVsRestClassifier(gru()).fit(X, y).score(X, y) > 0.9


@pytest.mark.parametrize("last", [SVC(), KNeighborsClassifier(3)])
def test_another_model_stands_on_what_the_network_makes(data, last):
    X, y = data
    model = make_pipeline(deepgru(), clone(last)).fit(X, y)
    assert model[:-1].transform(X).shape == (48, 2 * DIMS["gru3"])
    assert model.score(X, y) > 0.9
    assert cross_val_score(model, X, y, cv=2).mean() > 0.8


def test_a_fitted_network_stays_as_it_is(data):
    frozen = pytest.importorskip("sklearn.frozen")
    X, y = data
    network = deepgru().fit(X, y)
    before = network.transform(X)
    model = make_pipeline(frozen.FrozenEstimator(network), SVC())
    assert cross_val_score(model, X, y, cv=3).mean() > 0.9
    np.testing.assert_array_equal(network.transform(X), before)


def test_networks_side_by_side(data):
    X, y = data
    model = make_pipeline(FeatureUnion([("gru", gru()), ("deepgru", deepgru())]), SVC())
    assert model.fit(X, y).score(X, y) > 0.9


# ---- Manners


def test_with_routing_switched_on(data):
    """As it is once sequentia has been imported."""
    X, y = data
    subjects = {"groups": np.arange(48) // 12}
    with sklearn.config_context(enable_metadata_routing=True):
        model = gru()
        assert cross_val_score(model, X, y, cv=GroupKFold(4), params=subjects).mean() > 0.9
        model = make_pipeline(Standardize("sequence"), deepgru())
        search = GridSearchCV(model, {"deepgruclassifier__dropout": [0.0, 0.5]}, cv=GroupKFold(2))
        assert search.fit(X, y, **subjects).score(X, y) > 0.8
        assert CalibratedClassifierCV(gru(), cv=2).fit(X, y).score(X, y) > 0.9
        assert VotingClassifier([("gru", gru())]).fit(X, y).score(X, y) > 0.9


def test_data_frames_of_features(data):
    pandas = pytest.importorskip("pandas")
    X, y = data
    network = deepgru(max_epochs=1).set_output(transform="pandas").fit(X, y)
    frame = network.transform(X)
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns[:2]) == ["deepgruclassifier0", "deepgruclassifier1"]
    np.testing.assert_array_equal(frame.to_numpy(), clone(network).set_output(transform="default").fit_transform(X, y))
    with sklearn.config_context(transform_output="pandas"):
        assert gru(max_epochs=1).fit(X, y).transform(X).shape == (48, 16)


def test_pictures_of_estimators(data):
    model = make_pipeline(Standardize(), deepgru())
    for given in (model, model[-1], regressor(), clone(model[-1]).set_params(max_epochs=1).fit(*data)):
        text = given._repr_html_()
        assert "DeepGRU" in text
        assert given._repr_mimebundle_()["text/plain"].startswith(type(given).__name__)


def test_estimators_know_what_they_are():
    assert sklearn.base.is_classifier(gru())
    assert sklearn.base.is_classifier(make_pipeline(Standardize(), deepgru()))
    assert sklearn.base.is_regressor(regressor())


def test_regressors(data):
    X, y = data
    target = slopes(y)
    assert cross_val_score(regressor(), X, target, cv=3, scoring="r2").mean() > 0.7
    search = GridSearchCV(regressor(), {"learning_rate": [0.0, 1e-2]}, cv=2, scoring="neg_mean_squared_error")
    assert search.fit(X, target).best_params_ == {"learning_rate": 1e-2}
    two = np.stack([target, -target], axis=1)
    assert cross_val_predict(regressor(max_epochs=2), X, two, cv=2).shape == (48, 2)
    everything = cross_validate(regressor(), X, target, cv=2, scoring=["r2", "neg_mean_absolute_error"])
    assert everything["test_r2"].shape == (2,)
