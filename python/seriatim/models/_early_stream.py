"""Deciding early about sequences whose frames are still arriving."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._typing import AnyArray, Integers
from seriatim.models._stream import EstimatorStream
from seriatim.nn.base._stream import read_mask


class EarlyStream:
    """Sequences whose frames arrive one by one, and what is decided about each.

    Made by ``early.stream(n_streams)``. It keeps the classifier and its threshold as they were then.

    Parameters
    ----------
    stream : EstimatorStream
        Of the classifier that decides.
    classes : ndarray, shape (n_classes,)
    threshold : float

    Attributes
    ----------
    decisions : list
        The label of each stream; None before it falls.
    frames : ndarray of int64, shape (n_streams,)
        The number of frames that each was decided after; 0 before.

    Notes
    -----
    What has been decided stays until the stream is reset. Labels and frames are those of ``early.decide``.
    """

    def __init__(self, stream: EstimatorStream, classes: AnyArray, threshold: float) -> None:
        self._stream, self._classes, self._threshold = stream, classes, threshold
        self.decisions: list[Any] = [None] * stream.n_streams
        self.frames: Integers = np.zeros(stream.n_streams, np.int64)
        self._given = np.zeros(stream.n_streams, np.int64)

    def step(self, x_t: Any) -> Any:
        """Run one frame of every stream.

        Parameters
        ----------
        x_t : array_like, shape (n_streams, n_features)
            Of one stream also ``(n_features,)``.

        Returns
        -------
        list
            Of each stream its label, or None while it is open; of one frame without the first axis without the list.

        Raises
        ------
        ValueError
            Another shape, numbers that are not finite, or a stream that has ended. Nothing has changed.
        """
        said = self._stream.step(x_t)
        self._given += 1
        rows = np.atleast_2d(said)
        # While a delay lasts rows are NaN, which passes nothing.
        self._decide(rows, rows.max(axis=1) >= self._threshold)
        return self.decisions[0] if said.ndim == 1 else list(self.decisions)

    def finish(self, mask: Any = None) -> list[Any]:
        """Say that sequences have ended: what is still open is decided.

        Parameters
        ----------
        mask : array_like of bool, shape (n_streams,), optional
            Which; all by default. They take no more frames until they are reset.

        Returns
        -------
        list
            Of each stream its label; None of those that go on undecided, or had no frames.
        """
        ended = read_mask(mask, len(self.decisions))
        rows = self._stream.finish(ended)
        self._decide(rows, ended & (self._given > 0))
        return list(self.decisions)

    def reset(self, mask: Any = None) -> None:
        """Begin anew: all streams, or those where ``mask (n_streams,)`` is True."""
        meant = read_mask(mask, len(self.decisions))
        self._stream.reset(meant)
        for index in np.flatnonzero(meant):
            self.decisions[index], self.frames[index], self._given[index] = None, 0, 0

    def _decide(self, rows: AnyArray, passing: AnyArray) -> None:
        """Take labels from the rows that pass, where none is taken yet."""
        for index in np.flatnonzero(passing & (self.frames == 0)):
            self.decisions[index] = self._classes[rows[index].argmax()]
            self.frames[index] = self._given[index]
