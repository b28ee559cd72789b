"""Spoken words: from a waveform to log-mel bands, what differs from speaker to speaker, and cepstra."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from scipy.fft import dct
from sklearn.pipeline import make_pipeline

from seriatim._arrays import as_numbers
from seriatim._sklearn import Choice, Number, Rules, check_value
from seriatim._typing import AnyArray, Array, ArrayLike, Integers
from seriatim.models import DeepGRUClassifier
from seriatim.preprocessing import (
    Augmentation,
    Compose,
    Deltas,
    Downsample,
    SequenceTransformer,
    Standardize,
    Tempo,
    WarpFeatures,
)
from seriatim.sequences import Sequences

# Frames that are transformed together: an hour of sound must not stand in memory as spectra.
_BLOCK = 4096
# Cosines that a random curve over the bands is made of.
_WAVES = 4
# A level, in natural logarithms of power, that nothing can be heard at.
_SILENCE = -60.0


def log_mel(
    waveform: ArrayLike,
    rate: float,
    *,
    bands: int = 40,
    window: float = 0.025,
    hop: float = 0.01,
    low: float = 0.0,
    high: float | None = None,
    floor: float = 1e-8,
) -> Array:
    """Return the logarithms of the power in mel bands, a frame every 10 ms: what :func:`speech` takes.

    Parameters
    ----------
    waveform : array_like, shape (n,)
        One channel. Numbers from -1 to 1; integers, as files hold them, are divided by the greatest of their type
        (unsigned ones have their zero in the middle).
    rate : float
        Samples a second.
    bands : int, default 40
    window, hop : float, default 0.025, 0.01
        Width of a frame and distance from frame to frame, in seconds.
    low, high : float, default 0, None
        Where the lowest band begins and the highest ends, in Hz. None is half the rate.
    floor : float, default 1e-8
        Least power.

    Returns
    -------
    ndarray of float32, shape (frames, bands)
        ``frames = 1 + (n - window) // hop``, in samples; a waveform that is shorter than a window is one frame, filled
        up with zeros.

    Raises
    ------
    ValueError
        The waveform is empty, not finite or of several channels; a number has no meaning; or there are so many bands
        that one of them has no frequency of the transform in it.

    Notes
    -----
    ``log(max(floor, sum_k W[b, k] |sum_t w[t] x[t] exp(-2 pi i k t / N)|^2))`` with a periodic Hann window w and the
    least power of two N that holds it. W[b] are triangles over frequency, with corners evenly spaced on the mel scale,
    ``2595 log10(1 + f / 700)``. Nothing is padded at the ends, and nothing emphasised.

    References
    ----------
    Young et al., "The HTK Book", 2006, section 5.4.

    Examples
    --------
    >>> rate, waveform = scipy.io.wavfile.read("seven.wav")
    >>> log_mel(waveform, rate).shape
    (43, 40)
    """
    samples = _samples(waveform)
    check_value("rate", rate, Number(1))
    check_value("bands", bands, Number(1, whole=True))
    check_value("window", window, Number(2 / rate, below=2**31 / rate))
    check_value("hop", hop, Number(1 / rate))
    check_value("floor", floor, Number(float(np.finfo(np.float32).tiny)))
    top = rate / 2 if high is None else high
    check_value("high", top, Number(0, rate / 2))
    check_value("low", low, Number(0, top))
    width, step = round(window * rate), round(hop * rate)
    size = 1 << (width - 1).bit_length()
    triangles = _triangles(int(bands), size, float(rate), float(low), float(top))
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
    samples = np.pad(samples, (0, max(0, width - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, width)[::step]
    found = np.empty((len(frames), int(bands)), np.float32)
    for first in range(0, len(frames), _BLOCK):
        spectra = np.fft.rfft(frames[first : first + _BLOCK] * taper, size)
        power = (spectra.real**2 + spectra.imag**2) @ triangles
        found[first : first + _BLOCK] = np.log(np.maximum(power, floor))
    return found


def _samples(waveform: ArrayLike) -> AnyArray:
    """Return a waveform as float64 from -1 to 1."""
    given = as_numbers("waveform", waveform)
    if given.ndim != 1:
        raise ValueError(f"waveform: expected one channel, of shape (n,), got shape {given.shape}")
    if not len(given):
        raise ValueError("waveform: expected at least one sample, got none")
    if given.dtype.kind == "b":
        raise ValueError(f"waveform: expected real numbers, got {given.dtype}")
    samples: AnyArray = given.astype(np.float64)
    if given.dtype.kind in "iu":
        half = 2.0 ** (8 * given.dtype.itemsize - 1)
        samples = samples / half - (given.dtype.kind == "u")
    if not np.isfinite(samples).all():
        raise ValueError("waveform: expected finite numbers, got NaN or infinity")
    return samples


def _triangles(bands: int, size: int, rate: float, low: float, high: float) -> AnyArray:
    """Return what each frequency of a transform counts in each band, ``(size / 2 + 1, bands)``."""
    there = size // 2 + 1
    mel = np.linspace(2595 * np.log10(1 + low / 700), 2595 * np.log10(1 + high / 700), min(bands, there + 1) + 2)
    corners = 700 * (10 ** (mel / 2595) - 1)
    frequencies = np.arange(there)[:, None] * (rate / size)
    widths = np.maximum(np.diff(corners), np.finfo(np.float64).tiny)
    up = (frequencies - corners[:-2]) / widths[:-1]
    down = (corners[2:] - frequencies) / widths[1:]
    found: AnyArray = np.maximum(0, np.minimum(up, down))
    if bands > there or not found.any(axis=0).all():
        raise ValueError(
            f"bands: expected so few that each has a frequency in it, got {bands} from {low:g} to {high:g} Hz, where "
            f"frequencies are {rate / size:.3g} Hz apart"
        )
    return found


class PadEnds(Augmentation):
    """Add quiet to the ends of recordings, which are not cut alike: each band's own minimum.

    Parameters
    ----------
    most : int, default 20
        Frames at either end at most.
    probability : float in [0, 1], default 0.5
        Of either end.

    Notes
    -----
    Made for log-mel bands ``(T, bands)``, a frame every 10 ms.
    """

    _parameter_rules: ClassVar[Rules] = {
        "most": [Number(0, below=2**31, whole=True)],
        "probability": [Number(0, 1)],
    }

    def __init__(self, most: int = 20, probability: float = 0.5) -> None:
        self.most = most
        self.probability = probability

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        n, old = len(sequences), sequences.lengths
        before, after = (rng.integers(0, self.most + 1, n) * (rng.random(n) < self.probability) for _ in range(2))
        lengths = old + before + after
        starts = np.cumsum(lengths) - lengths
        rows = np.repeat(np.minimum.reduceat(sequences.X, sequences.starts), lengths, axis=0)
        place = np.arange(old.sum()) - np.repeat(sequences.starts, old) + np.repeat(starts + before, old)
        rows[place] = sequences.X
        return Sequences(rows, lengths)


class Microphone(Augmentation):
    """Change the microphone: a smooth random curve over the bands is added to a whole recording.

    Parameters
    ----------
    strength : float, default 1
        Factor of the curve: of 1, it departs from 0 by 0.9 to 1.5, in natural logarithms of power.

    Notes
    -----
    The curve is ``sum_k a_k cos(pi k (b + 0.5) / bands) / sqrt(1 + k)``, k = 0 ... 3, with normal ``a_k``: the level,
    and three waves. Made for log-mel bands ``(T, bands)``.
    """

    _parameter_rules: ClassVar[Rules] = {"strength": [Number(0)]}

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        shift = (self.strength * _curves(len(sequences), sequences.X.shape[1], rng)).astype(np.float32)
        return Sequences(sequences.X + np.repeat(shift, sequences.lengths, axis=0), sequences.lengths)


class Room(Augmentation):
    """Change the room: noise of a smooth random spectrum is added to the power of a recording.

    Parameters
    ----------
    low, high : float, default 2, 12
        Bounds of how far the noise is under the loudest frame, in natural logarithms of power.
    probability : float in [0, 1], default 0.8
        Of noise that can be heard at all.

    Notes
    -----
    Made for log-mel bands ``(T, bands)`` in natural logarithms.
    """

    _parameter_rules: ClassVar[Rules] = {
        "low": [Number()],
        "high": [Number()],
        "probability": [Number(0, 1)],
    }

    def __init__(self, low: float = 2.0, high: float = 12.0, probability: float = 0.8) -> None:
        self.low = low
        self.high = high
        self.probability = probability

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_value("high", self.high, Number(self.low))

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Integers | None) -> Sequences:
        n, lengths = len(sequences), sequences.lengths
        level = _loudest(sequences) - rng.uniform(self.low, self.high, n)
        level[rng.random(n) > self.probability] = _SILENCE
        floor = level[:, None] + _curves(n, sequences.X.shape[1], rng)
        noise = rng.standard_normal(sequences.X.shape, np.float32) * np.float32(0.5)
        noise += np.repeat(floor.astype(np.float32), lengths, axis=0)
        return Sequences(np.logaddexp(sequences.X, noise), lengths)


class Cepstra(SequenceTransformer):
    """Make cepstra of log-mel bands: recordings of one level, over one floor.

    Parameters
    ----------
    count : int, default 14
        Cepstra that are kept; at most as many as there are bands.
    floor : float, default 7
        How far under the loudest frame everything becomes the same, in natural logarithms of power: rooms differ in
        what is left between words.

    Notes
    -----
    Bands ``(T, bands)`` become ``(T, count)``: bands are smoothed (1/4, 1/2, 1/4), ``exp(loudest - floor)`` is added to
    their power, the level of the loudest frame is subtracted, and an orthonormal cosine transform of type II is taken
    over them.
    """

    _parameter_rules: ClassVar[Rules] = {"count": [Number(1, whole=True)], "floor": [Number(0)]}

    def __init__(self, count: int = 14, floor: float = 7.0) -> None:
        self.count = count
        self.floor = floor

    def _fit(self, sequences: Sequences) -> None:
        check_value("count", self.count, Number(1, sequences.X.shape[1], whole=True))

    def _transform(self, sequences: Sequences) -> Sequences:
        wide = np.pad(sequences.X, ((0, 0), (1, 1)), mode="edge")
        smooth = Sequences(0.25 * wide[:, :-2] + 0.5 * sequences.X + 0.25 * wide[:, 2:], sequences.lengths)
        floored = np.logaddexp(smooth.X, np.repeat(_loudest(smooth) - self.floor, smooth.lengths)[:, None])
        level = np.repeat(_loudest(Sequences(floored, smooth.lengths)), smooth.lengths)[:, None]
        found = dct(floored - level, axis=1, norm="ortho")[:, : self.count]
        return Sequences(np.ascontiguousarray(found, sequences.X.dtype), sequences.lengths)

    def get_feature_names_out(self, input_features: Any = None) -> AnyArray:
        """Return ``cepstrum0``, ``cepstrum1`` and so on.

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the features that go in; those of ``fit`` by default.

        Returns
        -------
        ndarray of object, shape (n_features,)
        """
        super().get_feature_names_out(input_features)
        return np.array([f"cepstrum{i}" for i in range(self.count)], dtype=object)


def _curves(n: int, features: int, rng: np.random.Generator) -> AnyArray:
    """Draw smooth curves over the bands: a few cosines."""
    order = np.arange(_WAVES)[:, None]
    waves = np.cos(np.pi * order * (np.arange(features) + 0.5) / features)
    found: AnyArray = (rng.normal(size=(n, _WAVES)) / np.sqrt(1 + order[:, 0])) @ waves
    return found


def _loudest(sequences: Sequences) -> Array:
    """Return the level of each recording's loudest frame."""
    found: Array = np.maximum.reduceat(sequences.X.mean(axis=1), sequences.starts)
    return found


def speech(*, speakers: str = "unseen", **settings: Any) -> DeepGRUClassifier:
    """Return a classifier of spoken words.

    Parameters
    ----------
    speakers : {'unseen', 'known'}, default 'unseen'
        Whether those who will speak are others than in training. Then training changes voices, microphones and rooms;
        of known speakers only the cut and the tempo.
    **settings
        Parameters of :class:`seriatim.models.DeepGRUClassifier`, in the place of the recipe's.

    Returns
    -------
    DeepGRUClassifier
        Unfitted. X is log-mel bands ``(T, bands)``, natural logarithms, a frame every 10 ms, as :func:`log_mel` makes
        them; any gain.

    Raises
    ------
    ValueError
        ``speakers`` is something else. Parameters of the classifier are checked by its ``fit``.

    Notes
    -----
    Every third frame is taken, and 14 cepstra of it over a floor, with their slopes; network and training are the
    classifier's own "auto". Made for the 3,000 recordings of the Free Spoken Digit Dataset, ten words by six speakers,
    40 bands.

    Examples
    --------
    >>> X = [log_mel(waveform, 8000) for waveform in waveforms]
    >>> model = speech(random_state=0).fit(X, y)
    """
    check_value("speakers", speakers, Choice("unseen", "known"))
    changes: list[Any] = [PadEnds(), Tempo(0.75, 1.35), WarpFeatures(0.12, 1.5), Microphone(), Room()]
    ours: dict[str, Any] = {
        "augmentation": Compose(changes if speakers == "unseen" else changes[:2]),
        "preprocessing": make_pipeline(Downsample(3), Cepstra(), Deltas(reach=1), Standardize()),
    }
    return DeepGRUClassifier(**{**ours, **settings})
