"""Losses of sequences that nobody has aligned."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_floats, as_integers
from seriatim._typing import Array, ArrayLike, Integers
from seriatim.functional._ctc_loss import CTCCache, read_labels
from seriatim.functional._loss import check_reduction
from seriatim.nn.losses._loss import Loss, Result
from seriatim.sequences import PackedSequence


class CTCLoss(Loss[Result]):
    """Connectionist temporal classification: labels of sequences whose frames nobody has aligned with them.

    For speech and handwriting: ``-log`` of the probability of all paths, a label or the blank for every frame, that
    spell the target when runs of one label are written once and blanks are left out [1]_. Computed in logarithms,
    forwards and backwards; every frame's largest one is kept apart, so long sequences lose no digits.

    Parameters
    ----------
    blank : int, default 0
        The class that is no label.
    reduction : {'mean', 'sum', 'none'}
        'mean' divides each loss by the length of its target, 1 at least, and then takes the mean, as in torch.
    zero_infinity : bool, default False
        Whether a target that no path spells, for its sequence is too short, has loss and gradient 0 instead of inf and
        nan.

    Raises
    ------
    ValueError
        ``reduction`` is another one. From the call: a target is no class or the blank, lengths are more than there is,
        or shapes do not belong together.
    TypeError
        From the call: targets or lengths are no integers.
    RuntimeError
        From backward: the loss was not called since the last one.

    Notes
    -----
    The gradient is ``exp(log_probs)`` less how probable it is that the path is in each class, torch's manner: that of
    what ``log_probs`` is the log-softmax of, which :class:`LogSoftmax` leaves as it is.

    References
    ----------
    .. [1] Graves et al., "Connectionist temporal classification", ICML 2006.

    Examples
    --------
    >>> criterion = CTCLoss()
    >>> loss = criterion(log_probs, targets, input_lengths, target_lengths)  # (steps, batch, classes), (batch, longest)
    >>> model.backward(criterion.backward())
    """

    @overload
    def __init__(
        self: CTCLoss[float], blank: int = 0, reduction: Literal["mean", "sum"] = "mean", zero_infinity: bool = False
    ) -> None: ...
    @overload
    def __init__(
        self: CTCLoss[Array], blank: int = 0, *, reduction: Literal["none"], zero_infinity: bool = False
    ) -> None: ...
    @overload
    def __init__(self: CTCLoss[Any], blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None: ...
    def __init__(self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False) -> None:
        super().__init__()
        check_reduction(reduction)
        self.blank, self.reduction, self.zero_infinity = blank, reduction, zero_infinity

    def trace(
        self,
        log_probs: Any,
        targets: ArrayLike,
        input_lengths: ArrayLike | None = None,
        target_lengths: ArrayLike | None = None,
    ) -> tuple[Any, Any]:
        """Return the loss and the context of its :meth:`pullback`; see the call."""
        options = (self.blank, self.reduction, self.zero_infinity)
        if not isinstance(log_probs, PackedSequence):
            return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, *options)
        order, sizes = log_probs.sorted_indices, log_probs.batch_sizes
        batch = log_probs.n_sequences
        labels, counts = _in_order(targets, target_lengths, batch, order)
        if input_lengths is not None:
            lengths = as_integers("input_lengths", input_lengths)
            input_lengths = lengths if order is None or lengths.shape != order.shape else lengths[order]
        loss, cache = F.ctc_loss(log_probs.data, labels, input_lengths, counts, *options, sizes, batch)
        if isinstance(loss, np.ndarray) and log_probs.unsorted_indices is not None:
            loss = loss[log_probs.unsorted_indices]
        return loss, (cache, log_probs)

    def pullback(self, context: Any, grad_output: ArrayLike | None = None) -> Any:
        """Return the gradient of ``log_probs``; ``grad_output`` is that of the loss, 1 by default."""
        if isinstance(context, CTCCache):
            return F.ctc_loss_backward(context, grad_output)
        cache, packed = context
        if grad_output is not None and packed.sorted_indices is not None:
            grad = as_floats("grad_output", grad_output)
            grad_output = grad[packed.sorted_indices] if grad.shape == packed.sorted_indices.shape else grad
        return packed._replace(data=F.ctc_loss_backward(cache, grad_output))

    def __call__(
        self,
        log_probs: Any,
        targets: ArrayLike,
        input_lengths: ArrayLike | None = None,
        target_lengths: ArrayLike | None = None,
    ) -> Result:
        """Return the loss of sequences of log-probabilities for their labels.

        Parameters
        ----------
        log_probs : array_like, shape (steps, batch, classes) or (steps, classes), or PackedSequence of (rows, classes)
            Of log-softmax.
        targets : array_like of int, shape (batch, longest) or (sum of target_lengths,)
            Classes other than ``blank``, in the order in which sequences were given, packed or not; what is behind a
            target's length is not looked at.
        input_lengths, target_lengths : array_like of int, shape (batch,), or int, optional
            How many frames and labels of each count; by default all.

        Returns
        -------
        float, or with reduction 'none' an ndarray (batch,)
        """
        traced = self.trace(log_probs, targets, input_lengths, target_lengths)
        result: Result = self._keep(log_probs, *traced)
        return result


def _in_order(
    targets: ArrayLike, target_lengths: ArrayLike | None, batch: int, order: Integers | None
) -> tuple[Any, Any]:
    """Return targets and their lengths in the order of a packed batch."""
    labels = read_labels(targets)
    counts = None if target_lengths is None else np.atleast_1d(as_integers("target_lengths", target_lengths))
    if order is None or (counts is not None and counts.shape != (batch,)):
        return labels, counts
    if labels.ndim == 1 and counts is not None and counts.sum() == len(labels):
        parts = np.split(labels, np.cumsum(counts)[:-1])
        labels = np.concatenate([parts[place] for place in order])
    elif labels.ndim == 2 and len(labels) == batch:
        labels = labels[order]
    return labels, None if counts is None else counts[order]
