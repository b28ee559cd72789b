"""Sequences of length 0: packed, padded, collated and back."""

import numpy as np
import pytest

from seriatim.sequences import (
    PackedSequence,
    Sequences,
    collate_fn,
    elementwise_apply,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    unpack_sequence,
)

X = np.arange(1, 25, dtype=np.float32).reshape(4, 3, 2)
LENGTHS = [2, 0, 3, 0]
SEQUENCES = [x[:length] for x, length in zip(X, LENGTHS, strict=True)]


@pytest.mark.parametrize("batch_first", [True, False])
def test_there_and_back(batch_first):
    x = X if batch_first else X.swapaxes(0, 1)
    packed = pack_padded_sequence(x, LENGTHS, batch_first=batch_first, enforce_sorted=False)
    np.testing.assert_array_equal(packed.batch_sizes, [2, 2, 1])
    np.testing.assert_array_equal(packed.sorted_indices, [2, 0, 1, 3])
    assert packed.n_sequences == 4
    assert repr(packed).startswith("PackedSequence(n=4, lengths 0 to 3, ")
    padded, lengths = pad_packed_sequence(packed, batch_first=batch_first, padding_value=-1, total_length=4)
    np.testing.assert_array_equal(lengths, LENGTHS)
    padded = padded if batch_first else padded.swapaxes(0, 1)
    assert padded.shape == (4, 4, 2)
    for row, length, whole in zip(padded, LENGTHS, X, strict=True):
        np.testing.assert_array_equal(row[:length], whole[:length])
        assert (row[length:] == -1).all()


@pytest.mark.parametrize("kind", [np.float64, np.int64, np.uint8])
@pytest.mark.parametrize("shape", [(), (2,), (2, 1, 2)])
def test_lists(kind, shape):
    sequences = [np.ones((length, *shape), kind) * (length + 1) for length in LENGTHS]
    packed = pack_sequence(sequences, enforce_sorted=False)
    assert packed.data.dtype == (np.float32 if kind is np.float64 else kind)
    for one, two in zip(unpack_sequence(packed), sequences, strict=True):
        np.testing.assert_array_equal(one, two)
    assert pad_sequence(sequences).shape == (3, 4, *shape)
    left = pad_sequence(sequences, batch_first=True, padding_side="left")
    assert (left[0, 1:] == 3).all()
    assert not left[[1, 3]].any()
    doubled = elementwise_apply(lambda rows: rows * 2, packed)
    assert [len(one) for one in unpack_sequence(doubled)] == LENGTHS


@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_no_step_at_all(kind):
    packed = pack_sequence([np.zeros((0, 2), kind)] * 3)
    assert packed.data.shape == (0, 2)
    assert packed.data.dtype == kind
    assert packed.batch_sizes.tolist() == []
    assert packed.sorted_indices.tolist() == [0, 1, 2]
    padded, lengths = pad_packed_sequence(packed, batch_first=True)
    assert padded.shape == (3, 0, 2)
    assert padded.dtype == kind
    assert lengths.tolist() == [0, 0, 0]
    nobody = pack_padded_sequence(np.zeros((3, 0, 2)), [])
    assert nobody.n_sequences == 0
    assert pad_packed_sequence(nobody, total_length=2)[0].shape == (2, 0, 2)


def test_a_sorted_batch_keeps_its_order():
    packed = pack_padded_sequence(X[:, :3], [3, 2, 0, 0], batch_first=True)
    assert packed.sorted_indices.tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="expected descending"):
        pack_padded_sequence(X, LENGTHS, batch_first=True)


def test_parts():
    rows = np.ones((3, 1))
    assert PackedSequence(rows, [2, 1], [2, 0, 1]).n_sequences == 3
    assert PackedSequence(rows, [2, 1], None, [2, 0, 1]).sorted_indices.tolist() == [1, 2, 0]
    for order, back in (([0], None), ([0, 2], None), ([0, 1, 2], [0, 1])):
        with pytest.raises(ValueError, match="_indices: expected"):
            PackedSequence(rows, [2, 1], order, back)


def test_collate_fn():
    padded, lengths, labels = collate_fn([(x, label) for label, x in enumerate(SEQUENCES)])
    np.testing.assert_array_equal(lengths, [3, 2, 0, 0])
    np.testing.assert_array_equal(labels, [2, 0, 1, 3])
    np.testing.assert_array_equal(padded[0], X[2])
    assert not padded[2:].any()
    assert collate_fn([(X[0, :0], 1)])[0].shape == (1, 0, 2)


def test_a_container_for_estimators_has_none():
    with pytest.raises(ValueError, match="lengths: expected lengths of at least 1, got 0 for sequence 1"):
        Sequences.from_list(SEQUENCES)
