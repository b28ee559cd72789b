"""Losses.

Negative log-likelihood: ``l_i = -w_i log_probs[i, target_i]`` with ``w_i = class_weight[target_i] * sample_weight[i]``;
its mean is ``sum l_i / sum w_i``. Label smoothing e makes it ``(1 - e) l_i - e / C sum_c class_weight[c]
sample_weight[i] log_probs[i, c]``, torch's rule.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._arrays import as_floats, as_integers
from seriatim._typing import Array, ArrayLike, Integers

REDUCTIONS = ("mean", "sum", "none")


class NLLCache(NamedTuple):
    """What :func:`nll_loss_backward` needs of a forward call."""

    weights: Array
    target: Integers
    total_weight: float
    classes: int
    reduction: str
    class_weight: ArrayLike | None
    sample_weight: ArrayLike | None
    label_smoothing: float


def nll_loss(
    log_probs: ArrayLike,
    target: ArrayLike,
    class_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> tuple[float | Array, NLLCache]:
    """Weighted negative log-likelihood.

    Parameters
    ----------
    log_probs : array_like, shape (batch, classes)
    target : array_like of int, shape (batch,)
        Each from 0 to ``classes - 1``.
    class_weight : array_like, shape (classes,), optional
    sample_weight : array_like, shape (batch,), optional
    reduction : {'mean', 'sum', 'none'}
    label_smoothing : float in [0, 1), default 0
        How much of a label's probability is spread over all classes.

    Returns
    -------
    loss : float, or ndarray (batch,) for 'none'
        The mean over weights that are all 0 is nan, as in torch.
    cache : NLLCache

    Raises
    ------
    ValueError
        A target is no class, ``reduction`` or ``label_smoothing`` is another one, or shapes do not belong together.
    TypeError
        An array holds no real numbers, or ``target`` no integers.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction: expected one of {REDUCTIONS}, got {reduction!r}")
    if not 0 <= label_smoothing < 1:
        raise ValueError(f"label_smoothing: expected a number from 0 to below 1, got {label_smoothing!r}")
    labels = as_integers("target", target, bools=True)
    losses, weights, total, total_weight = _core.nll_forward(
        log_probs, labels, class_weight, sample_weight, label_smoothing
    )
    classes = np.shape(log_probs)[1]
    cache = NLLCache(weights, labels, total_weight, classes, reduction, class_weight, sample_weight, label_smoothing)
    if reduction == "none":
        return losses, cache
    if reduction == "sum":
        return total, cache
    return (total / total_weight if total_weight else float("nan")), cache


def nll_loss_backward(cache: NLLCache, grad_output: ArrayLike | None = None) -> Array:
    """Gradient of :func:`nll_loss` with respect to the log-probabilities.

    Parameters
    ----------
    cache : NLLCache
    grad_output : array_like, a scalar or shape (batch,), optional
        The gradient of the loss; 1 by default.

    Returns
    -------
    grad_log_probs : ndarray of float32, shape (batch, classes)

    Raises
    ------
    ValueError
        ``grad_output`` has neither 1 nor ``batch`` elements.
    """
    weights, target, total_weight, classes, reduction, class_weight, sample_weight, smoothing = cache
    scale = np.atleast_1d(as_floats("grad_output", 1.0 if grad_output is None else grad_output))
    if reduction == "mean":
        scale = scale / np.float32(total_weight or np.nan)
    return _core.nll_backward(weights, target, class_weight, sample_weight, smoothing, scale, classes)


# The numbers of the C ABI.
_KINDS = {"mse": 0, "bce_with_logits": 1}


class PointLossCache(NamedTuple):
    """What :func:`point_loss_backward` needs of a forward call."""

    grad: Array
    reduction: str
    total_weight: float


def point_loss(
    kind: str,
    pred: ArrayLike,
    target: ArrayLike,
    weight: ArrayLike | None = None,
    pos_weight: ArrayLike | None = None,
    reduction: str = "mean",
    sample_weight: ArrayLike | None = None,
) -> tuple[float | Array, PointLossCache]:
    """Loss of every number.

    Parameters
    ----------
    kind : {'mse', 'bce_with_logits'}
        ``(p - t)^2``, or ``(1 - t) p + (1 + (pos_weight - 1) t) log(1 + e^-p)``.
    pred, target : array_like of one shape
    weight, pos_weight : array_like, optional
        Of any shape that broadcasts to that of ``pred``.
    reduction : {'mean', 'sum', 'none'}
        The mean is over all elements, whatever their ``weight``, as in torch.
    sample_weight : array_like, shape (batch,), optional
        Of every row of ``pred``; the mean divides by the sum of these weights.

    Returns
    -------
    loss : float, or ndarray like ``pred`` for 'none'
    cache : PointLossCache

    Raises
    ------
    ValueError
        ``kind`` or ``reduction`` is another one, or shapes do not belong together.
    TypeError
        An array holds no real numbers.
    """
    if kind not in _KINDS:
        raise ValueError(f"kind: expected one of {', '.join(_KINDS)}, got {kind!r}")
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction: expected one of {REDUCTIONS}, got {reduction!r}")
    used = _core.as_floats(pred, "pred")
    wanted = _core.as_floats(target, "target")
    if wanted.shape != used.shape:
        raise ValueError(f"target: expected shape {used.shape}, that of pred, got {wanted.shape}")
    positive = None if pos_weight is None else np.broadcast_to(as_floats("pos_weight", pos_weight), used.shape).ravel()
    losses, grad = _core.point_loss(used.reshape(-1), wanted.reshape(-1), positive, _KINDS[kind])
    losses, grad = losses.reshape(used.shape), grad.reshape(used.shape)
    if weight is not None:
        factor = as_floats("weight", weight)
        losses, grad = losses * factor, grad * factor
    amount = float(losses.size)
    if sample_weight is not None:
        rows = as_floats("sample_weight", sample_weight)
        if rows.shape != used.shape[:1]:
            raise ValueError(f"sample_weight: expected shape {used.shape[:1]}, got {rows.shape}")
        rows = rows.reshape(-1, *[1] * (used.ndim - 1))
        losses, grad = losses * rows, grad * rows
        amount = float(np.sum(rows, dtype=np.float64)) * (losses.size / max(len(losses), 1))
    cache = PointLossCache(grad, reduction, amount)
    if reduction == "none":
        return losses, cache
    total = float(np.sum(losses, dtype=np.float64))
    if reduction == "sum":
        return total, cache
    return (total / amount if amount else float("nan")), cache


def point_loss_backward(cache: PointLossCache, grad_output: ArrayLike | None = None) -> Array:
    """Gradient of :func:`point_loss` with respect to ``pred``.

    Parameters
    ----------
    cache : PointLossCache
    grad_output : array_like, a scalar or the shape of the loss, optional
        The gradient of the loss; 1 by default.

    Returns
    -------
    grad_pred : ndarray of float32, the shape of pred

    Raises
    ------
    ValueError
        ``grad_output`` does not broadcast to the shape of ``pred``.
    """
    scale = as_floats("grad_output", 1.0 if grad_output is None else grad_output)
    if cache.reduction == "mean":
        scale = scale / np.float32(cache.total_weight or np.nan)
    grad: Array = cache.grad * scale
    return grad
