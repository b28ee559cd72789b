"""Mini-batches: every sequence once, similar lengths, seeded, none alone."""

import numpy as np
import pytest

from seriatim.training import bucketed, by_length


@pytest.mark.parametrize("n", [1, 2, 5, 64, 65, 129, 1500, 64 * 16 + 1])
def test_every_sequence_is_in_one_batch(n):
    lengths = np.random.default_rng(n).integers(1, 100, n)
    batches = bucketed(lengths, 64, np.random.default_rng(0))
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(n))
    assert n == 1 or min(map(len, batches)) > 1, "batch normalisation cannot train on one sequence"


def test_batches_of_one_are_all_of_one():
    batches = bucketed(np.arange(1, 34), 1, np.random.default_rng(0))
    assert set(map(len, batches)) == {1}


def test_batches_are_of_similar_length_shuffled_and_seeded():
    lengths = np.random.default_rng(0).integers(1, 200, 2048)
    first = bucketed(lengths, 64, np.random.default_rng(1))
    again = bucketed(lengths, 64, np.random.default_rng(1))
    other = bucketed(lengths, 64, np.random.default_rng(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    spread = np.mean([np.ptp(lengths[b]) for b in first])
    assert spread < 0.2 * np.ptp(lengths)
    means = [lengths[b].mean() for b in first]
    assert means != sorted(means)
    assert means != sorted(means, reverse=True)


def test_prediction_takes_the_longest_first():
    lengths = np.array([3, 9, 1, 9, 4])
    batches = list(by_length(lengths, 2, 100))
    assert [b.tolist() for b in batches] == [[1, 3], [4, 0], [2]]


def test_prediction_takes_so_many_rows_together():
    lengths = np.array([3, 9, 1, 9, 4])
    for rows, wanted in ((18, [[1, 3], [4, 0, 2]]), (8, [[1], [3], [4, 0, 2]]), (7, [[1], [3], [4, 0], [2]])):
        assert [b.tolist() for b in by_length(lengths, 10, rows)] == wanted
    assert [len(b) for b in by_length(lengths, 10, 1)] == [1] * 5
