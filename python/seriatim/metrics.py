"""How good labels of frames are: by frame, and by the segments that runs of one label make.

Labels are given as they come out of :class:`seriatim.models.FrameClassifier`: a list of arrays ``(T_i,)``, one for each
sequence, a dict, an array ``(n, T)``, a :class:`seriatim.Sequences`, or one array, the labels of one sequence or of all
behind each other. The true and the predicted ones have the same lengths.

``frame_accuracy_scorer``, ``frame_f1_scorer`` and ``segment_edit_scorer`` are scorers of scikit-learn, for
``scoring=`` of searches and ``monitor=`` of estimators; ``make_scorer(frame_f1, ignore_label=-1)`` makes others. The
last is 1 minus the distance: scorers are the better the higher.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import f1_score, make_scorer

from seriatim._arrays import are_label, as_floats, as_labels, is_text
from seriatim._typing import AnyArray, ArrayLike, Integers
from seriatim.sequences import Sequences
from seriatim.sequences._items import has_axes, opened, reusable

__all__ = [
    "frame_accuracy",
    "frame_accuracy_scorer",
    "frame_f1",
    "frame_f1_scorer",
    "segment_edit_distance",
    "segment_edit_scorer",
    "segment_edit_similarity",
]


def __dir__() -> list[str]:
    return sorted(__all__)


def frame_accuracy(y_true: Any, y_pred: Any, ignore_label: Any = None, sample_weight: ArrayLike | None = None) -> float:
    """Return the share of frames whose label is right.

    Parameters
    ----------
    y_true, y_pred : labels of every frame, in one of the module's forms
    ignore_label : label or None, default None
        Frames whose true label it is do not count; NaN may be it.
    sample_weight : array_like, shape (n,), optional
        A weight a sequence, of each of its frames; of one array also a weight a frame.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        The two differ in their lengths or in kind, or no frame counts.

    Examples
    --------
    >>> frame_accuracy([["a", "a", "b"], ["b"]], [["a", "b", "b"], ["b"]])
    0.75
    """
    found = _read(y_true, y_pred, ignore_label, sample_weight)
    return float(np.average(found.true == found.pred, weights=found.weights))


def frame_f1(
    y_true: Any,
    y_pred: Any,
    ignore_label: Any = None,
    average: str | None = "macro",
    sample_weight: ArrayLike | None = None,
) -> Any:
    """Return the F1 score of frames: the harmonic mean of precision and recall.

    Parameters
    ----------
    y_true, y_pred, ignore_label, sample_weight
        As of :func:`frame_accuracy`.
    average : {'macro', 'micro', 'weighted', None}, default 'macro'
        scikit-learn's: the mean over the labels, of all frames together, the mean by how often a label is, or one
        number a label, sorted.

    Returns
    -------
    float, or ndarray with average None

    Raises
    ------
    ValueError
        As of :func:`frame_accuracy`; ``average`` is another one.
    """
    found = _read(y_true, y_pred, ignore_label, sample_weight)
    return f1_score(found.true, found.pred, average=average, sample_weight=found.weights, zero_division=0)


def segment_edit_distance(
    y_true: Any, y_pred: Any, ignore_label: Any = None, sample_weight: ArrayLike | None = None
) -> float:
    """Return how many segments would have to be inserted, deleted or relabelled, by the number of true segments.

    A segment is a run of frames of one label; how long it is makes no difference. Levenshtein's distances of all
    sequences are summed, and divided by how many true segments all have: 0 says that the segments are all right and in
    their order, 1 that as many changes are needed as there are segments. It may be above 1.

    Parameters
    ----------
    y_true, y_pred, ignore_label
        As of :func:`frame_accuracy`. Runs on both sides of ignored frames are one if they have one label.
    sample_weight : array_like, shape (n,), optional
        A weight a sequence.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        As of :func:`frame_accuracy`.

    Examples
    --------
    >>> segment_edit_distance(list("aaabbbcc"), list("aabbbbbb"))  # c is missing
    0.3333333333333333
    """
    found = _read(y_true, y_pred, ignore_label, None)
    weights = np.ones(len(found.ends)) if sample_weight is None else _of_sequences(sample_weight, len(found.ends))
    distance = segments = 0.0
    for begin, end, weight in zip(np.append(0, found.ends), found.ends, weights, strict=False):
        true, pred = _runs(found.true[begin:end]), _runs(found.pred[begin:end])
        distance += weight * _levenshtein(true, pred)
        segments += weight * len(true)
    return float(distance / segments)


def segment_edit_similarity(
    y_true: Any, y_pred: Any, ignore_label: Any = None, sample_weight: ArrayLike | None = None
) -> float:
    """Return 1 minus :func:`segment_edit_distance`: the higher the better, and at most 1.

    Parameters
    ----------
    y_true, y_pred, ignore_label, sample_weight
        As of :func:`segment_edit_distance`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        As of :func:`frame_accuracy`.
    """
    return 1 - segment_edit_distance(y_true, y_pred, ignore_label, sample_weight)


frame_accuracy_scorer = make_scorer(frame_accuracy)
frame_f1_scorer = make_scorer(frame_f1)
segment_edit_scorer = make_scorer(segment_edit_similarity)


class _Frames(NamedTuple):
    """Labels of the frames that count, as numbers; where each sequence ends among them; and a weight for each."""

    true: Integers
    pred: Integers
    ends: Integers
    weights: AnyArray | None


def _read(y_true: Any, y_pred: Any, ignore_label: Any, sample_weight: Any) -> _Frames:
    (true, lengths), (pred, others) = _rows("y_true", y_true), _rows("y_pred", y_pred)
    if len(lengths) == 1 or len(others) == 1:
        # One array may have the labels of all sequences behind each other.
        lengths, others = (others, others) if len(lengths) == 1 and lengths[0] == sum(others) else (lengths, others)
        others = lengths if len(others) == 1 and others[0] == sum(lengths) else others
    if len(lengths) != len(others):
        raise ValueError(f"y_pred: expected labels of {len(lengths)} sequences, as y_true, got those of {len(others)}")
    if lengths != others:
        place = next(i for i, (one, other) in enumerate(zip(lengths, others, strict=True)) if one != other)
        raise ValueError(
            f"y_pred[{place}]: expected labels of {lengths[place]} frames, as y_true[{place}], got {others[place]}"
        )
    kinds = {is_text(true), is_text(pred)}
    if len(kinds) > 1:
        raise ValueError(f"y_pred: expected labels like y_true's, such as {true[:3].tolist()}, got {pred[:3].tolist()}")
    counts = ~are_label(true, ignore_label)
    if not counts.any():
        raise ValueError(f"y_true: expected a frame that counts, got {len(true)} frames, all of them ignored")
    ends = np.cumsum(counts)[np.cumsum(lengths) - 1]
    _, codes = np.unique(np.concatenate([true[counts], pred[counts]]), return_inverse=True)
    weights = None
    if sample_weight is not None:
        if len(lengths) == 1 and np.shape(sample_weight) == (len(true),):
            weights = as_floats("sample_weight", sample_weight, np.float64)[counts]
        else:
            weights = np.repeat(_of_sequences(sample_weight, len(lengths)), lengths)[counts]
    first, second = np.split(codes.reshape(-1), 2)
    return _Frames(first, second, ends, weights)


def _rows(name: str, y: Any) -> tuple[AnyArray, list[int]]:
    """Return labels behind each other, and the lengths of their sequences."""
    if isinstance(y, Sequences):
        return y.X, y.lengths.tolist()
    y = reusable(y)
    items, _ = opened(y)
    if items and any(map(has_axes, items)):
        parts = [as_labels(f"{name}[{i}]", item) for i, item in enumerate(items)]
    else:
        array = as_labels(name, items if isinstance(y, (list, tuple, Mapping)) else y)
        parts = list(array) if array.ndim == 2 else [array]
    wrong = next((i for i, part in enumerate(parts) if part.ndim != 1 or not len(part)), None)
    if not parts or wrong is not None:
        place, got = (name, "none") if wrong is None else (f"{name}[{wrong}]", f"shape {parts[wrong].shape}")
        raise ValueError(f"{place}: expected labels (T,), one a frame and at least one, got {got}")
    if len({is_text(part) for part in parts}) > 1:
        raise ValueError(f"{name}: expected labels of one kind, got text and numbers")
    return np.concatenate(parts), [len(part) for part in parts]


def _of_sequences(sample_weight: Any, n: int) -> AnyArray:
    weights = as_floats("sample_weight", sample_weight, np.float64)
    if weights.shape != (n,) or not (weights >= 0).all() or not weights.any():
        raise ValueError(
            f"sample_weight: expected {n} numbers of at least 0, one above, one for each sequence, got shape "
            f"{weights.shape}"
        )
    return weights


def _runs(labels: Integers) -> Integers:
    """Return the label of each run."""
    return labels[np.append(True, labels[1:] != labels[:-1])] if len(labels) else labels


def _levenshtein(one: Integers, other: Integers) -> int:
    """Return how many insertions, deletions and replacements make one of the other, a row of the table at a time."""
    places = np.arange(len(other) + 1)
    row = places
    for number, label in enumerate(one, 1):
        best = np.append(number, np.minimum(row[1:] + 1, row[:-1] + (other != label)))
        # Insertions from the left: the least of all that are before, and one for each step.
        row = np.minimum.accumulate(best - places) + places
    return int(row[-1])
