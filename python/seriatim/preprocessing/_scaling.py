"""Centre, standardise, scale: with each sequence's own statistics, or with those of the whole training set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from seriatim import functional as F
from seriatim._sklearn import Choice, Kind, Rules
from seriatim._sklearn._finite import as_finite
from seriatim._typing import AnyArray, Doubles, Integers
from seriatim.preprocessing._base import Fold, SequenceTransformer, offsets
from seriatim.preprocessing._frames import CHANNELS
from seriatim.sequences import Sequences

# Spreads below so many units in the last place of the mean are roundings.
ROUNDINGS = 8
# Numbers that are scaled together where the result is of another type.
_MOST_AT_ONCE = 1 << 16


def steady(mean: AnyArray, spread: AnyArray) -> AnyArray:
    """Return where features do not vary as far as their type can tell: dividing by roundings would blow them up."""
    limits = np.finfo(spread.dtype)
    found: AnyArray = spread <= ROUNDINGS * limits.eps * np.abs(mean) + limits.tiny
    return found


def inverse(spread: AnyArray, is_steady: AnyArray, otherwise: float) -> AnyArray:
    """Return 1 / spread in its own type, ``otherwise`` where a feature is steady."""
    return np.where(is_steady, otherwise, 1 / np.where(is_steady, 1, spread)).astype(spread.dtype)


def _fits(*parts: AnyArray) -> bool:
    """Return whether float32 holds numbers exactly."""
    whole = np.concatenate(parts, axis=None)
    with np.errstate(over="ignore", under="ignore"):
        return bool((whole == whole.astype(np.float32)).all())


class _Scaling(SequenceTransformer):
    """``(x - shift) * scale``."""

    _of_frames = CHANNELS
    _parameter_rules: ClassVar[Rules] = {"over": [Choice("training", "sequence")]}

    _fitted_attributes: ClassVar[tuple[str, ...]] = ("shift_", "scale_")

    over: str

    shift_: Doubles
    scale_: Doubles

    def _statistics(self, X: AnyArray, ends: Any) -> tuple[AnyArray, AnyArray]:
        """Return shift and scale of every sequence, ``(n, D)`` each."""
        raise NotImplementedError

    def _summary(self, X: AnyArray) -> Doubles:
        """Return what is known of a part of the training set, to be joined with that of others by :meth:`_join`."""
        raise NotImplementedError

    def _join(self, a: Doubles, b: Doubles) -> Doubles:
        raise NotImplementedError

    def _of_summary(self, summary: Doubles, dtype: npt.DTypeLike) -> tuple[AnyArray, AnyArray]:
        """Return shift and scale, ``(1, D)`` each, in a type."""
        raise NotImplementedError

    def _fit(self, sequences: Sequences) -> None:
        if self.over == "training":
            whole = np.array([0, len(sequences.X)])
            shift, scale = self._finite_statistics(sequences.X, whole)
            self.shift_, self.scale_ = shift[0], scale[0]

    def _fit_parts(self, parts: Mapping[int, Sequences], fold: Fold) -> None:
        if self.over != "training":
            return
        is_wide = fold({n: part.X.dtype == np.float64 for n, part in parts.items()}, lambda a, b: a or b)
        summary = fold({n: self._summary(part.X) for n, part in parts.items()}, self._join)
        assert summary is not None
        dtype = np.float64 if is_wide else np.float32
        shift, scale = _finite(lambda kind: self._of_summary(summary, kind), dtype)
        self.shift_, self.scale_ = shift[0], scale[0]

    def _span(self) -> tuple[int, int] | None:
        return None if self.over == "sequence" else (0, 0)

    def _transform(self, sequences: Sequences) -> Sequences:
        if self.over == "sequence":
            ends = offsets(sequences)
            shift, scale = self._finite_statistics(sequences.X, ends)
        else:
            ends = np.array([0, len(sequences.X)])
            shift, scale = np.asarray(self.shift_)[None], np.asarray(self.scale_)[None]
        found = self._scaled(sequences.X, ends, shift, scale)
        # What is far beyond what was learned from may be beyond float32.
        return Sequences(as_finite(found, sequences.lengths, found.dtype), sequences.lengths)

    def _scaled(self, X: AnyArray, ends: Integers, shift: Doubles, scale: Doubles) -> AnyArray:
        is_kept = X.dtype == np.float32 or str(X.dtype) in self._preserved
        kept = X.dtype if is_kept else np.dtype(np.float32)
        # What was learned from float64 is rounded by nothing but the result.
        computed = np.dtype(np.float32 if X.dtype == np.float32 and _fits(shift, scale) else np.float64)
        with np.errstate(over="ignore"):
            if computed == kept or len(ends) > 2:
                return F.ragged_scale(X.astype(computed, copy=False), ends, shift, scale).astype(kept, copy=False)
            # A part at a time: the whole in float64 is never there beside the result.
            found = np.empty(X.shape, kept)
            rows = max(1, _MOST_AT_ONCE // X.shape[1])
            for first in range(0, len(X), rows):
                part = X[first : first + rows].astype(computed, copy=False)
                found[first : first + rows] = F.ragged_scale(part, np.array([0, len(part)]), shift, scale)
        return found

    def _finite_statistics(self, X: AnyArray, ends: Any) -> tuple[Doubles, Doubles]:
        """Return shift and scale in float64.

        Raises
        ------
        ValueError
            They are beyond it.
        """
        return _finite(lambda dtype: self._statistics(X.astype(dtype, copy=False), ends), X.dtype)


def _finite(of: Callable[[npt.DTypeLike], tuple[AnyArray, AnyArray]], dtype: npt.DTypeLike) -> tuple[Doubles, Doubles]:
    """Return shift and scale in float64, as they are in a type, or in float64 if they are beyond that."""
    limits = np.finfo(np.float32)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore", under="ignore"):
        shift, scale = of(dtype)
        holds = np.isfinite(shift) & (np.abs(scale) >= limits.tiny) & (np.abs(scale) <= limits.max)
        if dtype == np.float32 and not holds.all():
            shift, scale = of(np.float64)
    shift, scale = shift.astype(np.float64), scale.astype(np.float64)
    if not (np.isfinite(shift).all() and np.isfinite(scale).all() and np.abs(scale).min() >= np.finfo(float).tiny):
        raise ValueError("X: expected values whose differences float64 holds; divide them by a unit of their size")
    return shift, scale


class _Moments(_Scaling):
    """By mean and deviation."""

    def _of_moments(self, mean: AnyArray, spread: AnyArray) -> tuple[AnyArray, AnyArray]:
        raise NotImplementedError

    def _summary(self, X: AnyArray) -> Doubles:
        """Return count, mean and sum of squared differences to it, ``(3, D)``, in float64 whatever X is."""
        rows = max(1, _MOST_AT_ONCE // X.shape[1])
        found: Doubles | None = None
        for first in range(0, len(X), rows):
            part = X[first : first + rows].astype(np.float64, copy=False)
            mean, spread = F.ragged_moments(part, np.array([0, len(part)]))
            with np.errstate(over="ignore", under="ignore"):
                own = np.concatenate([np.full_like(mean, len(part)), mean, spread * spread * len(part)])
            found = own if found is None else self._join(found, own)
        assert found is not None
        return found

    def _join(self, a: Doubles, b: Doubles) -> Doubles:
        return F.join_moments(a, b)

    def _of_summary(self, summary: Doubles, dtype: npt.DTypeLike) -> tuple[AnyArray, AnyArray]:
        spread = np.sqrt(summary[2] / summary[0])
        return self._of_moments(summary[1].astype(dtype)[None], spread.astype(dtype)[None])


class Center(_Moments):
    """Subtract the mean of every feature.

    Parameters
    ----------
    over : {'training', 'sequence'}, default 'training'
        Whose mean: that of all training observations together, or of each sequence itself.

    Attributes
    ----------
    shift_, scale_ : ndarray of float64, shape (D,)
        Of the training set: results are ``(x - shift_) * scale_``. Only with ``over='training'``.

    Examples
    --------
    >>> Center(over="sequence").fit_transform([np.array([[1.0], [3.0]])])
    [array([[-1.],
           [ 1.]])]
    """

    def __init__(self, over: str = "training") -> None:
        self.over = over

    def _statistics(self, X: AnyArray, ends: Any) -> tuple[AnyArray, AnyArray]:
        mean = F.ragged_mean(X, ends)
        return mean, np.ones_like(mean)

    def _of_moments(self, mean: AnyArray, spread: AnyArray) -> tuple[AnyArray, AnyArray]:
        return mean, np.ones_like(mean)


class Standardize(_Moments):
    """Make the mean of every feature 0 and its standard deviation 1.

    Parameters
    ----------
    over : {'training', 'sequence'}, default 'training'
        Whose statistics: of all training observations together, or of each sequence itself.

    Attributes
    ----------
    shift_, scale_ : ndarray of float64, shape (D,)
        Of the training set: results are ``(x - shift_) * scale_``. Only with ``over='training'``.

    Notes
    -----
    The deviation is the population's. A feature that does not vary is centred only: one whose deviation is below the
    roundings of its mean in its own type, so that seconds of a clock (1.7e9) vary in float64, and not in float32.

    Differences are taken in the type of X, and come out as float32.
    """

    _preserved = ("float32",)

    def __init__(self, over: str = "training") -> None:
        self.over = over

    def _statistics(self, X: AnyArray, ends: Any) -> tuple[AnyArray, AnyArray]:
        return self._of_moments(*F.ragged_moments(X, ends))

    def _of_moments(self, mean: AnyArray, spread: AnyArray) -> tuple[AnyArray, AnyArray]:
        return mean, inverse(spread, steady(mean, spread), 1)


class MinMaxScale(_Scaling):
    """Map the least value of every feature to one bound and the greatest to the other.

    Parameters
    ----------
    feature_range : (float, float), default (0, 1)
    over : {'training', 'sequence'}, default 'training'
        Whose extrema: of all training observations together, or of each sequence itself.

    Attributes
    ----------
    shift_, scale_ : ndarray of float64, shape (D,)
        Of the training set: results are ``(x - shift_) * scale_``. Only with ``over='training'``.

    Notes
    -----
    A feature that does not vary becomes the lower bound. Differences are taken in the type of X, and come out as
    float32.
    """

    _preserved = ("float32",)

    _parameter_rules: ClassVar[Rules] = {
        "feature_range": [
            Kind(lambda value: isinstance(value, (tuple, list)) and len(value) == 2, "two growing numbers, (0, 1)")
        ]
    }

    def __init__(self, feature_range: tuple[float, float] = (0.0, 1.0), over: str = "training") -> None:
        self.feature_range = feature_range
        self.over = over

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if len(self.feature_range) != 2 or not self.feature_range[0] < self.feature_range[1]:
            raise ValueError(f"feature_range: expected two growing numbers, got {self.feature_range!r}")

    def _statistics(self, X: AnyArray, ends: Any) -> tuple[AnyArray, AnyArray]:
        return self._of_extrema(*F.ragged_extrema(X, ends))

    def _summary(self, X: AnyArray) -> Doubles:
        found: Doubles = np.concatenate(F.ragged_extrema(X, np.array([0, len(X)]))).astype(np.float64)
        return found

    def _join(self, a: Doubles, b: Doubles) -> Doubles:
        return np.stack([np.minimum(a[0], b[0]), np.maximum(a[1], b[1])])

    def _of_summary(self, summary: Doubles, dtype: npt.DTypeLike) -> tuple[AnyArray, AnyArray]:
        low, high = summary.astype(dtype)[:, None]
        return self._of_extrema(low, high)

    def _of_extrema(self, low: AnyArray, high: AnyArray) -> tuple[AnyArray, AnyArray]:
        first, last = self.feature_range
        width = np.where(high > low, high - low, 1)
        scale = ((last - first) / width).astype(low.dtype)
        return (low - first / scale).astype(low.dtype), scale
