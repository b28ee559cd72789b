"""What comes with the sequences: weights, validation data, and the order that an epoch begins from."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._typing import AnyArray, Array, ArrayLike, Integers
from seriatim.functional import ragged_mean
from seriatim.sequences import Sequences


def read_weights(sample_weight: ArrayLike | None, n: int) -> Array | None:
    """Return the weights of n sequences as float32, None for None."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, dtype=np.float32)
    if weights.shape != (n,) or not np.all(weights >= 0) or not np.all(np.isfinite(weights)):
        raise ValueError(
            f"sample_weight: expected {n} finite numbers of at least 0, got {weights.dtype} of shape {weights.shape}"
        )
    if not weights.any():
        raise ValueError("sample_weight: expected at least one weight above zero, got only zeros")
    return weights


# Weights that are whole numbers stand for repetition as long as an epoch becomes at most so many times as long.
_MOST_REPETITION = 4


def counts_of(weights: Array | None) -> Integers | None:
    """Return how often each sequence counts, if weights are few enough whole numbers; otherwise None.

    scikit-learn wants a weight of 2 to be what twice the sequence is, and 0 what none is.
    """
    if weights is None or not np.array_equal(weights, np.rint(weights)):
        return None
    total = weights.sum()
    return weights.astype(np.int64) if 2 <= total <= _MOST_REPETITION * len(weights) else None


def passes(sequences: Sequences, target: AnyArray, weights: Array | None) -> tuple[Integers, Array | None]:
    """Return what an epoch runs over, as indices, and the weights in the loss.

    The order depends on the sequences alone, so that the same ones in another order are the same training.
    """
    flat = sequences.X.reshape(len(sequences.X), -1)
    keys = ragged_mean(flat[:, :_MOST_KEYS], np.append(sequences.starts, len(flat)))
    order = np.lexsort([*keys.T, *target.reshape(len(target), -1).T, sequences.lengths])
    counts = counts_of(weights)
    if counts is None:
        return order, weights
    return np.repeat(order, counts[order]), None


# Features whose means tell sequences of one length and target apart.
_MOST_KEYS = 16


def read_validation(validation_data: Any) -> tuple[Any, Any, Any]:
    """Return X, y and lengths of ``(X, y)`` or ``(X, y, lengths)``."""
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        raise ValueError(
            f"validation_data: expected (X, y) or (X, y, lengths), got {type(validation_data).__name__}"
            + (f" of {len(validation_data)}" if isinstance(validation_data, (tuple, list)) else "")
        )
    return (*validation_data, None)[:3]
