"""Losses: called with prediction and target they give a float, and ``backward()`` gives the prediction's gradient."""

from __future__ import annotations

import numpy as np

from seriatim import functional as F
from seriatim._typing import Array, ArrayLike
from seriatim.functional._loss import REDUCTIONS, NLLCache, PointLossCache


class NLLLoss:
    """Negative log-likelihood of class labels: ``-w log_probs[i, target_i]``.

    Parameters
    ----------
    weight : array_like, shape (classes,), optional
        A weight a class.
    reduction : {'mean', 'sum', 'none'}
        'mean' divides by the sum of the weights.
    label_smoothing : float in [0, 1), default 0
        How much of a label's probability is spread over all classes.

    Examples
    --------
    >>> criterion = NLLLoss()
    >>> loss = criterion(log_probs, target)  # log_probs (batch, classes), target (batch,) of int
    >>> model.backward(criterion.backward())
    """

    def __init__(self, weight: ArrayLike | None = None, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction: expected one of {REDUCTIONS}, got {reduction!r}")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing: expected a number from 0 to below 1, got {label_smoothing!r}")
        self.label_smoothing = label_smoothing
        self.weight = None if weight is None else np.asarray(weight, dtype=np.float32)
        self.reduction = reduction
        self._cache: NLLCache | None = None

    def __call__(self, pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None) -> float | Array:
        """Return the loss of ``pred (batch, classes)`` for ``target (batch,)``."""
        loss, self._cache = F.nll_loss(pred, target, self.weight, sample_weight, self.reduction, self.label_smoothing)
        return loss

    def backward(self, grad_output: ArrayLike | None = None) -> Array:
        """Return the gradient of ``pred`` for the last call; ``grad_output`` is that of the loss, 1 by default."""
        if self._cache is None:
            raise RuntimeError("NLLLoss.backward(): call the loss first")
        return F.nll_loss_backward(self._cache, grad_output)


class CrossEntropyLoss(NLLLoss):
    """Negative log-likelihood of class labels, from logits: log-softmax, then :class:`NLLLoss`.

    Parameters
    ----------
    weight : array_like, shape (classes,), optional
        A weight a class.
    reduction : {'mean', 'sum', 'none'}
        'mean' divides by the sum of the weights.
    label_smoothing : float in [0, 1), default 0
        How much of a label's probability is spread over all classes.
    """

    def __init__(self, weight: ArrayLike | None = None, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        super().__init__(weight, reduction, label_smoothing)
        self._log_probs: Array | None = None

    def __call__(self, pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None) -> float | Array:
        """Return the loss of logits ``pred (batch, classes)`` for ``target (batch,)``."""
        log_probs, self._log_probs = F.log_softmax(pred)
        return super().__call__(log_probs, target, sample_weight)

    def backward(self, grad_output: ArrayLike | None = None) -> Array:
        """Return the gradient of ``pred`` for the last call; ``grad_output`` is that of the loss, 1 by default."""
        grad = super().backward(grad_output)
        assert self._log_probs is not None
        return F.log_softmax_backward(grad, self._log_probs)


class _PointLoss:
    """A loss of every number."""

    kind: str

    def __init__(
        self, weight: ArrayLike | None = None, reduction: str = "mean", pos_weight: ArrayLike | None = None
    ) -> None:
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction: expected one of {REDUCTIONS}, got {reduction!r}")
        self.weight, self.pos_weight, self.reduction = weight, pos_weight, reduction
        self._cache: PointLossCache | None = None

    def __call__(self, pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None) -> float | Array:
        """Return the loss of ``pred`` for ``target``, of one shape; ``sample_weight`` is of the rows of both."""
        loss, self._cache = F.point_loss(
            self.kind, pred, target, self.weight, self.pos_weight, self.reduction, sample_weight
        )
        return loss

    def backward(self, grad_output: ArrayLike | None = None) -> Array:
        """Return the gradient of ``pred`` for the last call; ``grad_output`` is that of the loss, 1 by default."""
        if self._cache is None:
            raise RuntimeError(f"{type(self).__name__}.backward(): call the loss first")
        return F.point_loss_backward(self._cache, grad_output)


class MSELoss(_PointLoss):
    """``(pred - target)^2``.

    Parameters
    ----------
    reduction : {'mean', 'sum', 'none'}
    """

    kind = "mse"

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(None, reduction)


class BCEWithLogitsLoss(_PointLoss):
    """Binary cross-entropy of logits: ``(1 - t) p + (1 + (pos_weight - 1) t) log(1 + e^-p)``.

    Parameters
    ----------
    weight : array_like, optional
        Of every element's loss; broadcasts to ``pred``.
    reduction : {'mean', 'sum', 'none'}
    pos_weight : array_like, optional
        How much positives weigh; broadcasts to ``pred``.
    """

    kind = "bce_with_logits"
