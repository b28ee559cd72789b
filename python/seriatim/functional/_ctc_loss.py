"""Connectionist temporal classification: labels of a sequence whose frames nobody has aligned with them.

A path gives each frame a label or the blank; it spells a target when runs of one label are written once and blanks are
left out. The loss is ``-log`` of the sum of all such paths' probabilities (Graves et al. 2006).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._arrays import as_floats, as_integers, as_numbers
from seriatim._typing import AnyArray, Array, ArrayLike, Integers
from seriatim.functional._loss import check_reduction, loss_gradient


class CTCCache(NamedTuple):
    """What :func:`ctc_loss_backward` needs of a forward call."""

    grad: Array
    divisor: Array
    batch_sizes: Integers
    shape: tuple[int, ...]
    losses_shape: tuple[int, ...]
    reduction: str


def ctc_loss(
    log_probs: ArrayLike,
    targets: ArrayLike,
    input_lengths: ArrayLike | None = None,
    target_lengths: ArrayLike | None = None,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
    batch_sizes: ArrayLike | None = None,
    n_sequences: int | None = None,
) -> tuple[float | Array, CTCCache]:
    """Connectionist temporal classification.

    Parameters
    ----------
    log_probs : array_like, shape (steps, batch, classes), (steps, classes) or (sum of lengths, classes)
        Logarithms of probabilities, of log-softmax; packed if there are ``batch_sizes``.
    targets : array_like of int, shape (batch, longest) or (sum of target_lengths,)
        Classes other than ``blank``; what is behind a target's length is not looked at.
    input_lengths, target_lengths : array_like of int, shape (batch,), or int, optional
        How many frames and labels of each count; by default all.
    blank : int, default 0
    reduction : {'mean', 'sum', 'none'}
        'mean' divides each loss by the length of its target, 1 at least, and then takes the mean, as in torch.
    zero_infinity : bool, default False
        Whether a target that no path spells, for its sequence is too short, has loss and gradient 0 instead of inf and
        nan.
    batch_sizes : array_like of int, shape (steps,), optional
        Of a packed batch; lengths and targets are in its order.
    n_sequences : int, optional
        Of a packed batch, those without a frame too, which are the last; by default none of them is.

    Returns
    -------
    loss : float, or ndarray (batch,) for 'none'
    cache : CTCCache

    Raises
    ------
    ValueError
        A target is no class or the blank, lengths are more than there is, or shapes do not belong together.
    TypeError
        An array holds no real numbers, or no integers where such are expected.
    """
    check_reduction(reduction)
    if hasattr(log_probs, "batch_sizes"):
        raise TypeError("log_probs: expected an array, got a PackedSequence: nn.CTCLoss takes one")
    frames = as_floats("log_probs", log_probs)
    n_axes = (2,) if batch_sizes is not None else (2, 3)
    if frames.ndim not in n_axes or not frames.shape[-1]:
        raise ValueError(f"log_probs: expected shape (steps, batch, classes) or (steps, classes), got {frames.shape}")
    if batch_sizes is None:
        batch = frames.shape[1] if frames.ndim == 3 else 1
        sizes, most = np.full(len(frames), batch, np.int64), np.full(batch, len(frames), np.int64)
    else:
        sizes = as_integers("batch_sizes", batch_sizes)
        batch = (int(sizes[0]) if sizes.size else 0) if n_sequences is None else n_sequences
        most = (sizes[:, None] > np.arange(batch)).sum(axis=0)
    classes = frames.shape[-1]
    if not 0 <= blank < classes:
        raise ValueError(f"blank: expected a class from 0 to {classes - 1}, got {blank}")
    lengths = _lengths("input_lengths", input_lengths, most, "the frames that there are")
    labels, starts, counts = _targets(targets, target_lengths, batch, classes, blank)
    # Of a sequence without frames the loss is that of the only path, or of none.
    losses = np.where(counts == 0, 0.0, np.inf).astype(np.float32)
    grad = np.empty((0, classes), np.float32)
    if len(sizes) and batch:
        rows, there = np.ascontiguousarray(frames).reshape(-1, classes), slice(int(sizes[0]))
        own = lengths[there], labels, starts[there], counts[there]
        losses[there], grad = _core.ctc_loss(rows, sizes, *own, blank, int(counts[there].max()))
    divisor = np.ones(batch, np.float32)
    if reduction == "mean":
        divisor = np.maximum(counts, 1).astype(np.float32)
    if zero_infinity and np.isinf(losses).any():
        impossible = losses == np.inf
        losses[impossible] = 0
        grad[impossible[_sequences(sizes)]] = 0
    shape = () if frames.ndim == 2 and batch_sizes is None else (batch,)
    cache = CTCCache(grad, divisor, sizes, frames.shape, shape, reduction)
    if reduction == "none":
        return losses.reshape(shape), cache
    parts = losses / divisor.astype(np.float64)
    if reduction == "sum":
        return float(parts.sum()), cache
    return (float(parts.mean()) if batch else float("nan")), cache


def ctc_loss_backward(cache: CTCCache, grad_output: ArrayLike | None = None) -> Array:
    """Gradient of :func:`ctc_loss`, in torch's manner.

    Parameters
    ----------
    cache : CTCCache
    grad_output : array_like, a scalar or the shape of the losses, optional
        The gradient of the loss; 1 by default.

    Returns
    -------
    grad_log_probs : ndarray of float32, the shape of log_probs
        ``exp(log_probs)`` less how probable it is that the path is there: the gradient of what ``log_probs`` is the
        log-softmax of, whose own backward leaves it as it is. 0 behind a sequence's length; nan in sequences whose loss
        is infinite.

    Raises
    ------
    ValueError
        ``grad_output`` has another shape.
    """
    scale: AnyArray = loss_gradient(grad_output, cache.reduction, cache.losses_shape) / cache.divisor
    if cache.reduction == "mean":
        scale = scale / np.float32(max(len(cache.divisor), 1))
    grad: Array = cache.grad * scale[_sequences(cache.batch_sizes), None]
    return grad.reshape(cache.shape)


def ctc_greedy_decode(log_probs: ArrayLike, input_lengths: ArrayLike | None = None, blank: int = 0) -> list[Integers]:
    """Labels of the most probable path: of every frame's best class runs are written once, and blanks left out.

    Parameters
    ----------
    log_probs : array_like, shape (steps, batch, classes) or (steps, classes)
        Or any scores.
    input_lengths : array_like of int, shape (batch,), optional
        How many frames of each sequence count; by default all.
    blank : int, default 0

    Returns
    -------
    labels : list of ndarray of int64, one for each sequence

    Raises
    ------
    ValueError
        Shapes do not belong together, the blank is no class, or lengths are more than there is.
    TypeError
        An array holds no real numbers, or lengths no integers.
    """
    if hasattr(log_probs, "batch_sizes"):
        raise TypeError(
            "log_probs: expected an array, got a PackedSequence: give what pad_packed_sequence makes of it, and its "
            "lengths as input_lengths"
        )
    frames = as_numbers("log_probs", log_probs)
    frames = frames[:, None] if frames.ndim == 2 else frames
    if frames.ndim != 3 or not frames.shape[-1]:
        raise ValueError(f"log_probs: expected shape (steps, batch, classes) or (steps, classes), got {frames.shape}")
    if not 0 <= blank < frames.shape[-1]:
        raise ValueError(f"blank: expected a class from 0 to {frames.shape[-1] - 1}, got {blank}")
    most = np.full(frames.shape[1], len(frames), np.int64)
    lengths = _lengths("input_lengths", input_lengths, most, "the frames that there are")
    best = frames.argmax(axis=-1).astype(np.int64)
    differs = np.ones(best.shape, bool)
    differs[1:] = best[1:] != best[:-1]
    kept = differs & (best != blank) & (np.arange(len(best))[:, None] < lengths)
    return [best[kept[:, n], n] for n in range(best.shape[1])]


def _lengths(name: str, given: ArrayLike | None, most: Integers, what: str) -> Integers:
    """Return lengths of a batch, from 0 to the most that there are."""
    if given is None:
        return most
    lengths = np.atleast_1d(as_integers(name, given))
    if lengths.shape != most.shape:
        raise ValueError(f"{name}: expected one for each of {len(most)} sequences, got shape {lengths.shape}")
    wrong = np.flatnonzero((lengths < 0) | (lengths > most))
    if wrong.size:
        place = wrong[0]
        raise ValueError(
            f"{name}: expected numbers from 0 to {most[place]}, {what}, got {lengths[place]} at position {place}"
        )
    return lengths


def read_labels(targets: ArrayLike) -> Integers:
    """Return targets as an array, or raise with a hint at how labels of several lengths are given."""
    in_a_row = "give the labels of all sequences in a row, np.concatenate(...), and target_lengths"
    if hasattr(targets, "batch_sizes"):
        raise TypeError(f"targets: expected an array, got a PackedSequence: {in_a_row}")
    if isinstance(targets, (list, tuple)):
        lengths = [len(row) for row in targets if isinstance(row, (list, tuple, np.ndarray)) and np.ndim(row)]
        if len(set(lengths)) > 1:
            raise ValueError(f"targets: expected rows of one length, got {lengths[:8]}: {in_a_row}")
    return as_integers("targets", targets)


def _targets(
    targets: ArrayLike, target_lengths: ArrayLike | None, batch: int, classes: int, blank: int
) -> tuple[Integers, Integers, Integers]:
    """Return labels in a row, where those of each sequence begin, and how many they are."""
    labels = read_labels(targets)
    if labels.ndim == 2 or (labels.ndim == 1 and target_lengths is None and batch == 1):
        table = np.atleast_2d(labels)
        if len(table) != batch:
            raise ValueError(f"targets: expected shape ({batch}, longest), one row a sequence, got {labels.shape}")
        most = np.full(batch, table.shape[1], np.int64)
        counts = _lengths("target_lengths", target_lengths, most, "the labels that there are")
        starts = np.arange(batch, dtype=np.int64) * table.shape[1]
    elif labels.ndim == 1 and target_lengths is not None:
        most = np.full(batch, len(labels), np.int64)
        counts = _lengths("target_lengths", target_lengths, most, "the labels that there are")
        if counts.sum() != len(labels):
            raise ValueError(
                f"target_lengths: expected lengths that sum up to the {len(labels)} labels of targets, got a sum of "
                f"{counts.sum()}"
            )
        starts = np.cumsum(counts) - counts
    else:
        raise ValueError(
            f"targets: expected shape ({batch}, longest), or all in a row with target_lengths, got {labels.shape}"
        )
    flat = labels.reshape(-1)
    own = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(starts, counts)
    used = flat[own]
    wrong = (used < 0) | (used >= classes) | (used == blank)
    if wrong.any():
        place = np.flatnonzero(wrong)[0]
        sequence = int(np.repeat(np.arange(batch), counts)[place])
        raise ValueError(
            f"targets: expected classes from 0 to {classes - 1} other than the blank, {blank}, got {used[place]} at "
            f"position {own[place] - starts[sequence]} of sequence {sequence}"
        )
    return flat, starts, counts


def _sequences(batch_sizes: Integers) -> Integers:
    """Return which sequence each row of a packed batch belongs to."""
    rows = int(batch_sizes.sum())
    begins = np.cumsum(batch_sizes) - batch_sizes
    return np.arange(rows) - np.repeat(begins, batch_sizes)
