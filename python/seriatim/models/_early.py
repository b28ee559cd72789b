"""Deciding before a sequence has ended."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import check_is_fitted

from seriatim._sklearn import Stored, answers, learns, read_sequences, refuse_other_order
from seriatim._typing import AnyArray, Array, ArrayLike, Integers
from seriatim.models._early_stream import EarlyStream
from seriatim.models._labels import read_labels
from seriatim.sequences import Sequences

Self = TypeVar("Self", bound="EarlyClassifier")

# Sequences that run side by side.
_STREAMS = 64


class EarlyClassifier(Stored, ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier that decides as soon as it is sure: at the first frame whose highest probability passes a threshold.

    Parameters
    ----------
    estimator : classifier with ``stream``
        GRUClassifier, LSTMClassifier or DeepGRUClassifier, of one direction. A copy of it is trained.
    max_loss : float, default 0.01
        Accuracy that may be lost against deciding at the end, on the part that the threshold is chosen on.
    validation_fraction : float, default 0.2
        That part, with all classes in their shares; nothing is trained on it.
    random_state : int, RandomState or None

    Attributes
    ----------
    estimator_
        The trained classifier.
    classes_ : ndarray, shape (n_classes,)
    threshold_ : float
        The lowest that loses no more; infinite where all do: then every decision falls at the end.
    validation_ : dict
        On the part that the threshold was chosen on: ``accuracy`` and ``earliness`` of the rule, ``at_end``, the
        accuracy of whole sequences.

    Notes
    -----
    What a threshold costs is measured on sequences that the estimator has not seen, so what it promises holds for
    others as far as they are like those. Without a threshold that is good enough the rule is to wait.

    Examples
    --------
    >>> early = EarlyClassifier(GRUClassifier(bidirectional=False), random_state=0).fit(X, y, lengths)
    >>> labels, frames = early.decide(X_test, lengths_test)
    >>> early.score(X_test, y_test, lengths_test), early.earliness(X_test, lengths_test)
    """

    _fitted_attributes: ClassVar[tuple[str, ...]] = ("estimator_", "classes_", "threshold_", "validation_")
    _LENGTHS = {"lengths": True}  # noqa: RUF012
    __metadata_request__fit = _LENGTHS
    __metadata_request__predict = _LENGTHS
    __metadata_request__score = _LENGTHS

    estimator_: Any
    classes_: AnyArray
    threshold_: float
    validation_: dict[str, float]

    def __init__(
        self,
        estimator: Any,
        *,
        max_loss: float = 0.01,
        validation_fraction: float = 0.2,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.estimator = estimator
        self.max_loss = max_loss
        self.validation_fraction = validation_fraction
        self.random_state = random_state

    @learns
    def fit(self: Self, X: Any, y: ArrayLike, lengths: ArrayLike | None = None) -> Self:
        """Train the estimator, and choose the threshold.

        Parameters
        ----------
        X, y, lengths
            As of the estimator's own ``fit``.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            The estimator has no ``stream``.
        ValueError
            A parameter has no meaning, or the estimator, once trained, cannot run in a stream.
        """
        kind = type(self.estimator)
        if not (hasattr(kind, "stream") and hasattr(kind, "predict_proba")) or isinstance(self.estimator, type):
            got = f"the class {self.estimator.__name__}" if isinstance(self.estimator, type) else kind.__name__
            raise TypeError(f"estimator: expected a classifier with `stream`, got {got}")
        for name, least in (("max_loss", 0.0), ("validation_fraction", np.nextafter(0, 1))):
            value = getattr(self, name)
            if not isinstance(value, (int, float, np.floating)) or not least <= value < 1:
                wanted = "from 0 to below 1" if least == 0 else "between 0 and 1"
                raise ValueError(f"{name}: expected a number {wanted}, got {value!r}")
        labels = read_labels("y", y)
        if self.estimator.get_params(deep=False).get("bidirectional"):
            raise ValueError(
                f"estimator: expected one direction, got {type(self.estimator).__name__} with bidirectional=True, "
                "which needs a sequence's end: give it bidirectional=False"
            )
        reading = read_sequences(X, lengths, type(self).__name__, targets=len(labels))
        sequences = reading.sequences
        if len(labels) != len(sequences):
            raise ValueError(f"y: expected a label for each of {len(sequences)} sequences, got {len(labels)}")
        refuse_other_order("y", y, reading.keys)
        known, held = self._parts(labels)
        estimator = clone(self.estimator).fit(sequences[known], labels[known])
        rows = _behind_each_frame(estimator, sequences[held])
        right = [estimator.classes_[one.argmax(axis=1)] == y for one, y in zip(rows, labels[held], strict=True)]
        best = [one.max(axis=1) for one in rows]
        at_end = float(np.mean([bool(one[-1]) for one in right]))
        threshold = np.inf
        for candidate in np.linspace(0.2, 0.999, 100).tolist():
            frames = [_first(one, candidate) for one in best]
            accuracy = np.mean([bool(one[frame]) for one, frame in zip(right, frames, strict=True)])
            if accuracy >= at_end - self.max_loss:
                threshold = candidate
                break
        frames = [_first(one, threshold) for one in best]
        self.validation_ = {
            "accuracy": float(np.mean([bool(one[frame]) for one, frame in zip(right, frames, strict=True)])),
            "earliness": float(np.mean(_counts(frames, sequences[held].lengths) / sequences[held].lengths)),
            "at_end": at_end,
        }
        self.estimator_, self.classes_, self.threshold_ = estimator, estimator.classes_, threshold
        return self

    def _parts(self, labels: AnyArray) -> tuple[Integers, Integers]:
        """Return which sequences are trained on, and which the threshold is chosen on."""
        places, fraction = np.arange(len(labels)), self.validation_fraction
        try:
            known, held = train_test_split(places, test_size=fraction, stratify=labels, random_state=self.random_state)
        except ValueError as error:
            raise ValueError(
                f"y: expected so many sequences of each class that validation_fraction={fraction} holds back some of "
                f"every one and leaves some, got {len(labels)} of {len(np.unique(labels))} classes: {error}"
            ) from error
        return known, held

    @answers
    def decide(self, X: Any, lengths: ArrayLike | None = None) -> tuple[AnyArray, Integers]:
        """Return the label of each sequence, and the number of frames that it was decided after.

        Parameters
        ----------
        X : sequences, in the forms of the estimator's notes
        lengths : array_like of int, shape (n,), optional

        Returns
        -------
        labels : ndarray, shape (n,)
        frames : ndarray of int64, shape (n,)
            From 1 to the sequence's length.
        """
        check_is_fitted(self)
        sequences = read_sequences(X, lengths, type(self).__name__).sequences
        rows = _behind_each_frame(self.estimator_, sequences)
        frames = [_first(one.max(axis=1), self.threshold_) for one in rows]
        places = [int(one[frame].argmax()) for one, frame in zip(rows, frames, strict=True)]
        return self.classes_[places], _counts(frames, sequences.lengths)

    @answers
    def stream(self, n_streams: int = 1) -> EarlyStream:
        """Return streams that decide while frames arrive.

        Parameters
        ----------
        n_streams : int, default 1
            Sequences that run side by side.

        Returns
        -------
        EarlyStream
        """
        check_is_fitted(self)
        return EarlyStream(self.estimator_.stream(n_streams), self.classes_, self.threshold_)

    @answers
    def predict(self, X: Any, lengths: ArrayLike | None = None) -> AnyArray:
        """Return the label of each sequence, as decided.

        Parameters
        ----------
        X, lengths
            As of :meth:`decide`.

        Returns
        -------
        ndarray, shape (n,)
        """
        return self.decide(X, lengths)[0]

    @answers
    def score(self, X: Any, y: ArrayLike, lengths: ArrayLike | None = None) -> float:
        """Return the share of sequences that are decided rightly.

        Parameters
        ----------
        X, lengths
            As of :meth:`decide`.
        y : array_like, shape (n,)

        Returns
        -------
        float
        """
        return float(np.mean(self.predict(X, lengths) == np.asarray(y)))

    @answers
    def earliness(self, X: Any, lengths: ArrayLike | None = None) -> float:
        """Return the share of a sequence that is seen before it is decided, in the mean: 1 is at the end.

        Parameters
        ----------
        X, lengths
            As of :meth:`decide`.

        Returns
        -------
        float
        """
        counts = read_sequences(X, lengths, type(self).__name__).sequences.lengths
        return float(np.mean(self.decide(X, lengths)[1] / counts))


def _behind_each_frame(estimator: Any, sequences: Sequences) -> list[Array]:
    """Return the class probabilities (T + 1, n_classes) of each sequence so far, and of all of it once it has ended."""
    found: list[Array] = []
    for first in range(0, len(sequences), _STREAMS):
        some = [np.asarray(one) for one in sequences[first : first + _STREAMS]]
        stream = estimator.stream(len(some))
        # What is still waited for says nothing.
        rows = [np.nan_to_num(one, nan=0.0) for one in stream.push(some)]
        found += [np.concatenate([one, end[None]]) for one, end in zip(rows, stream.finish(), strict=True)]
    return found


def _first(best: Array, threshold: float) -> int:
    """Return the first row that passes, or the last."""
    passing = np.flatnonzero(best >= threshold)
    return int(passing[0]) if len(passing) else len(best) - 1


def _counts(rows: list[int], lengths: Integers) -> Integers:
    """Return after how many frames each decision falls: the row of a sequence's end has no frame of its own."""
    return np.minimum(np.array(rows, np.int64) + 1, lengths)
