"""Transformers along time."""

import numpy as np
from reference import ragged as twin

from seriatim import Sequences
from seriatim import preprocessing as prep


def data(n=6, features=3, seed=0):
    rng = np.random.default_rng(seed)
    return Sequences.from_list([rng.normal(size=(int(k), features)) for k in rng.integers(1, 12, n)])


def offsets(s):
    return np.r_[0, np.cumsum(s.lengths)]


def test_trim_constants():
    quiet, loud = [0.0, 0.0], [1.0, 0.0]
    found = prep.TrimConstants().fit_transform(
        [np.array([quiet, loud, quiet, loud, quiet, quiet]), np.array([loud]), np.array([quiet, quiet])]
    )
    assert [x.tolist() for x in found] == [[loud, quiet, loud], [loud], [quiet]]
    assert len(prep.TrimConstants(1.0).fit_transform([np.array([[1.0], [2.0], [1.0]])] * 2)[0]) == 1
    # What is as far as the tolerance still counts as the constant.
    assert len(prep.TrimConstants(0.0, tol=1.0).fit_transform([np.array([[1.0], [2.0], [1.0]])] * 2)[0]) == 1


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
        np.testing.assert_array_equal(found[-1], x[-1])


def test_pad():
    x = [np.arange(1.0, 4.0), np.arange(1.0, 6.0)]
    assert [a[:, 0].tolist() for a in prep.Pad(4).fit_transform(x)] == [[1, 2, 3, 0], [1, 2, 3, 4]]
    assert [a[:, 0].tolist() for a in prep.Pad(4, -1, "pre").fit_transform(x)] == [[-1, 1, 2, 3], [2, 3, 4, 5]]
    assert prep.Pad().fit(x).transform(x[:1])[0].shape == (5, 1)


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
