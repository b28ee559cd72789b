"""Level and shape apart."""

import numpy as np
import pytest

from seriatim import Sequences
from seriatim import preprocessing as prep


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
    np.testing.assert_array_equal(out.X[:, 1], sequences.X[:, 1])
    for given, shape in zip(rows, np.split(out.X[:, 2], 8), strict=True):
        np.testing.assert_allclose(shape, (given[:, 0] - given[:, 0].mean()) / given[:, 0].std(), atol=2e-4)
    assert found.get_feature_names_out().tolist() == ["x0", "x1", "x0_shape"]
    # A sequence that does not vary has no shape.
    assert not found.transform(Sequences(np.ones((4, 2)), [4])).X[:, 2].any()
    even = Sequences.from_list([row / np.abs(row).max(axis=0) for row in rows])
    assert not len(prep.LevelAndShape().fit(even).wide_)
