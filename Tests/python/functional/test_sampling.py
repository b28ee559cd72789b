"""Draws from logits."""

from __future__ import annotations

import numpy as np
import pytest

from seriatim.functional._sampling import draw


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_characters_are_drawn_as_often_as_they_are_likely(temperature):
    logits = np.array([1.0, -2.0, 3.0, 2.5, -np.inf], np.float32)
    rng = np.random.default_rng(0)
    counts = np.bincount([draw(logits, temperature, rng) for _ in range(20_000)], minlength=5)
    wanted = np.exp(logits.astype(float) / temperature)
    np.testing.assert_allclose(counts / 20_000, wanted / wanted.sum(), atol=0.012)
    assert counts[4] == 0


@pytest.mark.parametrize("temperature", [1e-320, 0.7, 1.0, 3.0])
def test_a_seed_gives_the_characters_of_the_definition(temperature):
    """One uniform number each, looked up in the sums of the probabilities."""
    logits = np.random.default_rng(0).standard_normal((500, 103)).astype(np.float32) * 4
    before = logits.copy()
    with np.errstate(over="ignore"):
        shares = np.exp((logits.astype(float) - logits.max(axis=1, keepdims=True)) / temperature)
    sums = np.cumsum(shares, axis=1)
    places = np.random.default_rng(1).random(500) * sums[:, -1]
    rng = np.random.default_rng(1)
    drawn = [draw(row, temperature, rng) for row in logits]
    np.testing.assert_array_equal(drawn, (sums <= places[:, None]).sum(axis=1))
    np.testing.assert_array_equal(logits, before)
