"""Targets of every frame, one sequence behind the other, as the template of ``fit`` handles targets of sequences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seriatim import functional as F
from seriatim._typing import AnyArray, Array, Integers
from seriatim.sequences import PackedSequence, Sequences
from seriatim.sequences._packed import lengths_of, places


@dataclass(frozen=True)
class FrameTargets:
    """A ragged array of targets, of any type, that is counted and indexed by sequences.

    Attributes
    ----------
    rows : ndarray, shape (sum T, ...)
    spans : Sequences
        The numbers of each sequence's rows.
    counts : ndarray of bool, shape (sum T,)
        Which frames have a target; others are ignored.
    """

    rows: AnyArray
    spans: Sequences
    counts: AnyArray

    @classmethod
    def of(cls, rows: AnyArray, lengths: Integers, counts: AnyArray) -> FrameTargets:
        """Cut rows into sequences."""
        return cls(rows, Sequences(np.arange(len(rows)), lengths), counts)

    def __len__(self) -> int:
        return len(self.spans)

    def __getitem__(self, index: Integers) -> FrameTargets:
        chosen = self.spans[index]
        return FrameTargets.of(self.rows[chosen.X], chosen.lengths, self.counts[chosen.X])

    @property
    def lengths(self) -> Integers:
        """Frames of each sequence."""
        return self.spans.lengths

    @property
    def known(self) -> AnyArray:
        """Targets of the frames that count, one behind the other."""
        return self.rows[self.counts]

    def of_frames(self, weights: Array | None) -> Array | None:
        """Return the weights of sequences as those of the frames that count; None for None."""
        return None if weights is None else np.repeat(weights, self.lengths)[self.counts]

    def cut(self, rows: AnyArray) -> list[AnyArray]:
        """Return what there is of each frame, an array a sequence, without the frames that are ignored."""
        ends = np.cumsum(np.add.reduceat(self.counts.astype(np.int64), self.spans.starts))
        return np.split(rows[self.counts], ends[:-1])

    def packed_as(self, x: PackedSequence) -> PackedSequence:
        """Return the targets of a mini-batch in the order of its frames; sequences stand as packed, the longest first.

        Raises
        ------
        ValueError
            Its sequences have other lengths.
        """
        found = lengths_of(x.batch_sizes)
        if not np.array_equal(found, self.lengths):
            raise ValueError(f"expected sequences of {self.lengths.tolist()[:8]} frames, got {found.tolist()[:8]}")
        return x._replace(data=self.rows[places(self.spans.starts, x.batch_sizes)])

    def keys(self) -> AnyArray:
        """Return numbers that tell encoded targets of one sequence from those of another, ``(n, outputs)``."""
        values = np.nan_to_num(self.rows.reshape(len(self.rows), -1).astype(np.float64))
        return F.ragged_mean(values, self.spans._starts)

    def weights_in_loss(self, weights: Array | None, class_weights: Array | None) -> Array:
        """Return what each sequence counts in the loss: its weight for each of its frames that count."""
        amount = self.counts.astype(np.float64)
        if class_weights is not None:
            amount[self.counts] = class_weights[self.known]
        sums = np.add.reduceat(amount, self.spans.starts) if len(self) else amount[:0]
        return (sums if weights is None else sums * weights).astype(np.float32)
