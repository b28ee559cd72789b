"""One reader of X: what holds sequences, and what they are made of, never changes what they mean."""

import numpy as np
import pytest

from seriatim import Sequences
from seriatim._sklearn import Known, read_sequences, read_videos
from seriatim.models import GRUClassifier, ReservoirRegressor
from seriatim.preprocessing import Resample, Standardize

pandas = pytest.importorskip("pandas")

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 3)) for n in (4, 2, 5, 3)]
Y = [0, 1, 0, 1]
SERIES = [x[:, 0] for x in X]
EQUAL = [x[:2, 0] for x in X]
WHOLE, FLAT = np.concatenate(X), np.concatenate(SERIES)
LENGTHS = [len(x) for x in X]
LONG = pandas.DataFrame(WHOLE, columns=list("abc")).assign(id=np.repeat([7, 3, 9, 1], LENGTHS))


class Tensor:
    """As torch's: it is no array, but becomes one."""

    def __init__(self, x):
        self.x = x
        self.shape = x.shape

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.x, dtype)


def objects(items):
    array = np.empty(len(items), object)
    array[:] = items
    return array


HOLDERS = {
    "list": list,
    "tuple": tuple,
    "generator": lambda items: (x for x in items),
    "map": lambda items: map(np.asarray, items),
    "dict": lambda items: dict(enumerate(items)),
    "values": lambda items: dict(enumerate(items)).values(),
    "pairs": lambda items: [(f"key {i}", x) for i, x in enumerate(items)],
    "object array": objects,
    "column": lambda items: pandas.Series(list(items)),
    "one column": lambda items: pandas.DataFrame({"x": list(items)}),
}
MADE_OF = {
    "arrays": np.asarray,
    "lists": np.ndarray.tolist,
    "tensors": Tensor,
    "frames": lambda x: pandas.DataFrame(x) if x.ndim == 2 else pandas.Series(x),
    "objects": lambda x: x.astype(object),
}


def read(given, lengths=None, **settings):
    return read_sequences(given, lengths, "Estimator", dtype=np.float64, **settings)


@pytest.mark.parametrize("made_of", MADE_OF)
@pytest.mark.parametrize("holder", HOLDERS)
def test_holders_and_what_they_hold(holder, made_of):
    make = MADE_OF[made_of]
    found = read(HOLDERS[holder]([make(x) for x in X]))
    assert found.sequences == Sequences(WHOLE, LENGTHS)
    for items in (SERIES, EQUAL, EQUAL[:1]):
        found = read(HOLDERS[holder]([make(x) for x in items]))
        assert found.sequences == Sequences(np.concatenate(items)[:, None], [len(x) for x in items])
        assert found.rows == "series"


def test_groups_leave_their_key_out():
    wanted = Sequences(WHOLE, LENGTHS)
    for groups in (LONG.groupby("id", sort=False), list(LONG.groupby("id", sort=False))):
        found = read(groups)
        assert found.sequences == wanted
        assert (found.keys, found.names) == ([7, 3, 9, 1], ["a", "b", "c"])
    assert read(LONG.groupby("id", sort=False)["a"]).sequences == Sequences(FLAT[:, None], LENGTHS)
    two = LONG.assign(part="left").groupby(["id", "part"], sort=False)
    assert read(two).sequences == wanted
    assert read(Sequences.from_frame(LONG, by="id")).sequences == wanted


def test_arrays_are_taken_by_their_axes():
    wanted = Sequences(WHOLE, LENGTHS)
    for given in (WHOLE, WHOLE.tolist(), list(WHOLE), LONG[["a", "b", "c"]], Tensor(WHOLE)):
        assert read(given, LENGTHS).sequences == wanted
        assert read(given, np.asarray(LENGTHS, float)).sequences == wanted
    for given in (FLAT, FLAT.tolist(), LONG["a"]):
        assert read(given, LENGTHS).rows == "series"
    assert read(Sequences(FLAT, LENGTHS)).sequences == Sequences(FLAT[:, None], LENGTHS)
    cube = np.stack([x[:2] for x in X])
    assert read(cube).sequences == read(cube.tolist()).sequences == Sequences(cube.reshape(-1, 3), [2] * 4)
    assert len(read(WHOLE[:4], targets=4).sequences) == 4
    assert len(read(WHOLE[:4], targets=2).sequences) == 1


# What was given in fit, and how many sequences these rows then are, as a list and as an array alike.
STEPS, TABLE, UNIVARIATE, SINGLE = (
    Known("step", (3,)),
    Known("sequence", (3,)),
    Known("series", (1,)),
    Known("step", (1,)),
)


@pytest.mark.parametrize(
    ("known", "rows", "lengths"),
    [(STEPS, X[0], [4]), (TABLE, X[0], [1] * 4), (UNIVARIATE, X[0], [3] * 4), (SINGLE, X[0][:, :1], [4])],
)
def test_rows_stay_what_they_were_in_fit(known, rows, lengths):
    for given in (rows, rows.tolist(), list(rows), [pandas.Series(row) for row in rows]):
        found = read(given, known=known).sequences
        assert found.lengths.tolist() == lengths
        np.testing.assert_array_equal(found.X, rows.reshape(-1, *known.shape))


def test_a_single_univariate_sequence():
    for known in (UNIVARIATE, SINGLE):
        for given in (SERIES[0], [SERIES[0]], SERIES[0][:, None], [SERIES[0][:, None]], SERIES[0].tolist()):
            assert read(given, known=known).sequences == Sequences(SERIES[0][:, None], [4])
    with pytest.raises(ValueError, match="Reshape your data"):
        read(X[0][0], known=TABLE)


def test_all_entries_take_what_is_given_once():
    make = GRUClassifier(hidden_size=2, max_epochs=1, random_state=0)
    wanted = make.fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(make.fit((x for x in X), Y).predict_proba(x for x in X), wanted)
    same = (x for x in X)
    np.testing.assert_array_equal(make.fit(same, Y).predict_proba(same), wanted)
    assert make.fit(X, Y, validation_data=((x for x in X), Y)).history_["validation_loss"]
    assert make.fit_transform(map(np.asarray, X), Y).shape == make.transform(X).shape
    assert make.fit_predict(map(np.asarray, X), Y).shape == (4,)
    assert make.partial_fit({i: x.tolist() for i, x in enumerate(X)}, Y).score((x for x in X), Y) >= 0
    assert len(Standardize().fit_transform(map(np.asarray, X))) == 4


def test_univariate_lists_mean_the_same_in_fit_and_in_pieces():
    make = GRUClassifier(hidden_size=2, max_epochs=1, random_state=0)
    fitted = make.fit(EQUAL, Y)
    wanted = fitted.predict_proba(SERIES)
    np.testing.assert_array_equal(make.fit([x.tolist() for x in EQUAL], Y).predict_proba(SERIES), wanted)
    alike = fitted.predict_proba(EQUAL)
    for given in (np.stack(EQUAL), np.stack(EQUAL).tolist(), [pandas.Series(x) for x in EQUAL]):
        np.testing.assert_array_equal(fitted.predict_proba(given), alike)
    # A table of others is more likely to be transposed; a list says that it is meant.
    with pytest.raises(ValueError, match=r"expecting 2 features.*give list\(X\)"):
        fitted.predict(np.stack(EQUAL).T)
    assert fitted.predict(list(np.stack(EQUAL).T)).shape == (2,)
    for x in SERIES:
        fitted.partial_fit([x, x], [0, 1])
    assert fitted.predict(np.stack(EQUAL).T).shape == (2,)
    # What came in between with two axes makes no steps of rows.
    fitted.partial_fit([x[:, None] for x in SERIES], Y)
    assert fitted.predict(np.stack(EQUAL)).shape == (4,)


def test_forms_come_out_of_transformers():
    frames = [pandas.DataFrame(x) for x in X]
    wanted = list(Standardize().fit_transform(Sequences(WHOLE, LENGTHS)))
    for given in (frames, (x for x in X), [x.tolist() for x in X], tuple(X)):
        found = Standardize().fit_transform(given)
        assert isinstance(found, list)
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(one, other)
    assert list(Standardize().fit_transform(LONG.groupby("id", sort=False))) == [7, 3, 9, 1]
    assert Resample(4).fit_transform([x.tolist() for x in X]).shape == (4, 4, 3)
    assert Standardize().fit(EQUAL).transform(np.stack(EQUAL)).shape == (4, 2, 1)


def test_names_of_frames_are_kept():
    model = ReservoirRegressor(hidden_size=4, random_state=0)
    for given in (Sequences.from_frame(LONG, by="id"), LONG.groupby("id")):
        assert list(model.fit(given, [1.0, 2.0, 3.0, 5.0]).feature_names_in_) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict([LONG[["b", "a", "c"]]])
    frames = [LONG[["a", "b"]], LONG[["b", "a"]]]
    with pytest.raises(ValueError, match=r"X\[1\]: expected the columns of X\[0\]"):
        read(frames)


MISTAKES = {
    "channels first": (lambda: read([x.T for x in X]), r"all have 3 in axis 0 .* as if transposed.*x\.T"),
    "channels first, known": (lambda: read([x.T for x in X], known=STEPS), r"expecting 3 .*X\[0\].*transposed\?"),
    "one, channels first": (lambda: read(X[0].T, known=STEPS), r"shape \(3, 4\), transposed\?"),
    "array, channels first": (
        lambda: read(np.zeros((2, 3, 5)), known=STEPS), r"transposed\? Steps come first: X.transpose"),
    "univariate to others": (lambda: read(SERIES, known=STEPS), r"X has 1 features.*X\[0\] .*, a univariate sequence"),
    "rows of series": (lambda: read(X[0], known=SINGLE), r"univariate sequences, give X\[:, :, None\]"),
    "cells unequal": (lambda: read(pandas.DataFrame({"a": [[1, 2]], "b": [[1]]})), r"X\[0\]: expected cells of one"),
    "lengths beside padded": (lambda: read(np.zeros((2, 3, 5)), [1, 2]), r"None beside a 3-D .*from_padded"),
    "ends for lengths": (lambda: read(WHOLE, np.cumsum(LENGTHS)), r"as if they were the ends: np\.diff"),
    "ids for lengths": (lambda: read(WHOLE, LONG["id"]), "as if they said which sequence a row is of"),
    "lengths of halves": (lambda: read(WHOLE, [0.5, 13.5]), "lengths: expected a 1-D array of integers"),
    "nothing": (lambda: read([]), "at least one sequence"),
    "text": (lambda: read(["walk", "run"]), "expected real numbers"),
    "text in a frame": (lambda: read([LONG.assign(a="walk")]), r"X\[0\]: expected real numbers, got 'walk'"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_are_named(case):
    call, words = MISTAKES[case]
    with pytest.raises((TypeError, ValueError), match=words):
        call()


def test_targets_for_rows_or_without_lengths():
    model = GRUClassifier(hidden_size=2, max_epochs=1)
    with pytest.raises(ValueError, match=r"table of 14 rows without lengths.*one for each of 4 sequences"):
        model.fit(WHOLE, Y)
    with pytest.raises(ValueError, match=r"for each of 4 sequences, got 14: one for each row\?"):
        model.fit(WHOLE, np.repeat(Y, LENGTHS), lengths=LENGTHS)
    with pytest.raises(ValueError, match=r"lengths: expected a sum of 14.*as if y and lengths were exchanged"):
        model.fit(WHOLE, LENGTHS, lengths=[1, 2, 1, 2])
    with pytest.raises(ValueError, match=r"validation_data: .*transposed\?"):
        model.fit(X, Y, validation_data=([x.T for x in X], Y))


WAVES = np.sin(np.arange(20) / 3 + np.arange(6)[:, None])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((6, 40)), r"one step with 40 features.*series of 40 steps, give X\[:, :, None\]"),
        (WAVES, r"one step with 20 features.*series of 20 steps, give X\[:, :, None\]"),
        (WAVES[:, None], r"one step with 20 features.*X.transpose\(0, 2, 1\)"),
        (list(WAVES[:, None]), r"one step with 20 features.*\[x.T for x in X\]"),
        (np.zeros((6, 3, 40)), r"3 channels of 40 steps, they are transposed.* first, X.transpose\(0, 2, 1\)"),
    ],
)
def test_axes_that_are_hardly_meant_are_warned_of(given, words):
    with pytest.warns(UserWarning, match=words):
        ReservoirRegressor(hidden_size=2, scaling=None, preprocessing=None).fit(given, np.arange(6.0))


def test_a_table_of_features_is_not_warned_of():
    table = np.random.default_rng(0).normal(size=(27, 30)) + np.linspace(0, 9, 30)
    ReservoirRegressor(hidden_size=2, scaling=None, preprocessing=None).fit(table, np.arange(27.0))


def spoilt(sequence, step, value, feature=1):
    changed = [x.copy() for x in X]
    changed[sequence][step, feature] = value
    return changed


def test_numbers_that_are_not_finite_are_located():
    place = r"\(1 of 42 numbers, in 1 of 4 sequences; the first in step 3 of sequence 2, feature 1"
    with pytest.raises(ValueError, match=rf"NaN {place}\).*interpolate"):
        read(spoilt(2, 3, np.nan))
    with pytest.raises(ValueError, match=rf"got infinity {place}\)"):
        read(spoilt(2, 3, -np.inf))
    with pytest.raises(ValueError, match=rf"got NaN {place} \('b'\)\)"):
        read([pandas.DataFrame(x, columns=list("abc")) for x in spoilt(2, 3, np.nan)])
    with pytest.raises(ValueError, match=rf"up to 3.4e\+38, got 1e\+39, which is infinity in float32 {place}"):
        read_sequences(spoilt(2, 3, 1e39), None, "Estimator", dtype=np.float32)
    assert read(spoilt(2, 3, 1e39)).sequences.X.max() == 1e39
    # Where nothing scales it, it meets the network's float32.
    model = GRUClassifier(hidden_size=2, max_epochs=1, scaling=None, preprocessing=None)
    with pytest.raises(
        ValueError, match=r"got 1e\+39, which is infinity in float32 .* step 3 of its sequence, feature 1"
    ):
        model.fit(spoilt(2, 3, 1e39), Y)
    model.fit(X, Y)
    with pytest.raises(ValueError, match=rf"got 1e\+39, which is infinity in float32 {place}"):
        model.predict(spoilt(2, 3, 1e39))
    padded = np.full((2, 3, 2), np.nan)
    padded[0, :2] = padded[1] = 1
    for given in (padded, padded[:, ::-1], padded[:, :, 0]):
        with pytest.raises(ValueError, match=r"Sequences\.from_padded\(X\) cuts it from an array, .* from a list"):
            read(given, targets=2)
    with pytest.raises(ValueError, match=r"at \[0, 1, 1\] of its frame"):
        read_videos([np.where(np.arange(8).reshape(2, 1, 2, 2) == 3, np.nan, 0)], None, "Estimator")


def test_targets_and_weights_that_are_not_finite_are_located():
    model = ReservoirRegressor(hidden_size=2)
    with pytest.raises(ValueError, match=r"y: .* got NaN at index 2"):
        model.fit(X, [0.0, 1.0, np.nan, 2.0])
    with pytest.raises(ValueError, match=r"sample_weight\[1\] is -1.0, and 2 of 4 are such"):
        model.fit(X, [0.0, 1.0, 3.0, 2.0], sample_weight=[1, -1, 1, np.nan])
