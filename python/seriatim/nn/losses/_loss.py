"""What losses share: called with prediction and target they give a float, ``backward()`` gives its gradient."""

from __future__ import annotations

import copy
from threading import get_ident
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

import numpy as np

from seriatim._arrays import as_floats
from seriatim._brief import brief
from seriatim._typing import Array, ArrayLike
from seriatim.nn.base._contexts import Output, note_gradient
from seriatim.nn.base._layouts import check_same_batch
from seriatim.sequences import PackedSequence

if TYPE_CHECKING:
    from typing_extensions import Self, TypeVar

    # A float, or with reduction="none" an array.
    Result = TypeVar("Result", default=float)
else:
    from typing import TypeVar

    Result = TypeVar("Result")


class _Call(NamedTuple):
    """The last call of a loss: whose it was, and whether none of another thread was waiting."""

    context: Any
    output: Output | None
    thread: int
    alone: bool


class Loss(Generic[Result]):
    """The pair of :class:`~seriatim.nn.Module`, and the last call, which waits for its backward.

    ``loss, context = criterion.trace(pred, target)`` and ``grad_pred = criterion.pullback(context)`` touch no hidden
    state. ``criterion(pred, target)`` keeps the context for one ``backward()``.
    """

    def __init__(self) -> None:
        self._last: _Call | None = None

    def trace(self, *inputs: Any) -> tuple[Any, Any]:
        """Return the loss and the context of its :meth:`pullback`."""
        raise NotImplementedError(f"{type(self).__name__} defines no trace()")

    def pullback(self, context: Any, grad_output: ArrayLike | None = None) -> Any:
        """Return the gradient of the first input; ``grad_output`` is that of the loss, 1 by default."""
        raise NotImplementedError(f"{type(self).__name__} defines no pullback()")

    def _keep(self, pred: Any, loss: Any, context: Any) -> Any:
        """Keep a call for its backward, and return the loss."""
        last, own = self._last, get_ident()
        self._last = _Call(context, Output.of(pred), own, last is None or last.thread == own)
        return loss

    def backward(self, grad_output: Any = None) -> Array:
        """Return the gradient of the prediction for the last call; that of the loss is ``grad_output``, 1 by default.

        Parameters
        ----------
        grad_output : array_like, a scalar or with reduction 'none' the shape of the losses, optional

        Returns
        -------
        ndarray of float32, the shape of the prediction, or a PackedSequence for one

        Raises
        ------
        RuntimeError
            The loss has not been called since the last backward.
        ValueError
            ``grad_output`` has another shape.
        """
        last = self._last
        if last is None or not (last.alone or last.thread == get_ident()):
            raise RuntimeError(
                f"{type(self).__name__}.backward(): call the loss first. It remembers its last call, for one backward: "
                "several losses at a time, and several threads, need a criterion each."
            )
        grad: Array = self.pullback(last.context, grad_output)
        note_gradient(grad, last.output)
        self._last = None
        return grad

    def __repr__(self) -> str:
        own = ", ".join(f"{name}={brief(value)}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({own})"

    def __getstate__(self) -> dict[str, Any]:
        # What a call keeps is memory, not state.
        return {**self.__dict__, "_last": None}


class _Packed(NamedTuple):
    """The context of a packed prediction: that of its rows, and what they are."""

    context: Any
    pred: PackedSequence


class TargetLoss(Loss[Result]):
    """A loss of a prediction and its target, arrays or packed alike.

    Of PackedSequences the losses are those of their rows: a mean is over all steps of all sequences. A subclass
    computes them in ``_compute`` and ``_differentiate``.
    """

    def _compute(self, pred: Any, target: Any, sample_weight: Any) -> tuple[Any, Any]:
        raise NotImplementedError(f"{type(self).__name__} defines no _compute()")

    def _differentiate(self, context: Any, grad_output: Any) -> Array:
        raise NotImplementedError(f"{type(self).__name__} defines no _differentiate()")

    def _weigh(self, target: Any, sample_weight: Any) -> float:
        raise NotImplementedError(f"{type(self).__name__} defines no _weigh()")

    def total_weight(self, target: Any, sample_weight: Any = None) -> float:
        """Return what the mean divides the sum of the losses by.

        A mini-batch may be run in parts: the sum of what :meth:`summed` gives of each, divided by the total weight of
        all, is the mean.

        Parameters
        ----------
        target, sample_weight
            As in the call.

        Returns
        -------
        float
            The number of losses, or the sum of their weights.

        Raises
        ------
        ValueError
            Shapes do not belong together.
        """
        if isinstance(target, PackedSequence):
            sample_weight = None if sample_weight is None else row_weights(sample_weight, target)
            target = target.data
        return self._weigh(target, sample_weight)

    def summed(self) -> Self:
        """Return the same criterion with reduction 'sum'; this one stays as it is."""
        made = copy.copy(self)
        made._last = None
        made.__dict__["reduction"] = "sum"
        return made

    def trace(self, pred: Any, target: Any, sample_weight: Any = None) -> tuple[Any, Any]:
        """Return the loss of ``pred`` for ``target``, and the context of its :meth:`pullback`."""
        if not isinstance(pred, PackedSequence):
            if isinstance(target, PackedSequence):
                raise TypeError("target: expected an array, as pred is, got a PackedSequence: pack both, or neither")
            return self._compute(pred, target, sample_weight)
        if sample_weight is not None:
            sample_weight = row_weights(sample_weight, pred)
        loss, context = self._compute(pred.data, _packed_alike("target", target, pred), sample_weight)
        return (pred._replace(data=loss) if isinstance(loss, np.ndarray) else loss), _Packed(context, pred)

    def pullback(self, context: Any, grad_output: Any = None) -> Any:
        """Return the gradient of ``pred``; ``grad_output`` is that of the loss, 1 by default."""
        if not isinstance(context, _Packed):
            return self._differentiate(context, grad_output)
        if isinstance(grad_output, PackedSequence):
            grad_output = _packed_alike("grad_output", grad_output, context.pred)
        return context.pred._replace(data=self._differentiate(context.context, grad_output))

    def __call__(self, pred: Any, target: Any, sample_weight: Any = None) -> Result:
        """Return the loss of ``pred`` for ``target``.

        Parameters
        ----------
        pred, target : array_like or PackedSequence
            Of the shapes that the class says. Those of a PackedSequence are its rows': ``target`` is packed alike, with
            the same lengths in the same order.
        sample_weight : array_like, shape (batch,) or that of the losses, optional
            What each counts. Of a PackedSequence one for each sequence, or packed alike.

        Returns
        -------
        float, or with reduction 'none' an ndarray or PackedSequence
        """
        result: Result = self._keep(pred, *self.trace(pred, target, sample_weight))
        return result


def _packed_alike(name: str, given: Any, pred: PackedSequence) -> Any:
    """Return the rows of what is packed as the prediction is."""
    if not isinstance(given, PackedSequence):
        raise TypeError(
            f"{name}: expected a PackedSequence, packed as pred is, got {type(given).__name__}, whose order cannot be "
            f"seen: pack_sequence and pack_padded_sequence pack it; for rows in packed order give pred.data and them"
        )
    check_same_batch(name, given, pred, "pred")
    return given.data


def row_weights(sample_weight: Any, pred: PackedSequence) -> Any:
    """Return weights of a packed prediction's rows."""
    if isinstance(sample_weight, PackedSequence):
        return _packed_alike("sample_weight", sample_weight, pred)
    weights, batch = as_floats("sample_weight", sample_weight), pred.n_sequences
    if weights.shape != (batch,):
        raise ValueError(
            f"sample_weight: expected shape ({batch},), one for each sequence, or a PackedSequence, got {weights.shape}"
        )
    weights = weights if pred.sorted_indices is None else weights[pred.sorted_indices]
    return np.concatenate([weights[:0], *(weights[:size] for size in pred.batch_sizes)])
