"""Losses: called with prediction and target they give a float, and ``backward()`` gives the prediction's gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, overload

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_floats
from seriatim._brief import brief
from seriatim._typing import Array, ArrayLike
from seriatim.functional._loss import REDUCTIONS
from seriatim.nn.base._contexts import Open, Output, note_gradient

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # A float, or with reduction="none" an array.
    Result = TypeVar("Result", default=float)
else:
    from typing import TypeVar

    Result = TypeVar("Result")


class Loss(Generic[Result]):
    """What losses share: the pair of :class:`~seriatim.nn.Module`, and the last call, which waits for its backward.

    ``loss, context = criterion.trace(pred, target)`` and ``grad_pred = criterion.pullback(context)`` touch no hidden
    state. ``criterion(pred, target)`` keeps the context for one ``backward()``.
    """

    def __init__(self) -> None:
        self._last: Open | None = None

    def trace(self, pred: Any, target: Any, sample_weight: ArrayLike | None = None) -> tuple[Any, Any]:
        """Return the loss and the context of its :meth:`pullback`."""
        raise NotImplementedError(f"{type(self).__name__} defines no trace()")

    def pullback(self, context: Any, grad_output: ArrayLike | None = None) -> Array:
        """Return the gradient of ``pred``; ``grad_output`` is that of the loss, 1 by default."""
        raise NotImplementedError(f"{type(self).__name__} defines no pullback()")

    def __call__(self, pred: Any, target: Any, sample_weight: ArrayLike | None = None) -> Result:
        """Return the loss of ``pred`` for ``target``."""
        loss, context = self.trace(pred, target, sample_weight)
        self._last = Open(context, Output.of(pred))
        result: Result = loss
        return result

    def backward(self, grad_output: ArrayLike | None = None) -> Array:
        """Return the gradient of ``pred`` for the last call; ``grad_output`` is that of the loss, 1 by default.

        Raises
        ------
        RuntimeError
            The loss has not been called since the last backward.
        """
        if self._last is None:
            raise RuntimeError(
                f"{type(self).__name__}.backward(): call the loss first. It remembers its last call, for one backward: "
                "several losses at a time need a criterion each."
            )
        grad = self.pullback(self._last.context, grad_output)
        note_gradient(grad, self._last.output)
        self._last = None
        return grad

    def __repr__(self) -> str:
        own = ", ".join(f"{name}={brief(value)}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({own})"

    def __getstate__(self) -> dict[str, Any]:
        # What a call keeps is memory, not state.
        return {**self.__dict__, "_last": None}


class NLLLoss(Loss[Result]):
    """Negative log-likelihood of class labels: ``-w log_probs[i, target_i]``.

    Parameters
    ----------
    weight : array_like, shape (classes,), optional
        A weight a class.
    reduction : {'mean', 'sum', 'none'}
        'mean' divides by the sum of the weights.
    label_smoothing : float in [0, 1), default 0
        How much of a label's probability is spread over all classes.

    Raises
    ------
    ValueError
        ``reduction`` or ``label_smoothing`` is another one. From the call: shapes or classes do not fit.
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
    ) -> None: ...
    @overload
    def __init__(
        self: NLLLoss[Array],
        weight: ArrayLike | None = None,
        *,
        reduction: Literal["none"],
        label_smoothing: float = 0.0,
    ) -> None: ...
    @overload
    def __init__(
        self: NLLLoss[Any], weight: ArrayLike | None = None, reduction: str = "mean", label_smoothing: float = 0.0
    ) -> None: ...
    def __init__(self, weight: ArrayLike | None = None, reduction: str = "mean", label_smoothing: float = 0.0) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction: expected one of {REDUCTIONS}, got {reduction!r}")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing: expected a number from 0 to below 1, got {label_smoothing!r}")
        self.label_smoothing = label_smoothing
        self.weight = None if weight is None else np.array(as_floats("weight", weight))
        self.reduction = reduction

    def trace(
        self, pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float | Array, Any]:
        """Return the loss of ``pred (batch, classes)`` for ``target (batch,)``, and the context."""
        return F.nll_loss(pred, target, self.weight, sample_weight, self.reduction, self.label_smoothing)

    def pullback(self, context: Any, grad_output: ArrayLike | None = None) -> Array:
        """Return the gradient of ``pred``; ``grad_output`` is that of the loss, 1 by default."""
        return F.nll_loss_backward(context, grad_output)


class CrossEntropyLoss(NLLLoss[Result]):
    """Negative log-likelihood of class labels, from logits: log-softmax, then :class:`NLLLoss`.

    Parameters
    ----------
    weight : array_like, shape (classes,), optional
        A weight a class.
    reduction : {'mean', 'sum', 'none'}
        'mean' divides by the sum of the weights.
    label_smoothing : float in [0, 1), default 0
        How much of a label's probability is spread over all classes.

    Raises
    ------
    ValueError
        ``reduction`` or ``label_smoothing`` is another one. From the call: shapes or classes do not fit.
    RuntimeError
        From backward: the loss was not called since the last one.
    """

    if TYPE_CHECKING:

        @overload
        def __init__(
            self: CrossEntropyLoss[float],
            weight: ArrayLike | None = None,
            reduction: Literal["mean", "sum"] = "mean",
            label_smoothing: float = 0.0,
        ) -> None: ...
        @overload
        def __init__(
            self: CrossEntropyLoss[Array],
            weight: ArrayLike | None = None,
            *,
            reduction: Literal["none"],
            label_smoothing: float = 0.0,
        ) -> None: ...
        @overload
        def __init__(
            self: CrossEntropyLoss[Any],
            weight: ArrayLike | None = None,
            reduction: str = "mean",
            label_smoothing: float = 0.0,
        ) -> None: ...
        def __init__(self, weight: Any = None, reduction: str = "mean", label_smoothing: float = 0.0) -> None: ...

    def trace(
        self, pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float | Array, Any]:
        """Return the loss of logits ``pred (batch, classes)`` for ``target (batch,)``, and the context."""
        log_probs, cache = F.log_softmax(pred)
        loss, inner = super().trace(log_probs, target, sample_weight)
        return loss, (cache, inner)

    def pullback(self, context: Any, grad_output: ArrayLike | None = None) -> Array:
        """Return the gradient of ``pred``; ``grad_output`` is that of the loss, 1 by default."""
        cache, inner = context
        return F.log_softmax_backward(super().pullback(inner, grad_output), cache)


class _PointLoss(Loss[Result]):
    """A loss of every number."""

    kind: str

    def __init__(
        self, weight: ArrayLike | None = None, reduction: str = "mean", pos_weight: ArrayLike | None = None
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction: expected one of {REDUCTIONS}, got {reduction!r}")
        self.weight = None if weight is None else np.array(as_floats("weight", weight))
        self.pos_weight = None if pos_weight is None else np.array(as_floats("pos_weight", pos_weight))
        self.reduction = reduction

    def trace(
        self, pred: ArrayLike, target: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> tuple[float | Array, Any]:
        """Return the loss of ``pred`` for ``target``, of one shape; ``sample_weight`` is of the rows of both."""
        return F.point_loss(self.kind, pred, target, self.weight, self.pos_weight, self.reduction, sample_weight)

    def pullback(self, context: Any, grad_output: ArrayLike | None = None) -> Array:
        """Return the gradient of ``pred``; ``grad_output`` is that of the loss, 1 by default."""
        return F.point_loss_backward(context, grad_output)


class MSELoss(_PointLoss[Result]):
    """``(pred - target)^2``.

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

    kind = "mse"

    @overload
    def __init__(self: MSELoss[float], reduction: Literal["mean", "sum"] = "mean") -> None: ...
    @overload
    def __init__(self: MSELoss[Array], reduction: Literal["none"]) -> None: ...
    @overload
    def __init__(self: MSELoss[Any], reduction: str = "mean") -> None: ...
    def __init__(self, reduction: str = "mean") -> None:
        super().__init__(None, reduction)


class BCEWithLogitsLoss(_PointLoss[Result]):
    """Binary cross-entropy of logits: ``(1 - t) p + (1 + (pos_weight - 1) t) log(1 + e^-p)``.

    Parameters
    ----------
    weight : array_like, optional
        Of every element's loss; broadcasts to ``pred``.
    reduction : {'mean', 'sum', 'none'}
    pos_weight : array_like, optional
        How much positives weigh; broadcasts to ``pred``.

    Raises
    ------
    ValueError
        ``reduction`` is another one. From the call: shapes differ.
    RuntimeError
        From backward: the loss was not called since the last one.
    """

    kind = "bce_with_logits"

    if TYPE_CHECKING:

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
        def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None: ...
