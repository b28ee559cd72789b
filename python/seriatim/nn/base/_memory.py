"""Memory of a cell between calls."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._arrays import as_numbers
from seriatim._typing import Array, ArrayLike
from seriatim.nn.base import _undo

States = tuple[Array, ...]


class Memory:
    """Memory of a cell that is kept between calls, detached: no gradient flows back over a call's border.

    It is not part of the state dict.
    """

    def __init__(self) -> None:
        self.kept: States | None = None

    def keep(self, states: States | None) -> None:
        """Remember; a call that fails later forgets it again."""
        _undo.note(self, "kept")
        self.kept = states

    def recall(self, shape: tuple[int, ...]) -> States | None:
        """Return what is kept; raises when it does not fit ``shape``."""
        if self.kept is not None and self.kept[0].shape != shape:
            raise ValueError(
                f"x: the memory of the call before has shape {self.kept[0].shape}, this input needs {shape}; call "
                "reset_all() between inputs of different sizes (of a stream, reset())"
            )
        return self.kept

    def reset(self, mask: ArrayLike) -> None:
        """Clear the sequences whose mask is 0, whatever they hold."""
        given = as_numbers("mask", mask)
        batch = "B" if self.kept is None else len(self.kept[0])
        fits = given.ndim in (1, 4) and given.shape[1:] in ((), (1, 1, 1))
        if not fits or (self.kept is not None and len(given) != batch):
            raise ValueError(f"mask: expected shape ({batch},) or ({batch}, 1, 1, 1), got {given.shape}")
        if not np.isin(given, (0, 1)).all():
            raise ValueError("mask: expected 1 to keep a sequence's memory and 0 to clear it, got other numbers")
        if self.kept is not None:
            # Chosen, not multiplied: 0 times NaN or infinity is NaN.
            kept = given.reshape(-1, 1, 1, 1) != 0
            self.keep(tuple([np.where(kept, state, np.float32(0)) for state in self.kept]))

    def __deepcopy__(self, memo: Any) -> Memory:
        new = Memory()
        new.kept = None if self.kept is None else tuple(np.array(state) for state in self.kept)
        return new
