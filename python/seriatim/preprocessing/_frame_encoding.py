"""How targets of every frame are encoded, decoded and measured: labels or numbers, some of which are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seriatim._typing import AnyArray, Array
from seriatim.preprocessing._frame_targets import FrameTargets
from seriatim.preprocessing._targets import Labels, StandardizedNumbers

# What the losses take for a label without loss, weight and gradient.
IGNORED = -100


class FrameLabels(Labels):
    """Labels of frames as numbers of their classes, -100 where a frame is ignored."""

    def encode(self, targets: FrameTargets, way_on: str = "") -> FrameTargets:  # type: ignore[override]
        """Return the number of each label's class; ``way_on`` ends the error of labels that are of none.

        Raises
        ------
        ValueError
            A label is of no class.
        """
        codes = np.full(len(targets.rows), IGNORED, np.int64)
        codes[targets.counts] = super().encode(targets.known, way_on)
        return FrameTargets(codes, targets.spans, targets.counts)

    def ideal(self, target: FrameTargets) -> Array:  # type: ignore[override]
        """Return logarithms of probabilities of which the labels' are by far the highest, a row a frame."""
        return super().ideal(np.maximum(target.rows, 0))

    def knows_all(self, labels: AnyArray | FrameTargets) -> bool:
        """Return whether labels are all classes, and no others."""
        return super().knows_all(labels.known if isinstance(labels, FrameTargets) else labels)

    def weights(  # type: ignore[override]
        self,
        class_weight: Mapping[Any, float] | str | None,
        target: FrameTargets | None,
        weights: Array | None = None,
    ) -> Array | None:
        """Return a weight for each class, "balanced" by frames."""
        if target is None:
            return super().weights(class_weight, None)
        return super().weights(class_weight, target.known, target.of_frames(weights))

    def measure(  # type: ignore[override]
        self, output: Array, target: FrameTargets, weights: Array | None, class_weights: Array | None = None
    ) -> tuple[float, float]:
        """Return the mean negative logarithm of the labels' probabilities, and the share of frames that is right."""
        return super().measure(output[target.counts], target.known, target.of_frames(weights), class_weights)


@dataclass(frozen=True)
class FrameNumbers(StandardizedNumbers):
    """Numbers of frames ``(rows, outputs)`` with mean 0 and deviation 1; NaN where one is ignored."""

    @classmethod
    def of_frames(cls, targets: FrameTargets, weights: Array | None) -> FrameNumbers:
        """Take the weighted moments of what is there."""
        values, rows = targets.rows.reshape(len(targets.rows), -1), None
        if weights is not None:
            rows = np.repeat(weights, targets.lengths)
        there = ~np.isnan(values)
        # One output after the other: each has its own frames.
        found = [
            StandardizedNumbers.of(column[known], None if rows is None else rows[known])
            for column, known in zip(values.T, there.T, strict=True)
        ]
        mean, scale = (np.concatenate([getattr(one, name) for one in found]) for name in ("mean", "scale"))
        return cls(mean, scale, targets.rows.ndim == 1)

    def encode(self, targets: FrameTargets) -> FrameTargets:  # type: ignore[override]
        """Return targets in float32, standardised, ``(rows, outputs)``.

        Raises
        ------
        ValueError
            They are of another number of outputs, or farther from the training set's than numbers go.
        """
        values = targets.rows.reshape(len(targets.rows), -1)
        nothing = np.isnan(values)
        filled = np.where(nothing, self.mean, values) if values.shape[1] == self.n_outputs else np.nan_to_num(values)
        standardized = super().encode(filled)
        standardized[nothing] = np.nan
        return FrameTargets(standardized, targets.spans, targets.counts)

    def ideal(self, target: FrameTargets) -> Array:  # type: ignore[override]
        """Return the targets themselves, 0 where there is none."""
        return np.nan_to_num(target.rows)

    def measure(  # type: ignore[override]
        self, output: Array, target: FrameTargets, weights: Array | None, class_weights: Array | None = None
    ) -> tuple[float, float]:
        """Return the mean squared error of what is there, and 1 minus it."""
        there = ~np.isnan(target.rows)
        squares = (output.astype(np.float64) - target.rows)[there] ** 2
        rows = None
        if weights is not None:
            rows = np.broadcast_to(np.repeat(weights, target.lengths)[:, None], there.shape)[there]
        loss = float(np.average(squares, weights=rows))
        return loss, 1 - loss
