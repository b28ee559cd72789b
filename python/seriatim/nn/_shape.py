"""Modules that change shapes only."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._typing import AnyArray, ArrayLike
from seriatim.nn._module import Module


class Identity(Module):
    """Give back what comes; any arguments are ignored, as in torch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Any) -> Any:
        """Return ``x``."""
        return x

    def backward(self, grad_output: Any) -> Any:
        """Return ``grad_output``."""
        return grad_output


class Flatten(Module):
    """Merge a range of axes.

    Parameters
    ----------
    start_dim, end_dim : int, default 1 and -1
        The first and the last axis of the range.
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: ArrayLike) -> AnyArray:
        """Merge the axes."""
        array = np.asarray(x)
        first, last = (d + array.ndim if d < 0 else d for d in (self.start_dim, self.end_dim))
        if not 0 <= first <= last < array.ndim:
            raise ValueError(f"x: expected axes {self.start_dim} to {self.end_dim}, got shape {array.shape}")
        self._push(array.shape)
        merged = int(np.prod(array.shape[first : last + 1]))
        return array.reshape(*array.shape[:first], merged, *array.shape[last + 1 :])

    def backward(self, grad_output: ArrayLike) -> AnyArray:
        """Split the axes again."""
        return np.asarray(grad_output).reshape(self._pop())

    def extra_repr(self) -> str:
        """Return the range."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
