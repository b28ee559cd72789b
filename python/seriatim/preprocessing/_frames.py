"""Videos as sequences of numbers: what is defined for ``(T, D)`` does its work on frames ``(T, C, H, W)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from seriatim.sequences import Sequences

# What a feature of a video is: each number of a frame by itself, which time alone moves; or a channel, whose
# observations are all pixels of all frames.
# "frames": the change takes them as they are.
PIXELS, CHANNELS, FRAMES = "pixels", "channels", "frames"
# Axes of one video.
_VIDEO = 4


def on_frames(
    change: Callable[[Sequences], Sequences], sequences: Sequences, features: str | None, name: str
) -> Sequences:
    """Return what a change of sequences ``(T, D)`` makes of videos.

    Parameters
    ----------
    change : callable
    sequences : Sequences
        Those of ``(T, D)`` go through it as they are.
    features : {'pixels', 'channels', 'frames'} or None
        What it takes for features; None is for changes that mean nothing for frames.
    name : str
        Whose change it is, for the error.

    Raises
    ------
    ValueError
        It means nothing for frames.
    """
    shape = sequences.X.shape[1:]
    if len(shape) == 1 or features == FRAMES:
        return change(sequences)
    changed = change(folded(sequences, features, name))
    if features == CHANNELS:
        pixels = int(np.prod(shape[1:]))
        whole = changed.X.reshape(-1, *shape[1:], changed.X.shape[1])
        return Sequences(np.ascontiguousarray(np.moveaxis(whole, -1, 1)), changed.lengths // pixels)
    # What appends features appends channels.
    return Sequences(changed.X.reshape(len(changed.X), -1, *shape[1:]), changed.lengths)


def folded(sequences: Sequences, features: str | None, name: str) -> Sequences:
    """Return videos as sequences ``(T, D)``; channels have pixels for steps.

    Raises
    ------
    ValueError
        ``features`` is None.
    """
    X = sequences.X
    if features is None:
        given = ", ".join(map(str, X.shape[1:]))
        raise ValueError(f"{name}: is for (T, D) sequences, not for videos of shape (T, {given})")
    if features == PIXELS:
        return Sequences(X.reshape(len(X), -1), sequences.lengths)
    pixels = np.ascontiguousarray(np.moveaxis(X, 1, -1)).reshape(-1, X.shape[1])
    return Sequences(pixels, sequences.lengths * (len(pixels) // len(X)))


def are_videos(X: Any, lengths: Any) -> bool:
    """Whether X is videos in one of the forms that the classifiers of videos take."""
    if isinstance(X, Sequences):
        return X.X.ndim == _VIDEO
    if isinstance(X, Mapping):
        X = list(X.values())
    if isinstance(X, (list, tuple)):
        return len(X) > 0 and getattr(X[0], "ndim", 0) == _VIDEO
    return getattr(X, "ndim", 0) == _VIDEO + (lengths is None)
