"""Micro-batches of one mini-batch that are run together: what a module asks that sees more than its own part.

Batch normalisation takes the moments of all parts, and what draws masks numbers its draws by the part. Training sets
the variable in each part's thread, for the forward and the backward; everywhere else it is None.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from seriatim._typing import Doubles


class Together(Protocol):
    """One micro-batch among the others of its mini-batch, in this process and in others."""

    shard: int
    """Which micro-batch this is, from 0."""
    of: int
    """How many micro-batches a mini-batch has, with those that hold nothing."""

    def fold(self, leaf: Doubles | None, combine: Callable[[Doubles, Doubles], Doubles]) -> Doubles | None:
        """Return the root of the fixed tree over the leaves that all micro-batches give; None if none has one.

        Every micro-batch calls it at the same places in the same order; it waits for the others. ``leaf`` is None where
        a micro-batch has nothing to add. Nobody writes to what was given or comes back.
        """

    def draw(self, module: Any) -> int:
        """Return how many masks this micro-batch has drawn with a module before, and count one more."""

    def once(self, owner: Any) -> bool:
        """Return True in one micro-batch of this process, the same for every call: who writes what all would write."""


together: ContextVar[Together | None] = ContextVar("together", default=None)
