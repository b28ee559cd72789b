"""What comes with the sequences: targets, weights, validation data, and the order that an epoch begins from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from seriatim._arrays import as_floats
from seriatim._sklearn import refuse_other_order
from seriatim._typing import AnyArray, Array, ArrayLike, Integers
from seriatim.functional import ragged_mean
from seriatim.preprocessing._frame_targets import FrameTargets
from seriatim.preprocessing._targets import ratios, repetitions
from seriatim.sequences import Sequences
from seriatim.sequences._items import keys_of

# Features whose means tell sequences of one length and target apart.
_MOST_KEYS = 16


@dataclass(frozen=True)
class Examples:
    """Sequences, their targets as the loss takes them, their weights in it, and the targets as they were given."""

    sequences: Sequences
    target: Any
    weights: Array | None = None
    given: Any = None

    def __len__(self) -> int:
        return len(self.sequences)

    def __getitem__(self, index: Integers) -> Examples:
        weights, given = [None if part is None else part[index] for part in (self.weights, self.given)]
        return Examples(self.sequences[index], self.target[index], weights, given)

    def parts(self) -> list[Any]:
        """Return all arrays, and None for no weights."""
        target = self.target.rows if isinstance(self.target, FrameTargets) else self.target
        return [self.sequences.X, self.sequences.lengths, target, self.weights]

    def order(self) -> Integers:
        """Return the indices of the sequences in an order of their own, whatever that is in which they are given."""
        X, starts, lengths = self.sequences.X, self.sequences.starts, self.sequences.lengths
        flat = X.reshape(len(X), -1)
        keys = ragged_mean(flat[:, :_MOST_KEYS], np.append(starts, len(flat)))
        target = self.target.keys() if isinstance(self.target, FrameTargets) else self.target
        order: Integers = np.lexsort([*keys.T, *target.reshape(len(self), -1).T, lengths])
        return order

    def in_order(self) -> Examples:
        """Return what an epoch runs over: whole weights as repetition, and in an order of the sequences' own.

        The order depends on the sequences alone, so that the same ones in another order are the same training.
        """
        order = self.order()
        counts = repetitions(self.weights)
        if counts is None:
            return self[order]
        rows = np.repeat(order, counts[order])
        return Examples(self.sequences[rows], self.target[rows])


def first_bad(name: str, values: AnyArray, bad: AnyArray) -> str:
    """Say where the first of the bad values stands, and how many there are; nothing if none is bad."""
    places = np.argwhere(bad)
    if not len(places):
        return ""
    place = tuple(int(i) for i in places[0])
    return f": {name}[{', '.join(map(str, place))}] is {values[place]}, and {len(places)} of {bad.size} are such"


def read_weights(sample_weight: ArrayLike | None, n: int, *, piece: bool = False) -> Array | None:
    """Return the weights of n sequences as float32, None for None; all of a piece may be 0: it teaches nothing.

    Raises
    ------
    ValueError
        They are not n finite numbers of at least 0, or all are 0.
    """
    if sample_weight is None:
        return None
    weights = as_floats("sample_weight", sample_weight, np.float64)
    wrong = ~(weights >= 0) | np.isinf(weights)
    if weights.shape != (n,) or wrong.any():
        raise ValueError(
            f"sample_weight: expected {n} finite numbers of at least 0, got {weights.dtype} of shape {weights.shape}"
            + (first_bad("sample_weight", weights, wrong) if weights.shape[:1] == (n,) else "")
        )
    if not weights.any() and not piece:
        raise ValueError("sample_weight: expected at least one weight above zero, got only zeros")
    return ratios(weights)


def read_validation(validation_data: Any) -> tuple[Any, Any, Any]:
    """Return X, y and lengths of ``(X, y)`` or ``(X, y, lengths)``.

    Raises
    ------
    ValueError
        It is neither.
    """
    if not isinstance(validation_data, (tuple, list)) or len(validation_data) not in (2, 3):
        raise ValueError(
            f"validation_data: expected (X, y) or (X, y, lengths), got {type(validation_data).__name__}"
            + (f" of {len(validation_data)}" if isinstance(validation_data, (tuple, list)) else "")
        )
    return (*validation_data, None)[:3]


def check_order(X: Any, y: Any, sample_weight: Any) -> None:
    """Refuse what is to be scored against, or weighs it, in another order than the keys of X."""
    if any(hasattr(values, "index") and not callable(values.index) for values in (y, sample_weight)):
        keys = X.keys if isinstance(X, Sequences) else keys_of(X)
        refuse_other_order("y", y, keys)
        refuse_other_order("sample_weight", sample_weight, keys)
