"""Activations as modules."""

from __future__ import annotations

import numpy as np

from seriatim import functional as F
from seriatim._typing import Array, ArrayLike
from seriatim.nn._module import Module


class ReLU(Module):
    """``max(x, 0)``; NaN stays NaN.

    Parameters
    ----------
    inplace : bool, default False
        torch's; the output is a new array either way.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = bool(inplace)

    def forward(self, x: ArrayLike) -> Array:
        """Cut off below 0."""
        y, cache = F.relu(x)
        self._push(cache)
        return y

    def backward(self, grad_output: ArrayLike) -> Array:
        """Pass the gradient where the output is positive."""
        cache = self._peek()
        if np.shape(grad_output) != cache.shape:
            raise ValueError(f"grad_output: expected shape {cache.shape}, got {np.shape(grad_output)}")
        grad = F.relu_backward(grad_output, cache)
        self._pop()
        return grad


class _OverAxis(Module):
    """Softmax or its logarithm along one axis."""

    logarithm: bool

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, x: ArrayLike) -> Array:
        """Normalise along the axis."""
        array = np.asarray(x)
        if not -array.ndim <= self.dim < array.ndim:
            raise ValueError(f"x: expected an array with an axis {self.dim}, got shape {array.shape}")
        function = F.log_softmax if self.logarithm else F.softmax
        y, cache = function(np.moveaxis(array, self.dim, -1))
        self._push(cache)
        return np.ascontiguousarray(np.moveaxis(y, -1, self.dim))

    def backward(self, grad_output: ArrayLike) -> Array:
        """Return the input's gradient."""
        function = F.log_softmax_backward if self.logarithm else F.softmax_backward
        cache = self._peek()
        moved = np.moveaxis(np.asarray(grad_output), self.dim, -1)
        if moved.shape != cache.shape:
            wanted = np.moveaxis(cache, -1, self.dim).shape
            raise ValueError(f"grad_output: expected shape {wanted}, got {np.shape(grad_output)}")
        grad = function(moved, cache)
        self._pop()
        return np.ascontiguousarray(np.moveaxis(grad, -1, self.dim))

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"


class Softmax(_OverAxis):
    """``exp(x_j) / sum_k exp(x_k)`` along an axis, the last by default."""

    logarithm = False


class LogSoftmax(_OverAxis):
    """``x_j - log sum_k exp(x_k)`` along an axis, the last by default."""

    logarithm = True
