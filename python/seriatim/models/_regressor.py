"""What the regressors share: targets, one number or several a sequence."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from seriatim._typing import AnyArray, Array, ArrayLike
from seriatim.models._base import SequenceEstimator
from seriatim.models._data import counts_of, read_validation, read_weights
from seriatim.models._warnings import warn_of_validation
from seriatim.nn import MSELoss
from seriatim.sequences import Sequences
from seriatim.sequences._forms import check_features, rows_of_table

Self = TypeVar("Self", bound="SequenceRegressor")


class SequenceRegressor(RegressorMixin, SequenceEstimator):  # type: ignore[misc]
    """A module that gives numbers as a scikit-learn regressor of ragged sequences.

    The module learns standardised targets, so that the learning rate does not depend on their unit.
    """

    target_mean_: Array
    target_scale_: Array
    _one_target: bool

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
        y : array_like of float, shape (n,) or (n, n_outputs)
        lengths : array_like of int, shape (n,), optional
        sample_weight : array_like, shape (n,), optional
            A weight a sequence, of its loss. Whole numbers that make an epoch at most four times as long count a
            sequence so often instead: 2 is the same as giving it twice, 0 as leaving it out.
        validation_data : (X, y) or (X, y, lengths), optional
            Sequences to validate on after every epoch, instead of a part of the training sequences.
        groups : array_like, shape (n,), optional
            With ``early_stopping``: sequences of one group are not divided between training and validation.

        Returns
        -------
        self
        """
        self._check_parameters()
        sequences, targets, by_row = self._read_training(X, y, lengths)
        goes_on = self.warm_start and hasattr(self, "module_")
        weights = read_weights(sample_weight, len(sequences))
        one_target, values = targets.ndim == 1, targets.reshape(len(targets), -1)
        if goes_on:
            check_features(self, X, sequences)
            self._check_targets(values)
            mean, scale = self.target_mean_, self.target_scale_
        else:
            mean, scale = _moments(values, weights)
            scale = np.where(scale > 1e-12 * np.abs(mean), scale, 1.0)
        scaled = ((values - mean) / scale).astype(np.float32)
        chosen, held = np.arange(len(values)), None
        if validation_data is not None:
            held = self._read_validation(validation_data, sequences, mean, scale)
        elif self.early_stopping and self.max_epochs != 1:
            chosen, kept = self._split(scaled, False, groups)
            warn_of_validation(len(kept), 1)
            held = sequences[kept], scaled[kept], None if weights is None else weights[kept]
        everything = len(chosen) == len(scaled)
        state = self._train(
            sequences if everything else sequences[chosen],
            scaled[chosen],
            None if weights is None else weights[chosen],
            scaled.shape[1],
            lambda settled: MSELoss(),
            None,
            goes_on,
            held,
        )
        fitted = {"target_mean_": mean, "target_scale_": scale, "_one_target": one_target}
        self._set_fitted(X, by_row, {**state, **fitted})
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _more_tags(self) -> dict[str, Any]:
        return {**super()._more_tags(), "multioutput": True}

    def _read_targets(self, y: Any) -> AnyArray:
        targets = np.asarray(y)
        if targets.dtype.kind == "c":
            raise ValueError("y: expected real numbers. Complex data not supported")
        if targets.dtype.kind not in "fiub":
            try:
                targets = targets.astype(np.float64)
            except (TypeError, ValueError) as error:
                raise ValueError(f"y: expected numbers, got {targets.dtype}") from error
        if targets.ndim not in (1, 2) or 0 in targets.shape[1:]:
            raise ValueError(f"y: expected shape (n,) or (n, n_outputs), got {targets.shape}")
        targets = targets.astype(np.float64)
        if not np.isfinite(targets).all():
            raise ValueError("y: expected finite numbers, got NaN or infinity (inf)")
        return targets

    def _check_targets(self, values: AnyArray) -> None:
        if values.shape[1] != len(self.target_mean_):
            raise ValueError(f"y: expected {len(self.target_mean_)} numbers a sequence, got {values.shape[1]}")

    def _read_validation(
        self, validation_data: Any, training: Sequences, mean: AnyArray, scale: AnyArray
    ) -> tuple[Sequences, AnyArray, Array | None]:
        X, y, lengths = read_validation(validation_data)
        targets = self._read_targets(y)
        values = targets.reshape(len(targets), -1)
        sequences = self._read_form(X, lengths, lengths is None and rows_of_table(X) == len(values))
        shape = (sequences.X.shape[1:], len(values), values.shape[1])
        wanted = (training.X.shape[1:], len(sequences), len(mean))
        if shape != wanted:
            raise ValueError(
                "validation_data: expected observations of shape {}, {} targets of {} numbers, got {}, {} of {}".format(
                    *wanted, *shape
                )
            )
        return sequences, ((values - mean) / scale).astype(np.float32), None

    def _measure(self, output: Array, target: AnyArray, weight: Array | None) -> tuple[float, float]:
        squares = ((output.astype(np.float64) - target) ** 2).mean(axis=1)
        # Standardised targets have a variance of 1: this is the training set's R^2 but for the noise of the part.
        loss = float(np.average(squares, weights=weight))
        return loss, 1 - loss

    def predict(self, X: Any, lengths: ArrayLike | None = None) -> AnyArray:
        """Return the numbers of each sequence, ``(n,)`` or ``(n, n_outputs)`` as y was."""
        sequences = self._read(X, lengths)
        scaled = self._outputs(self._evaluated(), sequences, len(self.target_mean_))
        values: AnyArray = scaled.astype(np.float64) * self.target_scale_ + self.target_mean_
        return values[:, 0] if self._one_target else values

    def score(
        self, X: Any, y: ArrayLike, lengths: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the coefficient of determination R^2 of the predictions."""
        return float(r2_score(y, self.predict(X, lengths), sample_weight=sample_weight))


def _moments(values: AnyArray, weights: Array | None) -> tuple[AnyArray, AnyArray]:
    """Return the weighted mean and deviation of targets; sorted, so that their order does not count."""
    counts = counts_of(weights)
    if weights is None or counts is not None:
        values = np.sort(values if counts is None else np.repeat(values, counts, axis=0), axis=0)
        return values.mean(axis=0), values.std(axis=0)
    mean = np.average(values, axis=0, weights=weights)
    return mean, np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))
