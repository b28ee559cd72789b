"""Draws from the probabilities that logits say."""

from __future__ import annotations

import numpy as np

from seriatim._typing import Array


def draw(logits: Array, temperature: float, rng: np.random.Generator) -> int:
    """Draw an index with the probabilities ``softmax(logits / temperature)``.

    Parameters
    ----------
    logits : ndarray, shape (n,)
    temperature : float
        At least 0; 0 takes the greatest.
    rng : Generator

    Returns
    -------
    int
    """
    if temperature == 0:
        return int(logits.argmax())
    above = logits.astype(np.float64) - logits.max()
    # The likeliest is at 0, so what overflows has no probability.
    with np.errstate(over="ignore"):
        sums = np.cumsum(np.exp(above / temperature))
    return min(int(np.searchsorted(sums, rng.random() * sums[-1], side="right")), len(sums) - 1)
