"""Losses of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_floats
from seriatim._typing import Array, ArrayLike
from seriatim.functional._label_loss import check_options
from seriatim.nn.losses._loss import Result, TargetLoss


class NLLLoss(TargetLoss[Result]):
    """Negative log-likelihood of class labels: ``-w log_probs[i, target_i]``.

    ``log_probs (batch, classes)`` with ``target (batch,)``, ``(batch, classes, ...)`` with ``(batch, ...)``,
    ``(classes,)`` with a number, or PackedSequences of ``(rows, classes)`` and ``(rows,)``, packed alike. Steps of
    padded sequences, ``(steps, batch, classes)`` with ``(steps, batch)``, want ``dim=-1``, and ``ignore_index`` as the
    label of padding.

    Parameters
    ----------
    weight : array_like, shape (classes,), optional
        A weight a class.
    reduction : {'mean', 'sum', 'none'}
        'mean' divides by the sum of the weights of all labels that are not ignored: over steps it is the mean of steps,
        not of sequences. Without any label it is nan, and its gradient 0, as in torch.
    label_smoothing : float from 0 to 1, default 0
        How much of a label's probability is spread over all classes.
    ignore_index : int, default -100
        A label without loss, weight and gradient.
    dim : int, optional
        Which axis of ``log_probs`` classes are on; by default 1, as in torch, or the only one.

    Raises
    ------
    ValueError
        ``reduction`` or ``label_smoothing`` is another one. From the call: shapes or classes do not fit.
    TypeError
        From the call: labels are no integers.
    RuntimeError
        From backward: the loss was not called since the last one.

    Examples
    --------
    >>> criterion = NLLLoss()
    >>> loss = criterion(log_probs, target)  # log_probs (batch, classes), target (batch,) of int
    >>> model.backward(criterion.backward())
    """

    @overload
    def __init__(
        self: NLLLoss[float],
        weight: ArrayLike | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        label_smoothing: float = 0.0,
        ignore_index: int = -100,
        dim: int | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: NLLLoss[Array],
        weight: ArrayLike | None = None,
        *,
        reduction: Literal["none"],
        label_smoothing: float = 0.0,
        ignore_index: int = -100,
        dim: int | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: NLLLoss[Any],
        weight: ArrayLike | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        ignore_index: int = -100,
        dim: int | None = None,
    ) -> None: ...
    def __init__(
        self,
        weight: ArrayLike | None = None,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
        ignore_index: int = -100,
        dim: int | None = None,
    ) -> None:
        super().__init__()
        check_options(reduction, label_smoothing, ignore_index)
        self.weight = None if weight is None else np.array(as_floats("weight", weight))
        self.reduction = reduction
        self.label_smoothing = label_smoothing
        self.ignore_index = ignore_index
        self.dim = dim

    def _options(self) -> tuple[Any, ...]:
        return self.reduction, self.label_smoothing, self.ignore_index, self.dim

    def _compute(self, pred: Any, target: Any, sample_weight: Any) -> tuple[Any, Any]:
        return F.nll_loss(pred, target, self.weight, sample_weight, *self._options())

    def _differentiate(self, context: Any, grad_output: Any) -> Array:
        return F.nll_loss_backward(context, grad_output)

    def _weigh(self, target: Any, sample_weight: Any) -> float:
        return F.label_weight(target, self.weight, sample_weight, self.ignore_index, self.dim)


class CrossEntropyLoss(NLLLoss[Result]):
    """Negative log-likelihood of class labels, from logits: log-softmax over the classes, then :class:`NLLLoss`.

    Shapes are those of :class:`NLLLoss`. Targets may be probabilities, too, floating-point numbers of the shape of
    ``pred``: ``-sum_c weight_c ((1 - e) q_c + e / C) log_softmax(pred)_c`` with e the smoothing; their mean divides by
    how many there are. A class of probability 0 adds nothing, even where its logit is -inf.

    Parameters
    ----------
    weight : array_like, shape (classes,), optional
        A weight a class.
    reduction : {'mean', 'sum', 'none'}
        'mean' divides by the sum of the weights of all labels that are not ignored.
    label_smoothing : float from 0 to 1, default 0
        How much of a label's probability is spread over all classes.
    ignore_index : int, default -100
        A label without loss, weight and gradient. Probabilities have none.
    dim : int, optional
        Which axis of ``pred`` classes are on; by default 1, as in torch, or the only one.

    Raises
    ------
    ValueError
        ``reduction`` or ``label_smoothing`` is another one. From the call: shapes or classes do not fit.
    TypeError
        From the call: targets are neither labels nor probabilities.
    RuntimeError
        From backward: the loss was not called since the last one.

    Examples
    --------
    >>> criterion = CrossEntropyLoss(ignore_index=-1, dim=-1)
    >>> loss = criterion(logits, target)  # logits (batch, steps, classes), target (batch, steps), -1 on padding
    >>> model.backward(criterion.backward())
    """

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: CrossEntropyLoss[float],
            weight: ArrayLike | None = None,
            reduction: Literal["mean", "sum"] = "mean",
            label_smoothing: float = 0.0,
            ignore_index: int = -100,
            dim: int | None = None,
        ) -> None: ...
        @overload
        def __init__(
            self: CrossEntropyLoss[Array],
            weight: ArrayLike | None = None,
            *,
            reduction: Literal["none"],
            label_smoothing: float = 0.0,
            ignore_index: int = -100,
            dim: int | None = None,
        ) -> None: ...
        @overload
        def __init__(
            self: CrossEntropyLoss[Any],
            weight: ArrayLike | None = None,
            reduction: str = "mean",
            label_smoothing: float = 0.0,
            ignore_index: int = -100,
            dim: int | None = None,
        ) -> None: ...
        def __init__(self, *args: Any, **options: Any) -> None: ...

    def _compute(self, pred: Any, target: Any, sample_weight: Any) -> tuple[Any, Any]:
        return F.cross_entropy(pred, target, self.weight, sample_weight, *self._options())

    def _differentiate(self, context: Any, grad_output: Any) -> Array:
        return F.cross_entropy_backward(context, grad_output)
