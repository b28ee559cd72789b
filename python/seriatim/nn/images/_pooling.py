"""Pooling as modules."""

from __future__ import annotations

from typing import Any, ClassVar

from seriatim import functional as F
from seriatim._typing import Array, ArrayLike
from seriatim.functional._convolution import Pair
from seriatim.nn.base._calls import ArrayModule


class MaxPool2d(ArrayModule):
    """Largest value of every window; NaN wins.

    Parameters
    ----------
    kernel_size : int or pair of int
    stride : int or pair of int, optional
        The kernel size by default.
    padding : int or pair of int, default 0
        At most half the kernel; what lies outside is never the largest.
    dilation : int or pair of int, default 1
    ceil_mode : bool, default False
        Whether windows that are not whole count.

    Raises
    ------
    ValueError
        From forward: x has another shape, or the options fit no window. From backward: the gradient has another
        shape than the output.
    """

    _is_leaf = True
    _lacks: ClassVar = {"return_indices": False}

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        dilation: Pair = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.dilation, self.ceil_mode = dilation, bool(ceil_mode)

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Pool ``(N, C, height, width)`` or ``(C, height, width)``."""
        y, cache = F.max_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, training=self._keeps()
        )
        return y, self.keep(cache)

    def pullback(self, context: Any, grad_output: ArrayLike) -> Array:
        """Return the input's gradient."""
        return F.max_pool2d_backward(grad_output, self.kept(context))

    def extra_repr(self) -> str:
        """Return the configuration."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(ArrayModule):
    """Average of every window.

    Parameters
    ----------
    kernel_size, stride, padding, ceil_mode
        As for :class:`MaxPool2d`.
    count_include_pad : bool, default True
        Whether the zeros of the padding count.
    divisor_override : int, optional
        Divide by this instead of by the window's size.

    Raises
    ------
    ValueError
        From forward: x has another shape, or the options fit no window. From backward: the gradient has another
        shape than the output.
    """

    _is_leaf = True

    def __init__(
        self,
        kernel_size: Pair,
        stride: Pair | None = None,
        padding: Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, stride, padding
        self.ceil_mode, self.count_include_pad = bool(ceil_mode), bool(count_include_pad)
        self.divisor_override = divisor_override

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Pool ``(N, C, height, width)`` or ``(C, height, width)``."""
        y, cache = F.avg_pool2d(
            x, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad,
            self.divisor_override,
        )  # fmt: skip
        return y, self.keep(cache)

    def pullback(self, context: Any, grad_output: ArrayLike) -> Array:
        """Return the input's gradient."""
        return F.avg_pool2d_backward(grad_output, self.kept(context))

    def extra_repr(self) -> str:
        """Return the configuration."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(ArrayModule):
    """Averages over windows that share the image out.

    Parameters
    ----------
    output_size : int or pair of int or None
        None keeps a side's size.

    Raises
    ------
    ValueError
        From forward: x has another shape. From backward: the gradient has another shape than the output.
    """

    _is_leaf = True

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Pool ``(N, C, height, width)`` or ``(C, height, width)``."""
        y, cache = F.adaptive_avg_pool2d(x, self.output_size)
        return y, self.keep(cache)

    def pullback(self, context: Any, grad_output: ArrayLike) -> Array:
        """Return the input's gradient."""
        return F.adaptive_avg_pool2d_backward(grad_output, self.kept(context))

    def extra_repr(self) -> str:
        """Return the size."""
        return f"output_size={self.output_size}"
