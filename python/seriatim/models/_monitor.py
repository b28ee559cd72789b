"""What early stopping goes by: the validation loss, or a scorer of scikit-learn's on what the network gives.

A scorer asks an estimator for predictions. It is given one that answers with what has been predicted for the validation
sequences already, so that an epoch is predicted once, whatever is made of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names

from seriatim._typing import AnyArray, Array
from seriatim.models._data import Examples
from seriatim.preprocessing._frame_targets import FrameTargets
from seriatim.preprocessing._targets import Labels, Targets, is_weightless
from seriatim.training import Measured

LOSS = "loss"
MONITORS = (LOSS, *get_scorer_names())

# What a network gives for the validation sequences -> how good that is.
Measure = Callable[[Array], Measured]


def make_measure(
    monitor: str | Callable[..., Any], targets: Targets, validation: Examples, class_weights: Array | None
) -> Measure:
    """Return what measures an epoch: loss, score, and what is monitored.

    Parameters
    ----------
    monitor : str or callable
        "loss", a scorer's name, or a scorer.
    targets : Targets
    validation : Examples
    class_weights : ndarray or None
        What each class counts in the loss, here as in training.

    Raises
    ------
    ValueError
        All weights are 0, or the scorer makes no finite number of these targets, even if all were predicted.
    """
    target, weights = validation.target, validation.weights
    if is_weightless(target, weights, class_weights):
        raise ValueError(
            "expected validation sequences that count, got only some whose sample_weight or class_weight is 0: "
            "others in validation_data, or a larger validation_fraction, are the way on"
        )

    def by_loss(output: Array) -> Measured:
        loss, score = targets.measure(output, target, weights, class_weights)
        return Measured(loss, score, -loss, LOSS)

    if monitor == LOSS:
        return by_loss
    name, scorer = (monitor, get_scorer(monitor)) if isinstance(monitor, str) else (_name(monitor), monitor)

    def by_scorer(output: Array) -> Measured:
        loss, score = targets.measure(output, target, weights, class_weights)
        return Measured(loss, score, _scored(name, scorer, targets, validation, output), name)

    _try(name, scorer, targets, validation)
    return by_scorer


def _name(scorer: Any) -> str:
    """Return what a scorer's column is called: a name that tells it from loss and score."""
    name = str(getattr(scorer, "__name__", ""))
    return name if name.isidentifier() and name not in ("loss", "score") else "monitor"


def _scored(name: str, scorer: Any, targets: Targets, validation: Examples, output: Array) -> float:
    sequences, given, weights = validation.sequences, validation.given, validation.weights
    shape: Callable[[AnyArray], Any] | None = None
    if isinstance(given, FrameTargets):
        frames = given
        given, shape = frames.cut(frames.rows), frames.cut
        if name in MONITORS:
            # scikit-learn's own know no sequences: all frames that count, one behind the other.
            given, weights, shape = frames.known, frames.of_frames(weights), lambda rows: rows[frames.counts]
    answers = (_Classifier if hasattr(targets, "classes") else _Regressor)(targets, output, sequences, shape)
    more = {} if weights is None else {"sample_weight": weights}
    with warnings.catch_warnings():
        # That a class is not predicted yet, every epoch again.
        warnings.simplefilter("ignore")
        return float(scorer(answers, sequences, given, **more))


def _try(name: str, scorer: Any, targets: Targets, validation: Examples) -> None:
    """Refuse a scorer that does not fit the targets before training has begun: score what would be all right."""
    try:
        score = _scored(name, scorer, targets, validation, targets.ideal(validation.target))
        reason = "" if np.isfinite(score) else f"it is {score}"
    except MemoryError:
        raise
    except Exception as error:
        # Anything may go wrong in a scorer.
        reason = f"{type(error).__name__}: {error}"
    if reason:
        raise ValueError(
            f"monitor={name!r}: cannot be said of the validation part, {_about(targets, validation)}, even if all were "
            f"predicted: {reason.rstrip('.')}. {_way_on(name, targets)}"
        )


def _way_on(name: str, targets: Targets) -> str:
    """Say what to do about a scorer that does not fit: the targets, or the validation part."""
    is_labels, likes = hasattr(targets, "classes"), "labels"
    if name in MONITORS:
        of = getattr(getattr(get_scorer(name), "_score_func", None), "__module__", "")
        likes = "numbers" if of.endswith("_regression") else "labels"
    means = [one for one in (f"{name}_macro", f"{name}_weighted") if is_labels and one in MONITORS]
    if means:
        return (
            f"It is a scorer of two classes, 0 and 1, and does not suit these labels: monitor={means[0]!r}, "
            f"{means[1]!r} or 'loss' is the way on."
        )
    if is_labels and likes == "numbers":
        return "It is a scorer of numbers, not of labels: monitor='accuracy', 'f1_macro' or 'loss' is the way on."
    if not is_labels and likes == "labels" and name in MONITORS:
        return "It is a scorer of labels, not of numbers: monitor='r2' or 'loss' is the way on."
    return "A larger validation_fraction, validation_data, another scorer, or monitor='loss' is the way on."


def _about(targets: Targets, validation: Examples) -> str:
    if not isinstance(targets, Labels):
        return f"{len(validation)} sequences"
    target = validation.target.known if isinstance(validation.target, FrameTargets) else validation.target
    return f"{len(validation)} sequences of {len(np.unique(target))} of {targets.n_kinds} classes"


class _Answers(BaseEstimator):  # type: ignore[misc]
    """A fitted estimator whose predictions are known."""

    def __init__(self, targets: Any, output: Array, sequences: Any, shape: Any = None) -> None:
        self.targets, self.output, self.sequences, self.shape = targets, output, sequences, shape

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _known(self, X: Any) -> Array:
        if X is not self.sequences:
            raise ValueError("a scorer can predict the validation sequences as a whole alone")
        return self.output

    def _shaped(self, values: AnyArray) -> Any:
        """Return answers for frames as the scorer is given the targets."""
        return values if self.shape is None else self.shape(values)

    def predict(self, X: Any) -> AnyArray:
        """Return labels, or numbers."""
        answers: AnyArray = self._shaped(self.targets.decode(self._known(X)))
        return answers


class _Regressor(RegressorMixin, _Answers):  # type: ignore[misc]
    pass


class _Classifier(ClassifierMixin, _Answers):  # type: ignore[misc]
    @property
    def classes_(self) -> AnyArray:
        """Return all labels."""
        classes: AnyArray = self.targets.classes
        return classes

    def predict_proba(self, X: Any) -> AnyArray:
        """Return probabilities, which sum to 1 in float64, as log_loss and roc_auc_score want them."""
        answers: AnyArray = self._shaped(self.targets.probabilities(self._known(X).astype(np.float64)))
        return answers

    def predict_log_proba(self, X: Any) -> Any:
        """Return their logarithms."""
        found: Any = self.predict_proba(X)
        return [np.log(part) for part in found] if isinstance(found, list) else np.log(found)
