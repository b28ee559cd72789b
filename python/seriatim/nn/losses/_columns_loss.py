"""The mean of cross-entropies of several labels, each with logits of its own. No public name: estimators make it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seriatim._typing import Array
from seriatim.nn.losses._label_loss import CrossEntropyLoss
from seriatim.nn.losses._loss import TargetLoss


class ColumnsLoss(TargetLoss):
    """The mean over columns of the cross-entropy of each: of logits ``(batch, sum of sizes)`` for ``(batch, columns)``.

    Parameters
    ----------
    sizes : sequence of int
        Classes of each column.
    label_smoothing : float, default 0
    """

    def __init__(self, sizes: Sequence[int], label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.sizes, self.label_smoothing, self.reduction = tuple(sizes), label_smoothing, "mean"

    def _of_one(self) -> CrossEntropyLoss[Any]:
        return CrossEntropyLoss(reduction=self.reduction, label_smoothing=self.label_smoothing)

    def _compute(self, pred: Any, target: Any, sample_weight: Any) -> tuple[Any, Any]:
        one, parts = self._of_one(), np.split(pred, np.cumsum(self.sizes)[:-1], axis=1)
        found = [
            one.trace(np.ascontiguousarray(part), np.ascontiguousarray(codes), sample_weight)
            for part, codes in zip(parts, np.asarray(target).T, strict=True)
        ]
        return float(np.mean([loss for loss, _ in found])), [context for _, context in found]

    def _differentiate(self, context: Any, grad_output: Any) -> Array:
        grad = (1.0 if grad_output is None else float(grad_output)) / len(self.sizes)
        one = self._of_one()
        found: Array = np.concatenate([one.pullback(part, grad) for part in context], axis=1)
        return found

    def _weigh(self, target: Any, sample_weight: Any) -> float:
        return self._of_one().total_weight(np.ascontiguousarray(np.asarray(target)[:, 0]), sample_weight)
