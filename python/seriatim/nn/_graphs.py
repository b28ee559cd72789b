"""Modules beside each other: the graphs that need no hand-written backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._typing import Array, ArrayLike
from seriatim.nn._module import Module


class Residual(Module):
    """``y = module(x) + shortcut(x)``.

    Parameters
    ----------
    module : Module
    shortcut : Module, optional
        ``x`` itself by default.
    """

    def __init__(self, module: Module, shortcut: Module | None = None) -> None:
        super().__init__()
        self.module = module
        self.shortcut = shortcut

    def forward(self, x: Any) -> Array:
        """Run both and add."""
        y = np.asarray(self.module(x))
        other = np.asarray(x if self.shortcut is None else self.shortcut(x))
        if y.shape != other.shape:
            raise ValueError(f"Residual: expected both outputs to have one shape, got {y.shape} and {other.shape}")
        total: Array = y + other
        return total

    def backward(self, grad_output: ArrayLike) -> Array:
        """Return the sum of both input gradients."""
        grad = np.asarray(grad_output, np.float32)
        other = grad if self.shortcut is None else self.shortcut.backward(grad)
        total: Array = self.module.backward(grad) + other
        return total


class Concat(Module):
    """Outputs of several modules side by side.

    Parameters
    ----------
    *modules : Module
        All get the same input.
    dim : int, default 1
        The axis: channels of images, features of rows.
    """

    def __init__(self, *modules: Module, dim: int = 1) -> None:
        super().__init__()
        if not modules:
            raise ValueError("modules: expected at least one, got none")
        self.dim = dim
        for index, module in enumerate(modules):
            self.add_module(str(index), module)

    def forward(self, x: Any) -> Array:
        """Run all."""
        parts = [np.asarray(module(x)) for module in self._modules.values()]
        y: Array = np.concatenate(parts, axis=self.dim)
        self._push((y.shape, [part.shape[self.dim] for part in parts]))
        return y

    def backward(self, grad_output: ArrayLike) -> Array:
        """Return the sum of all input gradients."""
        shape, widths = self._peek()
        grad = np.asarray(grad_output)
        if grad.shape != shape:
            raise ValueError(f"grad_output: expected shape {shape}, got {grad.shape}")
        parts = np.split(grad, np.cumsum(widths)[:-1], axis=self.dim)
        modules = list(self._modules.values())
        total: Array = modules[-1].backward(parts[-1])
        for module, part in reversed(list(zip(modules[:-1], parts[:-1], strict=True))):
            total = total + module.backward(part)
        self._pop()
        return total
