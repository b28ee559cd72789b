"""Augmentation: random changes that leave a sequence's label true, made anew in every epoch, in training only.

An augmentation is called with a mini-batch and a generator and returns as many sequences in the same order. Classifiers
take one, or a :class:`Compose` of several, as ``augmentation=``; the same ``random_state`` gives the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from seriatim import functional as F
from seriatim._arrays import as_numbers
from seriatim._sklearn import Choice, Kind, Number, Rules, Stored, check_parameters, check_value
from seriatim._typing import AnyArray, Integers, float_type
from seriatim.preprocessing._base import offsets
from seriatim.preprocessing._frames import CHANNELS, FRAMES, PIXELS, on_frames
from seriatim.preprocessing._time import resampled, within
from seriatim.sequences import Sequences


class Augmentation(Stored, BaseEstimator):  # type: ignore[misc]
    """Base of the augmentations: a subclass defines ``_augment`` and may check its parameters.

    Any callable with this signature will do in its place.
    """

    # What it takes for features in frames of a video.
    _of_frames: ClassVar[str | None] = FRAMES

    def __call__(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None = None) -> Sequences:
        """Change sequences.

        Parameters
        ----------
        sequences : Sequences
            Left as it is.
        rng : Generator
        target : ndarray of int64, shape (n,), optional
            Numbers of the classes; :class:`Mix` needs them.

        Returns
        -------
        Sequences
            As many, in the same order: float64 of types that float32 does not hold, else float32.
        """
        if not isinstance(sequences, Sequences):
            raise TypeError(
                f"sequences: expected a Sequences, got {type(sequences).__name__}: Sequences.from_list(X) makes one"
            )
        self._check_parameters()
        X = sequences.X.astype(float_type(sequences.X.dtype), copy=False)
        whole = Sequences(X, sequences.lengths)
        return on_frames(lambda given: self._augment(given, rng, target), whole, self._of_frames, type(self).__name__)

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        raise NotImplementedError

    def _check_parameters(self) -> None:
        """Refuse parameters that have no meaning; a subclass may add to what ``_parameter_rules`` says."""
        check_parameters(self)


class Compose(Augmentation):
    """Several augmentations after each other.

    Parameters
    ----------
    augmentations : sequence of callables

    Examples
    --------
    >>> augmentation = Compose([Tempo(), Jitter(0.05)])
    >>> DeepGRUClassifier(augmentation=augmentation).fit(X, y, lengths=lengths)
    """

    _parameter_rules: ClassVar[Rules] = {
        "augmentations": [
            Kind(lambda value: isinstance(value, Sequence) and all(map(callable, value)), "a list of callables")
        ]
    }

    def __init__(self, augmentations: Sequence[Any]) -> None:
        self.augmentations = augmentations

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        for augmentation in self.augmentations:
            sequences = augmentation(sequences, rng, target)
        return sequences


class Jitter(Augmentation):
    """Add Gaussian noise to every value.

    Parameters
    ----------
    deviation : float, default 0.05
        Of the noise, in the features' own units.
    """

    _parameter_rules: ClassVar[Rules] = {"deviation": [Number(0)]}

    def __init__(self, deviation: float = 0.05) -> None:
        self.deviation = deviation

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        noise = rng.standard_normal(sequences.X.shape, np.float32).astype(sequences.X.dtype, copy=False)
        noise *= noise.dtype.type(self.deviation)
        noise += sequences.X
        return Sequences(noise, sequences.lengths)


class Scale(Augmentation):
    """Multiply every sequence by a random factor.

    Parameters
    ----------
    low, high : float, default 0.8, 1.25
        Bounds of the factor.
    per : {'sequence', 'feature'}, default 'sequence'
        One factor for all features of a sequence, or one for each.
    """

    _of_frames = CHANNELS
    _parameter_rules: ClassVar[Rules] = {
        "low": [Number()],
        "high": [Number()],
        "per": [Choice("sequence", "feature")],
    }

    def __init__(self, low: float = 0.8, high: float = 1.25, per: str = "sequence") -> None:
        self.low = low
        self.high = high
        self.per = per

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_value("high", self.high, Number(self.low))

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        n, features = len(sequences), sequences.X.shape[1]
        factor = rng.uniform(self.low, self.high, (n, features if self.per == "feature" else 1))
        return _scaled(sequences, np.zeros((n, features)), np.broadcast_to(factor, (n, features)))


class Shift(Augmentation):
    """Add one random number a feature to a whole sequence.

    Parameters
    ----------
    distance : float, default 0.1
        Numbers are uniform from ``-distance`` to ``distance``.
    period : int or None, default None
        Features ``d`` and ``d + period`` move alike: 3 moves a skeleton of points ``x, y, z`` as a whole. None moves
        each feature by itself.
    """

    _of_frames = CHANNELS
    _parameter_rules: ClassVar[Rules] = {
        "distance": [Number(0)],
        "period": [Number(1, whole=True), None],
    }

    def __init__(self, distance: float = 0.1, period: int | None = None) -> None:
        self.distance = distance
        self.period = period

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        n, features = len(sequences), sequences.X.shape[1]
        period = features if self.period is None else self.period
        if features % period:
            raise ValueError(f"period: expected a divisor of the {features} features, got {period}")
        distance = rng.uniform(-self.distance, self.distance, (n, period))
        return _scaled(sequences, np.tile(-distance, features // period), np.ones((n, features)))


class Rotate(Augmentation):
    """Rotate sequences of points in space about the origin.

    Parameters
    ----------
    angle : float, default 15
        Degrees: angles are uniform from ``-angle`` to ``angle``.
    axis : {'x', 'y', 'z'} or None, default None
        None draws an axis for every sequence.

    Notes
    -----
    Features are points ``x, y, z`` behind each other. Centre them first: the rotation is about the origin.
    """

    _of_frames = None
    _parameter_rules: ClassVar[Rules] = {
        "angle": [Number(0, 180)],
        "axis": [Choice("x", "y", "z"), None],
    }

    def __init__(self, angle: float = 15.0, axis: str | None = None) -> None:
        self.angle = angle
        self.axis = axis

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        n = len(sequences)
        if self.axis is None:
            axes = rng.standard_normal((n, 3))
            axes /= np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), 1e-12)
        else:
            axes = np.tile(np.eye(3)["xyz".index(self.axis)], (n, 1))
        angles = np.deg2rad(rng.uniform(-self.angle, self.angle, n))
        return Sequences(F.rotate_points(sequences.X, offsets(sequences), _rotations(axes, angles)), sequences.lengths)


class Tempo(Augmentation):
    """Play every sequence faster or slower: it becomes shorter or longer.

    Parameters
    ----------
    low, high : float, default 0.8, 1.25
        Bounds of the factor of the length, which is uniform in its logarithm.
    """

    _of_frames = PIXELS
    _parameter_rules: ClassVar[Rules] = {"low": [Number(0.001)], "high": [Number()]}

    def __init__(self, low: float = 0.8, high: float = 1.25) -> None:
        self.low = low
        self.high = high

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_value("high", self.high, Number(self.low))

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        factor = np.exp(rng.uniform(np.log(self.low), np.log(self.high), len(sequences)))
        return resampled(sequences, np.maximum(np.rint(sequences.lengths * factor), 1).astype(np.int64))


class TimeWarp(Augmentation):
    """Play parts of every sequence faster and others slower; its length stays.

    Parameters
    ----------
    strength : float in [0, 1), default 0.3
        How far the tempo departs from 1 at most.
    waves : int, default 2
        The departure is a sum of so many half sines of random height over the sequence.
    """

    _of_frames = PIXELS
    _parameter_rules: ClassVar[Rules] = {"strength": [Number(0, 1)], "waves": [Number(1, 1000, whole=True)]}

    def __init__(self, strength: float = 0.3, waves: int = 2) -> None:
        self.strength = strength
        self.waves = waves

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        # Position u + sum_k a_k sin(pi k u) / (pi k) has the slope 1 + sum_k a_k cos(pi k u), which stays above 0.
        heights = rng.uniform(-1, 1, (len(sequences), self.waves)) * (self.strength / self.waves)
        lengths = sequences.lengths
        u = within(lengths) / np.repeat(np.maximum(lengths - 1, 1), lengths)
        moved = u.copy()
        for wave in range(1, self.waves + 1):
            moved += np.repeat(heights[:, wave - 1], lengths) * np.sin(np.pi * wave * u) / (np.pi * wave)
        positions = np.repeat(sequences.starts, lengths) + np.clip(moved, 0, 1) * np.repeat(lengths - 1, lengths)
        return Sequences(F.interpolate_rows(sequences.X, positions), lengths)


class Crop(Augmentation):
    """Keep a random contiguous part of every sequence.

    Parameters
    ----------
    fraction : float in (0, 1], default 0.9
        The least part that stays; at least one observation.
    """

    _parameter_rules: ClassVar[Rules] = {"fraction": [Number(1e-06, 1)]}

    def __init__(self, fraction: float = 0.9) -> None:
        self.fraction = fraction

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        n, whole = len(sequences), sequences.lengths
        lengths = np.maximum(np.rint(whole * rng.uniform(self.fraction, 1, n)), 1).astype(np.int64)
        first = np.floor(rng.uniform(0, 1, n) * (whole - lengths + 1)).astype(np.int64)
        rows = np.repeat(sequences.starts + first, lengths) + within(lengths)
        return Sequences(sequences.X[rows], lengths)


class MaskTime(Augmentation):
    """Blank out some contiguous observations of every sequence.

    Parameters
    ----------
    fraction : float in [0, 1], default 0.2
        The most that is blanked out, of each sequence's length.
    value : float, default 0
        What stands there: 0 is the mean of standardised features.
    """

    _of_frames = PIXELS
    _parameter_rules: ClassVar[Rules] = {"fraction": [Number(0, 1)], "value": [Number()]}

    def __init__(self, fraction: float = 0.2, value: float = 0.0) -> None:
        self.fraction = fraction
        self.value = value

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        lengths = sequences.lengths
        first, last = _band(rng, lengths, self.fraction * lengths)
        place = within(lengths)
        blank = (place >= np.repeat(first, lengths)) & (place < np.repeat(last, lengths))
        return Sequences(np.where(blank[:, None], sequences.X.dtype.type(self.value), sequences.X), lengths)


class MaskFeatures(Augmentation):
    """Blank out some neighbouring features of every sequence, as SpecAugment does to a spectrogram's bands.

    Parameters
    ----------
    most : int, default 4
        The most features that one band blanks out.
    bands : int, default 1
    value : float, default 0
        What stands there: 0 is the mean of standardised features.

    References
    ----------
    Park et al., "SpecAugment: a simple data augmentation method for automatic speech recognition", Interspeech 2019.
    """

    _of_frames = None
    _parameter_rules: ClassVar[Rules] = {
        "most": [Number(0, whole=True)],
        "bands": [Number(1, 1000, whole=True)],
        "value": [Number()],
    }

    def __init__(self, most: int = 4, bands: int = 1, value: float = 0.0) -> None:
        self.most = most
        self.bands = bands
        self.value = value

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        n, features = len(sequences), sequences.X.shape[1]
        blank = np.zeros((n, features), bool)
        for _ in range(self.bands):
            first, last = _band(rng, np.full(n, features), np.full(n, min(self.most, features)))
            blank |= (np.arange(features) >= first[:, None]) & (np.arange(features) < last[:, None])
        rows = np.repeat(blank, sequences.lengths, axis=0)
        return Sequences(np.where(rows, sequences.X.dtype.type(self.value), sequences.X), sequences.lengths)


class WarpFeatures(Augmentation):
    """Stretch and shift the axis of neighbouring features: spectra as of another speaker's vocal tract.

    Parameters
    ----------
    strength : float, default 0.1
        The axis is stretched by a factor from ``1 - strength`` to ``1 + strength``, about its beginning.
    shift : float, default 0
        And shifted by up to so many features.

    Notes
    -----
    Features beyond the ends repeat the last ones. Only for features that are samples of one axis, as mel bands are.
    """

    _of_frames = None
    _parameter_rules: ClassVar[Rules] = {"strength": [Number(0, 0.99)], "shift": [Number(0)]}

    def __init__(self, strength: float = 0.1, shift: float = 0.0) -> None:
        self.strength = strength
        self.shift = shift

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        n, features = len(sequences), sequences.X.shape[1]
        factor = rng.uniform(1 - self.strength, 1 + self.strength, (n, 1))
        positions = np.arange(features) * factor + rng.uniform(-self.shift, self.shift, (n, 1))
        return Sequences(F.interpolate_columns(sequences.X, offsets(sequences), positions), sequences.lengths)


class Mix(Augmentation):
    """Blend every sequence with another one of its class out of the mini-batch, brought to its length.

    Parameters
    ----------
    most : float in [0, 1], default 0.5
        The greatest share of the other one.
    """

    _of_frames = PIXELS
    _parameter_rules: ClassVar[Rules] = {"most": [Number(0, 1)]}

    def __init__(self, most: float = 0.5) -> None:
        self.most = most

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        if target is None:
            raise ValueError("target: expected the classes of the sequences, of which Mix blends pairs; got None")
        classes = as_numbers("target", target)
        if classes.ndim != 1 or classes.dtype.kind not in "iu":
            raise ValueError(
                f"target: expected numbers of classes, which Mix blends pairs of, got {classes.dtype} of shape "
                f"{classes.shape}; a regressor has none"
            )
        lengths = sequences.lengths
        other = resampled(sequences[_partners(classes, rng)], lengths)
        share = np.repeat(rng.uniform(0, self.most, len(sequences)).astype(np.float32), lengths)[:, None]
        blended = other.X
        blended -= sequences.X
        blended *= share
        blended += sequences.X
        return Sequences(blended, lengths)


def _scaled(sequences: Sequences, shift: AnyArray, scale: AnyArray) -> Sequences:
    return Sequences(F.ragged_scale(sequences.X, offsets(sequences), shift, scale), sequences.lengths)


def _band(rng: np.random.Generator, sizes: AnyArray, most: AnyArray) -> tuple[Integers, Integers]:
    """Draw a contiguous part of up to ``most`` out of ``sizes`` for every sequence; returns its first and end."""
    widths = np.floor(rng.uniform(0, 1, len(sizes)) * (np.floor(most) + 1)).astype(np.int64)
    first = np.floor(rng.uniform(0, 1, len(sizes)) * (sizes - widths + 1)).astype(np.int64)
    return first, first + widths


def _partners(target: Integers, rng: np.random.Generator) -> Integers:
    """Give every sequence the next one of its class, in a random order that is closed to a ring."""
    shuffled = rng.permutation(len(target))
    order = shuffled[np.argsort(target[shuffled], kind="stable")]
    classes = target[order]
    begins = np.append(True, classes[1:] != classes[:-1])
    first = np.flatnonzero(begins)
    counts = np.diff(np.append(first, len(order)))
    is_last = np.append(begins[1:], True)
    partner = np.empty_like(order)
    partner[order] = order[np.where(is_last, np.repeat(first, counts), np.arange(len(order)) + 1) % len(order)]
    return partner


def _rotations(axes: AnyArray, angles: AnyArray) -> AnyArray:
    """Matrices of rotations by angles about unit axes, ``(n, 3, 3)``: Rodrigues' formula."""
    x, y, z = axes.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    sine, cosine = np.sin(angles)[:, None, None], np.cos(angles)[:, None, None]
    outer = axes[:, :, None] * axes[:, None, :]
    matrices: AnyArray = cosine * np.eye(3) + sine * cross + (1 - cosine) * outer
    return matrices
