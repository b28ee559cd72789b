"""collate, pack_rows and unpack_rows: kinds of numbers, layouts, and messages."""

import numpy as np
import pytest
from reference import collate as twin

from seriatim import functional as F


@pytest.mark.parametrize("features", [1, 3, 16, 17])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32, "mixed"])
def test_twin(features, kind):
    rng = np.random.default_rng(0)
    kinds = [np.float64, np.float32, np.float64, np.float32] if kind == "mixed" else [kind] * 4
    sequences = [(10 * rng.normal(size=(n, features))).astype(k) for n, k in zip((2, 7, 7, 1), kinds, strict=True)]
    order = np.array([1, 2, 0, 3])
    data, sizes = F.collate(sequences, order, "packed")
    wanted, wanted_sizes = twin.collate(sequences, order, "packed")
    np.testing.assert_array_equal(data, np.asarray(wanted, np.float32))
    np.testing.assert_array_equal(sizes, wanted_sizes)
    padded = F.collate(sequences, order, "padded")
    np.testing.assert_array_equal(padded, np.asarray(twin.collate(sequences, order, "padded"), np.float32))
    lengths = np.array([7, 7, 2, 1])
    again, _ = F.pack_rows(padded, lengths, np.arange(4))
    np.testing.assert_array_equal(again, data)
    X = np.concatenate([s.astype(np.float64) for s in sequences])
    starts = np.array([2, 9, 0, 16])
    np.testing.assert_array_equal(F.collate_concatenated(X, starts, lengths, "packed")[0], data)
    unpacked = F.unpack_rows(data, sizes, order, total_length=9, padding_value=-1)
    for index, sequence in enumerate(sequences):
        np.testing.assert_array_equal(unpacked[index, : len(sequence)], sequence.astype(np.float32))
        assert np.all(unpacked[index, len(sequence) :] == -1)


def test_wrong_arguments_are_named():
    good = np.zeros((3, 2))
    for sequences, words in (
        ([good, np.zeros((3, 3))], r"sequence 1: expected shape \(T, 2\)"),
        ([good, np.zeros((0, 2))], r"sequence 1: expected shape \(T, 2\) with T >= 1"),
        ([good, np.zeros((2, 2, 2))], "sequence 1"),
    ):
        with pytest.raises(ValueError, match=words):
            F.collate(sequences, np.array([0, 1]), "padded")
    with pytest.raises(IndexError, match="order: expected indices from 0 to 0, got 3"):
        F.collate([good], np.array([3]), "packed")
    with pytest.raises(ValueError, match="descending"):
        F.collate([good, np.zeros((5, 2))], np.array([0, 1]), "packed")
    with pytest.raises(ValueError, match="layout"):
        F.collate([good], np.array([0]), "ragged")
    with pytest.raises(ValueError, match="3 observations"):
        F.collate_concatenated(good, np.array([1]), np.array([3]), "packed")
