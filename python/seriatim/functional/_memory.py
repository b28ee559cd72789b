"""Memory for results."""

from __future__ import annotations

from seriatim import _core
from seriatim._typing import Array


def empty(rows: int, columns: int) -> Array:
    """Return a float32 matrix, not initialised; large ones come from memory that kernels have used before."""
    return _core.empty(rows, columns)
