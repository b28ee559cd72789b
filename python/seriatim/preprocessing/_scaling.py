"""Centre, standardise, scale: with each sequence's own statistics, or with those of the whole training set."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from seriatim import functional as F
from seriatim._sklearn import Choice, Rules
from seriatim._typing import Array
from seriatim.preprocessing._base import SequenceTransformer, offsets
from seriatim.sequences import Sequences


class _Scaling(SequenceTransformer):
    """``(x - shift) * scale``."""

    _parameter_rules: ClassVar[Rules] = {"over": [Choice("training", "sequence")]}

    _fitted_attributes: ClassVar[tuple[str, ...]] = ("shift_", "scale_")

    over: str

    def _statistics(self, X: Array, ends: Any) -> tuple[Array, Array]:
        """Return shift and scale of every sequence, ``(n, D)`` each."""
        raise NotImplementedError

    def _fit(self, sequences: Sequences) -> None:
        if self.over == "training":
            whole = np.array([0, len(sequences.X)])
            self.shift_, self.scale_ = (part[0] for part in self._statistics(sequences.X, whole))

    def _transform(self, sequences: Sequences) -> Sequences:
        if self.over == "sequence":
            ends = offsets(sequences)
            shift, scale = self._statistics(sequences.X, ends)
        else:
            ends = np.array([0, len(sequences.X)])
            shift, scale = self.shift_[None], self.scale_[None]
        return Sequences(F.ragged_scale(sequences.X, ends, shift, scale), sequences.lengths)


class Center(_Scaling):
    """Subtract the mean of every feature.

    Parameters
    ----------
    over : {'training', 'sequence'}, default 'training'
        Whose mean: that of all training observations together, or of each sequence itself.

    Attributes
    ----------
    shift_, scale_ : ndarray, shape (D,)
        Of the training set: results are ``(x - shift_) * scale_``. Only with ``over='training'``.

    Examples
    --------
    >>> Center(over="sequence").fit_transform([np.array([[1.0], [3.0]])])
    [array([[-1.], [ 1.]], dtype=float32)]
    """

    def __init__(self, over: str = "training") -> None:
        self.over = over

    def _statistics(self, X: Array, ends: Any) -> tuple[Array, Array]:
        mean = F.ragged_mean(X, ends)
        return mean, np.ones_like(mean)


class Standardize(_Scaling):
    """Make the mean of every feature 0 and its standard deviation 1.

    Parameters
    ----------
    over : {'training', 'sequence'}, default 'training'
        Whose statistics: of all training observations together, or of each sequence itself.

    Attributes
    ----------
    shift_, scale_ : ndarray, shape (D,)
        Of the training set: results are ``(x - shift_) * scale_``. Only with ``over='training'``.

    Notes
    -----
    The deviation is the population's. A feature that does not vary is centred only.
    """

    def __init__(self, over: str = "training") -> None:
        self.over = over

    def _statistics(self, X: Array, ends: Any) -> tuple[Array, Array]:
        mean, spread = F.ragged_moments(X, ends)
        # What does not vary has a spread of some roundings: dividing by that would blow them up.
        steady = spread <= 1e-6 * np.abs(mean) + np.finfo(np.float32).tiny
        return mean, np.where(steady, 1, 1 / np.where(steady, 1, spread)).astype(np.float32)


class MinMaxScale(_Scaling):
    """Map the least value of every feature to one bound and the greatest to the other.

    Parameters
    ----------
    feature_range : (float, float), default (0, 1)
    over : {'training', 'sequence'}, default 'training'
        Whose extrema: of all training observations together, or of each sequence itself.

    Attributes
    ----------
    shift_, scale_ : ndarray, shape (D,)
        Of the training set: results are ``(x - shift_) * scale_``. Only with ``over='training'``.

    Notes
    -----
    A feature that does not vary becomes the lower bound.
    """

    def __init__(self, feature_range: tuple[float, float] = (0.0, 1.0), over: str = "training") -> None:
        self.feature_range = feature_range
        self.over = over

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if len(self.feature_range) != 2 or not self.feature_range[0] < self.feature_range[1]:
            raise ValueError(f"feature_range: expected two growing numbers, got {self.feature_range!r}")

    def _statistics(self, X: Array, ends: Any) -> tuple[Array, Array]:
        low, high = F.ragged_extrema(X, ends)
        first, last = self.feature_range
        width = np.where(high > low, high - low, 1)
        scale = ((last - first) / width).astype(np.float32)
        return (low - first / scale).astype(np.float32), scale
