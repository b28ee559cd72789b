"""Labels as users give them, and what is scored of those that training did not have."""

import datetime

import numpy as np
import pytest
from samples import make, ragged
from sklearn.exceptions import DataConversionWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import KFold, cross_val_score

from seriatim import Sequences
from seriatim.models import DeepGRURegressor, GRUClassifier
from seriatim.models._labels import read_labels
from seriatim.preprocessing._targets import Labels

pandas = pytest.importorskip("pandas")
X, Y = ragged(12)


def gru(**parameters):
    return make(GRUClassifier, **{"hidden_size": 2, "max_epochs": 1, **parameters})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["a", None, "b"], "got None at index 1: leave"),
        (["a", "b", np.nan, np.nan], "got NaN at index 2 and 1 more: leave"),
        ([1, 2, None], "got None at index 2"),
        (np.array([0.0, np.nan]), "got NaN at index 1"),
        (np.array([0.0, np.inf]), r"got infinity \(inf\) at index 1"),
        (np.array(["a", None], object), "got None at index 1"),
        (np.array(["2020-01-01", "NaT"], "datetime64[D]"), "got NaT at index 1"),
        (pandas.Series(["a", pandas.NA], dtype="string"), "got <NA> at index 1"),
        (pandas.Series([1, pandas.NA], dtype="Int64"), "got <NA> at index 1"),
        (pandas.Series(["a", "b", None], dtype="category"), "got NaN at index 2"),
        ([1, "1"], "got text, '1' at index 1, and int, 1 at index 0"),
        (np.eye(3), r"got \(3, 3\); one-hot rows, .* np.argmax\(y, axis=1\)"),
        ([[1, 1, 0], [0, 0, 1]], "several labels a sequence .* sklearn.multioutput"),
        ([["a", "b"], ["c", "d"]], r"choose a column, y\[:, 0\]"),
        (np.ma.array([1, 2], mask=[False, True]), "masked"),
        ([datetime.date(2020, 1, 1)] * 2, r'datetime.date, .2020-01-01. at index 0: np.asarray\(y, "M8\[D\]"\)'),
        ([datetime.datetime(2020, 1, 1)] * 2, r'np.asarray\(y, "M8\[us\]"\)'),
        ([datetime.timedelta(1)] * 2, r'np.asarray\(y, "m8\[us\]"\)'),
        (pandas.Series(["2020-01-01"]).astype("datetime64[ns, UTC]"), r"DatetimeIndex\(y\).tz_convert\(None\)"),
    ],
)
def test_labels_that_are_none(values, words):
    with pytest.raises(ValueError, match=words):
        read_labels("y", values)


@pytest.mark.parametrize(
    "values",
    [
        [3, 1],
        (label for label in (3, 1)),
        {"first": 3, "second": 1}.values(),
        pandas.Series([3, 1], dtype="Int64"),
        np.array([3, 1], object),
        range(3, 0, -2),
    ],
)
def test_labels_in_any_container(values):
    labels = read_labels("y", values)
    assert labels.tolist() == [3, 1]
    assert labels.dtype.kind == "i"


def test_a_column_of_labels_warns_as_scikit_learns_does():
    with pytest.warns(DataConversionWarning):
        assert read_labels("y", [["a"], ["b"]]).tolist() == ["a", "b"]


def test_missing_numbers_and_groups_are_located():
    y = Y.astype(object)
    y[7] = None
    with pytest.raises(ValueError, match="y: expected finite numbers, got None at index 7"):
        DeepGRURegressor().fit(X, y)
    with pytest.raises(ValueError, match=r"y: .* got NaN at index 3"):
        DeepGRURegressor().fit(X, np.where(np.arange(24) == 7, np.nan, 1.0).reshape(12, 2))
    with pytest.raises(ValueError, match=r"groups: .* got None at index 7"):
        gru(early_stopping=True, max_epochs=2).fit(X, Y, groups=[None if i == 7 else i % 3 for i in range(12)])


def test_labels_that_training_did_not_have_count_as_wrong():
    model = gru().fit(X[Y < 2], Y[Y < 2])
    weights = np.arange(12.0)
    assert model.score(X, Y) == pytest.approx(accuracy_score(Y, model.predict(X)))
    assert model.score(X, Y, sample_weight=weights) == pytest.approx(
        accuracy_score(Y, model.predict(X), sample_weight=weights)
    )
    assert model.score(X, np.full(12, 9)) == 0
    assert model.score(X, Y + 0.0) == model.score(X, Y)
    named = np.array(["a", "b", "c"])
    assert gru().fit(X[Y < 2], named[Y][Y < 2]).score(X, named[Y].astype(object)) == model.score(X, Y)
    for wrong, words in (
        (named[Y], "labels like those of training"),
        ([None, *Y[1:]], "index 0"),
        (Y[:3], "for each of"),
    ):
        with pytest.raises(ValueError, match=words):
            model.score(X, wrong)
    with pytest.raises(ValueError, match="at least one weight above zero"):
        model.score(X, Y, sample_weight=np.zeros(12))


@pytest.mark.filterwarnings("ignore:A worker|The least populated")
def test_a_class_of_one_fold_leaves_cross_validation_whole():
    y = Y % 2
    y[0] = 2
    for scoring in (None, "accuracy"):
        scores = cross_val_score(gru(random_state=0), X, y, cv=KFold(3), scoring=scoring, error_score="raise")
        assert np.isfinite(scores).all()


def test_validation_wants_labels_that_training_has():
    with pytest.raises(ValueError, match=r"validation_data: y .* unseen labels: \[2\]; known are \[0, 1\]"):
        gru().fit(X[Y < 2], Y[Y < 2], validation_data=(X, Y))


def test_text_is_never_taken_for_a_number():
    with pytest.raises(ValueError, match="labels like those of training"):
        gru().partial_fit(X, Y, classes=["0", "1", "2"])
    with pytest.raises(ValueError, match="labels like those of training"):
        gru().fit(X, Y, validation_data=(X, Y.astype(str)))


def test_classes_of_partial_fit():
    model = gru().partial_fit(X[:3], Y[:3], classes=[2, 1, 0, 5])
    model.partial_fit(X, Y, classes=[0, 1, 2, 5]).partial_fit(X, Y)
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        model.partial_fit(X, Y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"classes: .* got NaN at index 1"):
        gru().partial_fit(X, Y, classes=[0, np.nan, 1, 2])
    with pytest.raises(ValueError, match="unseen"):
        gru().partial_fit(X, Y, classes=[0, 1])


def test_a_label_that_the_first_piece_had_not():
    model = GRUClassifier(hidden_size=2, max_epochs=1).partial_fit(X, ["a"] * len(X))
    with pytest.raises(ValueError, match=r"unseen labels: \['b'\]; known are \['a'\].* first partial_fit: classes="):
        model.partial_fit(X, ["b"] * len(X))


@pytest.mark.parametrize("keys", [list("bcad"), [("b", 1), ("c", 2), ("a", 1), ("a", 2)]])
def test_labels_whose_index_has_the_keys_in_another_order_are_refused(keys):
    rng = np.random.default_rng(0)
    X = {key: rng.normal(size=(4, 2)) for key in keys}
    tupled = isinstance(keys[0], tuple)
    index = pandas.MultiIndex.from_tuples(keys) if tupled else pandas.Index(keys)
    y = pandas.Series([0, 1, 0, 1], index)
    turned, model = y.sort_index(), GRUClassifier(hidden_size=2, max_epochs=1, random_state=0)
    model.fit(X, y, validation_data=(X, y))
    model.partial_fit(X, turned.loc[keys])
    assert model.score(X, y) == model.score(X, y.reset_index(drop=True))
    words = r"y: expected the order of X's keys, .*\[0\] is .*y\.loc"
    for given in (X, Sequences.from_list(X), list(X.items())):
        for call in (model.fit, model.partial_fit, model.score):
            with pytest.raises(ValueError, match=words):
                call(given, turned)
    with pytest.raises(ValueError, match=words):
        model.fit(X, y, validation_data=(X, turned))
    with pytest.raises(ValueError, match="sample_weight: expected the order"):
        model.fit(X, y, sample_weight=turned)


@pytest.mark.parametrize("kind", [str, object])
def test_many_labels_of_text_are_no_regression(kind):
    labels = np.array([f"word {i}" for i in range(20)] + ["word 0"] * 10, kind)
    np.testing.assert_array_equal(read_labels("y", labels), labels)


def test_class_weights_of_dates_go_by_value():
    dates = np.array(["2020-01-01", "2020-01-02"], "M8[D]")
    keys = [
        dates[0],
        dates[0].astype("M8[ns]"),
        pandas.Timestamp("2020-01-01"),
        datetime.date(2020, 1, 1),
        datetime.datetime(2020, 1, 1),
        "2020-01-01",
    ]
    for unit in ("D", "us", "ns"):
        targets = Labels(dates.astype(f"M8[{unit}]"))
        for key in keys if unit == "D" else keys[:-1]:
            weights = targets.weights({key: 3.0}, None)
            assert weights[0] == 3 * weights[1]
        for key in (np.datetime64("2020-01-03"), 5, pandas.Timestamp("2020-01-01", tz="UTC")):
            with pytest.raises(ValueError, match=r"expected labels out of .'2020-01-01"):
                targets.weights({key: 3.0}, None)
