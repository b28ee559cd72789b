"""Losses of labels: ``l_i = -w_i log_probs[i, target_i]`` with ``w_i = class_weight[target_i] * sample_weight[i]``.

The mean is ``sum l_i / sum w_i``. Label smoothing e makes it ``(1 - e) l_i - e / C sum_c class_weight[c]
sample_weight[i] log_probs[i, c]``, torch's rule. A label that is ``ignore_index`` has neither loss nor weight. Of
probabilities q in the place of labels, ``l_i = -sample_weight[i] sum_c class_weight[c] ((1 - e) q[i, c] + e / C)
log_probs[i, c]``, and the mean counts each with ``sample_weight[i]``.

Classes are on axis 1, as in torch, or where ``dim`` says; of one observation they are the only axis.
"""

from __future__ import annotations

import operator
from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._arrays import as_floats, as_integers, as_numbers
from seriatim._typing import AnyArray, Array, ArrayLike, Integers
from seriatim.functional._activation import log_softmax, log_softmax_backward
from seriatim.functional._loss import check_reduction, loss_gradient, sample_weights


class NLLCache(NamedTuple):
    """What :func:`nll_loss_backward` needs of a forward call."""

    weights: Array
    wish: tuple[Integers | None, Array | None, ArrayLike | None, Array | None, float, float]
    total_weight: float
    shape: tuple[int, ...]
    axis: int
    reduction: str


class CrossEntropyCache(NamedTuple):
    """What :func:`cross_entropy_backward` needs of a forward call."""

    log_probs: Array
    inner: NLLCache


def nll_loss(
    log_probs: ArrayLike,
    target: ArrayLike,
    class_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    dim: int | None = None,
) -> tuple[float | Array, NLLCache]:
    """Weighted negative log-likelihood.

    Parameters
    ----------
    log_probs : array_like, shape (batch, classes), (classes,) or (batch, classes, ...)
    target : array_like of int, the shape of log_probs without its classes
        Each from 0 to ``classes - 1``, or ``ignore_index``.
    class_weight : array_like, shape (classes,), optional
    sample_weight : array_like, shape (batch,) or that of target, optional
    reduction : {'mean', 'sum', 'none'}
    label_smoothing : float from 0 to 1, default 0
        How much of a label's probability is spread over all classes.
    ignore_index : int, default -100
        A label without a loss: of padding, of what nobody labelled.
    dim : int, optional
        Which axis classes are on, such as -1 for ``(steps, batch, classes)``. By default 1, as in torch.

    Returns
    -------
    loss : float, or ndarray of the shape of target for 'none'
        The mean over nothing, and over weights that are all 0, is nan, as in torch.
    cache : NLLCache

    Raises
    ------
    ValueError
        A target is no class, another argument is none of those above, or shapes do not belong together.
    TypeError
        An array holds no real numbers, or ``target`` no integers.
    """
    check_options(reduction, label_smoothing, ignore_index)
    used, axis = _predictions("log_probs", log_probs, dim)
    labels = _labels(target, used.shape, axis, ignore_index)
    return _nll(_rows(used, axis), labels, used.shape, axis, class_weight, sample_weight, reduction, label_smoothing,
                ignore_index)  # fmt: skip


def nll_loss_backward(cache: NLLCache, grad_output: ArrayLike | None = None) -> Array:
    """Gradient of :func:`nll_loss` with respect to the log-probabilities.

    Parameters
    ----------
    cache : NLLCache
    grad_output : array_like, a scalar or the shape of the losses, optional
        The gradient of the loss; 1 by default.

    Returns
    -------
    grad_log_probs : ndarray of float32, the shape of log_probs
        0 where the label is ignored.

    Raises
    ------
    ValueError
        ``grad_output`` has another shape.
    """
    return _unrowed(_nll_backward(cache, grad_output), cache.shape, cache.axis)


def cross_entropy(
    pred: ArrayLike,
    target: ArrayLike,
    class_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    ignore_index: int = -100,
    dim: int | None = None,
) -> tuple[float | Array, CrossEntropyCache]:
    """Cross-entropy of logits: log-softmax over the classes, then :func:`nll_loss`.

    Parameters
    ----------
    pred : array_like, shape (batch, classes), (classes,) or (batch, classes, ...)
        Logits.
    target : array_like
        Labels as in :func:`nll_loss`, or floating-point numbers of the shape of ``pred``: a probability for each class.
        What has probability 0 adds nothing, even where the logit is -inf.
    class_weight : array_like, shape (classes,), optional
    sample_weight : array_like, shape (batch,) or that of the losses, optional
    reduction : {'mean', 'sum', 'none'}
    label_smoothing : float from 0 to 1, default 0
    ignore_index : int, default -100
        Not for probabilities.
    dim : int, optional
        Which axis classes are on; 1 by default.

    Returns
    -------
    loss : float, or ndarray of the shape of pred without its classes for 'none'
    cache : CrossEntropyCache

    Raises
    ------
    ValueError
        A target is no class, another argument is none of those above, or shapes do not belong together.
    TypeError
        An array holds no real numbers, or ``target`` neither labels nor probabilities.
    """
    check_options(reduction, label_smoothing, ignore_index)
    used, axis = _predictions("pred", pred, dim)
    wish = as_numbers("target", target)
    if wish.shape == used.shape:
        if wish.dtype.kind != "f" and wish.size:
            raise TypeError(
                f"target: expected floating-point numbers, probabilities, in the shape of pred, got {wish.dtype}: "
                "labels have no axis of classes; one-hot rows are probabilities as .astype(np.float32)"
            )
        if ignore_index >= 0:
            raise ValueError(
                f"ignore_index: expected a negative number, for probabilities have none, got {ignore_index}"
            )
        wanted: AnyArray = _rows(as_floats("target", wish), axis)
    else:
        wanted = _labels(wish, used.shape, axis, ignore_index, soft=True)
    log_probs, _ = log_softmax(_rows(used, axis))
    loss, inner = _nll(log_probs, wanted, used.shape, axis, class_weight, sample_weight, reduction, label_smoothing,
                       ignore_index)  # fmt: skip
    return loss, CrossEntropyCache(log_probs, inner)


def cross_entropy_backward(cache: CrossEntropyCache, grad_output: ArrayLike | None = None) -> Array:
    """Gradient of :func:`cross_entropy` with respect to the logits.

    Parameters
    ----------
    cache : CrossEntropyCache
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
    grad = log_softmax_backward(_nll_backward(cache.inner, grad_output), cache.log_probs)
    return _unrowed(grad, cache.inner.shape, cache.inner.axis)


def label_weight(
    target: ArrayLike,
    class_weight: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    ignore_index: int = -100,
    dim: int | None = None,
) -> float:
    """Sum up the weights of all labels: what the mean of :func:`nll_loss` and :func:`cross_entropy` divides by.

    Parameters
    ----------
    target, class_weight, sample_weight, ignore_index, dim
        As these take them; ``target`` may be probabilities, floating-point numbers.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        A target has no weight among ``class_weight``, or shapes do not belong together.
    TypeError
        An array holds no real numbers.
    """
    wish = as_numbers("target", target)
    if wish.dtype.kind == "f":
        _, axis = _predictions("target", wish, dim)
        shape, weights = (*wish.shape[:axis], *wish.shape[axis + 1 :]), None
        counts = np.ones(shape)
    else:
        weights = None if class_weight is None else as_floats("class_weight", class_weight)
        # Without weights nobody knows here how many classes there are.
        classes = 2**62 if weights is None else len(weights)
        shape = wish.shape
        labels = _labels(wish, (*shape, classes), len(shape), ignore_index)
        counted = labels != ignore_index
        counts = counted if weights is None else np.where(counted, weights[np.where(counted, labels, 0)], 0)
    if sample_weight is not None:
        given = sample_weights(sample_weight, shape)
        counts = counts * given.reshape(*given.shape, *[1] * (len(shape) - given.ndim))
    return float(np.sum(counts, dtype=np.float64))


def check_options(reduction: str, label_smoothing: float, ignore_index: int) -> None:
    """Raise for options of a loss of labels that are none."""
    check_reduction(reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing: expected a number from 0 to 1, got {label_smoothing!r}")
    if not isinstance(ignore_index, (int, np.integer)):
        raise TypeError(f"ignore_index: expected an integer, got {ignore_index!r}")
    # The kernel takes it as float64.
    if not -(2**53) <= ignore_index <= 2**53:
        raise ValueError(f"ignore_index: expected an integer between -2**53 and 2**53, got {ignore_index}")


# ---- Rows


def _predictions(name: str, values: ArrayLike, dim: int | None) -> tuple[Array, int]:
    """Return predictions and the axis of their classes."""
    used = as_floats(name, values)
    if dim is None:
        axis = min(1, used.ndim - 1)
    else:
        try:
            axis = operator.index(dim)
        except TypeError:
            raise TypeError(f"dim: expected an integer or None, got {dim!r}") from None
        axis += used.ndim if axis < 0 else 0
        if not 0 <= axis < used.ndim:
            raise ValueError(f"dim: expected an axis of {name}, of shape {used.shape}, got {dim}")
    if axis < 0 or used.shape[axis] == 0:
        raise ValueError(f"{name}: expected at least one class on axis {max(axis, 0)}, got shape {used.shape}")
    return used, axis


def _rows(values: Array, axis: int) -> Array:
    """Return ``(rows, classes)``, without a copy if classes are the last axis."""
    moved = values if axis == values.ndim - 1 else np.moveaxis(values, axis, -1)
    return np.ascontiguousarray(moved).reshape(-1, values.shape[axis])


def _unrowed(rows: Array, shape: tuple[int, ...], axis: int) -> Array:
    """Return rows in the shape that they were made of."""
    if axis == len(shape) - 1:
        return rows.reshape(shape)
    moved = rows.reshape(*shape[:axis], *shape[axis + 1 :], shape[axis])
    return np.ascontiguousarray(np.moveaxis(moved, -1, axis)).reshape(shape)


def _labels(target: ArrayLike, of: tuple[int, ...], axis: int, ignore_index: int, soft: bool = False) -> Integers:
    """Return labels for predictions of a shape, each a class or ignored."""
    labels: AnyArray = as_numbers("target", target)
    shape, classes = (*of[:axis], *of[axis + 1 :]), of[axis]
    if labels.shape != shape:
        also = f", or probabilities of shape {of}" if soft else ""
        last = labels.shape == of[:-1] and axis != len(of) - 1
        hint = "; dim=-1 says that they are on the last axis" if last else ""
        raise ValueError(
            f"target: expected integers of shape {shape}, that of pred {of} without its classes on axis {axis}{also}, "
            f"got shape {labels.shape}{hint}"
        )
    labels = as_integers("target", labels, bools=True)
    wrong = ((labels < 0) | (labels >= classes)) & (labels != ignore_index)
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        where = f" at position {place[0] if len(place) == 1 else tuple(place)}" if place else ""
        raise ValueError(
            f"target: expected classes from 0 to {classes - 1}, got {labels[wrong][0]}{where}; what is to have no loss "
            f"is ignore_index, {ignore_index}"
        )
    return labels


def _nll(
    rows: Array,
    wish: AnyArray,
    of: tuple[int, ...],
    axis: int,
    class_weight: ArrayLike | None,
    sample_weight: ArrayLike | None,
    reduction: str,
    label_smoothing: float,
    ignore_index: int,
) -> tuple[float | Array, NLLCache]:
    """Loss of rows of log-probabilities, for labels or for rows of probabilities."""
    shape = (*of[:axis], *of[axis + 1 :])
    weights = None if sample_weight is None else sample_weights(sample_weight, shape)
    if weights is not None and weights.shape != shape:
        weights = np.repeat(weights, np.prod(shape[1:], dtype=int))
    is_soft = wish.dtype.kind == "f"
    labels, probabilities = (None, wish) if is_soft else (wish.reshape(-1), None)
    weights = None if weights is None else weights.reshape(-1)
    given = (labels, probabilities, class_weight, weights, float(label_smoothing), float(ignore_index))
    losses, of_rows, total, total_weight = _core.nll_forward(rows, *given)
    cache = NLLCache(of_rows, given, total_weight, of, axis, reduction)
    if reduction == "none":
        return losses.reshape(shape), cache
    if reduction == "sum":
        return total, cache
    return (total / total_weight if total_weight else float("nan")), cache


def _nll_backward(cache: NLLCache, grad_output: ArrayLike | None) -> Array:
    shape = (*cache.shape[: cache.axis], *cache.shape[cache.axis + 1 :])
    scale = loss_gradient(grad_output, cache.reduction, shape).reshape(-1)
    if cache.reduction == "mean":
        scale = scale / np.float32(cache.total_weight or np.nan)
    if not cache.weights.size:
        return np.empty((0, cache.shape[cache.axis]), np.float32)
    return _core.nll_backward(cache.weights, *cache.wish, scale, cache.shape[cache.axis])
