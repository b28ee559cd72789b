"""What happens to sequences before the network: scaling, augmentation in training, and what comes behind it."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from seriatim._sklearn import as_finite
from seriatim._typing import AnyArray, Integers
from seriatim.models._warnings import warn_of_rounding
from seriatim.sequences import PackedSequence, Sequences
from seriatim.training import collate


class Preparation:
    """The road from sequences as they are given to a packed mini-batch.

    Parameters
    ----------
    scaling, preprocessing : fitted transformers or None
        Applied in this order, in training and prediction alike; kept under these names.
    augmentation : callable or None
        Changes mini-batches in training.
    augments_scaled : bool
        Whether augmentation comes behind the scaling, or, as one that a user gives, before it: its distances and
        deviations are in the features' own units.
    """

    def __init__(self, scaling: Any, preprocessing: Any, augmentation: Any, augments_scaled: bool) -> None:
        self.scaling, self.preprocessing = scaling, preprocessing
        steps = [step for step in (scaling, preprocessing) if step is not None]
        self.augmentation = augmentation
        # What augmentation does not come before is done once, before training; it sees float64 where that is given.
        first = len(steps) if augmentation is None else int(augments_scaled and scaling is not None)
        self._once, self._behind = steps[:first], steps[first:]
        self._has_looked = False

    def once(self, sequences: Sequences) -> Sequences:
        """Return training sequences as :meth:`batch` takes them."""
        ready = _applied(self._once, sequences)
        return ready if self._behind or self.augmentation is not None else self._rounded(ready)

    def whole(self, sequences: Sequences) -> Sequences:
        """Return sequences as the network takes them, without augmentation."""
        return self._rounded(self.unrounded(sequences))

    def unrounded(self, sequences: Sequences) -> Sequences:
        """Return sequences as :meth:`whole` does, in the type that they have then, and of any size."""
        return _applied(self._behind, _applied(self._once, sequences))

    def shape(self, sequences: Sequences) -> tuple[int, ...]:
        """Return the shape of an observation as the network takes it; ``sequences`` are :meth:`once`'s."""
        shape: tuple[int, ...] = _applied(self._behind, sequences[:1]).X.shape[1:]
        return shape

    def batch(
        self, sequences: Sequences, index: Integers, target: AnyArray, rng: np.random.Generator
    ) -> tuple[PackedSequence, Integers]:
        """Pack a mini-batch of :meth:`once`'s sequences; the second result is its order."""
        if self.augmentation is None:
            return collate(sequences, index)
        changed = self.augmentation(sequences[index], rng, target[index])
        if not isinstance(changed, Sequences) or len(changed) != len(index):
            raise ValueError(
                f"augmentation: expected it to return a Sequences of {len(index)}, as many as it was given, "
                f"got {changed!r}"
            )
        x, order = collate(self._rounded(_applied(self._behind, changed)), np.arange(len(index)))
        return x, index[order]

    def _rounded(self, sequences: Sequences) -> Sequences:
        """Return sequences in the type of the networks; says once what that loses."""
        if sequences.X.dtype != np.float32 and not self._has_looked:
            self._has_looked = True
            warn_of_rounding(sequences)
        # In training's order, which nobody knows.
        return as_float32(sequences, ordered=False)


def fitted(transformer: Any, sequences: Sequences) -> Any:
    """Return a fitted copy of a transformer, None of None."""
    return None if transformer is None else clone(transformer).fit(sequences)


def as_float32(sequences: Sequences, *, ordered: bool = True) -> Sequences:
    """Return sequences in the type of the networks.

    Raises
    ------
    ValueError
        A number is beyond it; named with its sequence if these stand in their owner's order.
    """
    if sequences.X.dtype == np.float32:
        return sequences
    X = as_finite(sequences.X, sequences.lengths, np.float32, ordered=ordered)
    return Sequences(X, sequences.lengths)


def prepared(sequences: Sequences, *steps: Any) -> Sequences:
    """Return sequences as fitted transformers make them; None among them is nothing."""
    return _applied(steps, sequences)


def _applied(steps: Any, sequences: Sequences) -> Sequences:
    for step in steps:
        if step is None:
            continue
        found = sequences
        for part in _parts(step):
            found = part.transform(found)
        if not isinstance(found, Sequences) or len(found) != len(sequences):
            raise ValueError(
                f"preprocessing: expected it to make a Sequences of {len(sequences)} of as many, got {found!r}"
            )
        sequences = found
    return sequences


def _parts(step: Any) -> list[Any]:
    """Return what runs in a step: of a fitted pipeline its own steps, whose checks are enough."""
    if type(step) is not Pipeline:
        return [step]
    return [part for _, part in step.steps if part is not None and part != "passthrough"]
