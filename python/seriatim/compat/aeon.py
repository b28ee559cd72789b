"""Seriatim's estimators as estimators of aeon: its collections in, its tags, its searches and benchmarks."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import numpy as np
from sklearn.base import clone

from seriatim._arrays import as_numbers
from seriatim._typing import AnyArray
from seriatim.models import DeepGRUClassifier, DeepGRURegressor
from seriatim.sequences import Sequences

try:
    from aeon.classification import BaseClassifier
    from aeon.regression import BaseRegressor
except ImportError as error:
    raise ImportError("seriatim.compat.aeon: expected aeon to be installed: pip install aeon") from error

__all__ = ["SeriatimClassifier", "SeriatimRegressor"]


def __dir__() -> list[str]:
    return sorted(__all__)


Self = TypeVar("Self", bound="_Adaptor")

_TAGS: dict[str, Any] = {
    "X_inner_type": ["numpy3D", "np-list"],
    "capability:multivariate": True,
    "capability:unequal_length": True,
    "algorithm_type": "deeplearning",
}

# Training is to be over in milliseconds where only manners are checked.
_TINY: dict[str, Any] = {
    "dims": {"gru1": 4, "gru2": 4, "gru3": 4, "fc": 4},
    "max_epochs": 2,
    "random_state": 0,
}


class _Adaptor:
    """What classifier and regressor share."""

    _default: ClassVar[type[Any]]

    estimator: Any
    estimator_: Any

    def _fit(self: Self, X: AnyArray | list[AnyArray], y: AnyArray) -> Self:
        chosen = self._default() if self.estimator is None else clone(self.estimator)
        self.estimator_ = chosen.fit(_sequences(X), y)
        return self

    def _predict(self, X: AnyArray | list[AnyArray]) -> AnyArray:
        predicted: AnyArray = self.estimator_.predict(_sequences(X))
        return predicted

    @classmethod
    def _get_test_params(cls, parameter_set: str = "default") -> dict[str, Any]:
        return {"estimator": cls._default(**_TINY)}


class SeriatimClassifier(_Adaptor, BaseClassifier):  # type: ignore[misc]
    """A classifier of Seriatim, or a pipeline that ends in one, as a classifier of aeon.

    Parameters
    ----------
    estimator : classifier, optional
        Takes :class:`seriatim.Sequences`; cloned by ``fit``. A :class:`seriatim.models.DeepGRUClassifier` by default.

    Attributes
    ----------
    estimator_ : classifier
        The fitted clone.
    classes_ : ndarray, shape (n_classes,)

    Notes
    -----
    X may be given as an array ``(n, channels, T)``, as a list of arrays ``(channels, T_i)``, or in any other form that
    aeon converts to these.

    Examples
    --------
    >>> from aeon.datasets import load_basic_motions
    >>> from seriatim.compat.aeon import SeriatimClassifier
    >>> from seriatim.models import DeepGRUClassifier
    >>> X, y = load_basic_motions(split="train")
    >>> clf = SeriatimClassifier(DeepGRUClassifier(max_epochs=12, random_state=0)).fit(X, y)
    >>> clf.predict_proba(X).shape
    (40, 4)
    """

    _default = DeepGRUClassifier
    _tags = _TAGS

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator
        super().__init__()

    def _predict_proba(self, X: AnyArray | list[AnyArray]) -> AnyArray:
        if not hasattr(self.estimator_, "predict_proba"):
            certain: AnyArray = super()._predict_proba(X)
            return certain
        probabilities: AnyArray = self.estimator_.predict_proba(_sequences(X))
        return probabilities


class SeriatimRegressor(_Adaptor, BaseRegressor):  # type: ignore[misc]
    """A regressor of Seriatim, or a pipeline that ends in one, as a regressor of aeon.

    Parameters
    ----------
    estimator : regressor, optional
        Takes :class:`seriatim.Sequences`; cloned by ``fit``. A :class:`seriatim.models.DeepGRURegressor` by default.

    Attributes
    ----------
    estimator_ : regressor
        The fitted clone.

    Notes
    -----
    X may be given as an array ``(n, channels, T)``, as a list of arrays ``(channels, T_i)``, or in any other form that
    aeon converts to these.

    Examples
    --------
    >>> from aeon.datasets import load_covid_3month
    >>> from seriatim.compat.aeon import SeriatimRegressor
    >>> from seriatim.models import DeepGRURegressor
    >>> X, y = load_covid_3month(split="train")
    >>> model = SeriatimRegressor(DeepGRURegressor(max_epochs=12, random_state=0)).fit(X, y)
    >>> model.predict(X).shape
    (140,)
    """

    _default = DeepGRURegressor
    _tags = _TAGS

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator
        super().__init__()


def _sequences(X: AnyArray | list[AnyArray]) -> Sequences:
    """Turn an array (n, channels, T) or a list of arrays (channels, T_i) into observations, one a row."""
    if isinstance(X, np.ndarray):
        n, channels, steps = X.shape
        return Sequences(X.transpose(0, 2, 1).reshape(-1, channels), np.full(n, steps))
    joined = np.concatenate([as_numbers(f"X[{i}]", series) for i, series in enumerate(X)], axis=1)
    return Sequences(np.ascontiguousarray(joined.T), [series.shape[1] for series in X])
