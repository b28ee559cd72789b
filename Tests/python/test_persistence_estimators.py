"""Files of estimators: what comes back, what goes on as if there were no file, and what is refused in words."""

import contextlib
import datetime
import functools
import json
import pathlib

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from scipy.special import expit
from sklearn import config_context, decomposition, linear_model, multioutput, neighbors, preprocessing, svm
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import f1_score, make_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from support import threads

import seriatim
from seriatim import models, nn, optim, recipes
from seriatim import preprocessing as prep
from seriatim.persistence._files import read

X = [np.random.default_rng(i).normal(size=(4 + i % 3, 2)) for i in range(12)]
VIDEOS = [x.reshape(-1, 1, 2, 1).repeat(2, axis=3) for x in X]
Y = np.arange(12) % 2
DIMS = {"gru1": 4, "gru2": 3, "gru3": 3, "fc": 3}
TABLE = np.random.default_rng(1).normal(size=(30, 4)) + 2
LABELS = np.arange(30) % 2
SHORT = {"max_epochs": 1, "random_state": 0}


def cnn():
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 3, rng=0), nn.Dropout(0.2, rng=1))


def through(model, tmp_path, **options):
    seriatim.save(model, tmp_path / "model", **options)
    return seriatim.load(tmp_path / "model")


def weights(model):
    return np.concatenate([v.ravel() for v in model.module_.state_dict().values()])


# ---- The library's own

ESTIMATORS = {
    "DeepGRUClassifier": (models.DeepGRUClassifier(dims=DIMS, **SHORT), X),
    "DeepGRURegressor": (models.DeepGRURegressor(dims=DIMS, optimizer="rmsprop", weight_averaging=0.9, **SHORT), X),
    "GRUClassifier": (
        models.GRUClassifier(
            hidden_size=3, augmentation=prep.Jitter(), **{**SHORT, "max_epochs": 2},
            schedule=functools.partial(optim.CosineAnnealingLR, eta_min=1e-5), early_stopping=True,
        ),
        X,
    ),
    "LSTMClassifier": (models.LSTMClassifier(hidden_size=3, optimizer="sgd", preprocessing=prep.Deltas(), **SHORT), X),
    "ensemble": (
        models.GRUClassifier(hidden_size=3, n_estimators=2, max_epochs=1, random_state=np.random.RandomState(3)), X
    ),
    "FrameClassifier": (
        models.FrameClassifier(hidden_size=3, convolution=2, ignore_label=0, early_stopping=True, **SHORT), X
    ),
    "FrameRegressor": (models.FrameRegressor(hidden_size=3, rnn="lstm", n_estimators=2, **SHORT), X),
    "VideoClassifier": (models.VideoClassifier(cnn(), 3, hidden_size=3, fc=3, freeze=True, **SHORT), VIDEOS),
    "ReservoirClassifier": (models.ReservoirClassifier(hidden_size=4, random_state=0), X),
    "ReservoirRegressor": (models.ReservoirRegressor(hidden_size=4, random_state=0), X),
}  # fmt: skip


def test_every_estimator_is_here():
    public = {getattr(models, name) for name in models.__all__}
    # A stream is none; an EarlyClassifier, which stands on one, has its tests beside it.
    public -= {models.EstimatorStream, models.EarlyStream, models.EarlyClassifier}
    assert public - {type(model) for model, _ in ESTIMATORS.values()} == {models.CharacterModel}


@pytest.mark.filterwarnings("ignore:early_stopping chooses the epoch")
@pytest.mark.parametrize("name", ESTIMATORS)
def test_training_goes_on_as_without_the_file(tmp_path, name):
    model, data = clone(ESTIMATORS[name][0]), ESTIMATORS[name][1]
    y = [np.arange(len(x)) % 3 for x in data] if name.startswith("Frame") else Y
    unfitted = through(model, tmp_path)
    assert not hasattr(unfitted, "module_")
    both = [model.fit(data, y), unfitted.fit(data, y)]
    np.testing.assert_array_equal(*map(weights, both))
    both[1] = through(model, tmp_path)
    for one, other in zip(both[1].predict(data), model.predict(data), strict=True):
        np.testing.assert_array_equal(one, other)
    assert set(vars(both[1])) == set(vars(model))
    for one in both:
        if "warm_start" in one.get_params():
            one.set_params(warm_start=True)
        one.fit(data, y)
        if hasattr(one, "partial_fit"):
            one.partial_fit(data, y)
    np.testing.assert_array_equal(*map(weights, both))
    assert both[0].history_.get("loss") == both[1].history_.get("loss")


def test_training_may_stay_behind(tmp_path):
    model = clone(ESTIMATORS["LSTMClassifier"][0]).set_params(optimizer="adam").fit(X, Y)
    again = through(model, tmp_path)
    size = (tmp_path / "model").stat().st_size
    np.testing.assert_array_equal(again._optimizer._state[0]["exp_avg"], model._optimizer._state[0]["exp_avg"])
    bare = through(model, tmp_path, training=False)
    assert (tmp_path / "model").stat().st_size < size
    assert not hasattr(bare, "_optimizer")
    bare.partial_fit(X, Y)


def test_an_optimiser_of_other_parameters_stays_behind(tmp_path):
    model = clone(ESTIMATORS["VideoClassifier"][0]).fit(VIDEOS, Y)
    model.module_.classifier[2] = nn.Linear(3, 2, rng=1)
    again = through(model, tmp_path)
    assert not hasattr(again, "_optimizer")
    np.testing.assert_array_equal(again.predict_proba(VIDEOS), model.predict_proba(VIDEOS))


def test_a_model_of_text(tmp_path):
    model = models.CharacterModel(hidden_size=3, num_layers=1, max_epochs=1, random_state=0)
    again = through(model, tmp_path).fit("ab\ud800a\0" * 9)
    model.fit("ab\ud800a\0" * 9)
    kept = through(model, tmp_path)
    assert kept.vocabulary_ == again.vocabulary_ == model.vocabulary_
    assert kept.sample(9) == again.sample(9) == model.sample(9)


TRANSFORMERS = [
    getattr(home, name)
    for home in (prep, recipes)
    for name in home.__all__
    if isinstance(getattr(home, name), type)
    and name != "SequenceTransformer"
    and issubclass(getattr(home, name), BaseEstimator)
]


@pytest.mark.parametrize("cls", TRANSFORMERS, ids=lambda cls: cls.__name__)
def test_every_transformer_comes_back(tmp_path, cls):
    arguments = {"Filter": ([1.0, 0.5],), "Resample": (3,), "Compose": ([prep.Jitter(), prep.Crop(0.9)],)}
    try:
        model = cls(*arguments.get(cls.__name__, ()))
    except TypeError:
        pytest.skip("is a base")
    again = through(model, tmp_path)
    assert repr(again) == repr(model)
    assert type(again) is cls
    if not hasattr(model, "fit"):
        return
    data = [np.tile(x, (1, 3)) for x in X]
    try:
        model.fit(data)
    except ValueError:
        pytest.skip("wants data of its own kind")
    model.set_output(transform="pandas")
    again = through(model, tmp_path)
    assert vars(again).keys() == vars(model).keys()
    for ours, wanted in zip(again.transform(data), model.transform(data), strict=True):
        np.testing.assert_array_equal(ours, wanted)


def test_attributes_of_a_users_own(tmp_path):
    for model in (prep.Standardize(), models.GRUClassifier(), preprocessing.StandardScaler()):
        model.my_note, model.when = "x", {datetime.date(2024, 1, 2)}
        again = through(model, tmp_path)
        assert (again.my_note, again.when) == (model.my_note, model.when)
        model.hook = lambda: None
        with pytest.raises(TypeError, match=f"{type(model).__name__}.hook: .*code is in no file"):
            seriatim.save(model, tmp_path / "other")


def test_what_was_said_beside_parameters(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(TABLE, columns=list("abcd"))
    with config_context(enable_metadata_routing=True):
        logistic = (
            linear_model.LogisticRegression().set_fit_request(sample_weight=True).set_score_request(sample_weight="w")
        )
        gru = models.GRUClassifier(**SHORT).set_fit_request(sample_weight=True, groups=False)
        for model in (logistic, gru):
            again = through(model, tmp_path)
            assert repr(again.get_metadata_routing()) == repr(model.get_metadata_routing())
    scaler = preprocessing.StandardScaler().set_output(transform="pandas").fit(frame)
    again = through(scaler, tmp_path)
    assert list(again.feature_names_in_) == list("abcd")
    pandas.testing.assert_frame_equal(again.transform(frame), scaler.transform(frame))
    own = prep.Standardize().fit(frame)
    assert list(through(own, tmp_path).feature_names_in_) == list("abcd")


def test_another_number_of_threads(tmp_path):
    model = clone(ESTIMATORS["LSTMClassifier"][0])
    with threads(2):
        model.fit(X, Y)
        seriatim.save(model, tmp_path / "model")
    with threads(1):
        again = seriatim.load(tmp_path / "model").partial_fit(X, Y)
    np.testing.assert_array_equal(weights(again), weights(model.partial_fit(X, Y)))


# ---- Labels

LABELS_OF = {
    **{f"datetime64[{unit}]": np.array([5, 9], f"M8[{unit}]") for unit in ("Y", "M", "W", "D", "h", "m", "s", "25s")},
    **{f"timedelta64[{unit}]": np.array([5, 9], f"m8[{unit}]") for unit in ("ms", "us", "ns", "ps", "fs", "as")},
    "bool": [False, True],
    "uint64": np.array([2**64 - 2, 2**64 - 1], np.uint64),
    "int8": np.array([-3, 8], np.int8),
    "big-endian": np.array([1, 256], ">i4"),
    "longdouble": np.array([1, 2], np.longdouble),
    "surrogate": np.array(["a", "\ud800"]),
    "zero characters": np.array(["a\0\0", "b\0"], object),
    "wide": np.array(["a", "b\0c"], "U9"),
}


@pytest.mark.parametrize("kind", LABELS_OF)
def test_labels_keep_their_type(tmp_path, kind):
    y = np.asarray(LABELS_OF[kind])[Y]
    model = models.ReservoirClassifier(hidden_size=4, random_state=0).fit(X, y)
    again = through(model, tmp_path)
    assert again.classes_.dtype == model.classes_.dtype
    assert again.classes_.tolist() == model.classes_.tolist()
    assert again.predict(X).dtype == model.predict(X).dtype
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_labels_of_pandas(tmp_path):
    pandas = pytest.importorskip("pandas")
    times = pandas.to_datetime(["2020-01-01", "2021-01-01"]).to_numpy()
    for y in (pandas.Series(times[Y]), pandas.Series(pandas.Categorical(np.array(["a", "b"])[Y]))):
        model = models.ReservoirClassifier(hidden_size=4, random_state=0).fit(X, y)
        again = through(model, tmp_path)
        assert again.classes_.dtype == model.classes_.dtype
        np.testing.assert_array_equal(again.predict(X), model.predict(X))


# ---- Values

VALUES = [
     None, True, 1, 2**70, -0.0, float("nan"), float("inf"), 1e-320, "a\0", "\ud800", b"\0\xff", 1 + 2j, (), (1,
    (2,)), [], {"a": [1]}, {(1, "b"): None, None: 2}, {1, 2}, frozenset("ab"), range(2, 9, 3), slice(None, 4),
    pathlib.Path("a/b"), np.float32(0.1), np.int8(3), np.bool_(True), np.str_("a"), np.bytes_(b"a"),
    np.datetime64("2020-02-03"), np.float64(1), np.timedelta64(7, "25s"), np.dtype("M8[ns]"), np.dtype(object),
    np.float64, int, np.random, np.log1p, expit, f_classif, datetime.date(2020, 1, 2), datetime.datetime(2020, 1,
    2, 3, 4, 5, 6, fold=1), datetime.time(5), datetime.timedelta(-1, 2, 3), datetime.datetime(2020, 1, 2,
    tzinfo=datetime.timezone.utc), np.array([[1, None], ["a", np.nan]], object), np.array(["2020", "NaT"],
    "M8[D]"), np.array(["a\0b", ""]), np.array([b"a", b""]), np.zeros((0, 3)), np.array(3.5), np.ones((2, 3),
    order="F"), np.arange(6)[::-2], np.ma.array([1, 2], mask=[0, 1]), np.array([1 + 2j]), optim.StepLR,
    np.array([[]], object), np.float16([1, 2]), np.uint16([3]),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_parameters_are_what_they_were(tmp_path, value):
    again = through(preprocessing.FunctionTransformer(kw_args={"value": value}), tmp_path).kw_args["value"]
    assert type(again) is type(value)
    if isinstance(value, np.ndarray):
        assert (again.dtype, again.shape) == (value.dtype, value.shape)
        assert again.flags.f_contiguous == (value.flags.f_contiguous or value.ndim == 1)
    assert repr(again) == repr(value) or (isinstance(value, (set, frozenset)) and again == value)


def test_generators_go_on_and_stay_one(tmp_path):
    random = np.random.RandomState(5)
    random.normal()
    model = Pipeline([("a", decomposition.PCA(random_state=random)), ("b", svm.SVC(random_state=random))])
    again = through(model, tmp_path)
    drawn = again.named_steps["a"].random_state
    assert drawn is again.named_steps["b"].random_state
    np.testing.assert_array_equal(drawn.normal(size=700), random.normal(size=700))
    for engine in (np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64):
        generator = np.random.Generator(engine(1))
        generator.random(3, np.float32)
        kept = through(preprocessing.FunctionTransformer(kw_args={"rng": generator}), tmp_path).kw_args["rng"]
        np.testing.assert_array_equal(kept.random(9, np.float32), generator.random(9, np.float32))


def test_a_memory_map_comes_back(tmp_path):
    np.save(tmp_path / "mean.npy", TABLE.mean(axis=0))
    scaler = preprocessing.StandardScaler().fit(TABLE)
    wanted = scaler.transform(TABLE)
    scaler.mean_ = np.load(tmp_path / "mean.npy", mmap_mode="r")
    np.testing.assert_array_equal(through(scaler, tmp_path).transform(TABLE), wanted)


# ---- scikit-learn's

PARTS = {
    "LogisticRegression": linear_model.LogisticRegression(),
    "SVC": svm.SVC(),
    "KNeighbors, a tree": neighbors.KNeighborsClassifier(3),
    "KNeighbors, brute": neighbors.KNeighborsClassifier(3, algorithm="brute"),
    "SGD": linear_model.SGDClassifier(random_state=0),
    "MLP": MLPClassifier((3,), max_iter=200, random_state=0, tol=1.0),
    "calibrated": CalibratedClassifierCV(svm.LinearSVC(), cv=2),
    "isotonic": CalibratedClassifierCV(svm.LinearSVC(), cv=2, method="isotonic"),
    "stack": StackingClassifier([("a", svm.LinearSVC()), ("b", linear_model.RidgeClassifier())], cv=2),
    "vote": VotingClassifier([("a", svm.SVC()), ("b", linear_model.RidgeClassifier())]),
    "search": GridSearchCV(linear_model.LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, scoring="accuracy"),
    "union": make_pipeline(
        FeatureUnion([("pca", decomposition.PCA(2)), ("best", SelectKBest(f_classif, k=1))]),
        preprocessing.FunctionTransformer(np.tanh),
        svm.LinearSVC(),
    ),
    "columns": make_pipeline(
        ColumnTransformer(
            [
                ("a", preprocessing.MinMaxScaler(), slice(0, 2)),
                ("b", preprocessing.OneHotEncoder(sparse_output=False, handle_unknown="ignore"), [2]),
            ],
            remainder="passthrough",
        ),
        SimpleImputer(),
        preprocessing.StandardScaler(),
        neighbors.KNeighborsClassifier(),
    ),
    "targets": TransformedTargetRegressor(linear_model.Ridge(), func=np.expm1, inverse_func=np.log1p),
    "regression": IsotonicRegression(),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", PARTS)
def test_parts_of_scikit_learn(tmp_path, name):
    data = TABLE[:, :1] if name == "regression" else TABLE
    model = clone(PARTS[name])
    again = through(model, tmp_path).fit(data, LABELS)
    model.fit(data, LABELS)
    kept = through(model, tmp_path)
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        if hasattr(model, method):
            np.testing.assert_array_equal(getattr(kept, method)(data), getattr(model, method)(data))
            np.testing.assert_array_equal(getattr(again, method)(data), getattr(model, method)(data))


def test_ours_inside_of_theirs(tmp_path):
    gru = models.GRUClassifier(hidden_size=3, **SHORT)
    cube = np.stack([x[:4] for x in X])
    search = GridSearchCV(gru, {"hidden_size": [2, 3]}, cv=2).fit(cube, Y)
    vote = VotingClassifier([("a", gru), ("b", clone(gru))]).fit(cube, Y)
    several = multioutput.MultiOutputClassifier(gru).fit(cube, np.c_[Y, 1 - Y])
    for model in (search, vote, several):
        again = through(model, tmp_path)
        np.testing.assert_array_equal(again.predict(cube), model.predict(cube))
    assert again.estimators_[0] is not again.estimators_[1]
    vote = through(vote, tmp_path)
    assert vote.estimators_[0] is vote.named_estimators_["a"], "what is one stays one"
    features = make_pipeline(prep.Standardize(), gru, preprocessing.StandardScaler(), svm.SVC()).fit(X, Y)
    np.testing.assert_array_equal(through(features, tmp_path).predict(X), features.predict(X))


def test_columns_by_name_and_type(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0, 4.0], "b": ["x", "y", "x"], "c": [1, 2, 3]})
    numbers = make_column_selector(dtype_include=np.number)
    parts = [("a", preprocessing.StandardScaler(), numbers), ("b", preprocessing.OneHotEncoder(), ["b"])]
    model = ColumnTransformer(parts, remainder="drop").fit(frame)
    again = through(model, tmp_path)
    np.testing.assert_array_equal(again.transform(frame), model.transform(frame))
    assert again.get_feature_names_out().tolist() == model.get_feature_names_out().tolist()


def test_the_same_transformer_at_two_places(tmp_path):
    shared = preprocessing.StandardScaler()
    again = through(FeatureUnion([("a", shared), ("b", make_pipeline(shared))]), tmp_path)
    assert again.transformer_list[0][1] is again.transformer_list[1][1].steps[0][1]
    encoder = preprocessing.LabelEncoder().fit(["b", "a\0", "\ud800"])
    assert through(encoder, tmp_path).classes_.tolist() == encoder.classes_.tolist()


def test_another_version_of_scikit_learn_warns_as_it_does(tmp_path):
    changed(preprocessing.StandardScaler().fit(TABLE), tmp_path, lambda model: model.update({"scikit-learn": "1.0.2"}))
    with pytest.warns(InconsistentVersionWarning, match="StandardScaler from version 1.0.2"):
        seriatim.load(tmp_path / "model")


# ---- Refusals


class Own(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        return self


def identical(x):
    return x


class StandardScaler(preprocessing.StandardScaler):
    """A class that has but the name of scikit-learn's."""


REFUSED = {
    r"\.steps\[0\]\[1\].* got Own, a class of ": Pipeline([("a", Own())]),
    r"got StandardScaler, a class of ": StandardScaler(),
    r"FunctionTransformer\.func: .* got function \(identical\): code is in no file": preprocessing.FunctionTransformer(
        identical
    ),
    r"func: .* got function \(<lambda>\)": preprocessing.FunctionTransformer(lambda x: x),
    r"func: .*_ArrayFunctionDispatcher \(save\)": preprocessing.FunctionTransformer(np.save),
    r"estimators_\[0\]\.tree_: .* got Tree, an object of sklearn.*joblib\.dump": RandomForestClassifier(
        2, random_state=0
    ).fit(TABLE, LABELS),
    r"kw_args.*ndarray of \[": preprocessing.FunctionTransformer(kw_args={"a": np.zeros(2, [("x", "f4")])}),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_has_no_safe_form_is_named(tmp_path, words):
    with pytest.raises(TypeError, match=words):
        seriatim.save(REFUSED[words], tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_part_of_itself_is_refused(tmp_path):
    model = preprocessing.FunctionTransformer()
    model.kw_args = {"a": model}
    with pytest.raises(TypeError, match="is a part of itself"):
        seriatim.save(model, tmp_path / "model")


def test_what_watches_a_run_stays_behind(tmp_path):
    model = models.GRUClassifier(callbacks=[print], checkpoint_dir=tmp_path / "folder", monitor=identical, **SHORT)
    again = through(Pipeline([("a", model)], memory="somewhere"), tmp_path)
    assert again.memory is None
    gru = again.steps[0][1]
    assert (gru.callbacks, gru.checkpoint_dir, gru.monitor) == (None, None, "loss")
    scored = through(models.GRUClassifier(monitor=make_scorer(f1_score, average="macro")), tmp_path).monitor
    assert repr(scored) == repr(make_scorer(f1_score, average="macro"))


# ---- Files that were changed


def changed(model, tmp_path, change):
    path = tmp_path / "model"
    seriatim.save(model, path)
    header, tensors = read(path)
    change(header["model"])
    save_file(tensors, path, metadata={"seriatim": json.dumps({**header, "alike": {}})})


SCALER = preprocessing.StandardScaler().fit(TABLE)
CHANGES = {
    r"Standardize has the parameters more in the file, which this version does not know": (
        prep.Standardize(), lambda m: m["parameters"].update(more=1)
    ),
    r"Standardize has an attribute 'transform' in": (
        prep.Standardize(), lambda m: m.update(attributes={"transform": 1})
    ),
    r"Standardize has an attribute '_a' in the file, which a user": (
        prep.Standardize(), lambda m: m.update(attributes={"_a": 1})
    ),
    r"StandardScaler has the parameters self in": (SCALER, lambda m: m["parameters"].update(self=1)),
    r"StandardScaler has an attribute 'transform' in": (SCALER, lambda m: m["fitted"].update(transform=1)),
    r"StandardScaler has an attribute '__class__'": (SCALER, lambda m: m["fitted"].update(__class__=1)),
    r"holds a 'sklearn.os.system'": (SCALER, lambda m: m.update({"class": "sklearn.os.system"})),
    r"holds a 'sklearn.base.BaseEstimator'": (SCALER, lambda m: m.update({"class": "sklearn.base.BaseEstimator"})),
    r"names a function 'os.system'": (SCALER, lambda m: m["fitted"].update(a={"function": "os.system"})),
    r"names a function 'numpy.save'": (SCALER, lambda m: m["fitted"].update(a={"function": "numpy.save"})),
    r"unknown type 'O'": (SCALER, lambda m: m["fitted"].update(a={"scalar": "O", "value": "00"})),
    r"unknown type 'object'": (
        SCALER, lambda m: m["fitted"].update(a={"tensor": "mean_", "dtype": "object", "shape": [4]})
    ),
    r"expected the bytes of \(1000000, 1000000\)": (
        SCALER, lambda m: m["fitted"].update(a={"tensor": "mean_", "dtype": "<U9", "shape": [10**6, 10**6]})
    ),
    r"expected \(1000000000,\) values, got 1": (
        SCALER, lambda m: m["fitted"].update(a={"objects": [1], "shape": [10**9], "dtype": "O"})
    ),
    r"is not as save writes it": (SCALER, lambda m: m["fitted"].update(a={"objects": 1, "shape": [], "dtype": "O"})),
    r"days=.*|OverflowError": (SCALER, lambda m: m["fitted"].update(a={"timedelta": [10**12, 0, 0]})),
    r"expected the bytes of \(1099511627776,\)": (
        SCALER, lambda m: m["fitted"].update(a={"tensor": "mean_", "dtype": "<U0", "shape": [2**40]})
    ),
    r"no tensor 'there'": (SCALER, lambda m: m["fitted"].update(a={"tensor": "there"})),
}  # fmt: skip


@pytest.mark.parametrize("words", CHANGES)
def test_a_file_that_was_edited_is_refused_in_words(tmp_path, words):
    changed(*CHANGES[words][:1], tmp_path, CHANGES[words][1])
    with pytest.raises(ValueError, match=words):
        seriatim.load(tmp_path / "model")


@pytest.mark.parametrize(("engine", "place"), [("MT19937", "pos"), ("Philox", "buffer_pos")])
def test_a_generator_that_stands_beyond_its_numbers_is_refused(tmp_path, engine, place):
    generator = np.random.Generator(getattr(np.random, engine)(1))

    def change(model):
        model["parameters"]["kw_args"] = json.loads(
            json.dumps(model["parameters"]["kw_args"]).replace(f'"{place}", ', f'"{place}", 10000000')
        )

    changed(preprocessing.FunctionTransformer(kw_args={"rng": generator}), tmp_path, change)
    with pytest.raises(ValueError, match=f"{place} of {engine}: expected 0 to"):
        seriatim.load(tmp_path / "model")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.InconsistentVersionWarning")
def test_whatever_was_done_to_a_file_is_an_error_in_words(tmp_path):
    """Every value of the header exchanged for another: a ValueError, or a model, and nothing else."""
    model = make_pipeline(prep.Standardize(), models.GRUClassifier(hidden_size=2, **SHORT)).fit(X, Y)
    path = tmp_path / "model"
    seriatim.save(model, path)
    header, tensors = read(path)
    places = []

    def walk(node, place):
        places.append(place)
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            walk(value, [*place, key])

    walk(header["model"], [])
    rng = np.random.default_rng(0)
    others = [
        None,
        -1,
        2**40,
        "x",
        [],
        {},
        {"tensor": 3},
        {"same": 7},
        {"class": "GRU"},
        {"class": 3},
        [[1]],
        float("nan"),
    ]
    for _ in range(120):
        tree = json.loads(json.dumps(header["model"]))
        place, other = places[rng.integers(1, len(places))], others[rng.integers(len(others))]
        holder = tree
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = other
        save_file(tensors, path, metadata={"seriatim": json.dumps({**header, "model": tree})})
        with contextlib.suppress(ValueError):
            seriatim.load(path)
    assert load_file(path)
