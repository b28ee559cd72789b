"""collate_fn: Sequentia's, which leaves the caller's list alone."""

from __future__ import annotations

import numpy as np
import pytest
from reference import collate as twin

from seriatim.sequences import collate_fn

# Lengths in, order out: Sequentia v0.12.1's own results.
ORDERS = [
    ([3, 7, 1, 5], [1, 3, 0, 2]),
    ([2, 9, 6, 1, 4], [1, 2, 4, 0, 3]),
    ([4, 6, 4, 6, 1, 4, 6, 1], [1, 3, 6, 0, 2, 5, 4, 7]),
    ([5], [0]),
    ([1, 1, 1], [0, 1, 2]),
]


@pytest.mark.parametrize(("lengths", "order"), ORDERS)
@pytest.mark.parametrize("features", [None, 1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_longest_first_and_stable(lengths, order, features, dtype):
    rng = np.random.default_rng(2)
    shapes = [(n,) if features is None else (n, features) for n in lengths]
    batch = [(rng.integers(-9, 9, size=s).astype(dtype), 10 + i) for i, s in enumerate(shapes)]
    given = list(batch)
    copies = [array.copy() for array, _ in batch]
    padded, counts, labels = collate_fn(batch)
    wanted = twin.collate([array for array, _ in batch], order, "padded")
    assert padded.dtype == (dtype if dtype is np.int32 else np.float32)
    assert counts.dtype == labels.dtype == np.int64
    np.testing.assert_array_equal(padded, wanted)
    np.testing.assert_array_equal(counts, np.array(lengths)[order])
    np.testing.assert_array_equal(labels, 10 + np.array(order))
    assert all(one is other for one, other in zip(batch, given, strict=True))
    for (array, _), copied in zip(batch, copies, strict=True):
        np.testing.assert_array_equal(array, copied)


def test_errors():
    with pytest.raises(ValueError, match="batch: expected at least one"):
        collate_fn([])
    with pytest.raises(ValueError, match=r"sequence 1: expected shape \(T, 2\)"):
        collate_fn([(np.zeros((4, 2)), 0), (np.zeros((3, 3)), 1)])
    with pytest.raises(ValueError, match=r"sequence 1: expected shape \(T, 2\)"):
        collate_fn([(np.zeros((4, 2)), 0), (np.zeros((0, 3)), 1)])


def test_a_sequence_without_a_step():
    padded, lengths, labels = collate_fn([(np.zeros((0, 2)), 5), (np.ones((4, 2)), 6)])
    np.testing.assert_array_equal(padded, [np.ones((4, 2)), np.zeros((4, 2))])
    assert (lengths.tolist(), labels.tolist()) == ([4, 0], [6, 5])
