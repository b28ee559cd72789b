"""What can be said of the data before training: warnings with advice."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._typing import AnyArray, Integers
from seriatim._warnings import warn
from seriatim.functional import ragged_moments
from seriatim.sequences import Sequences

# Standard deviations of features that far apart, or that far from 1, learn badly unscaled.
_FAR = 1e3
# Deviations of fewer steps of float32 than this are mostly rounding.
_COARSE = 100
# A validation part below this says little: one sequence is worth more than 20 points.
_FEW = 5
_HANDFUL = 25

# So many deviations from the mean of training a validation part's own mean is no chance.
_SHIFTED = 10
PIPELINE = (
    "In a pipeline validation_data does not pass the steps before the model: give these as its preprocessing=, or "
    "transform the validation data by them first"
)


def warn_of_shift(training: Sequences, validation: Sequences, names: list[str] | None) -> None:
    """Warn where validation data are far away from those of training, as if they were not transformed as these."""
    # Videos are large.
    if training.X.ndim != 2:
        return
    mean, spread = (part[0] for part in ragged_moments(training.X, np.array([0, len(training.X)])))
    other = ragged_moments(validation.X, np.array([0, len(validation.X)]))[0][0]
    far = np.flatnonzero((spread > 0) & (np.abs(other / 2 - mean / 2) > _SHIFTED / 2 * spread))
    if len(far):
        i, more = far[0], f" (and {len(far) - 1} more are like it)" if len(far) > 1 else ""
        warn(
            f"validation_data: feature {i if names is None else repr(names[i])} has a mean of {other[i]:.6g}, in "
            f"training {mean[i]:.6g} with a standard deviation of {spread[i]:.3g}{more}. {PIPELINE}."
        )


def warn_of_scales(sequences: Sequences) -> None:
    """Warn where unscaled features differ by orders of magnitude, or are very large or very small."""
    _, spreads = ragged_moments(sequences.X, np.array([0, len(sequences.X)]))
    varying = spreads[0][spreads[0] > 0]
    if not len(varying):
        return
    least, most = float(varying.min()), float(varying.max())
    if most > _FAR * least or most > _FAR or least < 1 / _FAR:
        warn(
            f"features have standard deviations from {least:.3g} to {most:.3g}, and nothing scales them: the network "
            "hardly sees the small ones. scaling='auto', or Standardize() before the model, is the way on.",
        )


def warn_of_rounding(sequences: Sequences) -> None:
    """Warn where the type of the networks can hardly tell the values of float64 features apart."""
    # Videos are large.
    X = sequences.X if sequences.X.ndim == 2 else sequences[:_FEW].X.reshape(-1, int(np.prod(sequences.X.shape[1:])))
    mean, spread = ragged_moments(X, np.array([0, len(X)]))
    resolution = np.finfo(np.float32).eps * np.abs(mean[0])
    rounded = np.flatnonzero((spread[0] > 0) & (spread[0] < _COARSE * resolution))
    if len(rounded):
        i, others = rounded[0], len(rounded) - 1
        way = "scaling='auto' without preprocessing, or Standardize() in it or before the model,"
        way = way if sequences.X.ndim == 2 else "Training on frames without it, in prediction too,"
        warn(
            f"feature {i} is {mean[0, i]:.6g} with a standard deviation of {spread[0, i]:.3g}"
            f"{f' (and {others} more are like it)' if others else ''}, and nothing takes the offset away: float32, in "
            f"which networks compute, can hardly tell its values apart. {way} is the way on.",
        )


def warn_of_single_class(classes: AnyArray) -> None:
    """Warn where there is one class."""
    if len(classes) == 1:
        warn(f"y has a single class, {classes.tolist()[0]!r}: there is nothing to learn, and nothing else is predicted")


def warn_of_single_sequences(classes: AnyArray, target: Integers) -> None:
    """Warn where a class has one sequence."""
    counts = np.bincount(target, minlength=len(classes))
    single = classes[counts == 1].tolist()
    # Of a handful of sequences nothing else can be expected.
    if single and len(classes) > 1 and len(target) >= _HANDFUL:
        warn(
            f"a single sequence of {_named(single)}: what such a class has in common cannot be learned from one; more "
            "sequences of it, or leaving it out, is the way on.",
        )


def _named(labels: list[Any]) -> str:
    return ", ".join(map(repr, labels[:3])) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")


def warn_of_unvalidated(classes: AnyArray, *, grouped: bool) -> None:
    """Warn of classes that cannot be in the part that is kept for validation: training would have nothing of them."""
    if len(classes):
        whole = "group that has" if grouped else "sequence of"
        warn(
            f"early_stopping: the only {whole} class {_named(classes.tolist())} stays in training, so validation says "
            f"nothing of it: more {'groups' if grouped else 'sequences'}, or validation_data, is the way on.",
        )


def warn_of_validation(count: int, classes: int) -> None:
    """Warn where the part that is kept for it is too small to choose an epoch by."""
    if count < max(_FEW, classes):
        # Of numbers a sequence has no share of the score.
        worth = f", each worth {100 / count:.0f} points of the score, of {classes} classes" if classes > 1 else ""
        warn(
            f"early_stopping chooses the epoch by {count} sequence{'s' * (count > 1)}{worth}: a larger "
            "validation_fraction, validation_data, or early_stopping=False is the way on.",
        )
