"""Likely mistakes in how sequences are given, named with a way out: errors where it cannot be meant, else warnings."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._typing import AnyArray
from seriatim._warnings import warn

# More features than the second in sequences of one step are rather the steps of univariate series; more than the first
# are where each is like the one before.
_SOME, _MANY, _ALIKE = 10, 30, 0.3
# So few steps, with so many times as many features, are rather channels.
_FEW_STEPS, _WIDER = 10, 10


def other_features(estimator: str, given: tuple[int, ...], wanted: tuple[int, ...], part: str = "") -> str:
    """Word observations of another shape than those of training; in scikit-learn's words, as its own checks match them.

    Parameters
    ----------
    estimator : str
    given, wanted : tuple of int
        Shapes of observations.
    part : str, optional
        What of X was given, and a hint.
    """
    of = (int(np.prod(given)), int(np.prod(wanted)))
    text = f"X has {of[0]} features, but {estimator} is expecting {of[1]} features as input"
    if len(wanted) == 1:
        return text + part
    if given == (*wanted[1:], wanted[0]):
        part += ": channels last? They come first: frames.transpose(0, 3, 1, 2)"
    elif len(given) == 3 and given == (wanted[0], wanted[2], wanted[1]):
        part += ": height and width exchanged?"
    if of[0] == of[1]:
        return f"X has frames of shape {given}, but {estimator} is expecting frames of shape {wanted}{part}"
    return f"{text}: frames of shape {given} in the place of {wanted}{part}"


def other_targets(sequences: Any, form: str, targets: int) -> str:
    """Word a number of targets that is not that of the sequences."""
    n, rows = len(sequences), len(sequences.X)
    text = f"y: expected a label for each of {n} sequences, got {targets}"
    if form == "table" and n == 1 and rows > 1:
        return text + (
            f": X is a table of {rows} rows without lengths, a single sequence: give lengths=, one for each of "
            f"{targets} sequences that add up to {rows}, or a list of sequences"
        )
    if targets == rows:
        return text + ": one for each row? One for each sequence is meant, such as y[np.cumsum(lengths) - lengths]"
    return text


def exchanged(targets: Any, lengths: Any, X: Any) -> str:
    """Return a hint if targets add up to the rows of X, as lengths do not; nothing otherwise."""
    if lengths is None or not hasattr(X, "__len__"):
        return ""
    if not isinstance(targets, np.ndarray) or targets.ndim != 1 or targets.dtype.kind not in "iuf":
        return ""
    return ": y adds up to that, as if y and lengths were exchanged" if targets.sum() == len(X) else ""


def refuse_other_order(name: str, values: Any, keys: list[Any] | None) -> None:
    """Refuse a column whose index holds the keys of X in another order: by place, each would go to another sequence.

    An index that says nothing of the keys is not looked at: values go by their place.

    Raises
    ------
    ValueError
    """
    index: Any = getattr(values, "index", None)
    if keys is None or not hasattr(index, "tolist") or len(index) != len(keys):
        return
    # Groups by a list of one name have keys of one part.
    wanted = [key[0] if isinstance(key, tuple) and len(key) == 1 else key for key in keys]
    given = index.tolist()
    if given == wanted or len(set(given)) < len(given) or set(given) != set(wanted):
        return
    i = next(i for i, (one, other) in enumerate(zip(given, wanted, strict=True)) if one != other)
    raise ValueError(
        f"{name}: expected the order of X's keys, but its index has them in another one: [{i}] is {given[i]!r}, in X "
        f"{wanted[i]!r}. Give {name}.loc[list(keys)] with X's keys, list(X) of a dict, X.keys of a Sequences (or "
        f"{name}.to_numpy() if the values are in X's order, whatever the index says)"
    )


def warn_of_axes(sequences: Any, form: str) -> None:
    """Warn where a table or a 3-D array is hardly what its owner means: steps taken for features.

    Those who give lengths, or a container, have said what a step is.
    """
    lengths = sequences.lengths
    steps, features = int(lengths[0]), int(np.prod(sequences.X.shape[1:]))
    if form not in ("table", "cube", "list", "nested") or sequences.X.ndim != 2 or (lengths != steps).any():
        return
    if len(lengths) < 2:
        return
    if steps == 1 and (features > _MANY or (features > _SOME and _likeness(sequences.X) > _ALIKE)):
        way = "X[:, :, None]" if form == "table" else "X.transpose(0, 2, 1)" if form == "cube" else "[x.T for x in X]"
        warn(
            f"X is taken for {len(lengths)} sequences of one step with {features} features, so that nothing recurs. If "
            f"these are series of {features} steps, give {way}."
        )
    elif form != "table" and steps <= _FEW_STEPS and features >= _WIDER * steps:
        way = "X.transpose(0, 2, 1)" if form == "cube" else "[x.T for x in X]"
        warn(
            f"X is taken for {len(lengths)} sequences of {steps} steps with {features} features each. If these are "
            f"{steps} channels of {features} steps, they are transposed: steps come first, {way}."
        )


def _likeness(table: AnyArray) -> float:
    """Return the correlation of a column with the next, of what rows do not have in common."""
    rows = table[:1000].astype(np.float64)
    rows -= rows.mean(axis=0)
    total = float(np.sum(rows**2))
    return float(np.sum(rows[:, 1:] * rows[:, :-1])) / total if 0 < total < np.inf else 0.0


def warn_of_frames(sequences: Any) -> None:
    """Warn where frames look as if their channels came last."""
    channels, _, last = sequences.X.shape[1:]
    if last in (1, 3, 4) and channels not in (1, 2, 3, 4):
        warn(
            f"frames have shape {sequences.X.shape[1:]}: channels last? They come first, (C, H, W): "
            "frames.transpose(0, 3, 1, 2)."
        )
