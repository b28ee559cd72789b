"""The recipes of accuracy.py: what each data set is prepared and augmented with, made of the library's pieces.

What only speech or skeletons need stands here, as augmentations and transformers of one's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.fft import dct
from sklearn.pipeline import Pipeline, make_pipeline

from seriatim import functional as F
from seriatim.models import DeepGRUClassifier
from seriatim.preprocessing import (
    Augmentation,
    Compose,
    Crop,
    Deltas,
    Downsample,
    Jitter,
    Rotate,
    Scale,
    SequenceTransformer,
    Standardize,
    Tempo,
    WarpFeatures,
)
from seriatim.sequences import Sequences

# ---- Speech: log-mel bands of a speaker nobody has heard


class PadEnds(Augmentation):
    """Quiet, each band's own minimum, at both ends: recordings are not cut alike."""

    def __init__(self, most: int = 20, probability: float = 0.5) -> None:
        self.most = most
        self.probability = probability

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Any) -> Sequences:
        n, old = len(sequences), sequences.lengths
        before, after = (rng.integers(0, self.most + 1, n) * (rng.random(n) < self.probability) for _ in range(2))
        lengths = old + before + after
        starts = np.cumsum(lengths) - lengths
        rows = np.repeat(np.minimum.reduceat(sequences.X, sequences.starts), lengths, axis=0)
        place = np.arange(old.sum()) - np.repeat(sequences.starts, old) + np.repeat(starts + before, old)
        rows[place] = sequences.X
        return Sequences(rows, lengths)


def curves(n: int, features: int, rng: np.random.Generator) -> np.ndarray:
    """Draw smooth curves over the bands: a few cosines."""
    order = np.arange(4)[:, None]
    waves = np.cos(np.pi * order * (np.arange(features) + 0.5) / features)
    return (rng.normal(size=(n, 4)) / np.sqrt(1 + order[:, 0])) @ waves


class Filtered(Augmentation):
    """Another microphone: a smooth curve over the bands is added to the whole recording."""

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Any) -> Sequences:
        shift = curves(len(sequences), sequences.X.shape[1], rng).astype(np.float32)
        return Sequences(sequences.X + np.repeat(shift, sequences.lengths, axis=0), sequences.lengths)


class Noise(Augmentation):
    """Another room: noise, 2 to 12 nepers under the loudest frame, is added to the power."""

    def __init__(self, probability: float = 0.8) -> None:
        self.probability = probability

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Any) -> Sequences:
        n, lengths = len(sequences), sequences.lengths
        level = loudest(sequences) - rng.uniform(2, 12, n)
        level[rng.random(n) > self.probability] = -60
        floor = level[:, None] + curves(n, sequences.X.shape[1], rng)
        noise = rng.standard_normal(sequences.X.shape, np.float32) * np.float32(0.5)
        noise += np.repeat(floor.astype(np.float32), lengths, axis=0)
        return Sequences(np.logaddexp(sequences.X, noise), lengths)


def loudest(sequences: Sequences) -> np.ndarray:
    return np.maximum.reduceat(sequences.X.mean(axis=1), sequences.starts)


class Cepstra(SequenceTransformer):
    """Cosine transform of bands over a floor 7 nepers under the loudest frame, of recordings of one level."""

    def __init__(self, count: int = 14, floor: float = 7.0) -> None:
        self.count = count
        self.floor = floor

    def _transform(self, sequences: Sequences) -> Sequences:
        wide = np.pad(sequences.X, ((0, 0), (1, 1)), mode="edge")
        smooth = Sequences(0.25 * wide[:, :-2] + 0.5 * sequences.X + 0.25 * wide[:, 2:], sequences.lengths)
        floored = np.logaddexp(smooth.X, np.repeat(loudest(smooth) - self.floor, smooth.lengths)[:, None])
        level = np.repeat(loudest(Sequences(floored, smooth.lengths)), smooth.lengths)[:, None]
        found = dct(floored - level, axis=1, norm="ortho")[:, : self.count]
        return Sequences(np.ascontiguousarray(found, np.float32), sequences.lengths)


def spoken(seed: int, epochs: int = 25, **more: Any) -> DeepGRUClassifier:
    """Return the recipe of spoken digits; X is log-mel, natural logarithms, a frame every 10 ms."""
    return DeepGRUClassifier(
        dims={"gru1": 128, "gru2": 64, "gru3": 32, "fc": 64},
        dropout=0.3,
        max_epochs=epochs,
        augmentation=Compose([PadEnds(), Tempo(0.75, 1.35), WarpFeatures(0.12, 1.5), Filtered(), Noise()]),
        preprocessing=make_pipeline(Downsample(3), Cepstra(), Deltas(reach=1), Standardize()),
        random_state=seed,
        **more,
    )


# ---- Skeletons: two persons of 15 joints

TORSO = 2
# Left and right arms and legs exchanged.
MIRRORED = np.array([0, 1, 2, 6, 7, 8, 3, 4, 5, 12, 13, 14, 9, 10, 11])


def facing(X: np.ndarray, lengths: np.ndarray) -> Sequences:
    """Undo SBU's normalisation, centre each recording, and turn it so that the second person stands at +x."""
    x = X.reshape(-1, 2, 15, 3).astype(np.float64)
    x = np.stack(
        [(1280 - 2560 * x[..., 0]) / 1000, (960 - 1920 * x[..., 1]) / 1000, x[..., 2] * 10000 / 7.8125 / 1000], axis=-1
    )
    starts = np.cumsum(lengths) - lengths

    def mean(values: np.ndarray) -> np.ndarray:
        return np.add.reduceat(values, starts) / lengths.reshape(-1, *[1] * (values.ndim - 1))

    x -= np.repeat(mean(x[:, :, TORSO].mean(axis=1)), lengths, axis=0)[:, None, None]
    apart = mean(x[:, 1, TORSO] - x[:, 0, TORSO])
    angle = -np.arctan2(apart[:, 2], apart[:, 0])
    cosine, sine, zero, one = np.cos(angle), np.sin(angle), np.zeros(len(angle)), np.ones(len(angle))
    turn = np.stack([cosine, zero, -sine, zero, one, zero, sine, zero, cosine], axis=1).reshape(-1, 3, 3)
    rows = x.reshape(len(x), -1).astype(np.float32)
    return Sequences(F.rotate_points(rows, np.append(starts, len(x)), turn), lengths)


class Mirror(Augmentation):
    """Left becomes right, and the first person the second, each in half of the recordings."""

    def _augment(self, sequences: Sequences, rng: np.random.Generator, target: Any) -> Sequences:
        x, n = sequences.X.reshape(-1, 2, 15, 3).copy(), len(sequences)
        for chosen, change in ((rng.random(n) < 0.5, self._mirror), (rng.random(n) < 0.5, self._swap)):
            rows = np.repeat(chosen, sequences.lengths)
            x[rows] = change(x[rows])
        return Sequences(x.reshape(len(x), -1), sequences.lengths)

    @staticmethod
    def _mirror(x: np.ndarray) -> np.ndarray:
        return x[:, :, MIRRORED] * np.array([1, 1, -1], np.float32)

    @staticmethod
    def _swap(x: np.ndarray) -> np.ndarray:
        return x[:, ::-1] * np.array([-1, 1, -1], np.float32)


class Bodies(SequenceTransformer):
    """Joints relative to each person's own torso and to the other's, their distance, and velocities."""

    def _transform(self, sequences: Sequences) -> Sequences:
        x = sequences.X.reshape(-1, 2, 15, 3)
        torso = x[:, :, TORSO : TORSO + 1]
        ends = np.append(sequences.starts, len(x))
        parts = [x - torso, x - torso[:, ::-1], x[:, 1, TORSO] - x[:, 0, TORSO]]
        rows = [part.reshape(len(x), -1) for part in parts] + [F.ragged_deltas(sequences.X, ends, 2)]
        return Sequences(np.concatenate(rows, axis=1), sequences.lengths)


COMMON: dict[str, Any] = {
    "dims": {"gru1": 128, "gru2": 128, "gru3": 64, "fc": 128},
    "batch_size": 16,
    "label_smoothing": 0.1,
    "weight_averaging": 0.99,
}


def skeletons(seed: int, epochs: int = 120, **more: Any) -> DeepGRUClassifier:
    """Return the recipe of SBU Kinect; X is what :func:`facing` gives."""
    return DeepGRUClassifier(
        **COMMON,
        max_epochs=epochs,
        augmentation=Compose(
            [Mirror(), Crop(0.8), Tempo(0.74, 1.35), Scale(0.82, 1.22), Rotate(17.0, "y"), Jitter(0.01)]
        ),
        preprocessing=make_pipeline(Bodies(), Standardize()),
        random_state=seed,
        **more,
    )


# ---- Sensors and small speech: nothing special


def plain(seed: int, epochs: int = 60, **more: Any) -> Pipeline:
    """Return the recipe of all others: standardise; noise, tempo and crops in training; slopes."""
    return make_pipeline(
        Standardize(),
        DeepGRUClassifier(
            **COMMON,
            max_epochs=epochs,
            augmentation=Compose([Crop(0.8), Tempo(0.74, 1.35), Jitter(0.3)]),
            preprocessing=make_pipeline(Deltas(reach=1), Standardize()),
            random_state=seed,
            **more,
        ),
    )
