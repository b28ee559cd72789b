"""Packed batches against torch's own, and against the twins."""

from __future__ import annotations

import numpy as np
import pytest
from reference import collate as twin

from seriatim.sequences import (
    PackedSequence,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
    unpad_sequence,
)

LENGTHS = [[1], [4, 4, 2], [3, 7, 1, 7, 2], [2, 2, 2, 5]]
TRAILING = [(), (3,), (2, 3), (2, 1, 2)]


def padded_of(lengths, trailing, batch_first, steps=None):
    rng = np.random.default_rng(4)
    x = np.full((len(lengths), steps or max(lengths), *trailing), np.nan, np.float32)
    for row, length in zip(x, lengths, strict=True):
        row[:length] = rng.normal(size=(length, *trailing))
    return x if batch_first else np.ascontiguousarray(x.swapaxes(0, 1))


def is_sorted(lengths):
    return list(lengths) == sorted(lengths, reverse=True)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("trailing", TRAILING)
@pytest.mark.parametrize("batch_first", [True, False])
def test_packing_gives_the_twins_rows_and_never_reads_padding(lengths, trailing, batch_first):
    x = padded_of(lengths, trailing, batch_first, steps=9)
    packed = pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False)
    order = np.argsort(-np.array(lengths), kind="stable")
    flat = x.reshape(*x.shape[:2], -1)
    data, sizes = twin.pack_rows(flat, np.array(lengths)[order], order, batch_first=batch_first)
    assert packed.data.dtype == np.float32
    assert packed.batch_sizes.dtype == np.int64
    np.testing.assert_array_equal(packed.data, data.reshape(-1, *trailing))
    np.testing.assert_array_equal(packed.batch_sizes, sizes)
    np.testing.assert_array_equal(packed.sorted_indices, order)
    np.testing.assert_array_equal(packed.unsorted_indices[order], np.arange(len(order)))
    assert np.all(np.isfinite(packed.data))


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("trailing", TRAILING)
@pytest.mark.parametrize("batch_first", [True, False])
def test_the_way_back(lengths, trailing, batch_first):
    x = padded_of(lengths, trailing, batch_first)
    packed = pack_padded_sequence(x, np.array(lengths), batch_first, enforce_sorted=False)
    longest = max(lengths) + 2
    again, found = pad_packed_sequence(packed, batch_first, -5.0, total_length=longest)
    np.testing.assert_array_equal(found, lengths)
    wanted = np.full((len(lengths), longest, *trailing), -5.0, np.float32)
    given = x if batch_first else x.swapaxes(0, 1)
    for row, source, length in zip(wanted, given, lengths, strict=True):
        row[:length] = source[:length]
    np.testing.assert_array_equal(again, wanted if batch_first else wanted.swapaxes(0, 1))
    for array, row, length in zip(unpack_sequence(packed), given, lengths, strict=True):
        np.testing.assert_array_equal(array, row[:length])


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("trailing", TRAILING)
@pytest.mark.parametrize("batch_first", [True, False])
def test_torch_gives_the_same(lengths, trailing, batch_first):
    torch = pytest.importorskip("torch")
    rnn = torch.nn.utils.rnn
    x = padded_of(lengths, trailing, batch_first)
    for enforce_sorted in {False, is_sorted(lengths)}:
        ours = pack_padded_sequence(x, lengths, batch_first, enforce_sorted)
        theirs = rnn.pack_padded_sequence(torch.from_numpy(x), torch.tensor(lengths), batch_first, enforce_sorted)
        np.testing.assert_array_equal(ours.batch_sizes, theirs.batch_sizes.numpy())
        if enforce_sorted:
            assert ours.sorted_indices is ours.unsorted_indices is None
            np.testing.assert_array_equal(ours.data, theirs.data.numpy())
        found, counts = pad_packed_sequence(ours, batch_first, 2.5)
        wanted, theirs_counts = rnn.pad_packed_sequence(theirs, batch_first, 2.5)
        np.testing.assert_array_equal(found, wanted.numpy())
        np.testing.assert_array_equal(counts, theirs_counts.numpy())


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("trailing", TRAILING)
def test_lists(lengths, trailing):
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=(length, *trailing)).astype(np.float32) for length in lengths]
    packed = pack_sequence(arrays, enforce_sorted=False)
    for array, again in zip(arrays, unpack_sequence(packed), strict=True):
        np.testing.assert_array_equal(array, again)
    padded = pad_sequence(arrays, batch_first=True, padding_value=3)
    assert padded.shape == (len(lengths), max(lengths), *trailing)
    for row, array in zip(padded, arrays, strict=True):
        np.testing.assert_array_equal(row[: len(array)], array)
        assert np.all(row[len(array) :] == 3)
    np.testing.assert_array_equal(pad_sequence(arrays, padding_value=3), padded.swapaxes(0, 1))
    if is_sorted(lengths):
        assert pack_sequence(arrays).sorted_indices is None


def test_fields():
    packed = pack_sequence([np.ones(3), np.ones(1)])
    data, batch_sizes, sorted_indices, unsorted_indices = packed
    assert isinstance(packed, PackedSequence)
    np.testing.assert_array_equal(batch_sizes, [2, 1, 1])
    assert data is packed.data
    assert sorted_indices is unsorted_indices is None


@pytest.mark.parametrize(
    ("lengths", "kind", "message"),
    [
        ([2, 3], ValueError, "lengths: expected descending order because enforce_sorted=True"),
        ([3, -1], ValueError, "lengths: expected lengths from 0 to 3"),
        ([4, 1], ValueError, "lengths: expected lengths from 0 to 3"),
        ([3], ValueError, "lengths: expected one for each of 2 sequences, got 1"),
        ([2.5, 1.0], TypeError, "lengths: expected a 1-D array of integers"),
        ([[3, 1]], TypeError, "lengths: expected a 1-D array of integers"),
    ],
)
def test_wrong_lengths(lengths, kind, message):
    with pytest.raises(kind, match=message):
        pack_padded_sequence(np.zeros((3, 2, 1)), lengths)


def test_other_errors():
    with pytest.raises(ValueError, match="x: expected at least 2 axes"):
        pack_padded_sequence(np.zeros(3), [3])
    with pytest.raises(ValueError, match="sequences: expected descending lengths"):
        pack_sequence([np.zeros(1), np.zeros(2)])
    with pytest.raises(ValueError, match="sequence 1: expected shape"):
        pack_sequence([np.zeros((2, 3)), np.zeros((2, 4))])
    with pytest.raises(ValueError, match="total_length: expected at least 2"):
        pad_packed_sequence(pack_sequence([np.zeros(2)]), total_length=1)


@pytest.mark.parametrize("batch_first", [False, True])
def test_unpad_sequence_is_the_opposite_of_pad_sequence(batch_first):
    sequences = [np.arange(6).reshape(3, 2), np.arange(2).reshape(1, 2), np.arange(8).reshape(4, 2)]
    padded = pad_sequence(sequences, batch_first)
    found = unpad_sequence(padded, [3, 1, 4], batch_first)
    assert all(np.array_equal(one, other) for one, other in zip(found, sequences, strict=True))
    with pytest.raises(ValueError, match="lengths"):
        unpad_sequence(padded, [3, 1], batch_first)
