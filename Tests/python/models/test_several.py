"""Several labels a sequence, in scikit-learn's forms: sets of labels, and columns of labels."""

import numpy as np
import pytest
from samples import weights_of
from sklearn.metrics import accuracy_score, hamming_loss
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier
from support import normal

import seriatim
from seriatim import nn
from seriatim.export import export_onnx
from seriatim.models import DeepGRUClassifier, GRUClassifier, ReservoirClassifier, VideoClassifier
from seriatim.nn.losses._columns_loss import ColumnsLoss
from seriatim.preprocessing._several import LabelColumns, LabelSets

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
FAST = {"hidden_size": 8, "max_epochs": 25, "learning_rate": 1e-2, "random_state": 0}


def sequences(n=100, seed=0):
    """Sequences around a point; which of its coordinates are above 0."""
    rng = np.random.default_rng(seed)
    place = rng.normal(size=(n, 3))
    return [rng.normal(0, 0.3, (rng.integers(4, 12), 3)) + one for one in place], (place > 0).astype(int), place


X, SETS, PLACE = sequences()
COLUMNS = np.stack([np.digitize(PLACE[:, 0], [-0.5, 0.5]), SETS[:, 1] + 5], axis=1)
WORDS = np.array(["low", "middle", "high"])[COLUMNS % 3]


@pytest.fixture(scope="module")
def sets():
    return GRUClassifier(**FAST).fit(X, SETS)


@pytest.fixture(scope="module")
def columns():
    return GRUClassifier(**FAST).fit(X, COLUMNS)


def test_sets_are_as_of_scikit_learns_perceptron(sets):
    flat = np.stack([x.mean(axis=0) for x in X])
    theirs = MLPClassifier((8,), max_iter=20, random_state=0).fit(flat, SETS)
    np.testing.assert_array_equal(sets.classes_, theirs.classes_)
    assert sets.predict(X).shape == theirs.predict(flat).shape
    assert sets.predict(X).dtype.kind == theirs.predict(flat).dtype.kind == "i"
    probabilities = sets.predict_proba(X)
    assert probabilities.shape == theirs.predict_proba(flat).shape
    np.testing.assert_array_equal(sets.predict(X), probabilities > 0.5)
    np.testing.assert_allclose(np.log(probabilities), sets.predict_log_proba(X), atol=1e-5)
    assert sets.score(X, SETS) == accuracy_score(SETS, sets.predict(X)) > 0.9
    assert hamming_loss(SETS, sets.predict(X)) < 0.1
    logits = sets.module_(seriatim.pack_sequence(list(map(np.asarray, sets._read(X, None))), enforce_sorted=False))
    np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), atol=1e-6)


def test_columns_are_lists_as_of_scikit_learns_forests(columns):
    assert [classes.tolist() for classes in columns.classes_] == [[0, 1, 2], [5, 6]]
    assert [part.shape for part in columns.predict_proba(X)] == [(100, 3), (100, 2)]
    for part in columns.predict_proba(X):
        np.testing.assert_allclose(part.sum(axis=1), 1, atol=1e-6)
    found = columns.predict(X)
    assert found.shape == COLUMNS.shape
    # As scikit-learn's MultiOutputClassifier: all labels of a sequence have to be right.
    assert columns.score(X, COLUMNS) == np.mean((found == COLUMNS).all(axis=1)) > 0.9
    text = GRUClassifier(**FAST).fit(X, WORDS)
    assert text.predict(X).dtype.kind == "U"
    assert text.score(X, WORDS) > 0.8


@pytest.mark.parametrize("y", [SETS, COLUMNS], ids=["sets", "columns"])
@pytest.mark.parametrize(
    "options",
    [
        {"n_estimators": 2},
        {"early_stopping": True},
        {"micro_shards": 3},
        {"class_weight": None, "bidirectional": False},
    ],
    ids=str,
)
def test_what_they_are_learned_with(y, options):
    model = GRUClassifier(**FAST, **options).fit(X, y, sample_weight=np.linspace(0.5, 1, len(X)))
    assert model.score(X, y) > 0.7
    assert np.isfinite(model.history_["loss"]).all()
    if "early_stopping" in options:
        assert len(model.history_["validation_score"]) == model.n_iter_


def test_ensembles_average_probabilities():
    for y in (SETS, COLUMNS):
        model = GRUClassifier(**FAST, n_estimators=2).fit(X, y)
        members, alone = list(model.module_), []
        for member in members:
            model.module_ = member
            alone.append(model.predict_proba(X))
        model.module_ = nn.Ensemble(*members)
        found = model.predict_proba(X)
        if y is SETS:
            np.testing.assert_allclose(found, np.mean(alone, axis=0), atol=1e-6)
        else:
            for i, part in enumerate(found):
                np.testing.assert_allclose(part, np.mean([one[i] for one in alone], axis=0), atol=1e-6)


def test_defaults_and_other_networks():
    model = GRUClassifier(effort="fast", callbacks=[lambda history: len(history["loss"]) == 3], random_state=0)
    assert model.fit(X, SETS).reservoir_ is False
    assert model.label_smoothing_ == 0
    dims = {"gru1": 16, "gru2": 12, "gru3": 8, "fc": 16}
    deep = DeepGRUClassifier(dims=dims, dropout=0, max_epochs=25, learning_rate=1e-2, random_state=0)
    assert deep.fit(X, COLUMNS).score(X, COLUMNS) > 0.6
    videos = [x.reshape(-1, 3, 1, 1).astype(np.float32) for x in X]
    video = VideoClassifier(nn.Flatten(), 3, hidden_size=8, fc=8, max_epochs=15, learning_rate=1e-2, random_state=0)
    assert video.fit(videos, SETS).score(videos, SETS) > 0.5


def test_a_monitor_and_folds():
    model = GRUClassifier(**FAST, early_stopping=True, validation_fraction=0.3, monitor="f1_macro").fit(X, SETS)
    assert len(model.history_["validation_f1_macro"]) == model.n_iter_
    assert min(cross_val_score(GRUClassifier(**FAST), seriatim.Sequences.from_list(X), SETS, cv=2)) > 0.4


@pytest.mark.parametrize("y", [SETS, COLUMNS, WORDS], ids=["sets", "columns", "words"])
def test_files_pieces_and_going_on(tmp_path, y):
    model = GRUClassifier(**{**FAST, "max_epochs": 2}).fit(X, y)
    seriatim.save(model, tmp_path / "model")
    again = seriatim.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    for one in (model, again):
        one.partial_fit(X, y)
    np.testing.assert_array_equal(weights_of(again), weights_of(model))
    with pytest.raises(ValueError, match="y: expected labels as in the last fit"):
        model.partial_fit(X, SETS[:, 0])
    # Fitted anew with one label a sequence it is an ordinary classifier.
    assert model.fit(X, SETS[:, 0]).predict(X).shape == (100,)
    with pytest.raises(ValueError, match="y: expected labels as in fit"):
        model.score(X, SETS)


def test_refusals(tmp_path, sets):
    for options, y, words in [
        ({"class_weight": "balanced"}, SETS, "class_weight: expected None for several labels"),
        ({"class_weight": {0: 2}}, COLUMNS, "class_weight: expected None for several labels"),
        ({"label_smoothing": 0.1}, SETS, "label_smoothing: expected 0 or 'auto'"),
        ({"reservoir": True}, SETS, "reservoir: expected False or 'auto'"),
        ({}, PLACE, "y: Unknown label type"),
        ({}, np.where(SETS == 1, np.nan, 0.0), "got NaN at index"),
    ]:
        with pytest.raises(ValueError, match=words):
            GRUClassifier(**FAST, **options).fit(X, y)
    with pytest.raises(ValueError, match="y: expected a label a sequence"):
        ReservoirClassifier().fit(X, SETS)
    with pytest.raises(ValueError, match="classes: expected None"):
        GRUClassifier(**FAST).partial_fit(X, SETS, classes=[0, 1])
    with pytest.raises(ValueError, match="y: expected shape"):
        sets.score(X, SETS[:, :2])
    with pytest.raises(ValueError, match="one label a sequence to export"):
        export_onnx(sets, tmp_path / "model.onnx")
    with pytest.warns(UserWarning, match="as one-hot rows have"):
        GRUClassifier(**FAST).fit(X, np.eye(3, dtype=int)[COLUMNS[:, 0]])


# ---- Arithmetic


def test_the_loss_of_columns_is_the_mean_of_cross_entropies():
    pred, target = normal(6, 5), np.array([[0, 1], [1, 0], [2, 1], [0, 0], [1, 1], [2, 0]])
    weights = np.array([1, 2, 0, 1, 3, 1], np.float32)
    for smoothing in (0, 0.2):
        criterion, first, second = (
            ColumnsLoss((3, 2), smoothing),
            *(nn.CrossEntropyLoss(label_smoothing=smoothing),) * 2,
        )
        parts = [first(pred[:, :3], target[:, 0], weights)]
        grads = [first.backward()]
        parts.append(second(pred[:, 3:], target[:, 1], weights))
        grads.append(second.backward())
        assert criterion(pred, target, weights) == pytest.approx(np.mean(parts))
        np.testing.assert_allclose(criterion.backward(), np.concatenate(grads, axis=1) / 2, atol=1e-7)
        summed = criterion.summed()
        assert summed(pred, target, weights) / criterion.total_weight(target, weights) == pytest.approx(np.mean(parts))


@pytest.mark.parametrize("logits", [normal(20, 3) * 5, np.array([[90.0, -90, 0]], np.float32)])
def test_measures_of_sets(logits):
    targets, target = LabelSets(3), (normal(len(logits), 3, seed=3) > 0).astype(np.float32)
    log_probs = targets.log_probs(logits)
    exact = logits.astype(np.float64)
    wanted = np.mean(np.logaddexp(0, exact) - target * exact)
    loss, score = targets.measure(log_probs, target, None)
    assert loss == pytest.approx(wanted, rel=1e-3)
    assert score == np.mean(((logits > 0) == target).all(axis=1))
    assert targets.measure(targets.ideal(target), target, None)[1] == 1


def test_measures_of_columns():
    targets = LabelColumns.of(COLUMNS)
    codes = targets.encode(COLUMNS)
    np.testing.assert_array_equal(targets.decode(targets.ideal(codes)), COLUMNS)
    log_probs = targets.log_probs(normal(100, 5))
    for part in targets.split(log_probs):
        np.testing.assert_allclose(np.exp(part).sum(axis=1), 1, atol=1e-6)
    losses = [-part[np.arange(100), code].mean() for part, code in zip(targets.split(log_probs), codes.T, strict=True)]
    assert targets.measure(log_probs, codes, None)[0] == pytest.approx(np.mean(losses), rel=1e-6)
    with pytest.raises(ValueError, match="unseen labels"):
        targets.encode(COLUMNS + 1)


def test_columns_of_text_and_of_numbers_are_refused():
    X = [np.full((4, 2), float(index)) for index in range(6)]
    y = np.array([[index % 2, "ab"[index % 2]] for index in range(6)], object)
    with pytest.raises(ValueError, match=r"columns of labels of one kind, got text and numbers.*y.astype\(str\)"):
        GRUClassifier(max_epochs=1).fit(X, y)
    y = y.astype(str)
    model = GRUClassifier(hidden_size=2, max_epochs=1, preprocessing=None, random_state=0).partial_fit(X, y)
    y[0, 0] = "7"
    with pytest.raises(ValueError, match="all that will ever come must be in y of the first partial_fit"):
        model.partial_fit(X, y)
