"""Features whose unit differs by orders of magnitude from sequence to sequence: their level and their shape apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from seriatim import functional as F
from seriatim._sklearn import Number, Rules
from seriatim._typing import AnyArray, Doubles, Integers
from seriatim.preprocessing._base import Fold, SequenceTransformer, offsets
from seriatim.preprocessing._scaling import inverse, steady
from seriatim.sequences import Sequences

# Sequences with a spread of their own, out of all, that say how spreads differ.
_MOST_CONSTANT = 0.2
# Of values that are not 0, so many are below the unit.
_BELOW = 0.1


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
        self.unit_ = np.array([np.quantile(column[column > 0], _BELOW) for column in magnitudes.T])

    def _fit_parts(self, parts: Mapping[int, Sequences], fold: Fold) -> None:
        own = {number: F.ragged_moments(part.X, offsets(part))[1] for number, part in parts.items()}
        spreads = fold(own, lambda a, b: np.concatenate([a, b]))
        assert spreads is not None
        self.wide_ = np.flatnonzero(_spread_of_logarithms(spreads) > self.limit)
        if not len(self.wide_):
            self.unit_ = np.array([])
            return
        values = {number: np.abs(part.X[:, self.wide_].astype(np.float64)) for number, part in parts.items()}
        self.unit_ = _quantiles(values, len(self.wide_), fold)

    def _span(self) -> tuple[int, int] | None:
        return None if len(self.wide_) else (0, 0)

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


def _quantiles(parts: Mapping[int, Doubles], columns: int, fold: Fold) -> Doubles:
    """Return of each column the quantile of its values above 0, as NumPy's, without bringing values together."""
    # As integers, numbers from 0 on are in the same order.
    words = {number: np.ascontiguousarray(part).view(np.int64) for number, part in parts.items()}
    count = fold({number: (part > 0).sum(axis=0) for number, part in words.items()}, np.add)
    assert count is not None
    place = _BELOW * (count - 1)
    below = np.floor(place).astype(np.int64)
    low, high = (_smallest(words, rank, fold) for rank in (below, np.minimum(below + 1, count - 1)))
    return np.array([np.quantile([low[i], high[i]], (place - below)[i]) for i in range(columns)])


def _smallest(words: Mapping[int, Integers], rank: Integers, fold: Fold) -> Doubles:
    """Return of each column the value above 0 that has so many before it, a byte of it at a time."""
    found = np.zeros(len(rank), np.int64)
    for shift in range(56, -8, -8):
        counts = fold({number: _bytes(part, found, shift) for number, part in words.items()}, np.add)
        assert counts is not None
        totals = counts.cumsum(axis=1)
        chosen = (totals <= rank[:, None]).sum(axis=1)
        rank = rank - np.where(chosen > 0, totals[np.arange(len(rank)), chosen - 1], 0)
        found = found << 8 | chosen
    return found.view(np.float64)


def _bytes(words: Integers, begins: Integers, shift: int) -> Integers:
    """Return how often each byte is next among the words above 0 of each column that begin so, ``(columns, 256)``."""
    found = np.zeros((len(begins), 256), np.int64)
    for column, begin, counts in zip(words.T, begins, found, strict=True):
        chosen = column[(column > 0) & (column >> shift >> 8 == begin)]
        counts[:] = np.bincount(chosen >> shift & 255, minlength=256)
    return found
