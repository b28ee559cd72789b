"""Codes of characters and words stay integers, every bit of them, wherever sequences are packed and padded."""

import numpy as np
import pytest

from seriatim import (
    PackedSequence,
    Sequences,
    collate_fn,
    elementwise_apply,
    nn,
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    pad_sequence,
    time_to_batch,
    unpack_sequence,
)
from seriatim import functional as F
from seriatim.training import collate

KINDS = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", ">i4", ">i8"]


def codes(dtype, shapes=((2,), (5,), (1,), (5,))):
    """Sequences of numbers from one end of a type to the other."""
    kind = np.dtype(dtype)
    low, high = (0, 1) if kind.kind == "b" else (np.iinfo(kind).min, np.iinfo(kind).max)
    rng = np.random.default_rng(0)
    return [
        rng.integers(low, high, shape, dtype=kind.newbyteorder("=").type if kind.kind != "b" else "i8", endpoint=True)
        .astype(kind) for shape in shapes
    ]  # fmt: skip


@pytest.mark.parametrize("trailing", [(), (3,), (2, 2)])
@pytest.mark.parametrize("dtype", KINDS)
def test_there_and_back(dtype, trailing):
    given = codes(dtype, [(n, *trailing) for n in (2, 5, 1, 5)])
    native = np.dtype(dtype).newbyteorder("=")
    packed = pack_sequence(given, enforce_sorted=False)
    padded = pad_sequence(given, batch_first=True)
    again = pack_padded_sequence(padded, [2, 5, 1, 5], batch_first=True, enforce_sorted=False)
    assert packed.data.dtype == padded.dtype == again.data.dtype == native
    np.testing.assert_array_equal(again.data, packed.data)
    for back in (unpack_sequence(packed), pad_packed_sequence(packed)[0].swapaxes(0, 1), padded):
        for got, wanted in zip(back, given, strict=True):
            assert got.dtype == native
            np.testing.assert_array_equal(got[: len(wanted)], wanted)
            assert not got[len(wanted) :].any()


@pytest.mark.parametrize("dtype", KINDS)
def test_collation_of_lists_and_containers(dtype):
    given = codes(dtype)
    padded, lengths, _ = collate_fn([(one, i) for i, one in enumerate(given)])
    packed, order = collate(Sequences.from_list(given), np.arange(4))
    assert padded.dtype == packed.data.dtype == np.dtype(dtype).newbyteorder("=")
    for row, length, index, back in zip(padded[..., 0], lengths, order, unpack_sequence(packed), strict=True):
        np.testing.assert_array_equal(row[:length], given[index])
        np.testing.assert_array_equal(back, given[index])


def test_large_codes_in_plain_lists():
    ids = [[2**24 + 1, 2**53 + 1], [2**62 + 1]]
    packed = pack_sequence(ids)
    assert packed.data.dtype == np.int64
    assert [one.tolist() for one in unpack_sequence(packed)] == ids
    assert pad_sequence(ids, padding_value=-1).tolist() == [[ids[0][0], ids[1][0]], [ids[0][1], -1]]


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("dtype", ["int8", "int32", "uint64"])
def test_padding_is_a_number_of_the_type(dtype, batch_first):
    packed = pack_sequence(codes(dtype), enforce_sorted=False)
    high = np.iinfo(dtype).max
    padded, lengths = pad_packed_sequence(packed, batch_first, padding_value=high, total_length=6)
    rows = padded if batch_first else padded.T
    for row, length, wanted in zip(rows, lengths, codes(dtype), strict=True):
        assert row[:length].tolist() == wanted.tolist()
        assert row[length:].tolist() == [high] * (6 - length)
    for wrong in (0.5, np.nan, float(2**70), -(2**63) - 1):
        with pytest.raises(ValueError, match=f"padding_value: expected a number of {dtype}"):
            pad_packed_sequence(packed, padding_value=wrong)


def test_floating_point_numbers_are_float32_and_so_is_a_mixture():
    for given in ([np.ones(2), np.ones(1)], [np.ones(2, np.int64), np.ones(1)], [np.ones(2, ">f8"), np.ones(1)]):
        assert pack_sequence(given).data.dtype == pad_sequence(given).dtype == np.float32
    assert pack_sequence([np.ones(2, np.int64), np.ones(1, np.int8)]).data.dtype == np.int64
    with pytest.raises(TypeError, match=r"sequences: expected integers of one type, got .*'int64', 'uint64'"):
        pack_sequence([np.ones(2, np.int64), np.ones(1, np.uint64)])


def test_wrong_shapes_are_named_as_they_are():
    with pytest.raises(ValueError, match=r"sequence 1: expected shape \(T, \*\(2,\)\), got \(3, 3\)"):
        pack_sequence([np.ones((4, 2), np.int64), np.ones((3, 3), np.int64)])
    with pytest.raises(ValueError, match=r"sequence 1: expected shape \(T, 2\) with T >= 1, got \(3, 3\)"):
        F.collate([np.ones((4, 2), np.int64), np.ones((3, 3), np.int64)], np.arange(2), "packed")


def test_embedding_of_packed_tokens():
    embedding = nn.Embedding(50, 4, rng=0)
    tokens = [np.array([3, 7, 49]), np.array([1])]
    packed = pack_sequence(tokens)
    applied = elementwise_apply(embedding, packed)
    np.testing.assert_array_equal(applied.data, embedding.weight.data[packed.data])
    model = nn.Sequential(nn.Embedding(50, 4, rng=0), nn.GRU(4, 3, rng=1)).eval()
    direct = embedding(packed)
    assert isinstance(direct, PackedSequence)
    np.testing.assert_array_equal(direct.data, applied.data)
    y, _ = model(packed)
    np.testing.assert_array_equal(y.data, nn.GRU(4, 3, rng=1)(applied)[0].data)


def test_training_through_packed_tokens():
    tokens = [np.array([3, 4]), np.array([1, 0, 4]), np.array([2])]
    model = nn.Sequential(nn.Embedding(5, 3, rng=0), nn.Outputs(nn.GRU(3, 2, rng=1)))
    packed = pack_sequence(tokens, enforce_sorted=False)
    y = model(packed)
    model.backward(y._replace(data=np.ones_like(y.data)))
    alone, expected = nn.Sequential(nn.Embedding(5, 3, rng=0), nn.Outputs(nn.GRU(3, 2, rng=1))), 0
    for one in tokens:
        alone.zero_grad()
        alone.backward(np.ones_like(alone(one)))
        expected = expected + alone[0].weight.grad
    np.testing.assert_allclose(model[0].weight.grad, expected, rtol=1e-5)


def test_packed_integers_are_numbers_for_what_computes():
    counts = [np.array([[1, 2], [3, 4]]), np.array([[5, 6]])]
    packed, same = pack_sequence(counts), pack_sequence([one.astype(np.float32) for one in counts])
    for make in (lambda: nn.GRU(2, 3, rng=0), lambda: nn.Residual(nn.SequenceWise(nn.Linear(2, 2, rng=0)))):
        found, wanted = make()(packed), make()(same)
        rows = [
            one[0].data if isinstance(one, tuple) and not hasattr(one, "data") else one.data for one in (found, wanted)
        ]
        assert rows[0].dtype == np.float32
        np.testing.assert_array_equal(*rows)


def test_time_to_batch_keeps_integers():
    merged, n = time_to_batch(np.full((2, 3, 1, 1, 1), 2**53 + 1))
    assert (n, merged.dtype, int(merged[0, 0, 0, 0])) == (3, np.int64, 2**53 + 1)
