"""Transformers of ragged sequences: numbers, the forms of X, scikit-learn's manners."""

import numpy as np
import pytest
from reference import ragged as twin
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
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


def offsets(s):
    return np.r_[0, np.cumsum(s.lengths)]


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


def test_statistics_are_those_of_the_training_set_or_of_each_sequence():
    train, test = data(seed=1), data(seed=2)
    mean, spread = train.X.mean(axis=0), train.X.std(axis=0)
    np.testing.assert_allclose(prep.Standardize().fit(train).transform(test).X, (test.X - mean) / spread, atol=1e-5)
    np.testing.assert_allclose(prep.Center().fit(train).transform(test).X, test.X - mean, atol=1e-6)
    for x in prep.Standardize("sequence").fit(train).transform(test):
        np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-5)
        assert len(x) == 1 or np.allclose(x.std(axis=0), 1, atol=1e-5)
    low, high = train.X.min(axis=0), train.X.max(axis=0)
    scaled = prep.MinMaxScale((-1, 3)).fit(train).transform(test).X
    np.testing.assert_allclose(scaled, (test.X - low) / (high - low) * 4 - 1, atol=1e-5)


def test_what_does_not_vary_is_not_blown_up():
    x = np.full((50, 2), 0.1, np.float32)
    np.testing.assert_allclose(prep.Standardize().fit_transform([x, x])[0], 0, atol=1e-6)
    np.testing.assert_array_equal(prep.MinMaxScale((2, 3)).fit_transform([x, x])[0], 2)


def test_trim_constants():
    quiet, loud = [0.0, 0.0], [1.0, 0.0]
    found = prep.TrimConstants().fit_transform(
        [np.array([quiet, loud, quiet, loud, quiet, quiet]), np.array([loud]), np.array([quiet, quiet])]
    )
    assert [x.tolist() for x in found] == [[loud, quiet, loud], [loud], [quiet]]
    assert len(prep.TrimConstants(1.0).fit_transform([np.array([[1.0], [2.0], [1.0]])] * 2)[0]) == 1


def test_downsample():
    x = np.arange(7.0)
    np.testing.assert_array_equal(prep.Downsample(3).fit_transform([x, x[:2]])[0][:, 0], [0, 3, 6])
    np.testing.assert_array_equal(prep.Downsample(3, "mean").fit_transform([x, x[:2]])[0][:, 0], [1, 4, 6])
    np.testing.assert_array_equal(prep.Downsample(3, "mean").fit_transform([x, x[:2]])[1][:, 0], [0.5])


def test_filters_and_deltas_are_those_of_the_kernels():
    s = data(20)
    for kind in ("mean", "median"):
        wanted = twin.window_filter(s.X, offsets(s), 4, kind)
        np.testing.assert_allclose(prep.Filter(4, kind).fit_transform(s).X, wanted, atol=1e-5)
    first = twin.deltas(s.X, offsets(s), 2)
    both = np.concatenate([s.X, first, twin.deltas(first, offsets(s), 2)], axis=1)
    np.testing.assert_allclose(prep.Deltas(2).fit_transform(s).X, both, atol=1e-5)
    np.testing.assert_allclose(prep.Deltas(2, append=False).fit_transform(s).X, both[:, 3:], atol=1e-5)
    fitted = prep.Deltas(2).fit(s)
    assert list(fitted.get_feature_names_out(["a", "b", "c"]))[2:5] == ["c", "a_delta", "b_delta"]


def test_resample():
    s = data(20)
    for x, found in zip(s, prep.Resample(9).fit_transform(s), strict=True):
        at = np.linspace(0, len(x) - 1, 9)
        wanted = np.stack([np.interp(at, np.arange(len(x)), column) for column in x.T], axis=1)
        np.testing.assert_allclose(found, wanted, atol=1e-5)
        np.testing.assert_array_equal(found[-1], x[-1].astype(np.float32))


def test_pad():
    x = [np.arange(1.0, 4.0), np.arange(1.0, 6.0)]
    assert [a[:, 0].tolist() for a in prep.Pad(4).fit_transform(x)] == [[1, 2, 3, 0], [1, 2, 3, 4]]
    assert [a[:, 0].tolist() for a in prep.Pad(4, -1, "pre").fit_transform(x)] == [[-1, 1, 2, 3], [2, 3, 4, 5]]
    assert prep.Pad().fit(x).transform(x[:1])[0].shape == (5, 1)


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
    (prep.Downsample(0), "factor: expected an integer of at least 1, got 0"),
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


def test_level_and_shape():
    rng = np.random.default_rng(0)
    units = 10.0 ** np.arange(-4, 4)
    rows = [np.column_stack([u * rng.normal(2, 1, 20), rng.normal(size=20)]) for u in units]
    sequences = Sequences.from_list(rows)
    found = prep.LevelAndShape().fit(sequences)
    assert found.wide_.tolist() == [0]
    out = found.transform(sequences)
    assert out.X.shape[1] == 3
    wide = sequences.X[:, 0].astype(np.float64)
    assert np.mean(np.abs(wide) < found.unit_[0]) == pytest.approx(0.1, abs=0.02)
    np.testing.assert_allclose(out.X[:, 0], np.sign(wide) * np.log1p(np.abs(wide) / found.unit_[0]), rtol=1e-5)
    np.testing.assert_array_equal(out.X[:, 1], sequences.X[:, 1].astype(np.float32))
    for given, shape in zip(rows, np.split(out.X[:, 2], 8), strict=True):
        np.testing.assert_allclose(shape, (given[:, 0] - given[:, 0].mean()) / given[:, 0].std(), atol=2e-4)
    assert found.get_feature_names_out().tolist() == ["x0", "x1", "x0_shape"]
    # A sequence that does not vary has no shape.
    assert not found.transform(Sequences(np.ones((4, 2)), [4])).X[:, 2].any()
    even = Sequences.from_list([row / np.abs(row).max(axis=0) for row in rows])
    assert not len(prep.LevelAndShape().fit(even).wide_)


def test_stack():
    s = Sequences.from_list([np.arange(10.0).reshape(5, 2), np.array([[7.0, 8.0]])])
    out = prep.Stack(2).fit_transform(s)
    assert out.lengths.tolist() == [3, 1]
    # What is missing at the end is the last observation again.
    assert out.X.tolist() == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 8, 9], [7, 8, 7, 8]]
    assert prep.Stack(2).fit(s).get_feature_names_out().tolist() == ["x0_t0", "x1_t0", "x0_t1", "x1_t1"]
    weights = np.array([[0.5, 0.3, 0.2], [1.0, 0.0, 0.0]], np.float32)
    spread = prep.Stack(2).spread(weights, s.lengths)
    np.testing.assert_allclose(spread, [[0.25, 0.25, 0.15, 0.15, 0.2], [1, 0, 0, 0, 0]], rtol=1e-6)
