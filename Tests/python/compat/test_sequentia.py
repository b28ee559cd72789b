"""Beside sequentia: its calls, its pipelines and searches, the way of its 0.x versions, and ``OnSequences``."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score, train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import minmax_scale

# Importing sequentia switches metadata routing on for the whole process; other tests are to run without.
with sklearn.config_context():
    pytest.importorskip("sequentia")
    from sequentia import model_selection
    from sequentia.datasets.base import SequentialDataset
    from sequentia.models import CategoricalHMM, GaussianMixtureHMM, HMMClassifier, KNNClassifier, KNNRegressor
    from sequentia.preprocessing import IndependentFunctionTransformer

from seriatim import Sequences, collate_fn, nn, optim
from seriatim.compat.sequentia import OnSequences
from seriatim.models import DeepGRUClassifier, DeepGRURegressor, GRUClassifier
from seriatim.preprocessing import Resample, Standardize

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
DIMS = {"gru1": 8, "gru2": 8, "gru3": 8, "fc": 8}


def gru(**given):
    few = {"hidden_size": 8, "max_epochs": 12, "learning_rate": 2e-2, "batch_size": 8, "random_state": 0}
    return GRUClassifier(**{**few, **given})


def deepgru(**given):
    few = {"dims": DIMS, "max_epochs": 40, "learning_rate": 1e-2, "batch_size": 8, "random_state": 0}
    return DeepGRUClassifier(**{**few, **given})


def hmm():
    return HMMClassifier(variant=GaussianMixtureHMM, model_kwargs={"n_states": 2, "n_components": 1, "random_state": 0})


@pytest.fixture(scope="module")
def data():
    """Sequences that fall or rise, as sequentia takes them: observations, integer labels, lengths."""
    rng = np.random.default_rng(0)
    y, lengths = np.arange(30) % 2, rng.integers(4, 12, 30)
    rows = [
        np.outer(np.linspace(-1, 1, n) * (1 if label else -1), [1.0, 0.5]) + 0.1 * rng.normal(size=(n, 2))
        for n, label in zip(lengths, y, strict=True)
    ]
    return np.concatenate(rows), y, lengths


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


# ---- The manners of sequentia 2.x


@pytest.mark.parametrize("make", [gru, deepgru, KNNClassifier], ids=["GRU", "DeepGRU", "kNN"])
def test_same_calls(make, data):
    X, y, lengths = data
    model = make()
    assert model.fit(X, y, lengths=lengths) is model
    np.testing.assert_array_equal(model.classes_, [0, 1])
    predicted = model.predict(X, lengths=lengths)
    np.testing.assert_array_equal(predicted, y)
    probabilities = model.predict_proba(X, lengths=lengths)
    assert probabilities.shape == (30, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(axis=1), predicted)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(model.predict_log_proba(X, lengths=lengths), np.log(probabilities), atol=1e-4)
    assert model.score(X, y, lengths=lengths) == 1.0
    assert model.score(X, y, lengths=lengths, sample_weight=np.arange(30)) == 1.0


@pytest.mark.parametrize("make", [gru, KNNClassifier], ids=["GRU", "kNN"])
def test_without_lengths_it_is_one_sequence(make, data):
    X, y, lengths = data
    model = make().fit(X, y, lengths=lengths)
    first = X[: lengths[0]]
    assert model.predict(first).shape == (1,)
    assert model.predict_proba(first).shape == (1, 2)
    np.testing.assert_array_equal(model.predict(first), model.predict(first, lengths=[len(first)]))


@pytest.mark.parametrize("make", [gru, KNNClassifier], ids=["GRU", "kNN"])
def test_one_feature_and_lists_of_lengths(make, data):
    X, y, lengths = data
    model = make().fit(X[:, :1], y, lengths=lengths.tolist())
    np.testing.assert_array_equal(model.predict(X[:, :1], lengths=lengths.tolist()), y)


@pytest.mark.parametrize("make", [gru, KNNClassifier], ids=["GRU", "kNN"])
@pytest.mark.parametrize("labels", [[0, 1], [7, 9], [-3, 100]])
def test_labels_with_gaps(make, labels, data):
    X, y, lengths = data
    named = np.array(labels)[y]
    model = make().fit(X, named, lengths=lengths)
    np.testing.assert_array_equal(model.classes_, labels)
    np.testing.assert_array_equal(model.predict(X, lengths=lengths), named)


@pytest.mark.parametrize("make", [gru, KNNClassifier], ids=["GRU", "kNN"])
def test_what_is_wrong_is_said(make, data):
    X, y, lengths = data
    with pytest.raises(NotFittedError):
        make().predict(X, lengths=lengths)
    with pytest.raises(ValueError, match="lengths"):
        make().fit(X, y, lengths=lengths[:-1])
    with pytest.raises(ValueError, match="y"):
        make().fit(X, y[:-1], lengths=lengths)
    with pytest.raises(ValueError):
        make().fit(X[:0], y[:0], lengths=lengths[:0])


@pytest.mark.parametrize("make", [gru, KNNClassifier], ids=["GRU", "kNN"])
def test_fitting_again_forgets(make, data):
    X, y, lengths = data
    model = make().fit(X, y, lengths=lengths)
    model.fit(X, y + 5, lengths=lengths)
    np.testing.assert_array_equal(model.classes_, [5, 6])
    np.testing.assert_array_equal(model.predict(X, lengths=lengths), y + 5)


def test_data_sets_of_sequentia(data):
    X, y, lengths = data
    whole = SequentialDataset(X, y, lengths=lengths)
    train, test = whole.split(test_size=0.3, random_state=0)
    model = deepgru().fit(train.X, train.y, lengths=train.lengths)
    assert model.score(test.X, test.y, lengths=test.lengths) > 0.8
    np.testing.assert_array_equal(model.predict([x for x, _ in test]), model.predict(test.X, lengths=test.lengths))


def test_lengths_are_requested_by_the_class():
    for model in (deepgru(), gru(), OnSequences(KNNClassifier()), DeepGRURegressor()):
        for method in {"fit", "predict", "predict_proba", "score"} & set(dir(model)):
            assert getattr(model.get_metadata_routing(), method).requests["lengths"] is True
    assert clone(gru()).get_metadata_routing().predict.requests["lengths"] is True


@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("make", [gru, KNNClassifier], ids=["GRU", "kNN"])
@pytest.mark.parametrize(
    "prepare",
    [lambda: IndependentFunctionTransformer(minmax_scale), lambda: Standardize("sequence")],
    ids=["sequentia's step", "our step"],
)
def test_pipelines_that_route_lengths(make, prepare, data):
    X, y, lengths = data
    model = Pipeline([("prepare", prepare()), ("model", make())])
    model.fit(X, y, lengths=lengths)
    np.testing.assert_array_equal(model.predict(X, lengths=lengths), y)
    assert model.predict_proba(X, lengths=lengths).shape == (30, 2)
    assert model.score(X, y, lengths=lengths) == 1.0


SEARCHES = {
    "GridSearchCV": {},
    "RandomizedSearchCV": {"n_iter": 2, "random_state": 0},
    # It counts observations, of which there are some 200, where it draws sequences.
    "HalvingGridSearchCV": {"factor": 2, "min_resources": 100, "random_state": 0},
}


@pytest.mark.skipif(VERSION >= (1, 9), reason="sequentia's searches call what scikit-learn 1.9 has changed")
@pytest.mark.usefixtures("routing")
@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("make", [gru, KNNClassifier], ids=["GRU", "kNN"])
def test_searches_of_sequentia(make, name, data):
    X, y, lengths = data
    model = Pipeline([("scale", IndependentFunctionTransformer(minmax_scale)), ("model", make())])
    grid = {"model__k": [1, 3]} if make is KNNClassifier else {"model__hidden_size": [6, 8]}
    splitter = model_selection.StratifiedKFold(2, shuffle=True, random_state=0)
    search = getattr(model_selection, name)(model, grid, cv=splitter, **SEARCHES[name])
    search.fit(X, y, lengths=lengths)
    assert search.best_params_.keys() == grid.keys()
    assert search.best_score_ > 0.8
    assert search.best_estimator_.score(X, y, lengths=lengths) > 0.8


@pytest.mark.parametrize("name", ["KFold", "StratifiedKFold", "ShuffleSplit", "StratifiedShuffleSplit"])
def test_splitters_of_sequentia(name, data):
    X, y, lengths = data
    splitter = getattr(model_selection, name)(2, random_state=0, **({"shuffle": True} if "KFold" in name else {}))
    for train, test in splitter.split(X, y):
        assert max(*train, *test) < len(y)
    # They split by labels alone, so they serve scikit-learn's own tools as well.
    assert cross_val_score(deepgru(), Sequences(X, lengths), y, cv=splitter).mean() > 0.8


# ---- The manners of Sequentia 0.x


def test_lists_of_arrays(data):
    X, y, lengths = data
    listed = np.split(X, np.cumsum(lengths)[:-1])
    model = deepgru().fit(listed, y)
    np.testing.assert_array_equal(model.predict(listed), y)
    np.testing.assert_array_equal(model.predict_proba(listed), model.predict_proba(X, lengths=lengths))


def test_batches_of_padded_sequences(data):
    X, y, lengths = data
    batch = list(zip(np.split(X, np.cumsum(lengths)[:-1]), y, strict=True))
    padded, counts, labels = collate_fn(batch)
    assert padded.shape == (30, lengths.max(), 2)
    np.testing.assert_array_equal(counts, np.sort(lengths)[::-1])
    network = nn.DeepGRU(2, 2, dims=DIMS, rng=0)
    optimizer, criterion = optim.Adam(network.parameters(), lr=1e-2), nn.NLLLoss()
    for _ in range(60):
        network.zero_grad()
        loss = criterion(network(padded, counts), labels)
        network.backward(criterion.backward())
        optimizer.step()
    network.eval()
    log_probs = network(padded, counts)
    assert log_probs.shape == (30, 2)
    assert np.isfinite(loss)
    np.testing.assert_array_equal(log_probs.argmax(axis=1), labels)
    # What is behind a sequence's end does not count.
    padded[np.arange(padded.shape[1]) >= np.asarray(counts)[:, None]] = 99.0
    np.testing.assert_array_equal(network(padded, counts), log_probs)


# ---- OnSequences


@pytest.mark.parametrize("make", [lambda: KNNClassifier(k=3, random_state=0), hmm], ids=["kNN", "HMM"])
def test_it_is_the_estimator_it_wraps(make, data):
    X, y, lengths = data
    alone = make().fit(X, y, lengths=lengths)
    inner = make()
    model = OnSequences(inner).fit(Sequences(X, lengths), y)
    np.testing.assert_array_equal(model.predict_proba(Sequences(X, lengths)), alone.predict_proba(X, lengths=lengths))
    np.testing.assert_array_equal(model.predict(Sequences(X, lengths)), alone.predict(X, lengths=lengths))
    assert model.score(Sequences(X, lengths), y) == alone.score(X, y, lengths=lengths)
    np.testing.assert_array_equal(model.classes_, alone.classes_)
    assert not hasattr(inner, "classes_")
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(Sequences(X, lengths)), model.predict(Sequences(X, lengths)))


def test_forms_of_x_are_one(data):
    X, y, lengths = data
    sequences = Sequences(X, lengths)
    model = OnSequences(KNNClassifier()).fit(list(sequences), y)
    wanted = model.predict_proba(sequences)
    for other in (model.predict_proba(list(sequences)), model.predict_proba(X, lengths=lengths)):
        np.testing.assert_array_equal(other, wanted)
    assert model.predict(X[: lengths[0]]).shape == (1,)
    cube = Resample(5).fit_transform(sequences).X.reshape(30, 5, 2)
    np.testing.assert_array_equal(OnSequences(KNNClassifier()).fit(cube, y).predict(cube), y)
    univariate = [x[:, 0] for x in sequences]
    assert OnSequences(KNNClassifier()).fit(univariate, y).n_features_in_ == 1
    table = np.stack([x[-1] for x in sequences])
    np.testing.assert_array_equal(OnSequences(KNNClassifier()).fit(table, y).predict(table), y)


def test_it_gets_contiguous_doubles(data):
    X, y, lengths = data

    class Spy(KNNClassifier):
        def fit(self, X, y, *, lengths):
            assert X.dtype == np.float64
            assert X.flags.c_contiguous
            return super().fit(X, y, lengths=lengths)

    for given in (X.astype(np.float32), np.asfortranarray(X), X[:, ::-1], (100 * X).astype(int)):
        assert OnSequences(Spy()).fit(Sequences(given, lengths), y).score(Sequences(given, lengths), y) > 0.8


@pytest.mark.parametrize("labels", [["falls", "rises"], [300, 1000], [False, True], [0.0, 1.0]])
def test_labels_that_sequentia_does_not_take(labels, data):
    X, y, lengths = data
    named = np.array(labels)[y]
    model = OnSequences(KNNClassifier()).fit(X, named, lengths=lengths)
    np.testing.assert_array_equal(model.classes_, labels)
    predicted = model.predict(X, lengths=lengths)
    assert predicted.dtype == named.dtype
    np.testing.assert_array_equal(predicted, named)


def test_classes_of_the_estimators_own(data):
    X, y, lengths = data
    model = OnSequences(KNNClassifier(classes=[2, 1, 0])).fit(X, y, lengths=lengths)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    probabilities = model.predict_proba(X, lengths=lengths)
    np.testing.assert_array_equal(model.classes_[probabilities.argmax(axis=1)], y)
    with pytest.raises(ValueError, match="at most as many classes as KNNClassifier tells apart, got 300"):
        OnSequences(KNNClassifier()).fit([np.zeros(1)] * 900, [f"label {i % 300}" for i in range(900)])


def test_clones(data):
    X, y, lengths = data
    # scikit-learn does not clone sequentia's estimators with dicts or lists among their parameters.
    model = OnSequences(hmm())
    copy = clone(model).set_params(estimator__model_kwargs={"n_states": 1, "n_components": 1})
    assert model.estimator.model_kwargs["n_states"] == 2
    assert copy.fit(X, y, lengths=lengths).estimator_.models[0].n_states == 1
    with pytest.raises(NotFittedError):
        clone(copy).predict(X, lengths=lengths)
    requests = OnSequences(KNNClassifier())
    with sklearn.config_context(enable_metadata_routing=True):
        requests.set_score_request(sample_weight=True)
        assert clone(requests).get_metadata_routing().score.requests["sample_weight"] is True


def test_own_models_of_each_class(data):
    X, y, lengths = data

    def small(**given):
        return GaussianMixtureHMM(n_states=1, random_state=0, **given)

    inner = HMMClassifier().add_models({0: small(n_components=1), 1: small(n_components=2)})
    model = clone(OnSequences(inner)).fit(X, y, lengths=lengths)
    assert [model.estimator_.models[label].n_components for label in (0, 1)] == [1, 2]


def test_whole_numbers(data):
    _, y, lengths = data
    symbols = np.random.default_rng(0).binomial(1, 0.2 + 0.6 * np.repeat(y, lengths))[:, None]
    model = OnSequences(HMMClassifier(variant=CategoricalHMM, model_kwargs={"n_states": 2, "random_state": 0}))
    assert model.fit(symbols, y, lengths=lengths).score(symbols, y, lengths=lengths) > 0.7


@pytest.mark.parametrize("make", [KNNClassifier, hmm], ids=["kNN", "HMM"])
@pytest.mark.parametrize("routed", [False, True])
def test_scikit_learns_own_tools(make, routed, data, request):
    X, y, lengths = data
    if routed:
        request.getfixturevalue("routing")
    sequences, named = Sequences(X, lengths), np.array(["falls", "rises"])[y]
    model = make_pipeline(Standardize("sequence"), OnSequences(make()))
    for scoring in ("accuracy", "roc_auc", "neg_log_loss"):
        assert np.isfinite(cross_val_score(model, sequences, named, cv=3, scoring=scoring, error_score="raise")).all()
    # scikit-learn takes groups by themselves, but with routing, which sequentia switches on, among the parameters.
    groups = {"groups": np.arange(30) // 6}
    by_subject = {"params": groups} if routed else groups
    assert cross_val_score(model, sequences, named, cv=GroupKFold(3), **by_subject).mean() > 0.8
    assert cross_val_predict(model, sequences, named, cv=3, method="predict_proba").shape == (30, 2)
    train, test, y_train, y_test = train_test_split(sequences, named, stratify=named, random_state=0)
    assert model.fit(train, y_train).score(test, y_test) > 0.8


def test_searches_over_the_estimators_parameters(data):
    X, y, lengths = data
    model = make_pipeline(Resample(5), OnSequences(KNNClassifier()))
    grid = {"onsequences__estimator__k": [1, 3], "resample__length": [3, 6]}
    search = GridSearchCV(model, grid, cv=3, error_score="raise", n_jobs=2).fit(list(Sequences(X, lengths)), y)
    assert search.best_score_ > 0.8
    either = GridSearchCV(
        Pipeline([("model", OnSequences(KNNClassifier()))]), {"model": [OnSequences(KNNClassifier()), gru()]}, cv=2
    )
    assert len(either.fit(Sequences(X, lengths), y).cv_results_["params"]) == 2


def test_it_is_what_it_wraps():
    assert is_classifier(OnSequences(KNNClassifier()))
    assert is_classifier(make_pipeline(Standardize(), OnSequences(hmm())))
    assert is_regressor(OnSequences(KNNRegressor()))
    assert not hasattr(OnSequences(KNNRegressor()), "predict_proba")
    assert "KNNClassifier" in OnSequences(KNNClassifier())._repr_html_()


def test_regressors(data):
    X, y, lengths = data
    target = np.where(y, 300.5, -20.0)
    model = OnSequences(KNNRegressor()).fit(X, target, lengths=lengths)
    np.testing.assert_allclose(model.predict(X, lengths=lengths), target)
    assert cross_val_score(model, Sequences(X, lengths), target, cv=3, scoring="r2").mean() > 0.8
    assert model.score(X, target, lengths=lengths) == pytest.approx(1.0)


def test_what_is_wrong_with_sequences_is_said(data):
    X, y, lengths = data
    model = OnSequences(KNNClassifier())
    with pytest.raises(NotFittedError):
        model.predict(X, lengths=lengths)
    with pytest.raises(ValueError, match="lengths: expected None"):
        model.fit(Sequences(X, lengths), y, lengths=lengths)
    with pytest.raises(ValueError, match="y: expected a label for each of 30 sequences, got 2"):
        model.fit(X, [0, 1], lengths=lengths)
    with pytest.raises(ValueError, match="NaN"):
        model.fit([np.full((3, 1), np.nan), np.ones((2, 1))], [0, 1])
    with pytest.raises(ValueError, match="continuous"):
        model.fit(X, np.linspace(0, 1, 30), lengths=lengths)
    model.fit(X, y, lengths=lengths)
    with pytest.raises(ValueError, match="X has 3 features, but OnSequences is expecting 2 features"):
        model.predict([np.zeros((4, 3))])


def test_scores_are_of_the_sequences_that_labels_name():
    pandas = pytest.importorskip("pandas")
    named = {f"s{i}": np.full((3, 2), i % 2) + 0.1 * np.eye(3, 2) for i in range(6)}
    labels = pandas.Series([i % 2 for i in range(6)], index=list(named))
    model = OnSequences(KNNClassifier(k=1)).fit(named, labels)
    assert model.score(named, labels) == 1
    with pytest.raises(ValueError, match="y: expected the order of X's keys"):
        model.score(named, labels[::-1])
