"""Activations as modules."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_numbers, of_shape
from seriatim._typing import Array, ArrayLike
from seriatim.functional._activation import CODES
from seriatim.functional._stream import Stage, stage
from seriatim.nn.base._calls import ArrayModule


class Elementwise(ArrayModule):
    """An activation of every element; NaN stays NaN."""

    _is_leaf = True

    kind: str
    slope: float = 0.0

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Compute every element's activation."""
        y, cache = F.activation(x, self.kind, self.slope)
        return y, self.keep(cache)

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        return [stage(name, "activation", inputs, option=CODES[self.kind], number=self.slope)]

    def pullback(self, context: Any, grad_output: ArrayLike) -> Array:
        """Return the gradient times the derivative."""
        cache = self.kept(context)
        return F.activation_backward(of_shape("grad_output", grad_output, cache.y.shape), cache)


class ReLU(Elementwise):
    """``max(x, 0)``; NaN stays NaN.

    Parameters
    ----------
    inplace : bool, default False
        torch's; the output is a new array either way.

    Raises
    ------
    ValueError
        From backward: the gradient has another shape than the output.
    """

    kind = "relu"

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = bool(inplace)


class LeakyReLU(Elementwise):
    """``x`` where it is positive, else ``negative_slope x``.

    Parameters
    ----------
    negative_slope : float, default 0.01
    inplace : bool, default False
        torch's; the output is a new array either way.

    Raises
    ------
    ValueError
        From backward: the gradient has another shape than the output.
    """

    kind = "leaky_relu"

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = float(negative_slope), bool(inplace)

    @property
    def slope(self) -> float:  # type: ignore[override]
        """What the kernel takes."""
        return self.negative_slope

    def extra_repr(self) -> str:
        """Return the slope."""
        return f"negative_slope={self.negative_slope}"


class ELU(Elementwise):
    """``x`` where it is positive, else ``alpha (e^x - 1)`` (Clevert et al. 2016).

    Parameters
    ----------
    alpha : float, default 1.0
    inplace : bool, default False
        torch's; the output is a new array either way.

    Raises
    ------
    ValueError
        From backward: the gradient has another shape than the output.
    """

    kind = "elu"

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = float(alpha), bool(inplace)

    @property
    def slope(self) -> float:  # type: ignore[override]
        """What the kernel takes."""
        return self.alpha

    def extra_repr(self) -> str:
        """Return the parameter."""
        return f"alpha={self.alpha}"


class Sigmoid(Elementwise):
    """``1 / (1 + e^-x)``.

    Raises
    ------
    ValueError
        From backward: the gradient has another shape than the output.
    """

    kind = "sigmoid"


class Tanh(Elementwise):
    """The hyperbolic tangent.

    Raises
    ------
    ValueError
        From backward: the gradient has another shape than the output.
    """

    kind = "tanh"


def _moved(array: Array, source: int, target: int) -> Array:
    """Move an axis; what stays where it is, as the last one, costs nothing."""
    return array if (source - target) % array.ndim == 0 else np.moveaxis(array, source, target)


class _OverAxis(ArrayModule):
    """Softmax or its logarithm along one axis."""

    _is_leaf = True

    logarithm: bool

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Normalise along the axis."""
        array = as_numbers("x", x)
        # One number is a row of one, as in torch.
        if not -max(array.ndim, 1) <= self.dim < max(array.ndim, 1):
            raise ValueError(f"x: expected an array with an axis {self.dim}, got shape {array.shape}")
        function = F.log_softmax if self.logarithm else F.softmax
        y, cache = function(_moved(array, self.dim, -1) if array.ndim else array.reshape(1))
        if not array.ndim:
            return y.reshape(()), self.keep((cache, None))
        return np.ascontiguousarray(_moved(y, -1, self.dim)), self.keep((cache, self.dim))

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        if self.dim != -1:
            raise TypeError(f"{type(self).__name__}: has a stream over the last axis alone, got dim={self.dim}")
        return [stage(name, "softmax", inputs, option=int(self.logarithm))]

    def pullback(self, context: Any, grad_output: ArrayLike) -> Array:
        """Return the input's gradient."""
        function = F.log_softmax_backward if self.logarithm else F.softmax_backward
        cache, dim = self.kept(context)
        if dim is None:
            return function(of_shape("grad_output", grad_output, ()).reshape(1), cache).reshape(())
        moved = _moved(of_shape("grad_output", grad_output, np.moveaxis(cache, -1, dim).shape), dim, -1)
        return np.ascontiguousarray(_moved(function(moved, cache), -1, dim))

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"


class Softmax(_OverAxis):
    """``exp(x_j) / sum_k exp(x_k)`` along an axis, the last by default.

    Parameters
    ----------
    dim : int, default -1
        The axis.

    Raises
    ------
    ValueError
        From forward: there is no such axis. From backward: the gradient has another shape than the output.
    """

    logarithm = False


class LogSoftmax(_OverAxis):
    """``x_j - log sum_k exp(x_k)`` along an axis, the last by default.

    Parameters
    ----------
    dim : int, default -1
        The axis.

    Raises
    ------
    ValueError
        From forward: there is no such axis. From backward: the gradient has another shape than the output.
    """

    logarithm = True
