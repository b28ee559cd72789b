"""Several labels a sequence: any number of some (scikit-learn's multilabel), or one of each of several kinds.

A network gives a logit for each label of the first, whose probability is its sigmoid; of the second a logit for each
class of each column, whose probabilities are a softmax of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seriatim import functional as F
from seriatim._typing import AnyArray, Array, Integers
from seriatim.preprocessing._targets import Labels


def _refuse_weights(class_weight: Mapping[Any, float] | str | None) -> None:
    if class_weight is not None:
        raise ValueError(
            f"class_weight: expected None for several labels a sequence, whose loss is a sum over labels, got "
            f"{class_weight!r}: sample_weight weighs sequences"
        )


@dataclass(frozen=True)
class LabelSets:
    """Which of some labels a sequence has, ``(n, labels)`` of 0 and 1."""

    n_outputs: int

    form = "sets"

    @property
    def classes(self) -> AnyArray:
        """Numbers of the labels, as scikit-learn's classifiers have them."""
        return np.arange(self.n_outputs)

    @property
    def n_kinds(self) -> int:
        """As many as there are labels."""
        return self.n_outputs

    def encode(self, targets: AnyArray, way_on: str = "") -> Array:
        """Return the indicators as numbers.

        Raises
        ------
        ValueError
            They are of another number of labels, or none.
        """
        if targets.ndim != 2 or targets.shape[1] != self.n_outputs or not np.isin(targets, (0, 1)).all():
            raise ValueError(f"y: expected 0 and 1 for each of {self.n_outputs} labels, got shape {targets.shape}")
        return targets.astype(np.float32)

    def log_probs(self, output: Array) -> Array:
        """Return logarithms of the labels' probabilities, of logits."""
        found: Array = -np.logaddexp(np.float32(0), -output)
        return found

    def probabilities(self, log_probs: AnyArray) -> AnyArray:
        """Return the labels' probabilities."""
        found: AnyArray = np.exp(log_probs)
        return found

    def split(self, log_probs: AnyArray) -> AnyArray:
        """Return one array for all labels."""
        return log_probs

    def decode(self, output: Array) -> Integers:
        """Return which labels are more probable than not."""
        found: Integers = (output > np.log(0.5)).astype(np.int64)
        return found

    def ideal(self, target: Array) -> Array:
        """Return logarithms of probabilities near the targets."""
        return np.log(np.where(target > 0, 0.99, 0.01)).astype(np.float32)

    def weights(self, class_weight: Any, target: Any, weights: Array | None = None) -> None:
        """Refuse weights of classes."""
        _refuse_weights(class_weight)

    def measure(
        self, output: Array, target: AnyArray, weights: Array | None, class_weights: Array | None = None
    ) -> tuple[float, float]:
        """Return the mean binary cross-entropy, and the share of sequences all of whose labels are right."""
        yes = output.astype(np.float64)
        # log(1 - p), of probabilities that float32 tells from 1.
        no = np.log(np.maximum(-np.expm1(yes), np.finfo(np.float32).tiny))
        loss = -np.where(target > 0, yes, no).mean(axis=1)
        right = (self.decode(output) == target).all(axis=1)
        return float(np.average(loss, weights=weights)), float(np.average(right, weights=weights))


@dataclass(frozen=True)
class LabelColumns:
    """A label of each of several kinds: ``(n, columns)``."""

    columns: tuple[Labels, ...]

    form = "columns"

    @classmethod
    def of(cls, targets: AnyArray) -> LabelColumns:
        """Take the labels of each column."""
        return cls(tuple(Labels(np.unique(column)) for column in targets.T))

    @property
    def classes(self) -> list[AnyArray]:
        """The labels of each column, sorted."""
        return [column.classes for column in self.columns]

    @property
    def sizes(self) -> list[int]:
        """How many labels each column has."""
        return [column.n_outputs for column in self.columns]

    @property
    def n_outputs(self) -> int:
        """A logit for each label of each column."""
        return sum(self.sizes)

    @property
    def n_kinds(self) -> int:
        """As many as the richest column has."""
        return max(self.sizes)

    def encode(self, targets: AnyArray, way_on: str = "") -> Integers:
        """Return the number of each label's class in its column, ``(n, columns)``.

        Raises
        ------
        ValueError
            There is another number of columns, or a label is of no class of its column.
        """
        if targets.ndim != 2 or targets.shape[1] != len(self.columns):
            raise ValueError(f"y: expected {len(self.columns)} labels a sequence, got shape {targets.shape}")
        return np.stack([one.encode(column, way_on) for one, column in zip(self.columns, targets.T, strict=True)], 1)

    def split(self, log_probs: AnyArray) -> list[AnyArray]:
        """Return an array for each column."""
        return np.split(log_probs, np.cumsum(self.sizes)[:-1], axis=-1)

    def log_probs(self, output: Array) -> Array:
        """Return logarithms of probabilities, of logits: each column for itself."""
        parts = [F.log_softmax(np.ascontiguousarray(part))[0] for part in self.split(output)]
        found: Array = np.concatenate(parts, axis=-1)
        return found

    def probabilities(self, log_probs: AnyArray) -> list[AnyArray]:
        """Return an array of probabilities for each column."""
        return [np.exp(part) for part in self.split(log_probs)]

    def decode(self, output: Array) -> AnyArray:
        """Return the most probable label of each column."""
        return np.stack([one.decode(part) for one, part in zip(self.columns, self.split(output), strict=True)], axis=1)

    def ideal(self, target: Integers) -> Array:
        """Return logarithms of probabilities of which the labels' are by far the highest."""
        return np.concatenate([one.ideal(part) for one, part in zip(self.columns, target.T, strict=True)], axis=1)

    def weights(self, class_weight: Any, target: Any, weights: Array | None = None) -> None:
        """Refuse weights of classes."""
        _refuse_weights(class_weight)

    def measure(
        self, output: Array, target: AnyArray, weights: Array | None, class_weights: Array | None = None
    ) -> tuple[float, float]:
        """Return the mean over columns of the mean losses, and the share of sequences all of whose labels are right."""
        parts = list(zip(self.columns, self.split(output), target.T, strict=True))
        loss = np.mean([one.measure(part, codes, weights)[0] for one, part, codes in parts])
        right = np.all([part.argmax(axis=1) == codes for _, part, codes in parts], axis=0)
        return float(loss), float(np.average(right, weights=weights))
