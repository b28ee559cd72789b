"""What an estimator remembers of the sequences that it was fitted with: features, their names, and what a row is."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from seriatim._sklearn._forms import SEQUENCE, SERIES, STEP, Known, Reading
from seriatim._sklearn._mistakes import other_features


def known_of(estimator: Any) -> Known | None:
    """Return what later sequences are read by; None of an estimator whose file does not say how frames lie."""
    rows = SEQUENCE if estimator._row_per_sequence else SERIES if estimator._row_is_series else STEP
    frame = estimator._frame_shape
    if frame is None and estimator._reads_frames:
        return None
    shape = (int(estimator.n_features_in_),) if frame is None else tuple(frame)
    return Known(rows, shape, estimator._row_steps)


def check_features(estimator: Any, reading: Reading) -> None:
    """Refuse sequences that have not the names and the number of features that an estimator was fitted with.

    Raises
    ------
    ValueError
        Of names: in scikit-learn's words, as its own checks match them.
    """
    names, known = reading.names, getattr(estimator, "feature_names_in_", None)
    if names is not None and known is not None and not np.array_equal(names, known):
        raise ValueError(
            "The feature names should match those that were passed during fit.\n"
            f"Feature names given: {names}; seen at fit time: {list(known)}"
        )
    shape = reading.sequences.X.shape[1:]
    if math.prod(shape) != estimator.n_features_in_:
        raise ValueError(other_features(type(estimator).__name__, shape, (estimator.n_features_in_,)))


def remember(estimator: Any, reading: Reading, *, continues: bool = False) -> None:
    """Keep what a row of X is, the shape of frames, and names of features, as scikit-learn wants them.

    Where training continues, rows that were univariate sequences stay that, even if these come in another form.
    """
    known = reading.known
    series = known.rows == SERIES or (continues and estimator._row_is_series and known.rows == STEP)
    steps = known.steps if not continues or known.steps == estimator._row_steps else None
    estimator._row_per_sequence = known.rows == SEQUENCE
    estimator._row_is_series = series
    estimator._row_steps = steps
    estimator._frame_shape = list(known.shape) if len(known.shape) > 1 else None
    if reading.names is not None:
        estimator.feature_names_in_ = np.asarray(reading.names, dtype=object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


class Remembers:
    """An estimator that remembers how sequences were given."""

    # What no file of an older version says.
    _row_per_sequence: bool = False
    _row_is_series: bool = False
    _row_steps: int | None = None
    _frame_shape: list[int] | None = None
    # Whether observations are frames.
    _reads_frames: bool = False
