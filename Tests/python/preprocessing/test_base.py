"""Transformers of ragged sequences: numbers, the forms of X, scikit-learn's manners."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from seriatim import Sequences
from seriatim import preprocessing as prep
from seriatim.models import DeepGRUClassifier

TRANSFORMERS = [
    prep.Center(),
    prep.Center("sequence"),
    prep.Standardize(),
    prep.Standardize("sequence"),
    prep.MinMaxScale(),
    prep.MinMaxScale((-1, 1), "sequence"),
    prep.TrimConstants(),
    prep.Downsample(),
    prep.Downsample(3, "mean"),
    prep.Filter(),
    prep.Filter(4, "mean"),
    prep.Resample(5),
    prep.Deltas(),
    prep.Deltas(2, append=False),
    prep.LevelAndShape(),
    prep.LevelAndShape(0.0),
    prep.Stack(),
    prep.Stack(3),
    prep.Pad(),
    prep.Pad(3, side="pre"),
]


def data(n=6, features=3, seed=0):
    rng = np.random.default_rng(seed)
    return Sequences.from_list([rng.normal(size=(int(k), features)) for k in rng.integers(1, 12, n)])


@parametrize_with_checks(TRANSFORMERS)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_forms_come_back(transformer):
    s = data()
    wanted = clone(transformer).fit_transform(s)
    assert isinstance(wanted, Sequences)
    as_list = clone(transformer).fit(list(s)).transform(list(s))
    assert isinstance(as_list, list)
    for one, other in zip(as_list, wanted, strict=True):
        np.testing.assert_array_equal(one, other)
    flat = clone(transformer).fit_transform(s.X, lengths=s.lengths)
    if np.array_equal(wanted.lengths, s.lengths):
        np.testing.assert_array_equal(flat, wanted.X)
    else:
        assert flat == wanted
    univariate = clone(transformer).fit_transform([x[:, 0] for x in s])
    assert all(x.ndim == 2 for x in univariate)
    cube = np.stack([np.arange(24.0).reshape(8, 3), np.ones((8, 3))])
    found = clone(transformer).fit_transform(cube)
    expected = clone(transformer).fit_transform(list(cube))
    assert isinstance(found, np.ndarray) == (len({len(x) for x in expected}) == 1)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    single = clone(transformer).fit(s).transform(s[0])
    np.testing.assert_array_equal(single, clone(transformer).fit(s).transform([s[0]])[0])


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
def test_input_is_left_alone(transformer):
    s = Sequences(data().X.astype(np.float32), data().lengths)
    before = s.X.copy()
    transformer.fit_transform(s)
    np.testing.assert_array_equal(s.X, before)


def test_in_a_pipeline_before_a_classifier():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 40)
    rows = [
        np.outer(np.linspace(-1, 1, n), [5.0, 100.0]) * (2 * label - 1)
        for n, label in zip(rng.integers(5, 20, 40), y, strict=True)
    ]
    dims = {"gru1": 12, "gru2": 8, "gru3": 6, "fc": 6}
    model = make_pipeline(
        prep.Standardize(), prep.Downsample(2), prep.Deltas(),
        DeepGRUClassifier(dims=dims, max_epochs=25, learning_rate=1e-2, batch_size=16, random_state=0),
    )  # fmt: skip
    assert model.fit(Sequences.from_list(rows), y).score(Sequences.from_list(rows), y) > 0.9
    assert model.predict(rows).shape == (40,)


def test_data_frames_and_set_output():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [0.0, 1.0, 0.0, 1.0]})
    scaled = prep.Standardize().set_output(transform="pandas").fit_transform(frame, lengths=[1, 3])
    assert list(scaled.columns) == ["a", "b"]
    assert list(prep.Deltas().fit(frame).get_feature_names_out()) == ["a", "b", "a_delta", "b_delta"]
    with pytest.raises(ValueError, match="feature names should match"):
        prep.Standardize().fit(frame).transform(frame.rename(columns={"a": "c"}))
    # Ragged results stay what they are.
    assert isinstance(prep.Standardize().set_output(transform="pandas").fit_transform(data()), Sequences)


BAD = [
    (prep.Center("all"), "over: expected one of"),
    (prep.MinMaxScale((1, 0)), "feature_range"),
    (prep.Downsample(0), "factor: expected an integer from 1 to below 2147483648, got 0"),
    (prep.Downsample(2, "max"), "method"),
    (prep.Filter(2.5), "window_size: expected an integer"),
    (prep.Resample(0), "length"),
    (prep.Deltas(0), "order"),
    (prep.Deltas(reach=0), "reach"),
    (prep.Pad(side="left"), "side"),
    (prep.TrimConstants(tol=-1), "tol"),
]


@pytest.mark.parametrize(("transformer", "words"), BAD, ids=lambda v: repr(v))
def test_bad_parameters(transformer, words):
    with pytest.raises(ValueError, match=words):
        transformer.fit(data())


def test_bad_input():
    with pytest.raises(NotFittedError):
        prep.Standardize().transform(data())
    with pytest.raises(ValueError, match="X has 2 features, but Standardize is expecting 3 features as input"):
        prep.Standardize().fit(data()).transform(data(features=2))
    with pytest.raises(ValueError, match="lengths: expected None beside a list"):
        prep.Standardize().fit(list(data()), lengths=[1])


def test_a_table_without_labels_is_one_sequence():
    x = np.random.default_rng(0).normal(size=(9, 2)).cumsum(axis=0)
    pandas = pytest.importorskip("pandas")
    for table in (x, pandas.DataFrame(x)):
        for transformer in TRANSFORMERS:
            (wanted,) = clone(transformer).fit_transform([x])
            result = np.asarray(clone(transformer).fit_transform(table))
            np.testing.assert_array_equal(result.reshape(wanted.shape), wanted)
            np.testing.assert_array_equal(np.asarray(clone(transformer).fit(table).transform(table)), result)
    assert np.abs(prep.Deltas(append=False).fit_transform(x)).min() > 0
    assert prep.Downsample(2).fit_transform(x).shape == (5, 2)


def test_a_table_with_a_label_a_row_has_sequences_of_one_step():
    x, y = np.random.default_rng(0).normal(size=(9, 2)), np.arange(9) % 2
    assert not prep.Deltas(append=False).fit_transform(x, y).any()
    assert prep.Downsample(2).fit(x, y).transform(x).shape == (9, 2)
    assert prep.Downsample(2).fit_transform(x, y[:3]).shape == (5, 2)
    # A pipeline hands y to its steps.
    assert len(make_pipeline(prep.Deltas(), LogisticRegression()).fit(x, y).predict(x)) == 9
