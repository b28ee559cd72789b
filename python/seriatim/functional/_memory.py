"""Memory for results."""

from __future__ import annotations

from seriatim import _core
from seriatim._typing import Array


def empty(rows: int, columns: int) -> Array:
    """Return a float32 matrix, not initialised; large ones come from memory that kernels have used before.

    Parameters
    ----------
    rows, columns : int

    Returns
    -------
    ndarray of float32, shape (rows, columns)

    Raises
    ------
    ValueError
        A number is below 1, or 2**31 and more.
    MemoryError
        There is no room for so many numbers.
    """
    return _core.empty(rows, columns)
