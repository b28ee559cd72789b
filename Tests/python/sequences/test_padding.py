"""Padded batches: where steps are there, by lengths, a mask, or NaN."""

import numpy as np
import pytest

from seriatim import Sequences, pad_sequence

LENGTHS = [2, 4, 1]
SHAPES = [(), (2,), (1, 2, 2)]


def padded(shape, side, value):
    """Sequences of numbers from 1, and a batch of them."""
    rows = [np.arange(1.0, 1 + n * int(np.prod(shape))).reshape(n, *shape) for n in LENGTHS]
    batch = np.full((3, 4, *shape), value)
    for row, x in zip(batch, rows, strict=True):
        row[: len(x) if side == "right" else None][(0 if side == "right" else -len(x)) :] = x
    return Sequences.from_list(rows), batch


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("side", ["right", "left"])
def test_all_ways_to_say_what_is_there(shape, side):
    wanted, batch = padded(shape, side, 0.0)
    steps = np.arange(4) if side == "right" else np.arange(4)[::-1]
    mask = steps < np.array(LENGTHS)[:, None]
    assert Sequences.from_padded(batch, LENGTHS, side) == wanted
    assert Sequences.from_padded(batch.tolist(), LENGTHS, side) == wanted
    for given in (mask, mask.astype(int), mask.tolist()):
        assert Sequences.from_padded(batch, mask=given) == wanted
    assert Sequences.from_padded(batch, LENGTHS, side, mask) == wanted
    spread = np.broadcast_to(mask.reshape(3, 4, *[1] * len(shape)), batch.shape)
    assert Sequences.from_padded(np.ma.masked_array(batch, ~spread)) == wanted
    assert Sequences.from_padded(padded(shape, side, np.nan)[1]) == wanted


def test_padding_at_both_ends():
    x = np.arange(10.0).reshape(2, 5)
    found = Sequences.from_padded(x, mask=[[0, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    np.testing.assert_array_equal(found[0], [1, 2])


def test_a_missing_step_is_no_padding():
    # On the other side of padding, and within a sequence, NaN stays, to be refused where numbers are wanted.
    x = np.array([[np.nan, 1, 2, np.nan], [1, np.nan, 3, 4]])
    assert Sequences.from_padded(x).lengths.tolist() == [3, 4]
    assert Sequences.from_padded(x, side="left").lengths.tolist() == [3, 4]


def test_nothing_is_padded():
    x = np.arange(1.0, 7).reshape(2, 3)
    assert Sequences.from_padded(x).lengths.tolist() == [3, 3]


TOKENS = np.array([[0, 0, 5, 6], [7, 8, 9, 1]])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((TOKENS,), "zeros at the ends, first of sequence 0"),
        ((TOKENS, None, "front"), r"side: expected one of \('right', 'left'\)"),
        ((TOKENS, [2, 4], "left", [[1, 1, 1, 1]] * 2), "how many steps the mask leaves"),
        ((TOKENS, None, "left", [[1, 1, 0, 0], [1, 1, 1, 1]]), "some behind sequence 0"),
        ((TOKENS, None, "right", [[1, 0, 1, 0], [1, 1, 1, 1]]), "a hole in sequence 0, at step 1"),
        ((TOKENS, None, "right", [[1, 1, 1, 1], [0, 0, 0, 0]]), "none of sequence 1"),
        ((TOKENS, None, "right", [1, 1]), r"mask: expected a bool for each step, shape \(2, 4\)"),
        ((TOKENS, None, "right", [[2] * 4] * 2), "mask: expected a bool"),
        ((np.full((2, 3), np.nan),), "nothing but NaN in sequence 0"),
        (
            (np.ma.masked_array(np.zeros((1, 2, 2)), [[[0, 1], [0, 0]]]),),
            "step 0 of sequence 0 with some features masked",
        ),
        ((np.ma.masked_array(np.ones((1, 3)), [[0, 0, 1]]), [3]), "a masked one, step 2 of sequence 0"),
    ],
)
def test_contradictions(arguments, words):
    with pytest.raises(ValueError, match=words):
        Sequences.from_padded(*arguments)


@pytest.mark.parametrize("batch_first", [False, True])
def test_pad_sequence_on_either_side(batch_first):
    sequences = [np.arange(6.0).reshape(3, 2), np.ones((1, 2)), np.arange(4.0).reshape(2, 2)]
    expected = np.full((3, 3, 2), -1, np.float32)
    for row, sequence in zip(expected, sequences, strict=True):
        row[3 - len(sequence) :] = sequence
    padded = pad_sequence(sequences, batch_first, -1.0, "left")
    np.testing.assert_array_equal(padded if batch_first else padded.swapaxes(0, 1), expected)
    assert padded.flags.c_contiguous
    tokens = pad_sequence([[1, 2**53 + 1], [4]], True, 7, padding_side="left")
    assert tokens.dtype == np.int64
    assert tokens.tolist() == [[1, 2**53 + 1], [7, 4]]
    with pytest.raises(ValueError, match=r"padding_side: expected 'right' or 'left', got 'front'"):
        pad_sequence(sequences, padding_side="front")
