"""One tree over shards: its shape, and sums whose bits do not depend on who has which shards."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import far_apart

from seriatim.distributed import TreeSum
from seriatim.distributed._tree import finish, fold, largest_nodes, middle, own


def by_definition(values, lo, hi, combine):
    """The tree as it is written down."""
    if hi - lo == 1:
        return values[lo]
    mid = lo + max(2**k for k in range(10) if 2**k < hi - lo)
    left, right = by_definition(values, lo, mid, combine), by_definition(values, mid, hi, combine)
    return right if left is None else left if right is None else combine(left, right)


def brackets(left, right):
    return f"({left}{right})"


@pytest.mark.parametrize(
    ("n", "shape"),
    [
        (1, "a"),
        (2, "(ab)"),
        (3, "((ab)c)"),
        (5, "(((ab)(cd))e)"),
        (7, "(((ab)(cd))((ef)g))"),
        (8, "(((ab)(cd))((ef)(gh)))"),
    ],
)
def test_shape(n, shape):
    letters = {leaf: "abcdefgh"[leaf] for leaf in range(n)}
    assert fold(letters, 0, n, n, brackets) == {(0, n): shape}


def test_the_left_side_is_the_largest_power_of_two_below():
    assert [middle(0, n) for n in range(2, 10)] == [1, 2, 2, 4, 4, 4, 4, 8]


@pytest.mark.parametrize("n", range(1, 18))
def test_every_number_of_ranks_gives_the_same_brackets(n):
    letters = [chr(ord("a") + leaf) for leaf in range(n)]
    for gone in range(n + 1):
        values = [None if leaf == gone else letters[leaf] for leaf in range(n)]
        wanted = by_definition(values, 0, n, brackets)
        for size in range(1, n + 3):
            every = {}
            leaves = []
            for rank in range(size):
                mine = own(rank, size, n)
                leaves += mine
                every |= fold({leaf: values[leaf] for leaf in mine}, mine.start, mine.stop, n, brackets)
            assert leaves == list(range(n))
            assert finish(every, 0, n, brackets) == wanted


@given(st.integers(1, 17), st.data(), st.integers(0, 2**32))
def test_sums_as_they_come_are_the_tree(n, data, seed):
    first = data.draw(st.integers(0, n))
    last = data.draw(st.integers(first, n))
    array = far_apart(seed, n, 5)
    there = data.draw(st.sets(st.integers(0, n - 1)))
    total = TreeSum(n, first, last, 5)
    for _ in range(2):
        total.reset()
        leaves = {leaf: array[leaf] for leaf in sorted(there) if first <= leaf < last}
        with np.errstate(invalid="ignore"):
            for leaf, values in leaves.items():
                total.add(leaf, values)
            wanted = fold(leaves, first, last, n, np.add)
            nodes = total.nodes()
        assert nodes.keys() == wanted.keys()
        assert list(nodes) == [node for node in largest_nodes(first, last, n) if node in wanted]
        for node, values in nodes.items():
            assert values.tobytes() == wanted[node].tobytes()


def test_a_sum_of_zeros_keeps_its_sign_where_others_are_missing():
    total = TreeSum(8, 0, 8, 1)
    total.add(5, np.array([-0.0], np.float32))
    assert np.signbit(total.nodes()[0, 8])


def test_what_is_added_is_not_kept():
    total = TreeSum(2, 0, 2, 3)
    leaf = np.ones(3, np.float32)
    total.add(0, leaf)
    leaf[:] = 7
    total.add(1, leaf)
    assert total.nodes()[0, 2].tolist() == [8, 8, 8]
    assert leaf.tolist() == [7, 7, 7]


def test_memory_is_taken_once():
    total = TreeSum(16, 0, 16, 100_000)
    leaf = np.ones(100_000, np.float32)

    def step():
        for one in range(16):
            total.add(one, leaf)
        total.nodes()
        total.reset()

    step()
    tracemalloc.start()
    step()
    assert tracemalloc.get_traced_memory()[1] < leaf.nbytes // 4
    tracemalloc.stop()
    assert len(total._spare) <= 5


def test_what_is_no_leaf_is_refused():
    with pytest.raises(ValueError, match="leaves 3 to 9 are not of a tree over 8"):
        TreeSum(8, 3, 9, 1)
    total = TreeSum(8, 2, 6, 2)
    leaf = np.zeros(2, np.float32)
    for wrong in (1, 6):
        with pytest.raises(ValueError, match=f"leaf {wrong} comes where one of 2 to 5 may"):
            total.add(wrong, leaf)
    total.add(3, leaf)
    with pytest.raises(ValueError, match="leaf 3 comes where one of 4 to 5 may"):
        total.add(3, leaf)
    for other in (np.zeros(2), np.zeros((2, 1), np.float32), np.zeros(3, np.float32)):
        with pytest.raises(ValueError, match="2 numbers of float32"):
            total.add(4, other)
    total.nodes()
    with pytest.raises(ValueError, match="leaf 5 comes"):
        total.add(5, leaf)
