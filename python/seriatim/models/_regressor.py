"""What the regressors share: targets, one number or several a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from seriatim._arrays import as_floats, as_numbers
from seriatim._sklearn import answers
from seriatim._typing import AnyArray, Array, ArrayLike
from seriatim.models._data import check_order, first_bad
from seriatim.models._estimator import SequenceEstimator
from seriatim.models._labels import as_list, refuse_missing
from seriatim.nn import MSELoss
from seriatim.preprocessing._targets import StandardizedNumbers, unit_of
from seriatim.sequences._items import reusable


class SequenceRegressor(RegressorMixin, SequenceEstimator):  # type: ignore[misc]
    """A module that gives numbers as a scikit-learn regressor of ragged sequences.

    The module learns standardised targets, so that the learning rate does not depend on their unit.
    """

    _fitted_attributes: ClassVar[tuple[str, ...]] = ("target_mean_", "target_scale_", "_one_target")

    target_mean_: Array
    target_scale_: Array
    _one_target: bool

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        # scikit-learn's check gives its table, 10 columns of which one counts, as lists in lists: here series of 10
        # steps, which few epochs do not suffice for. Its score as an array is our own test's.
        tags.regressor_tags.poor_score = True
        return tags

    def _more_tags(self) -> dict[str, Any]:
        return {**super()._more_tags(), "multioutput": True, "poor_score": True}

    def _read_targets(self, y: Any) -> AnyArray:
        y = as_list(y)
        refuse_missing("y", y, "finite numbers", "leave these sequences out")
        targets = as_numbers("y", y)
        if targets.ndim not in (1, 2) or 0 in targets.shape[1:]:
            raise ValueError(f"y: expected shape (n,) or (n, n_outputs), got {targets.shape}")
        targets = targets.astype(np.float64)
        if not np.isfinite(targets).all():
            where = first_bad("y", targets, ~np.isfinite(targets))
            raise ValueError(f"y: expected finite numbers, got NaN or infinity (inf){where}")
        return targets

    def _learn_targets(self, targets: AnyArray, weights: Array | None, continues: bool) -> StandardizedNumbers:
        if continues:
            return replace(self._targets(), single=targets.ndim == 1)
        return StandardizedNumbers.of(targets, weights)

    def _targets(self) -> StandardizedNumbers:
        return StandardizedNumbers(self.target_mean_, self.target_scale_, self._one_target)

    def _targets_state(self, targets: Any) -> dict[str, Any]:
        return {"target_mean_": targets.mean, "target_scale_": targets.scale, "_one_target": targets.single}

    def _make_criterion(self, class_weights: Array | None, settled: Mapping[str, Any]) -> MSELoss:
        return MSELoss()

    def _answer(self, output: Array) -> Any:
        return self._targets().decode(output)

    @answers
    def predict(self, X: Any, lengths: ArrayLike | None = None) -> AnyArray:
        """Return the numbers of each sequence.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        lengths : array_like of int, shape (n,), optional

        Returns
        -------
        ndarray of float64, shape (n,) or (n, n_outputs)
            As y was.

        Raises
        ------
        ValueError
            The sequences have other features than those of training, or are none.
        sklearn.exceptions.NotFittedError
        """
        sequences, targets = self._read(X, lengths), self._targets()
        with self._memory() as rows:
            return targets.decode(self._outputs(self._evaluated(), sequences, targets, rows))

    def score(
        self, X: Any, y: ArrayLike, lengths: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Return the coefficient of determination R^2 of the predictions.

        Parameters
        ----------
        X, lengths
            As in :meth:`predict`.
        y : array_like, shape (n,) or (n, n_outputs)
        sample_weight : array_like, shape (n,), optional

        Returns
        -------
        float
        """
        X = reusable(X)
        check_order(X, y, sample_weight)
        targets, predicted = self._read_targets(y), self.predict(X, lengths)
        # R^2 has no unit: in this one the squares of all numbers are numbers.
        unit = unit_of(np.concatenate([targets, predicted])) if targets.shape[1:] == predicted.shape[1:] else 1
        weights = None if sample_weight is None else as_floats("sample_weight", sample_weight, np.float64)
        return float(r2_score(targets / unit, predicted / unit, sample_weight=weights))
