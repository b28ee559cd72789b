"""FrameClassifier and FrameRegressor: forms of targets and answers, ignored frames, weights, validation, files."""

import pickle
from functools import partial

import numpy as np
import pytest
from samples import weights_of
from sklearn.metrics import accuracy_score, f1_score, make_scorer, r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from support import threads

import seriatim
from seriatim import Sequences, nn
from seriatim import preprocessing as prep
from seriatim.models import FrameClassifier, FrameRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
FAST = {"hidden_size": 8, "max_epochs": 15, "learning_rate": 1e-2, "random_state": 0}


def walks(n=40, seed=0, least=3):
    """Sequences that wander, and whether each frame is above 0, in text."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(k, 2)).cumsum(axis=0).astype(np.float32) * 0.3 for k in rng.integers(least, 25, n)]
    return X, [np.where(x[:, 0] > 0, "up", "down") for x in X]


X, Y = walks()
LENGTHS = [len(x) for x in X]
ROWS, LABELS = np.concatenate(X), np.concatenate(Y)
NUMBERS = [100 * x[:, 0] + 7 for x in X]


@pytest.fixture(scope="module")
def fitted():
    return FrameClassifier(**FAST).fit(X, Y)


@pytest.fixture(scope="module")
def regressor():
    return FrameRegressor(**FAST).fit(X, NUMBERS)


# ---- Forms


@pytest.mark.parametrize(
    ("given", "y", "more"),
    [
        (ROWS, LABELS, {"lengths": LENGTHS}),
        (ROWS, list(LABELS), {"lengths": LENGTHS}),
        (Sequences(ROWS, LENGTHS), Y, {}),
        (Sequences(ROWS, LENGTHS), LABELS, {}),
        (dict(enumerate(X)), dict(enumerate(Y)), {}),
        (X, [list(map(str, y)) for y in Y], {}),
        ((x for x in X), (y for y in Y), {}),
        (X, np.array(Y, dtype=object), {}),
    ],
    ids=["rows", "list", "Sequences", "Sequences, rows", "dicts", "lists of text", "generators", "objects"],
)
def test_forms_of_training_are_the_same_bits(fitted, given, y, more):
    model = FrameClassifier(**FAST).fit(given, y, **more)
    np.testing.assert_array_equal(weights_of(model), weights_of(fitted))
    assert model.classes_.tolist() == ["down", "up"]


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_answers_are_as_ragged_as_X(fitted, regressor, kind):
    model = fitted if kind == "classifier" else regressor
    asked = [model.predict] + ([model.predict_proba, model.predict_log_proba] if kind == "classifier" else [])
    for answer in asked:
        whole = answer(ROWS, lengths=LENGTHS)
        assert len(whole) == len(ROWS)
        for given in (X, tuple(X), Sequences(ROWS, LENGTHS), (x for x in X)):
            found = answer(given)
            assert isinstance(found, list)
            assert [len(one) for one in found] == LENGTHS
            np.testing.assert_array_equal(np.concatenate(found), whole)
        named = answer({str(i): x for i, x in enumerate(X)})
        assert list(named) == [str(i) for i in range(len(X))]
        np.testing.assert_array_equal(np.concatenate(list(named.values())), whole)
        cube = answer(np.stack([X[0][:3], X[1][:3]]))
        assert cube.shape[:2] == (2, 3)
        np.testing.assert_array_equal(cube[0], answer([X[0][:3]])[0])
        np.testing.assert_array_equal(answer(X[0]), answer([X[0]])[0])


def test_a_table_is_one_sequence_with_a_target_a_row():
    model = FrameClassifier(**FAST).fit(ROWS, LABELS)
    assert model.predict(ROWS).shape == LABELS.shape
    one = FrameClassifier(**FAST).fit([ROWS], [LABELS])
    np.testing.assert_array_equal(weights_of(model), weights_of(one))
    # Lists in lists are rows, too, where each has a target.
    again = FrameClassifier(**FAST).fit(ROWS.tolist(), LABELS.tolist())
    np.testing.assert_allclose(weights_of(model), weights_of(again), atol=1e-5)
    assert list(again.predict(ROWS.tolist())) == list(model.predict(ROWS))


def test_arrays_of_equal_length():
    cube, labels = np.stack([x[:3] for x in X]), np.stack([y[:3] for y in Y])
    model = FrameClassifier(**FAST).fit(cube, labels)
    other = FrameClassifier(**FAST).fit(list(cube), list(labels))
    np.testing.assert_array_equal(weights_of(model), weights_of(other))
    assert model.score(cube, labels) == model.score(cube, labels.ravel())


def test_univariate_sequences():
    model = FrameClassifier(**FAST).fit([x[:, 0] for x in X], Y)
    assert model.score([x[:, 0] for x in X], Y) > 0.8
    assert model.predict(np.stack([X[0][:3, 0], X[1][:3, 0]])).shape == (2, 3)


def test_transform_gives_features_of_each_frame(fitted):
    features = fitted.transform(Sequences(ROWS, LENGTHS))
    assert isinstance(features, Sequences)
    assert features.X.shape == (len(ROWS), 16) == (len(ROWS), len(fitted.get_feature_names_out()))
    np.testing.assert_allclose(
        fitted.module_.classifier(features.X), fitted.predict_log_proba(ROWS, LENGTHS), atol=1e-6
    )
    np.testing.assert_array_equal(np.concatenate(fitted.transform(X)), features.X)


# ---- Learning


@pytest.mark.parametrize(
    "options",
    [
        {"rnn": "lstm", "num_layers": 2},
        {"bidirectional": False, "convolution": 3},
        {"convolution": 4, "n_estimators": 2},
        {"class_weight": "balanced", "label_smoothing": 0.1},
        {"preprocessing": prep.Deltas(), "augmentation": prep.Jitter(0.01)},
    ],
    ids=str,
)
def test_it_learns(options):
    model = FrameClassifier(**{**FAST, "max_epochs": 30}, **options).fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert model.score(X, Y) == accuracy_score(LABELS, np.concatenate(model.predict(X)))


def test_numbers(regressor):
    assert regressor.score(X, NUMBERS) > 0.8
    assert regressor.score(X, NUMBERS) == pytest.approx(
        r2_score(np.concatenate(NUMBERS), np.concatenate(regressor.predict(X)))
    )
    both = [np.stack([y, 1 - y], axis=1) for y in NUMBERS]
    model = FrameRegressor(**FAST).fit(X, both)
    assert [part.shape for part in model.predict(X[:2])] == [(LENGTHS[0], 2), (LENGTHS[1], 2)]
    assert model.score(X, both) > 0.8
    with pytest.raises(ValueError, match="numbers of shape"):
        model.score(X, NUMBERS)


def test_same_bits_with_one_and_two_threads():
    found = []
    for number in (1, 2):
        with threads(number):
            model = FrameClassifier(**FAST, n_estimators=2, convolution=3).fit(X, Y)
            found.append([weights_of(model), model.predict_proba(ROWS, LENGTHS)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_order_of_the_sequences_makes_no_difference(fitted):
    order = np.random.default_rng(1).permutation(len(X))
    model = FrameClassifier(**FAST).fit([X[i] for i in order], [Y[i] for i in order])
    np.testing.assert_array_equal(weights_of(model), weights_of(fitted))


def test_answers_do_not_depend_on_their_batches(fitted):
    whole = fitted.predict_proba(X)
    fitted.set_params(predict_rows=30)
    try:
        found = fitted.predict_proba(X)
    finally:
        fitted.set_params(predict_rows="auto")
    for one, other, x in zip(whole, found, X, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, fitted.predict_proba(x))


def test_weights_of_sequences():
    weights = np.where(np.arange(len(X)) < 10, 0, 1)
    weighted = FrameClassifier(**FAST).fit(X, Y, sample_weight=weights)
    without = FrameClassifier(**FAST).fit(X[10:], Y[10:])
    np.testing.assert_array_equal(weights_of(weighted), weights_of(without))
    fractions = np.linspace(0.1, 2, len(X))
    other = FrameClassifier(**FAST).fit(X, Y, sample_weight=fractions)
    assert not np.array_equal(weights_of(other), weights_of(without))
    right = np.concatenate(other.predict(X)) == LABELS
    wanted = np.average(right, weights=np.repeat(fractions, LENGTHS))
    assert other.score(X, Y, sample_weight=fractions) == pytest.approx(wanted)


def test_balanced_goes_by_frames():
    y = [np.where(np.arange(n) == 0, "rare", "often") for n in LENGTHS]
    plain, balanced = (FrameClassifier(**FAST, class_weight=w).fit(X, y) for w in (None, "balanced"))
    found = [np.mean(np.concatenate(model.predict(X)) == "rare") for model in (plain, balanced)]
    assert found[0] < found[1]
    count = np.mean(np.concatenate(y) == "rare")
    by_hand = FrameClassifier(**FAST, class_weight={"rare": 0.5 / count, "often": 0.5 / (1 - count)}).fit(X, y)
    np.testing.assert_allclose(weights_of(by_hand), weights_of(balanced), atol=1e-4)


def test_pieces_and_going_on():
    model = FrameClassifier(**FAST)
    for _ in range(15):
        model.partial_fit(X, Y, classes=["down", "up"])
    assert model.score(X, Y) > 0.8
    before = model.n_iter_
    assert model.set_params(warm_start=True).fit(X, Y).n_iter_ == before + 15
    with pytest.raises(ValueError, match="unseen labels"):
        model.partial_fit(X, [np.full(n, "left") for n in LENGTHS])
    numbers = FrameRegressor(**FAST, warm_start=True).fit(X, NUMBERS)
    loss = numbers.history_["loss"][-1]
    assert numbers.fit(X, NUMBERS).history_["loss"][-1] < loss


# ---- Ignored frames


def holes(y, label, seed=0):
    rng = np.random.default_rng(seed)
    return [np.where(rng.random(len(one)) < 0.3, label, one) for one in y]


def test_ignored_labels_have_no_part():
    y = holes(Y, "?")
    model = FrameClassifier(**FAST, ignore_label="?").fit(X, y)
    assert model.classes_.tolist() == ["down", "up"]
    counts = np.concatenate(y) != "?"
    wanted = accuracy_score(LABELS[counts], np.concatenate(model.predict(X))[counts])
    assert model.score(X, y) == pytest.approx(wanted)
    assert model.score(X, y) > 0.9
    # Whatever stands for "ignored", and whatever was there: the same bits.
    codes = [np.where(one == "?", np.nan, one == "up") for one in y]
    other = FrameClassifier(**FAST, ignore_label=np.nan).fit(X, codes)
    np.testing.assert_array_equal(weights_of(other), weights_of(model))
    assert other.classes_.tolist() == [0, 1]
    # A sequence without a label teaches nothing.
    nothing = FrameClassifier(**FAST, ignore_label="?", batch_size=1).fit(X[:3], [y[0], y[1], np.full(LENGTHS[2], "?")])
    assert np.isfinite(weights_of(nothing)).all()


@pytest.mark.parametrize("convolution", [None, 3])
def test_frames_that_are_ignored_at_the_end_leave_the_gradients_bits(convolution):
    """Without a view of what comes, nothing before them can know of them."""
    packed = seriatim.pack_sequence(X, enforce_sorted=False)
    longer = seriatim.pack_sequence([np.vstack([x, x]) for x in X], enforce_sorted=False)
    codes = [np.arange(n) % 2 for n in LENGTHS]
    found = []
    for x, target in [(packed, codes), (longer, [np.append(code, np.full(len(code), -100)) for code in codes])]:
        model, criterion = nn.FrameRNN(2, 4, 2, convolution=convolution, rng=0), nn.NLLLoss()
        loss = criterion(model(x), seriatim.pack_sequence(target, enforce_sorted=False))
        model.backward(criterion.backward())
        found.append([loss, *(p.grad for p in model.parameters())])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_values_in_the_place_of_ignored_targets_make_no_difference():
    y = holes(NUMBERS, np.nan)
    model = FrameRegressor(**FAST).fit(X, y)
    there = ~np.isnan(np.concatenate(y))
    assert model.score(X, y) == pytest.approx(
        r2_score(np.concatenate(y)[there], np.concatenate(model.predict(X))[there])
    )
    assert model.score(X, NUMBERS) > 0.8
    # Of several outputs one may be missing: the other learns.
    both = [np.stack([one, two], axis=1) for one, two in zip(NUMBERS, y, strict=True)]
    assert FrameRegressor(**FAST).fit(X, both).score(X, both) > 0.8


def test_a_loss_without_nan():
    pred, target = np.array([[1.0, 2], [3, 4]], np.float32), np.array([[0, np.nan], [np.nan, 2]], np.float32)
    criterion = nn.MSELoss(ignore_nan=True)
    assert criterion(pred, target) == pytest.approx((1 + 4) / 2)
    np.testing.assert_allclose(criterion.backward(), [[1, 0], [0, 2]])
    assert criterion(pred, target, [1, 3]) == pytest.approx((1 + 3 * 4) / 4)
    assert criterion.total_weight(target, [1, 3]) == 4
    assert np.isnan(nn.MSELoss()(pred, target))


# ---- Validation


def edges(estimator, given, y):
    """A scorer of one's own: the share of sequences whose first frame is right."""
    found = estimator.predict(given)
    return np.mean([one[0] == other[0] for one, other in zip(found, y, strict=True)])


@pytest.mark.parametrize("monitor", ["loss", "accuracy", "f1_macro", "roc_auc", edges])
@pytest.mark.parametrize("ignore", [False, True])
def test_early_stopping(monitor, ignore):
    y = holes(Y, "?") if ignore else Y
    model = FrameClassifier(
        **FAST,
        early_stopping=True,
        n_iter_no_change=15,
        validation_fraction=0.3,
        monitor=monitor,
        ignore_label="?" if ignore else None,
    )
    model.fit(X, y, groups=np.arange(len(X)) // 2)
    history = model.history_
    assert len(history["validation_loss"]) == 15
    assert model.best_epoch_ is not None
    if monitor == "accuracy":
        np.testing.assert_allclose(history["validation_accuracy"], history["validation_score"])


def test_validation_data_is_measured_by_frame():
    other, labels = walks(seed=5)
    model = FrameClassifier(**FAST, callbacks=[]).fit(X, Y, validation_data=(other, labels))
    assert model.history_["validation_score"][-1] == pytest.approx(model.score(other, labels), abs=1e-6)
    numbers = [100 * x[:, 0] + 7 for x in other]
    reg = FrameRegressor(**FAST, monitor="r2", early_stopping=True).fit(X, NUMBERS, validation_data=(other, numbers))
    assert reg.history_["validation_r2"][reg.best_epoch_ - 1] == pytest.approx(reg.score(other, numbers), abs=1e-6)
    with pytest.raises(ValueError, match=r"validation_data.*y: expected targets of 39 sequences"):
        FrameClassifier(**FAST).fit(X, Y, validation_data=(other[1:], labels))


def test_searches_and_folds():
    search = GridSearchCV(FrameClassifier(**FAST), {"convolution": [None, 3]}, cv=2)
    search.fit(Sequences(ROWS, LENGTHS), Y)
    assert search.best_score_ > 0.8
    for cv, y in ((2, np.array(Y, dtype=object)), (KFold(2), Sequences.from_list([one == "up" for one in Y]))):
        assert min(cross_val_score(FrameClassifier(**FAST), Sequences(ROWS, LENGTHS), y, cv=cv)) > 0.6
    scores = cross_val_score(FrameRegressor(**FAST), Sequences(ROWS, LENGTHS), NUMBERS, cv=2)
    assert min(scores) > 0.5
    assert f1_score(LABELS, np.concatenate(search.predict(X)), average="macro") > 0.9
    assert make_scorer(edges) is not None


# ---- Files


@pytest.mark.parametrize("kind", [FrameClassifier, partial(FrameRegressor)])
def test_files_and_pickles(tmp_path, kind):
    model = kind(**FAST, convolution=2, n_estimators=2).fit(X, Y if kind is FrameClassifier else NUMBERS)
    seriatim.save(model, tmp_path / "model")
    for again in (seriatim.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict(ROWS, LENGTHS), model.predict(ROWS, LENGTHS))


def test_a_checkpoint_goes_on_with_the_same_bits(tmp_path):
    def killed(history):
        if len(history["loss"]) == 4:
            raise MemoryError

    whole = FrameClassifier(**FAST).fit(X, Y)
    with pytest.raises(MemoryError):
        FrameClassifier(**FAST, checkpoint_dir=tmp_path, callbacks=[killed]).fit(X, Y)
    assert list(tmp_path.iterdir())
    model = FrameClassifier(**FAST, checkpoint_dir=tmp_path).fit(X, Y)
    np.testing.assert_array_equal(weights_of(model), weights_of(whole))
