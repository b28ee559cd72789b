"""sequentia's classifiers and regressors on Seriatim's forms of sequences, inside scikit-learn's own tools."""

from __future__ import annotations

import copy
from typing import Any, ClassVar, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier, is_regressor
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from seriatim._arrays import as_labels
from seriatim._sklearn import (
    Known,
    Reading,
    Remembers,
    check_features,
    known_of,
    other_targets,
    read_sequences,
    refuse_other_order,
    remember,
    warn_of_axes,
)
from seriatim._typing import AnyArray, ArrayLike
from seriatim.compat._digit_speakers import digit_speakers

__all__ = ["OnSequences", "digit_speakers"]


def __dir__() -> list[str]:
    return sorted(__all__)


Self = TypeVar("Self", bound="OnSequences")


def _has_probabilities(self: OnSequences) -> bool:
    return hasattr(self.estimator, "predict_proba")


class OnSequences(Remembers, BaseEstimator):  # type: ignore[misc]
    """An estimator with sequentia's manners, ``fit(X, y, lengths=lengths)``, on any form of sequences.

    So kNN and HMM run where Seriatim's estimators run: behind the transformers of :mod:`seriatim.preprocessing` in
    scikit-learn's own ``Pipeline``, in ``cross_val_score`` and ``GridSearchCV``, without metadata routing.

    Parameters
    ----------
    estimator : classifier or regressor
        With sequentia's manners, such as ``sequentia.models.KNNClassifier``. It stays as it is: ``fit`` trains a copy.
        Its parameters are searched as ``estimator__k``.

    Attributes
    ----------
    estimator_ : classifier or regressor
        The fitted copy.
    classes_ : ndarray, shape (n_classes,)
        Of a classifier: its labels, sorted.
    n_features_in_ : int

    Notes
    -----
    X may be given in all forms that Seriatim's estimators take. The estimator gets observations in float64.

    Labels may be of any kind. sequentia takes integers from -128 to 127, which are handed on as they are, so that its
    own parameters may name them; all others are numbered for it.

    Examples
    --------
    >>> from sequentia.models import KNNClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from seriatim.preprocessing import Standardize
    >>> clf = make_pipeline(Standardize("sequence"), OnSequences(KNNClassifier(k=1)))
    >>> X = [np.arange(5.0), np.arange(9.0), -np.arange(6.0), -np.arange(8.0)]
    >>> clf.fit(X, ["up", "up", "down", "down"]).predict([np.arange(3.0, 10.0)])
    array(['up'], dtype='<U4')
    """

    # Metadata routing is not needed, but does no harm: lengths are asked for as sequentia's own estimators do.
    _LENGTHS: ClassVar[dict[str, bool]] = {"lengths": True}
    __metadata_request__fit = _LENGTHS
    __metadata_request__predict = _LENGTHS
    __metadata_request__predict_proba = _LENGTHS
    __metadata_request__score = _LENGTHS

    estimator_: Any
    classes_: AnyArray
    n_features_in_: int
    _labels: AnyArray | None

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self: Self, X: Any, y: ArrayLike, lengths: ArrayLike | None = None) -> Self:
        """Train a copy of the estimator.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        y : array_like, shape (n,)
            Labels of any kind for a classifier, numbers for a regressor.
        lengths : array_like of int, shape (n,), optional

        Returns
        -------
        self
        """
        targets: AnyArray = column_or_1d(as_labels("y", y), warn=True)
        reading = self._read_form(X, lengths, targets=len(targets))
        sequences = reading.sequences
        if len(targets) != len(sequences):
            raise ValueError(other_targets(sequences, reading.form, len(targets)))
        refuse_other_order("y", y, reading.keys)
        warn_of_axes(sequences, reading.form)
        # A copy, not a clone: clone refuses sequentia's constructors, which copy the dicts and lists that they get.
        fitted = copy.deepcopy(self.estimator)
        if self._estimator_type == "classifier":
            labels, codes = _encode(targets)
            fitted.fit(sequences.X, codes, lengths=sequences.lengths)
            self.classes_ = np.sort(_decode(_known(fitted, codes), labels, targets.dtype))
            self._labels = labels
        else:
            fitted.fit(sequences.X, targets.astype(np.float64), lengths=sequences.lengths)
        self.estimator_ = fitted
        self.n_features_in_ = sequences.X.shape[1]
        remember(self, reading)
        return self

    def predict(self, X: Any, lengths: ArrayLike | None = None) -> AnyArray:
        """Return the label, or the number, of each sequence, ``(n,)``."""
        sequences = self._read(X, lengths).sequences
        predicted: AnyArray = self.estimator_.predict(sequences.X, lengths=sequences.lengths)
        if self._estimator_type != "classifier":
            return predicted
        return _decode(predicted, self._labels, self.classes_.dtype)

    @available_if(_has_probabilities)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any, lengths: ArrayLike | None = None) -> AnyArray:
        """Return class probabilities ``(n, n_classes)``, columns in the order of ``classes_``."""
        sequences = self._read(X, lengths).sequences
        probabilities: AnyArray = self.estimator_.predict_proba(sequences.X, lengths=sequences.lengths)
        return probabilities[:, np.argsort(self.estimator_.classes_)]

    def score(
        self, X: Any, y: ArrayLike, lengths: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the (weighted) share of sequences whose label is predicted; of a regressor, R^2."""
        reading = self._read(X, lengths)
        refuse_other_order("y", y, reading.keys)
        refuse_other_order("sample_weight", sample_weight, reading.keys)
        measure = accuracy_score if self._estimator_type == "classifier" else r2_score
        return float(measure(y, self.predict(reading.sequences), sample_weight=sample_weight))

    def _read(self, X: Any, lengths: ArrayLike | None) -> Reading:
        check_is_fitted(self, "estimator_")
        reading = self._read_form(X, lengths, known_of(self))
        check_features(self, reading)
        return reading

    def _read_form(
        self, X: Any, lengths: ArrayLike | None, known: Known | None = None, targets: int | None = None
    ) -> Reading:
        return read_sequences(X, lengths, type(self).__name__, known=known, targets=targets, dtype=np.float64)

    @property
    def _estimator_type(self) -> str | None:
        """What it is, for scikit-learn before 1.6."""
        # The mixins are asked as well: sequentia's classes inherit in an order in which scikit-learn does not see them.
        inner = self.estimator
        if is_classifier(inner) or isinstance(inner, ClassifierMixin) or hasattr(inner, "predict_proba"):
            return "classifier"
        return "regressor" if is_regressor(inner) or isinstance(inner, RegressorMixin) else None

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, RegressorTags

        tags = super().__sklearn_tags__()
        tags.estimator_type = self._estimator_type
        tags.classifier_tags = ClassifierTags() if tags.estimator_type == "classifier" else None
        tags.regressor_tags = RegressorTags() if tags.estimator_type == "regressor" else None
        tags.target_tags.required = True
        return tags

    def __sklearn_clone__(self: Self) -> Self:
        fresh = type(self)(copy.deepcopy(self.estimator))
        if hasattr(self, "_metadata_request"):
            fresh._metadata_request = copy.deepcopy(self._metadata_request)
        return fresh


def _encode(labels: AnyArray) -> tuple[AnyArray | None, AnyArray]:
    """Return labels as integers that sequentia takes; the first result is what they stand for, None for themselves."""
    check_classification_targets(labels)
    if labels.dtype.kind in "iu" and labels.min() >= -128 and labels.max() <= 127:
        return None, labels
    classes, codes = np.unique(labels, return_inverse=True)
    return classes, codes


def _known(fitted: Any, codes: AnyArray) -> AnyArray:
    """Return the classes of a fitted estimator, which are to be all that it was given."""
    known: AnyArray = np.asarray(fitted.classes_)
    given = np.unique(codes)
    if not np.isin(given, known).all():
        raise ValueError(
            f"y: expected at most as many classes as {type(fitted).__name__} tells apart, got {len(given)}"
        )
    return known


def _decode(codes: AnyArray, labels: AnyArray | None, dtype: Any) -> AnyArray:
    return codes.astype(dtype) if labels is None else labels[codes]
