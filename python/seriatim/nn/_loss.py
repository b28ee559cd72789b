"""Losses: called with prediction and target they give a float, and ``backward()`` gives the prediction's gradient."""

from __future__ import annotations

import numpy as np

from seriatim import functional as F
from seriatim._typing import Array, ArrayLike
from seriatim.functional._loss import REDUCTIONS, NLLCache


class NLLLoss:
    """Negative log-likelihood of class labels: ``-w log_probs[i, target_i]``.

    Parameters
    ----------
    weight : array_like, shape (classes,), optional
        A weight a class.
    reduction : {'mean', 'sum', 'none'}
        'mean' divides by the sum of the weights.

    Examples
    --------
    >>> criterion = NLLLoss()
    >>> loss = criterion(log_probs, target)  # log_probs (batch, classes), target (batch,) of int
    >>> model.backward(criterion.backward())
    """

    def __init__(self, weight: ArrayLike | None = None, reduction: str = "mean") -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction: expected one of {REDUCTIONS}, got {reduction!r}")
        self.weight = None if weight is None else np.asarray(weight, dtype=np.float32)
        self.reduction = reduction
        self._cache: NLLCache | None = None

    def __call__(self, pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None) -> float | Array:
        """Return the loss of ``pred (batch, classes)`` for ``target (batch,)``."""
        loss, self._cache = F.nll_loss(pred, target, self.weight, sample_weight, self.reduction)
        return loss

    def backward(self, grad_output: ArrayLike | None = None) -> Array:
        """Return the gradient of ``pred`` for the last call; ``grad_output`` is that of the loss, 1 by default."""
        if self._cache is None:
            raise RuntimeError("NLLLoss.backward(): call the loss first")
        return F.nll_loss_backward(self._cache, grad_output)
