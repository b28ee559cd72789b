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
