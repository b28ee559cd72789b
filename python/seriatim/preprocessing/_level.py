"""Features whose unit differs by orders of magnitude from sequence to sequence: their level and their shape apart."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from seriatim import functional as F
from seriatim._sklearn import Number, Rules
from seriatim._typing import AnyArray, Integers
from seriatim.preprocessing._base import SequenceTransformer, offsets
from seriatim.preprocessing._scaling import inverse, steady
from seriatim.sequences import Sequences

# Sequences with a spread of their own, out of all, that say how spreads differ.
_MOST_CONSTANT = 0.2


class LevelAndShape(SequenceTransformer):
    """Replace what differs by orders of magnitude from sequence to sequence by its logarithm, and append its shape.

    Currents of appliances from a lamp to a heater, say: scaled by common statistics all small ones look like zero;
    scaled by their own, a lamp looks like a heater. This keeps both: the level as a signed logarithm, and behind all
    features the shape, the sequence standardised by its own statistics.

    Parameters
    ----------
    limit : float, default 2
        A feature counts as wide if the natural logarithms of the sequences' standard deviations have a standard
        deviation above this: 2 is a factor of 7 up or down for a typical sequence.

    Attributes
    ----------
    wide_ : ndarray of int64, shape (n_wide,)
        The features that were found so. The others stay as they are.
    unit_ : ndarray of float64, shape (n_wide,)
        Where the logarithm begins: a tenth of the values that are not 0 are smaller.

    Notes
    -----
    ``level = sign(x) log(1 + |x| / unit)``; ``shape = (x - m) / s`` with the sequence's own mean and deviation, 0 where
    it does not vary. Features come out as ``(sum T, D + n_wide)``.

    Examples
    --------
    >>> make_pipeline(LevelAndShape(), Standardize(), GRUClassifier(scaling=None))
    """

    _parameter_rules: ClassVar[Rules] = {"limit": [Number(0)]}

    _fitted_attributes: ClassVar[tuple[str, ...]] = ("wide_", "unit_")

    def __init__(self, limit: float = 2.0) -> None:
        self.limit = limit

    def _fit(self, sequences: Sequences) -> None:
        _, spreads = F.ragged_moments(sequences.X, offsets(sequences))
        self.wide_: Integers = np.flatnonzero(_spread_of_logarithms(spreads) > self.limit)
        magnitudes = np.abs(sequences.X[:, self.wide_].astype(np.float64))
        self.unit_ = np.array([np.quantile(column[column > 0], 0.1) for column in magnitudes.T])

    def _transform(self, sequences: Sequences) -> Sequences:
        if not len(self.wide_):
            return sequences
        X = sequences.X.copy()
        wide = np.ascontiguousarray(X[:, self.wide_])
        X[:, self.wide_] = np.copysign(np.log1p(np.abs(wide) / self.unit_), wide)
        return Sequences(np.hstack([X, self._shape(wide, offsets(sequences))]), sequences.lengths)

    @staticmethod
    def _shape(wide: AnyArray, ends: Integers) -> AnyArray:
        mean, spread = F.ragged_moments(wide, ends)
        return F.ragged_scale(wide, ends, mean, inverse(spread, steady(mean, spread), 0))

    def get_feature_names_out(self, input_features: Any = None) -> AnyArray:
        """Return the names of the features and of the shapes.

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the features that go in; those of ``fit`` by default.

        Returns
        -------
        ndarray of object, shape (n_features,)
        """
        names = super().get_feature_names_out(input_features)
        return np.array([*names, *(f"{names[i]}_shape" for i in self.wide_)], dtype=object)


def _spread_of_logarithms(spreads: AnyArray) -> AnyArray:
    """Return the deviation over sequences of the logarithms of their deviations; 0 where many do not vary at all."""
    with np.errstate(divide="ignore"):
        logarithms = np.log(spreads.astype(np.float64))
    varies = np.isfinite(logarithms)
    count = varies.sum(axis=0)
    mean = np.where(varies, logarithms, 0).sum(axis=0) / np.maximum(count, 1)
    squares = np.where(varies, logarithms - mean, 0) ** 2
    often = count >= np.maximum(2, (1 - _MOST_CONSTANT) * len(spreads))
    found: AnyArray = np.where(often, np.sqrt(squares.sum(axis=0) / np.maximum(count, 1)), 0)
    return found
