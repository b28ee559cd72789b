"""Names and number of the features that an estimator was fitted with."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._typing import AnyArray
from seriatim.sequences import Sequences


def feature_names(X: Any) -> AnyArray | None:
    """Return the column names of a data frame, None for anything else."""
    columns = getattr(X, "columns", None)
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    return np.asarray(list(columns), dtype=object)


def check_features(estimator: Any, X: Any, sequences: Sequences) -> None:
    """Refuse an X that has not the names and the number of features that an estimator was fitted with.

    Raises
    ------
    ValueError
        Of names: in scikit-learn's words, as its own checks match them.
    """
    names, known = feature_names(X), getattr(estimator, "feature_names_in_", None)
    if names is not None and known is not None and not np.array_equal(names, known):
        raise ValueError(
            "The feature names should match those that were passed during fit.\n"
            f"Feature names given: {list(names)}; seen at fit time: {list(known)}"
        )
    features = int(np.prod(sequences.X.shape[1:]))
    if features != estimator.n_features_in_:
        raise ValueError(
            f"X has {features} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input"
        )


def keep_feature_names(estimator: Any, X: Any) -> None:
    """Set ``feature_names_in_`` if X is a data frame, and remove it otherwise, as scikit-learn wants it."""
    names = feature_names(X)
    if names is not None:
        estimator.feature_names_in_ = names
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_
