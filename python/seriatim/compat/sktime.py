"""Seriatim's estimators as estimators of sktime: its panels in, its tags, its searches and benchmarks."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import numpy as np
from sklearn.base import clone

from seriatim._arrays import as_numbers
from seriatim._typing import AnyArray
from seriatim.models import DeepGRUClassifier, DeepGRURegressor
from seriatim.sequences import Sequences

try:
    from sktime.classification.base import BaseClassifier
    from sktime.regression.base import BaseRegressor
except ImportError as error:
    raise ImportError("seriatim.compat.sktime: expected sktime to be installed: pip install sktime") from error

__all__ = ["SeriatimClassifier", "SeriatimRegressor"]


def __dir__() -> list[str]:
    return sorted(__all__)


Self = TypeVar("Self", bound="_Adaptor")

# A frame with an index of instances and times holds unequal lengths with the observations behind each other already.
_TAGS: dict[str, Any] = {
    "X_inner_mtype": ["pd-multiindex", "numpy3D"],
    "capability:multivariate": True,
    "capability:unequal_length": True,
    "capability:categorical_in_X": False,
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

    def _fit(self: Self, X: Any, y: AnyArray) -> Self:
        chosen = self._default() if self.estimator is None else clone(self.estimator)
        self.estimator_ = chosen.fit(_sequences(X), y)
        return self

    def _predict(self, X: Any) -> AnyArray:
        predicted: AnyArray = self.estimator_.predict(_sequences(X))
        return predicted

    @classmethod
    def get_test_params(cls, parameter_set: str = "default") -> list[dict[str, Any]]:
        """Return settings for sktime's checks, which are to be fast."""
        return [{"estimator": cls._default(**_TINY)}, {"estimator": cls._default(**_TINY, batch_size=4)}]


class SeriatimClassifier(_Adaptor, BaseClassifier):  # type: ignore[misc]
    """A classifier of Seriatim, or a pipeline that ends in one, as a classifier of sktime.

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
    X may be given as a frame with an index of instances and times, as an array ``(n, variables, T)``, or in any other
    form that sktime converts to these.

    Examples
    --------
    >>> from seriatim.compat.sktime import SeriatimClassifier
    >>> from seriatim.models import GRUClassifier
    >>> from sktime.datasets import load_japanese_vowels
    >>> X, y = load_japanese_vowels(split="train", return_type="pd-multiindex")
    >>> clf = SeriatimClassifier(GRUClassifier(hidden_size=16, max_epochs=5, random_state=0)).fit(X, y)
    >>> clf.predict_proba(X).shape
    (270, 9)
    """

    _default = DeepGRUClassifier
    _tags: ClassVar[dict[str, Any]] = {**_TAGS, "capability:predict_proba": True}

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator
        super().__init__()

    def _predict_proba(self, X: Any) -> AnyArray:
        if not hasattr(self.estimator_, "predict_proba"):
            certain: AnyArray = super()._predict_proba(X)
            return certain
        probabilities: AnyArray = self.estimator_.predict_proba(_sequences(X))
        return probabilities


class SeriatimRegressor(_Adaptor, BaseRegressor):  # type: ignore[misc]
    """A regressor of Seriatim, or a pipeline that ends in one, as a regressor of sktime.

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
    X may be given as a frame with an index of instances and times, as an array ``(n, variables, T)``, or in any other
    form that sktime converts to these.

    Examples
    --------
    >>> import numpy as np
    >>> from seriatim.compat.sktime import SeriatimRegressor
    >>> from seriatim.models import DeepGRURegressor
    >>> dims = {"gru1": 16, "gru2": 16, "gru3": 16, "fc": 16}
    >>> X = np.random.default_rng(0).normal(size=(40, 3, 20))
    >>> y = X.mean(axis=(1, 2))
    >>> model = SeriatimRegressor(DeepGRURegressor(dims=dims, max_epochs=5, random_state=0)).fit(X, y)
    >>> model.predict(X).shape
    (40,)
    """

    _default = DeepGRURegressor
    _tags = _TAGS

    def __init__(self, estimator: Any = None) -> None:
        self.estimator = estimator
        super().__init__()


def _sequences(X: Any) -> Sequences:
    """Turn a frame with an index of instances and times, or an array (n, variables, T), into observations, one a row.

    Instances keep the order in which they first appear, which is that of the labels.
    """
    if isinstance(X, np.ndarray):
        n, variables, steps = X.shape
        return Sequences(X.transpose(0, 2, 1).reshape(-1, variables), np.full(n, steps))
    instances = X.index.get_level_values(0).factorize()[0]
    rows = as_numbers("X", X)[np.argsort(instances, kind="stable")]
    return Sequences(np.ascontiguousarray(rows), np.bincount(instances))
