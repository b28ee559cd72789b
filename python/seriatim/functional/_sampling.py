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
    # Ufuncs themselves and in place: for a hundred numbers NumPy's ways there are what costs.
    sums = logits.astype(np.float64)
    sums -= np.maximum.reduce(sums)
    if temperature != 1:
        # The likeliest is at 0, so what overflows has no probability.
        with np.errstate(over="ignore"):
            sums /= temperature
    np.add.accumulate(np.exp(sums, sums), out=sums)
    return min(int(sums.searchsorted(rng.random() * sums[-1], "right")), len(sums) - 1)
