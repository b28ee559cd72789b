"""Losses of every number: of a prediction p and what it should be, t."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._arrays import as_floats
from seriatim._typing import AnyArray, Array, ArrayLike
from seriatim.functional._loss import REDUCTIONS, check_reduction, loss_gradient, sample_weights

# The numbers of the C ABI.
_KINDS = {
    "mse": 0,
    "bce_with_logits": 1,
    "l1": 2,
    "huber": 3,
    "smooth_l1": 4,
    "bce": 5,
    "kl_div": 6,
    "kl_div_of_logs": 7,
}


_OF_DIFFERENCES = ("mse", "l1", "huber", "smooth_l1")


class PointLossCache(NamedTuple):
    """What :func:`point_loss_backward` needs of a forward call."""

    grad: AnyArray
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
    bound: float = 1.0,
) -> tuple[float | Array, PointLossCache]:
    """Loss of every number.

    Parameters
    ----------
    kind : {'mse', 'l1', 'huber', 'smooth_l1', 'bce_with_logits', 'bce', 'kl_div', 'kl_div_of_logs'}
        ``(p - t)^2``; ``|p - t|``; ``(p - t)^2 / 2`` where ``|p - t|`` is within ``bound``, ``bound (|p - t| - bound /
        2)`` outside; the same divided by ``bound``; ``(1 - t) p + (1 + (pos_weight - 1) t) log(1 + e^-p)``; ``-t log p
        - (1 - t) log(1 - p)``, with logarithms of -100 at least; ``t (log t - p)``; ``e^t (t - p)``. What has target
        probability 0 adds nothing to the last two.
    pred, target : array_like of one shape
    weight, pos_weight : array_like, optional
        Of any shape that broadcasts to that of ``pred``.
    reduction : {'mean', 'sum', 'none', 'batchmean'}
        The mean is over all elements, whatever their ``weight``, as in torch; 'batchmean' divides the sum by the length
        of the first axis.
    sample_weight : array_like, shape (batch,) or that of pred, optional
        The mean divides by the sum of these weights. What weighs 0 adds nothing, even where its loss is not finite.
    bound : float, default 1
        Of 'huber' and 'smooth_l1'.

    Returns
    -------
    loss : float, or ndarray like ``pred`` for 'none'
    cache : PointLossCache

    Raises
    ------
    ValueError
        ``kind``, ``reduction`` or ``bound`` is another one, shapes do not belong together, or probabilities of 'bce'
        are not within 0 and 1.
    TypeError
        An array holds no real numbers.
    """
    if kind not in _KINDS:
        raise ValueError(f"kind: expected one of {', '.join(_KINDS)}, got {kind!r}")
    check_reduction(reduction, (*REDUCTIONS, "batchmean"))
    used = _core.as_floats(pred, "pred")
    wanted = _core.as_floats(target, "target")
    if wanted.shape != used.shape:
        raise ValueError(f"target: expected shape {used.shape}, that of pred, got {wanted.shape}")
    if kind == "bce":
        _check_probabilities("pred", used)
        _check_probabilities("target", wanted)
    positive = None if pos_weight is None else _broadcast("pos_weight", pos_weight, used.shape)
    losses, grad = _core.point_loss(
        used.reshape(-1), wanted.reshape(-1), None if positive is None else positive.ravel(), bound, _KINDS[kind]
    )
    losses, grad = losses.reshape(used.shape), grad.reshape(used.shape)
    if kind in _OF_DIFFERENCES and not np.isfinite(np.sum(losses, dtype=np.float64)):
        losses, grad = _widened(kind, losses, grad, used, wanted, bound)
    if weight is not None:
        factor = _broadcast("weight", weight, used.shape)
        losses, grad = np.asarray(losses * factor), np.asarray(grad * factor)
    amount = point_weight(used.shape, reduction, sample_weight)
    if sample_weight is not None:
        given = sample_weights(sample_weight, used.shape)
        factor = given.reshape(*given.shape, *[1] * (used.ndim - given.ndim))
        nothing = np.broadcast_to(factor == 0, used.shape)
        losses, grad = np.where(nothing, 0, losses * factor), np.where(nothing, 0, grad * factor)
    cache = PointLossCache(grad, reduction, amount)
    if reduction == "none":
        return _as_float32(losses), cache
    total = float(np.sum(losses, dtype=np.float64))
    if reduction == "sum":
        return total, cache
    return (total / amount if amount else float("nan")), cache


def point_weight(shape: tuple[int, ...], reduction: str = "mean", sample_weight: ArrayLike | None = None) -> float:
    """Sum up the weights of all numbers: what the mean of :func:`point_loss` divides by.

    Parameters
    ----------
    shape : tuple of int
        Of the prediction.
    reduction : {'mean', 'batchmean', 'sum', 'none'}
        'batchmean' counts the first axis, all others every number.
    sample_weight : array_like, shape (batch,) or that of pred, optional

    Returns
    -------
    float

    Raises
    ------
    ValueError
        The shapes do not belong together.
    TypeError
        ``sample_weight`` holds no real numbers.
    """
    if not isinstance(shape, tuple) or any(length < 0 for length in shape):
        raise ValueError(f"shape: expected a shape, got {shape!r}")
    size = math.prod(shape)
    amount = float(size)
    if sample_weight is not None:
        given = sample_weights(sample_weight, shape)
        amount = float(np.sum(given, dtype=np.float64)) * (size / max(given.size, 1))
    if reduction == "batchmean":
        # One number is a batch of one.
        amount *= (shape[0] if shape else 1) / max(size, 1)
    return amount


def _widened(
    kind: str, losses: Array, grad: Array, pred: Array, target: Array, bound: float
) -> tuple[AnyArray, AnyArray]:
    """Return losses and slopes in float64, for what float32 does not hold: their mean may be a number none the less."""
    large = ~np.isfinite(losses)
    difference = pred[large].astype(np.float64) - target[large]
    size = np.abs(difference)
    losses, grad = losses.astype(np.float64), grad.astype(np.float64)
    if kind == "mse":
        losses[large], grad[large] = difference * difference, 2 * difference
    elif kind == "l1":
        losses[large], grad[large] = size, np.sign(difference)
    else:
        losses[large] = (size - bound / 2) * (1 if kind == "smooth_l1" else bound)
        grad[large] = np.clip(difference, -bound, bound) / (bound if kind == "smooth_l1" else 1)
    return losses, grad


def _broadcast(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Array:
    """Return weights in a shape; what would give another shape is not meant."""
    weights = as_floats(name, values)
    try:
        return np.broadcast_to(weights, shape)
    except ValueError:
        raise ValueError(
            f"{name}: expected a number or a shape that broadcasts to {shape}, that of pred, got {weights.shape}"
        ) from None


def _check_probabilities(name: str, values: Array) -> None:
    wrong = (values < 0) | (values > 1)
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        raise ValueError(
            f"{name}: expected probabilities, from 0 to 1, got {values[wrong][0]:.6g} at {place}; for logits there is "
            "BCEWithLogitsLoss"
        )


def point_loss_backward(cache: PointLossCache, grad_output: ArrayLike | None = None) -> Array:
    """Gradient of :func:`point_loss` with respect to ``pred``.

    Parameters
    ----------
    cache : PointLossCache
    grad_output : array_like, a scalar or the shape of the losses, optional
        The gradient of the loss; 1 by default.

    Returns
    -------
    grad_pred : ndarray of float32, the shape of pred

    Raises
    ------
    ValueError
        ``grad_output`` has another shape.
    """
    scale = loss_gradient(grad_output, cache.reduction, cache.grad.shape)
    if cache.reduction in ("mean", "batchmean"):
        scale = scale / np.float32(cache.total_weight or np.nan)
    return _as_float32(cache.grad * scale)


def _as_float32(values: AnyArray) -> Array:
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)
