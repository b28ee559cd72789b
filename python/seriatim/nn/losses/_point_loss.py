"""Losses of every number: ``pred`` and ``target`` have one shape, or are PackedSequences packed alike."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_floats
from seriatim._typing import Array, ArrayLike
from seriatim.functional._loss import REDUCTIONS, check_reduction, sample_weights
from seriatim.nn.losses._loss import Result, TargetLoss


class _PointLoss(TargetLoss[Result]):
    """A loss of every number."""

    _kind: str
    # What a class has of these its constructor sets.
    weight: Array | None = None
    pos_weight: Array | None = None
    reduction: str

    def __init__(self, reduction: str, choices: tuple[str, ...] = REDUCTIONS) -> None:
        super().__init__()
        check_reduction(reduction, choices)
        self.reduction = reduction

    def _bound(self) -> tuple[str, float]:
        """Return the kind, and its bound."""
        return self._kind, 1.0

    def _compute(self, pred: Any, target: Any, sample_weight: Any) -> tuple[Any, Any]:
        kind, bound = self._bound()
        return F.point_loss(kind, pred, target, self.weight, self.pos_weight, self.reduction, sample_weight, bound)

    def _differentiate(self, context: Any, grad_output: Any) -> Array:
        return F.point_loss_backward(context, grad_output)

    def _weigh(self, target: Any, sample_weight: Any) -> float:
        return F.point_weight(np.shape(target), self.reduction, sample_weight)


def _weight(name: str, values: ArrayLike | None) -> Array | None:
    return None if values is None else np.array(as_floats(name, values))


def _known(target: Any, sample_weight: Any) -> tuple[Array, Array]:
    """Return targets without NaN, and weights that are 0 in its place."""
    targets = as_floats("target", target)
    nothing = np.isnan(targets)
    weights = np.float32(1) if sample_weight is None else sample_weights(sample_weight, targets.shape)
    weights = weights.reshape(*weights.shape, *[1] * (targets.ndim - weights.ndim))
    return np.where(nothing, np.float32(0), targets), np.where(nothing, np.float32(0), weights)


def _positive(name: str, value: float, or_zero: bool = False) -> float:
    if not (value > 0 or (or_zero and value == 0)) or value == float("inf"):
        raise ValueError(f"{name}: expected a {'number from 0 on' if or_zero else 'positive number'}, got {value!r}")
    return value


class MSELoss(_PointLoss[Result]):
    """``(pred - target)^2``.

    Parameters
    ----------
    reduction : {'mean', 'sum', 'none'}
    ignore_nan : bool, default False
        Whether a target that is NaN has no loss, no weight and no gradient. The mean is over the others.

    Raises
    ------
    ValueError
        ``reduction`` is another one. From the call: shapes differ.
    RuntimeError
        From backward: the loss was not called since the last one.
    """

    _kind = "mse"

    @overload
    def __init__(
        self: MSELoss[float], reduction: Literal["mean", "sum"] = "mean", ignore_nan: bool = False
    ) -> None: ...
    @overload
    def __init__(self: MSELoss[Array], reduction: Literal["none"], ignore_nan: bool = False) -> None: ...
    @overload
    def __init__(self: MSELoss[Any], reduction: str = "mean", ignore_nan: bool = False) -> None: ...
    def __init__(self, reduction: str = "mean", ignore_nan: bool = False) -> None:
        super().__init__(reduction)
        self.ignore_nan = bool(ignore_nan)

    def _compute(self, pred: Any, target: Any, sample_weight: Any) -> tuple[Any, Any]:
        if self.ignore_nan:
            target, sample_weight = _known(target, sample_weight)
        return super()._compute(pred, target, sample_weight)

    def _weigh(self, target: Any, sample_weight: Any) -> float:
        if self.ignore_nan:
            target, sample_weight = _known(target, sample_weight)
        return super()._weigh(target, sample_weight)


class L1Loss(_PointLoss[Result]):
    """``|pred - target|``; its derivative is 0 where they are equal.

    Parameters
    ----------
    reduction : {'mean', 'sum', 'none'}

    Raises
    ------
    ValueError
        ``reduction`` is another one. From the call: shapes differ.
    RuntimeError
        From backward: the loss was not called since the last one.
    """

    _kind = "l1"

    @overload
    def __init__(self: L1Loss[float], reduction: Literal["mean", "sum"] = "mean") -> None: ...
    @overload
    def __init__(self: L1Loss[Array], reduction: Literal["none"]) -> None: ...
    @overload
    def __init__(self: L1Loss[Any], reduction: str = "mean") -> None: ...
    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(reduction)


class SmoothL1Loss(_PointLoss[Result]):
    """``d^2 / (2 beta)`` where ``|d| = |pred - target|`` is below ``beta``, ``|d| - beta / 2`` elsewhere.

    Parameters
    ----------
    reduction : {'mean', 'sum', 'none'}
    beta : float, default 1
        From 0 on; with 0 this is :class:`L1Loss`.

    Raises
    ------
    ValueError
        ``reduction`` or ``beta`` is another one. From the call: shapes differ.
    RuntimeError
        From backward: the loss was not called since the last one.
    """

    _kind = "smooth_l1"

    @overload
    def __init__(self: SmoothL1Loss[float], reduction: Literal["mean", "sum"] = "mean", beta: float = 1.0) -> None: ...
    @overload
    def __init__(self: SmoothL1Loss[Array], reduction: Literal["none"], beta: float = 1.0) -> None: ...
    @overload
    def __init__(self: SmoothL1Loss[Any], reduction: str = "mean", beta: float = 1.0) -> None: ...
    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = _positive("beta", beta, or_zero=True)

    def _bound(self) -> tuple[str, float]:
        return ("smooth_l1", _positive("beta", self.beta)) if self.beta else ("l1", 1.0)


class HuberLoss(_PointLoss[Result]):
    """``d^2 / 2`` where ``|d| = |pred - target|`` is within ``delta``, ``delta (|d| - delta / 2)`` elsewhere.

    Parameters
    ----------
    reduction : {'mean', 'sum', 'none'}
    delta : float, default 1

    Raises
    ------
    ValueError
        ``reduction`` or ``delta`` is another one. From the call: shapes differ.
    RuntimeError
        From backward: the loss was not called since the last one.
    """

    _kind = "huber"

    @overload
    def __init__(self: HuberLoss[float], reduction: Literal["mean", "sum"] = "mean", delta: float = 1.0) -> None: ...
    @overload
    def __init__(self: HuberLoss[Array], reduction: Literal["none"], delta: float = 1.0) -> None: ...
    @overload
    def __init__(self: HuberLoss[Any], reduction: str = "mean", delta: float = 1.0) -> None: ...
    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = _positive("delta", delta)

    def _bound(self) -> tuple[str, float]:
        return self._kind, _positive("delta", self.delta)


class BCELoss(_PointLoss[Result]):
    """Binary cross-entropy of probabilities: ``-t log p - (1 - t) log(1 - p)``, with logarithms of -100 at least.

    :class:`BCEWithLogitsLoss` takes what a sigmoid would be given, and is exact at both ends.

    Parameters
    ----------
    weight : array_like, optional
        Of every element's loss; broadcasts to the shape of ``pred``.
    reduction : {'mean', 'sum', 'none'}

    Raises
    ------
    ValueError
        ``reduction`` is another one. From the call: shapes differ, a weight does not broadcast to
        that of ``pred``, or a number is no probability.
    RuntimeError
        From backward: the loss was not called since the last one.
    """

    _kind = "bce"

    @overload
    def __init__(
        self: BCELoss[float], weight: ArrayLike | None = None, reduction: Literal["mean", "sum"] = "mean"
    ) -> None: ...
    @overload
    def __init__(self: BCELoss[Array], weight: ArrayLike | None = None, *, reduction: Literal["none"]) -> None: ...
    @overload
    def __init__(self: BCELoss[Any], weight: ArrayLike | None = None, reduction: str = "mean") -> None: ...
    def __init__(self, weight: ArrayLike | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight = _weight("weight", weight)


class BCEWithLogitsLoss(_PointLoss[Result]):
    """Binary cross-entropy of logits: ``(1 - t) p + (1 + (pos_weight - 1) t) log(1 + e^-p)``.

    Parameters
    ----------
    weight : array_like, optional
        Of every element's loss; broadcasts to the shape of ``pred``.
    reduction : {'mean', 'sum', 'none'}
    pos_weight : array_like, optional
        How much positives weigh; broadcasts to the shape of ``pred``.

    Raises
    ------
    ValueError
        ``reduction`` is another one. From the call: shapes differ, or a weight does not broadcast
        to that of ``pred``.
    RuntimeError
        From backward: the loss was not called since the last one.
    """

    _kind = "bce_with_logits"

    @overload
    def __init__(
        self: BCEWithLogitsLoss[float],
        weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        pos_weight: ArrayLike | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: BCEWithLogitsLoss[Array],
        weight: ArrayLike | None = None,
        *,
        reduction: Literal["none"],
        pos_weight: ArrayLike | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: BCEWithLogitsLoss[Any],
        weight: ArrayLike | None = None,
        reduction: str = "mean",
        pos_weight: ArrayLike | None = None,
    ) -> None: ...
    def __init__(
        self, weight: ArrayLike | None = None, reduction: str = "mean", pos_weight: ArrayLike | None = None
    ) -> None:
        super().__init__(reduction)
        self.weight = _weight("weight", weight)
        self.pos_weight = _weight("pos_weight", pos_weight)


class KLDivLoss(_PointLoss[Result]):
    """Kullback-Leibler divergence of ``pred``, log-probabilities, from ``target``: ``t (log t - pred)``.

    Where t is 0 it is 0.

    Parameters
    ----------
    reduction : {'mean', 'batchmean', 'sum', 'none'}
        'mean' is over all numbers, as in torch; 'batchmean' divides the sum by the length of the first axis, which is
        the divergence's own mean.
    log_target : bool, default False
        Whether ``target`` holds logarithms, too: ``e^t (t - pred)``.

    Raises
    ------
    ValueError
        ``reduction`` is another one. From the call: shapes differ.
    RuntimeError
        From backward: the loss was not called since the last one.
    """

    _kind = "kl_div"

    @overload
    def __init__(
        self: KLDivLoss[float], reduction: Literal["mean", "batchmean", "sum"] = "mean", log_target: bool = False
    ) -> None: ...
    @overload
    def __init__(self: KLDivLoss[Array], reduction: Literal["none"], log_target: bool = False) -> None: ...
    @overload
    def __init__(self: KLDivLoss[Any], reduction: str = "mean", log_target: bool = False) -> None: ...
    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction, (*REDUCTIONS, "batchmean"))
        self.log_target = log_target

    def _bound(self) -> tuple[str, float]:
        return "kl_div_of_logs" if self.log_target else self._kind, 1.0
