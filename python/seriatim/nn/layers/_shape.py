"""Modules that change shapes only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seriatim._arrays import as_numbers, of_shape
from seriatim._typing import AnyArray, ArrayLike
from seriatim.functional._stream import Stage
from seriatim.nn.base._module import Module


class Identity(Module):
    """Give back what comes; any arguments are ignored, as in torch.

    Parameters
    ----------
    *args, **kwargs
        Ignored, so that it can take another module's place.

    Raises
    ------
    ValueError
        From backward: the gradient has another shape than the output.
    """

    _is_leaf = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        return []

    def trace(self, x: Any) -> tuple[Any, Any]:
        """Return ``x``."""
        return x, self.keep((x.shape if isinstance(x, np.ndarray) else None,))

    def pullback(self, context: Any, grad_output: Any) -> Any:
        """Return ``grad_output``."""
        (shape,) = self.kept(context)
        return grad_output if shape is None else of_shape("grad_output", grad_output, shape)


class Flatten(Module):
    """Merge a range of axes.

    Parameters
    ----------
    start_dim, end_dim : int, default 1 and -1
        The first and the last axis of the range.

    Raises
    ------
    ValueError
        From forward: there are no such axes. From backward: the gradient has another shape than the output.
    """

    _is_leaf = True

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    if TYPE_CHECKING:

        def __call__(self, x: ArrayLike) -> AnyArray: ...

    def trace(self, x: ArrayLike) -> tuple[AnyArray, Any]:
        """Merge the axes."""
        array = as_numbers("x", x)
        first, last = (d + array.ndim if d < 0 else d for d in (self.start_dim, self.end_dim))
        if not 0 <= first <= last < array.ndim:
            raise ValueError(f"x: expected axes {self.start_dim} to {self.end_dim}, got shape {array.shape}")
        merged = int(np.prod(array.shape[first : last + 1]))
        y = array.reshape(*array.shape[:first], merged, *array.shape[last + 1 :])
        return y, self.keep((array.shape, y.shape))

    def pullback(self, context: Any, grad_output: ArrayLike) -> AnyArray:
        """Split the axes again."""
        shape, out = self.kept(context)
        return of_shape("grad_output", grad_output, out).reshape(shape)

    def extra_repr(self) -> str:
        """Return the range."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"
