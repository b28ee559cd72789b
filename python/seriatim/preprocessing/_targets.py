"""What a network learns to give: labels as numbers of classes, numbers standardised; and how good what it gives is.

The arithmetic of targets is here, so that the estimators have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from seriatim import functional as F
from seriatim._arrays import is_text
from seriatim._typing import AnyArray, Array, Integers
from seriatim._warnings import warn
from seriatim.preprocessing._frame_targets import FrameTargets
from seriatim.preprocessing._scaling import steady


class Targets(Protocol):
    """Targets of a training set."""

    @property
    def n_outputs(self) -> int:
        """Numbers that the network gives a sequence."""

    @property
    def n_kinds(self) -> int:
        """Classes; 1 of numbers."""

    def encode(self, targets: Any) -> Any:
        """Return targets as the loss takes them."""

    def decode(self, output: Array) -> AnyArray:
        """Return what a network's output says, as the targets were given."""

    def ideal(self, target: Any) -> Array:
        """Return the output of a network that is right about encoded targets."""

    def measure(
        self, output: Array, target: Any, weights: Array | None, class_weights: Array | None = None
    ) -> tuple[float, float]:
        """Return loss and score, the higher the better, of what a network gives for encoded targets."""


@dataclass(frozen=True)
class Labels:
    """Labels as numbers of their classes, which are sorted."""

    classes: AnyArray

    form = "single"

    @property
    def n_outputs(self) -> int:
        """A logarithm of a probability for each class."""
        return len(self.classes)

    n_kinds = n_outputs

    def encode(self, targets: AnyArray, way_on: str = "") -> Integers:
        """Return the number of each label's class; ``way_on`` ends the error of labels that are of none.

        Raises
        ------
        ValueError
            A label is of no class.
        """
        self.check_kind(targets)
        unknown = np.setdiff1d(targets, self.classes)
        if len(unknown):
            raise ValueError(
                f"y contains previously unseen labels: {unknown[:5].tolist()}; known are {self.classes[:5].tolist()}"
                f"{' and others' if len(self.classes) > 5 else ''}{way_on}"
            )
        return np.searchsorted(self.classes, targets).astype(np.int64)

    def split(self, log_probs: AnyArray) -> AnyArray:
        """Return one array for all classes."""
        return log_probs

    def probabilities(self, log_probs: AnyArray) -> AnyArray:
        """Return probabilities, which sum to 1."""
        found = np.exp(log_probs)
        shares: AnyArray = found / found.sum(axis=1, keepdims=True)
        return shares

    def decode(self, output: Array) -> AnyArray:
        """Return the most probable labels."""
        labels: AnyArray = self.classes[output.argmax(axis=1)]
        return labels

    def ideal(self, target: AnyArray) -> Array:
        """Return logarithms of probabilities of which the labels' are by far the highest."""
        spread = 0.01 / max(1, self.n_outputs - 1)
        return np.log(np.where(target[:, None] == np.arange(self.n_outputs), 0.99, spread)).astype(np.float32)

    def knows_all(self, labels: AnyArray) -> bool:
        """Return whether labels are all classes, and no others."""
        self.check_kind(labels)
        return np.array_equal(np.unique(labels), self.classes)

    def check_kind(self, labels: AnyArray) -> None:
        """Refuse text where the classes are numbers, and the other way round: NumPy would take 1 for "1".

        Raises
        ------
        ValueError
        """
        if len(labels) and is_text(labels) != is_text(self.classes):
            known, got = self.classes[:3].tolist(), labels[:3].tolist()
            raise ValueError(f"y: expected labels like those of training, such as {known}, got {got}")

    def weights(
        self, class_weight: Mapping[Any, float] | str | None, target: Integers | None, weights: Array | None = None
    ) -> Array | None:
        """Return a weight for each class, 1 where nothing says another.

        "balanced" is scikit-learn's, by the sequences that count: a weight of 2 is two of them. ``target`` and
        ``weights`` are those of all sequences that are trained on; None for a target says that only a piece is here.

        Raises
        ------
        ValueError
            A weight is none, or all are 0; a key is no class; or "balanced" is asked of a piece.
        """
        if class_weight is None:
            return None
        if isinstance(class_weight, Mapping):
            return self._given_weights(class_weight)
        if class_weight != "balanced":
            raise ValueError(f"class_weight: expected a dict, 'balanced' or None, got {class_weight!r}")
        if target is None:
            raise ValueError(
                "class_weight='balanced' is not supported for partial_fit: a piece does not say how often a class is. "
                "Give the weights as a dict: sklearn.utils.class_weight.compute_class_weight('balanced', "
                "classes=classes, y=y) of all labels, or of a large enough sample of them."
            )
        counts = np.bincount(target, weights, minlength=len(self.classes)).astype(np.float64)
        present = counts > 0
        found = np.ones(len(self.classes), np.float32)
        found[present] = counts.sum() / (np.count_nonzero(present) * counts[present])
        return found

    def _time_of(self, key: Any) -> Any:
        """Return the text of the class that is a key's time, of whatever kind; the key if none is."""
        if isinstance(key, (str, int)) or getattr(key, "tzinfo", None) is not None:
            return key
        try:
            # Those of pandas have nanoseconds, which are lost otherwise.
            time = np.asarray(getattr(key, "asm8", key)).astype(self.classes.dtype.kind + "8")
        except (TypeError, ValueError):
            return key
        places = np.flatnonzero(self.classes == time)
        return str(self.classes[places[0]]) if len(places) else key

    def _given_weights(self, class_weight: Mapping[Any, float]) -> Array:
        """Return the weights of a dict; what names no class is a mistake, or a class that this training has not."""
        names = self.classes.tolist()
        if self.classes.dtype.kind in "mM":
            names = self.classes.astype(str).tolist()
            class_weight = {self._time_of(key): weight for key, weight in class_weight.items()}
        strange = [name for name in class_weight if name not in names]
        if strange:
            text = f"class_weight: expected labels out of {names}, got {strange} as well"
            if not set(names) <= set(class_weight):
                raise ValueError(text)
            warn(f"{text}: no sequence has such a label")
        found = np.array([class_weight.get(name, 1.0) for name in names], np.float64)
        if not (np.isfinite(found) & (found >= 0)).all() or not found.any():
            raise ValueError(
                f"class_weight: expected finite numbers of at least 0, one of them above, got {dict(class_weight)}"
            )
        return ratios(found)

    def measure(
        self, output: Array, target: AnyArray, weights: Array | None, class_weights: Array | None = None
    ) -> tuple[float, float]:
        """Return the mean negative logarithm of the labels' probabilities, and the share that is right.

        Weights of classes count in the loss, as they do in training, and not in the share.
        """
        loss = -output[np.arange(len(target)), target].astype(np.float64)
        right = output.argmax(axis=1) == target
        of_loss = weights_in_loss(target, weights, class_weights)
        return float(np.average(loss, weights=of_loss)), float(np.average(right, weights=weights))


@dataclass(frozen=True)
class StandardizedNumbers:
    """Numbers ``(n, outputs)`` with mean 0 and deviation 1, so that the learning rate does not depend on their unit."""

    mean: AnyArray
    scale: AnyArray
    # Whether they came as ``(n,)``.
    single: bool

    n_kinds = 1

    @classmethod
    def of(cls, targets: AnyArray, weights: Array | None) -> StandardizedNumbers:
        """Take the weighted moments of targets ``(n,)`` or ``(n, outputs)``."""
        mean, deviation = _moments(targets.reshape(len(targets), -1), weights)
        return cls(mean, np.where(steady(mean, deviation), 1.0, deviation), targets.ndim == 1)

    @property
    def n_outputs(self) -> int:
        """As many as numbers a sequence."""
        return len(self.mean)

    def encode(self, targets: AnyArray) -> Array:
        """Return targets in float32, standardised, ``(n, outputs)``.

        Raises
        ------
        ValueError
            They are of another number of outputs, or farther from the training set's than numbers go.
        """
        values = targets.reshape(len(targets), -1)
        if values.shape[1] != self.n_outputs:
            raise ValueError(f"y: expected {self.n_outputs} numbers a sequence, got {values.shape[1]}")
        with np.errstate(over="ignore"):
            standardized: Array = ((values - self.mean) / self.scale).astype(np.float32)
        if not np.isfinite(standardized).all():
            farthest = values.reshape(-1)[np.argmax(~np.isfinite(standardized))]
            raise ValueError(f"y: expected numbers near the training set's, {self.mean} ± {self.scale}, got {farthest}")
        return standardized

    def decode(self, output: Array) -> AnyArray:
        """Return what a network gives in the targets' unit and shape."""
        values: AnyArray = output.astype(np.float64) * self.scale + self.mean
        return values[:, 0] if self.single else values

    def ideal(self, target: AnyArray) -> Array:
        """Return the targets themselves."""
        return target

    def measure(
        self, output: Array, target: AnyArray, weights: Array | None, class_weights: Array | None = None
    ) -> tuple[float, float]:
        """Return the mean squared error, and 1 minus it.

        Standardised targets have a variance of 1: that is the training set's R^2 but for the noise of the part.
        """
        squares = ((output.astype(np.float64) - target) ** 2).mean(axis=1)
        loss = float(np.average(squares, weights=weights))
        return loss, 1 - loss


# The least greatest weight that is taken as it is, and 1 over the greatest.
_LEAST_WEIGHT = 1e-12


def ratios(weights: AnyArray) -> Array:
    """Return weights, of which only the ratios count, in a unit in which float32 holds them and their sums."""
    held = _LEAST_WEIGHT <= weights.max() <= 1 / _LEAST_WEIGHT
    return (weights if held else weights / unit_of(weights)).astype(np.float32)


def weights_in_loss(
    target: AnyArray | FrameTargets, weights: Array | None, class_weights: Array | None
) -> Array | None:
    """Return what each sequence counts in the loss: its own weight times its class's; None if all count the same."""
    if isinstance(target, FrameTargets):
        return target.weights_in_loss(weights, class_weights)
    if class_weights is None:
        return weights
    return class_weights[target] if weights is None else class_weights[target] * weights


def is_weightless(target: AnyArray | FrameTargets, weights: Array | None, class_weights: Array | None) -> bool:
    """Return whether none of these sequences counts: there is nothing to learn from, and no mean to divide by."""
    found = weights_in_loss(target, weights, class_weights)
    return found is not None and not found.any()


# Weights that are whole numbers stand for repetition as long as an epoch becomes at most so many times as long.
_MOST_REPETITION = 4


def repetitions(weights: Array | None) -> Integers | None:
    """Return how often each sequence counts, if weights are few enough whole numbers; otherwise None.

    scikit-learn wants a weight of 2 to be what twice the sequence is, and 0 what none is.
    """
    if weights is None or not np.array_equal(weights, np.rint(weights)):
        return None
    total = weights.sum()
    return weights.astype(np.int64) if 2 <= total <= _MOST_REPETITION * len(weights) else None


def _moments(values: AnyArray, weights: Array | None) -> tuple[AnyArray, AnyArray]:
    """Return the weighted mean and deviation of targets; sorted, so that their order does not count."""
    counts = repetitions(weights)
    if weights is None or counts is not None:
        values = np.sort(values if counts is None else np.repeat(values, counts, axis=0), axis=0)
        mean, deviation = F.ragged_moments(values.astype(np.float64), np.array([0, len(values)]))
        return mean[0], deviation[0]
    # Differences from the least, in units of a power of two: no offset rounds them, and their squares are numbers.
    unit = unit_of(values)
    least = values.min(axis=0)
    gaps = values / unit - least / unit
    mean = np.average(gaps, axis=0, weights=weights)
    deviation = np.sqrt(np.average((gaps - mean) ** 2, axis=0, weights=weights))
    return (least / unit + mean) * unit, deviation * unit


def unit_of(values: AnyArray) -> AnyArray:
    """Return the power of two that makes each column's greatest number one from 1 to 2; dividing by it rounds none."""
    found: AnyArray = np.ldexp(1.0, np.frexp(np.abs(values).max(axis=0))[1] - 1)
    return found
