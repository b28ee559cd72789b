"""Transformers along time: fewer, smoother, more, or as many observations as wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from seriatim import functional as F
from seriatim._sklearn import Choice, Number, Rules
from seriatim._typing import AnyArray, Array, Integers
from seriatim.preprocessing._base import Fold, SequenceTransformer, offsets
from seriatim.preprocessing._frames import PIXELS
from seriatim.sequences import Sequences

# Of observations: what no sequence has more of.
MANY = Number(1, below=2**31, whole=True)


def within(lengths: Integers) -> Integers:
    """Return the number of every row within its sequence: 0 ... T_i - 1, for all sequences behind each other."""
    starts = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) - np.repeat(starts, lengths)


class TrimConstants(SequenceTransformer):
    """Cut off observations at both ends whose features all have one value, as recorders leave them.

    Parameters
    ----------
    constant : float, default 0
    tol : float, default 1e-5
        How far from the constant still counts as it.

    Notes
    -----
    A sequence that is constant throughout keeps its first observation.
    """

    _of_frames = PIXELS
    _parameter_rules: ClassVar[Rules] = {"constant": [Number()], "tol": [Number(0)]}

    def __init__(self, constant: float = 0.0, tol: float = 1e-5) -> None:
        self.constant = constant
        self.tol = tol

    def _transform(self, sequences: Sequences) -> Sequences:
        varies = np.any(np.abs(sequences.X - sequences.X.dtype.type(self.constant)) > self.tol, axis=1)
        place, starts = within(sequences.lengths), sequences.starts
        longest = sequences.lengths.max()
        first = np.minimum.reduceat(np.where(varies, place, longest), starts)
        last = np.maximum.reduceat(np.where(varies, place, -1), starts)
        first, last = np.where(last < 0, 0, first), np.maximum(last, 0)
        kept = (place >= np.repeat(first, sequences.lengths)) & (place <= np.repeat(last, sequences.lengths))
        return Sequences(sequences.X[kept], last - first + 1)


class Downsample(SequenceTransformer):
    """Make sequences shorter by a factor.

    Parameters
    ----------
    factor : int, default 2
    method : {'decimate', 'mean'}, default 'decimate'
        Keep the first of every ``factor`` observations, or their mean. What is left over at the end counts as well.
    """

    _of_frames = PIXELS
    _parameter_rules: ClassVar[Rules] = {
        "factor": [MANY],
        "method": [Choice("decimate", "mean")],
    }

    def __init__(self, factor: int = 2, method: str = "decimate") -> None:
        self.factor = factor
        self.method = method

    def _transform(self, sequences: Sequences) -> Sequences:
        first = np.flatnonzero(within(sequences.lengths) % self.factor == 0)
        lengths = -(-sequences.lengths // self.factor)
        if self.method == "decimate":
            return Sequences(sequences.X[first], lengths)
        return Sequences(F.ragged_mean(sequences.X, np.append(first, len(sequences.X))), lengths)


class Filter(SequenceTransformer):
    """Smooth every feature over time.

    Parameters
    ----------
    window_size : int, default 5
    method : {'median', 'mean'}, default 'median'

    Notes
    -----
    The window is centred; at the ends of a sequence it is what of it is inside. An even window reaches one observation
    further back.
    """

    _of_frames = PIXELS
    _parameter_rules: ClassVar[Rules] = {
        "window_size": [MANY],
        "method": [Choice("median", "mean")],
    }

    def __init__(self, window_size: int = 5, method: str = "median") -> None:
        self.window_size = window_size
        self.method = method

    def _span(self) -> tuple[int, int]:
        back = self.window_size // 2
        return back, self.window_size - 1 - back

    def _transform(self, sequences: Sequences) -> Sequences:
        width = min(int(self.window_size), 2 * int(sequences.lengths.max()) + self.window_size % 2)
        return Sequences(F.ragged_filter(sequences.X, offsets(sequences), width, self.method), sequences.lengths)


class Resample(SequenceTransformer):
    """Give every sequence the same length, by linear interpolation over time.

    Parameters
    ----------
    length : int, default 64
        First and last observations stay where they are. A sequence of one observation is repeated.
    """

    _of_frames = PIXELS
    _parameter_rules: ClassVar[Rules] = {"length": [MANY]}

    def __init__(self, length: int = 64) -> None:
        self.length = length

    def _transform(self, sequences: Sequences) -> Sequences:
        return resampled(sequences, np.full(len(sequences), self.length, np.int64))


class Deltas(SequenceTransformer):
    """Slopes of every feature over time, beside the features themselves.

    Parameters
    ----------
    order : int, default 1
        1: slopes; 2: also the slopes' slopes; and so on.
    reach : int, default 2
        Observations to either side that a slope is taken over.
    append : bool, default True
        Whether the features themselves stay, before their slopes.

    Notes
    -----
    ``d[t] = sum_n n (x[t + n] - x[t - n]) / (2 sum_n n^2)`` for n = 1 ... ``reach``, a sequence's first and last
    observation repeated beyond its ends: the regression that speech recognisers use.

    References
    ----------
    Young et al., "The HTK Book", 2006, section 5.9.
    """

    _of_frames = PIXELS
    _parameter_rules: ClassVar[Rules] = {
        "order": [Number(1, 4, whole=True)],
        "reach": [Number(1, 1000, whole=True)],
        "append": [bool],
    }

    def __init__(self, order: int = 1, reach: int = 2, append: bool = True) -> None:
        self.order = order
        self.reach = reach
        self.append = append

    def _span(self) -> tuple[int, int]:
        return self.order * self.reach, self.order * self.reach

    def _transform(self, sequences: Sequences) -> Sequences:
        rows, features = sequences.X.shape
        result = np.empty((rows, (self.order + 1) * features), sequences.X.dtype)
        result[:, :features] = sequences.X
        ends = offsets(sequences)
        before = sequences.X
        for number in range(1, self.order + 1):
            part = result[:, number * features : (number + 1) * features]
            F.ragged_deltas(before, ends, self.reach, out=part)
            before = part
        return Sequences(result if self.append else np.ascontiguousarray(result[:, features:]), sequences.lengths)

    def get_feature_names_out(self, input_features: Any = None) -> AnyArray:
        """Return the names of the features and of their slopes.

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the features that go in; those of ``fit`` by default.

        Returns
        -------
        ndarray of object, shape (n_features,)
        """
        names = super().get_feature_names_out(input_features)
        first = 0 if self.append else 1
        marks = ["", "_delta", *(f"_delta{n}" for n in range(2, self.order + 1))]
        return np.array([f"{name}{mark}" for mark in marks[first:] for name in names], dtype=object)


class Stack(SequenceTransformer):
    """Join neighbouring observations to one that has all their features: fewer steps, and nothing lost.

    What a recurrent network computes for a long sequence falls by the factor, and so does the way that a gradient goes
    back in time.

    Parameters
    ----------
    factor : int, default 2

    Notes
    -----
    Step t of the result has the features of observations ``factor t`` to ``factor t + factor - 1`` behind each other;
    what is missing at a sequence's end is its last observation again. Lengths become ``ceil(T / factor)``.

    References
    ----------
    Sak et al., "Fast and accurate recurrent neural network acoustic models for speech recognition", Interspeech 2015.
    """

    _of_frames = PIXELS
    _parameter_rules: ClassVar[Rules] = {"factor": [MANY]}

    def __init__(self, factor: int = 2) -> None:
        self.factor = factor

    def _transform(self, sequences: Sequences) -> Sequences:
        lengths = -(-sequences.lengths // self.factor)
        first = np.repeat(sequences.starts, lengths) + self.factor * within(lengths)
        last = np.repeat(sequences.starts + sequences.lengths - 1, lengths)
        rows = np.minimum(first[:, None] + np.arange(self.factor), last[:, None])
        return Sequences(sequences.X[rows].reshape(len(rows), -1), lengths)

    def spread(self, weights: Array, lengths: Integers) -> Array:
        """Give each observation its share of a weight a joined step.

        Parameters
        ----------
        weights : ndarray, shape (n, longest joined)
        lengths : ndarray of int64, shape (n,)
            Of the sequences as they were.

        Returns
        -------
        ndarray, shape (n, longest)
            Each step's weight in equal parts on its observations, 0 behind a sequence's end.
        """
        steps = np.arange(lengths.max())
        joined = steps // self.factor
        # The last step of a sequence may have fewer observations than the others.
        count = np.minimum(lengths[:, None] - joined * self.factor, self.factor)
        inside = steps < lengths[:, None]
        shares: Array = np.where(inside, weights[:, joined] / np.maximum(count, 1), 0).astype(np.float32)
        return shares

    def get_feature_names_out(self, input_features: Any = None) -> AnyArray:
        """Return the names of the features of each joined observation.

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the features that go in; those of ``fit`` by default.

        Returns
        -------
        ndarray of object, shape (n_features,)
        """
        names = super().get_feature_names_out(input_features)
        return np.array([f"{name}_t{t}" for t in range(self.factor) for name in names], dtype=object)


class Pad(SequenceTransformer):
    """Give every sequence the same length by cutting long ones off and padding short ones.

    Parameters
    ----------
    length : int or None, default None
        None takes the longest training sequence's.
    value : float, default 0
        What is padded with.
    side : {'post', 'pre'}, default 'post'
        Where is padded and cut off: at the end or at the beginning.

    Attributes
    ----------
    length_ : int

    Notes
    -----
    Seriatim's own models want no padding; others may.
    """

    _of_frames = PIXELS
    _parameter_rules: ClassVar[Rules] = {
        "length": [MANY, None],
        "value": [Number()],
        "side": [Choice("post", "pre")],
    }

    _fitted_attributes: ClassVar[tuple[str, ...]] = ("length_",)

    def __init__(self, length: int | None = None, value: float = 0.0, side: str = "post") -> None:
        self.length = length
        self.value = value
        self.side = side

    def _fit(self, sequences: Sequences) -> None:
        self.length_ = int(sequences.lengths.max() if self.length is None else self.length)

    def _fit_parts(self, parts: Mapping[int, Sequences], fold: Fold) -> None:
        longest = fold({number: int(part.lengths.max()) for number, part in parts.items()}, max)
        assert longest is not None
        self.length_ = longest if self.length is None else int(self.length)

    def _transform(self, sequences: Sequences) -> Sequences:
        n, wanted = len(sequences), self.length_
        result = np.full((n * wanted, sequences.X.shape[1]), self.value, sequences.X.dtype)
        place, own = within(sequences.lengths), np.repeat(np.arange(n), sequences.lengths)
        if self.side == "pre":
            place = place + wanted - np.repeat(sequences.lengths, sequences.lengths)
        kept = (place >= 0) & (place < wanted)
        result[(own * wanted + place)[kept]] = sequences.X[kept]
        return Sequences(result, np.full(n, wanted, np.int64))


def resampled(sequences: Sequences, lengths: Integers) -> Sequences:
    """Interpolate every sequence to a length of its own; first and last observations stay."""
    # The position of output row t in its sequence: t (T - 1) / (T' - 1).
    step = (sequences.lengths - 1) / np.maximum(lengths - 1, 1)
    place = within(lengths)
    positions = np.repeat(sequences.starts, lengths) + place * np.repeat(step, lengths)
    # Rounding must not reach into the next sequence.
    last = np.repeat(sequences.starts + sequences.lengths - 1, lengths)
    return Sequences(F.interpolate_rows(sequences.X, np.minimum(positions, last)), lengths)
