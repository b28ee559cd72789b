"""A PackedSequence whose parts do not belong together is refused; what it lacks is found, as in torch."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from seriatim import nn
from seriatim.sequences import PackedSequence, Sequences, elementwise_apply, pack_sequence

DATA = np.arange(8.0, dtype=np.float32).reshape(4, 2)


@pytest.mark.parametrize("name", ["sorted_indices", "unsorted_indices"])
def test_one_order_gives_the_other(name):
    order = np.array([2, 0, 1])
    packed = PackedSequence(DATA, np.array([3, 1]), **{name: order})
    np.testing.assert_array_equal(packed.sorted_indices[packed.unsorted_indices], np.arange(3))
    whole = PackedSequence(DATA, [3, 1], packed.sorted_indices, packed.unsorted_indices)
    model = nn.GRU(2, 3, rng=0).eval()
    np.testing.assert_array_equal(model(packed)[1], model(whole)[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((DATA, [3, 2]), r"data: expected 5 rows.*got shape \(4, 2\)"),
        ((DATA, [1, 3]), "batch_sizes: expected positive sizes that never grow"),
        ((DATA, [4, 0]), "batch_sizes: expected positive sizes that never grow"),
        ((DATA, []), "data: expected 0 rows"),
        ((DATA, [3, 1], [0, 1]), "sorted_indices: expected a permutation of 0 to 2"),
        ((DATA, [3, 1], None, [0, 1, 1]), "unsorted_indices: expected a permutation of 0 to 2"),
    ],
)
def test_parts_that_do_not_belong_together(arguments, message):
    with pytest.raises(ValueError, match=message):
        PackedSequence(*arguments)


def test_batch_sizes_are_whole():
    assert PackedSequence(DATA, [3.0, 1.0]).batch_sizes.dtype == np.int64
    with pytest.raises(TypeError, match="batch_sizes: expected a 1-D array of integers"):
        PackedSequence(DATA, [2.5, 1.5])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies(duplicate):
    packed = pack_sequence([np.ones(1), np.ones(3)], enforce_sorted=False)
    twin = duplicate(packed)
    assert isinstance(twin, PackedSequence)
    for one, other in zip(packed, twin, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_function_that_loses_rows_is_refused():
    with pytest.raises(ValueError, match="data: expected 3 rows"):
        elementwise_apply(lambda data: data[:-1], pack_sequence([np.ones(2), np.ones(1)]))


@pytest.mark.parametrize("sequences", [[], [np.float32(2), np.ones(3)]])
def test_nothing_to_pack(sequences):
    with pytest.raises(ValueError, match="sequences: expected at least one array"):
        pack_sequence(sequences)


def test_an_array_of_no_axes_is_an_integer():
    found = Sequences(np.arange(5), [2, 3])[np.array(1)]
    np.testing.assert_array_equal(found, [2, 3, 4])
