"""Who trains what: numbers, without a cluster."""

import numpy as np
import pytest

pytest.importorskip("dask.distributed", reason="seriatim.dask needs dask and distributed")
from seriatim.dask._placing import make_plan, parts_of, ranges_of

TWO = {"a": 1, "b": 1}


def test_every_sequence_is_in_one_part():
    rng = np.random.default_rng(0)
    for _ in range(200):
        sizes = rng.integers(0, 7, rng.integers(1, 9)).tolist()
        n_shards = int(rng.integers(1, 12))
        n_ranks = int(rng.integers(1, n_shards + 1))
        found = []
        for mine in ranges_of(sum(sizes), n_shards, n_ranks):
            for part in parts_of(sizes, *mine):
                found += [(part.chunk, number) for number in range(part.first, part.last)]
        assert found == [(chunk, number) for chunk, size in enumerate(sizes) for number in range(size)]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_who_holds_the_first_half_is_the_first_rank(order):
    plan = make_plan([5, 5], [100, 100], [[order[0]], [order[1]]], TWO, 8)
    assert plan.workers == list(order)
    assert (plan.total, plan.moved) == (200, 0)


def test_what_moves_is_counted():
    # Rank 0 has the first chunk and half of the second, which lies elsewhere.
    plan = make_plan([4, 4, 4], [40, 40, 40], [["a"], ["b"], ["b"]], TWO, 8)
    assert plan.workers == ["a", "b"]
    assert plan.moved == 20
    assert plan.parts == [[(0, 0, 4), (1, 0, 2)], [(1, 2, 4), (2, 0, 4)]]


def test_a_copy_is_as_good_as_what_it_is_of():
    assert make_plan([4, 4], [40, 40], [["b"], ["a", "b"]], TWO, 8).moved == 0


def test_workers_beyond_the_shards_are_left_out_and_those_with_most_data_stay():
    workers = dict.fromkeys("abcdef", 1)
    plan = make_plan([3, 3, 3], [30, 30, 30], [["e"], ["c"], ["d"]], workers, 3)
    assert plan.workers == ["e", "c", "d"]
    assert plan.moved == 0


def test_workers_without_data_train_as_well():
    plan = make_plan([8], [80], [["b"]], TWO, 8)
    assert sorted(plan.workers) == ["a", "b"]
    assert plan.moved == 40
