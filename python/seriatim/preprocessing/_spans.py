"""How far transformers look: what can run while frames arrive, and how long it waits for those to come."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._typing import AnyArray
from seriatim.preprocessing._base import SequenceTransformer
from seriatim.sequences import Sequences


def span(part: Any) -> tuple[int, int]:
    """Return the frames before and behind a frame that its transformed one is made of.

    Raises
    ------
    ValueError
        It needs the whole sequence, gives other frames than it takes, or is no transformer of this library.
    """
    name = type(part).__name__
    if not isinstance(part, SequenceTransformer):
        raise ValueError(f"preprocessing: expected transformers of seriatim.preprocessing in a stream, got {name}")
    found = part._span()
    if found is None:
        raise ValueError(
            f"preprocessing: {name} cannot run in a stream, for it needs the whole sequence or changes its frames. "
            "Standardize, MinMaxScale and Center with over='training', Filter and Deltas can: train with those."
        )
    return found


class Arriving:
    """The frames of one sequence on their way through transformers.

    Parameters
    ----------
    parts : list
        Fitted transformers, in order.
    back, ahead : int
        Frames that they look at together: the sums of their spans.
    """

    def __init__(self, parts: list[Any], back: int, ahead: int) -> None:
        self._parts, self._back, self._ahead = parts, back, ahead
        # Those that are still looked at, and of how many frames before them nothing is kept.
        self.kept: AnyArray | None = None
        self.first = self.given = 0

    def push(self, frames: AnyArray, *, ends: bool = False) -> AnyArray:
        """Return the frames that are ready, as many as have been waited for; all that are left if it ends."""
        rows = frames if self.kept is None else np.concatenate([self.kept, frames])
        seen = self.first + len(rows)
        ready = seen if ends else max(0, seen - self._ahead)
        found = transformed(self._parts, rows) if ready > self.given else rows[:0]
        found = found[self.given - self.first : ready - self.first]
        self.given = ready
        first = max(self.first, ready - self._back)
        self.kept, self.first = rows[first - self.first :].copy(), first
        return found


def transformed(parts: list[Any], rows: AnyArray) -> AnyArray:
    """Return rows of one sequence as fitted transformers make them."""
    sequences = Sequences(rows, [len(rows)])
    for part in parts:
        sequences = part._transform(sequences) if rows.ndim == 2 else part.transform(sequences)
    found: AnyArray = sequences.X
    return found
