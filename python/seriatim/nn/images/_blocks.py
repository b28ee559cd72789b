"""Residual blocks of Metavision's (OpenEB's) networks, with its parameter names."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._arrays import as_floats, of_shape
from seriatim._typing import AnyArray, Array, ArrayLike, Seed
from seriatim.nn.base import _init
from seriatim.nn.base._calls import ArrayModule
from seriatim.nn.base._contexts import pull
from seriatim.nn.base._module import Module
from seriatim.nn.containers._sequential import Sequential
from seriatim.nn.images._conv_rnn import ConvLayer
from seriatim.nn.images._convolution import Conv2d
from seriatim.nn.images._pooling import AdaptiveAvgPool2d
from seriatim.nn.layers._activation import ReLU, Sigmoid


class _Block(ArrayModule):
    """Two convolutional layers, and a shortcut: nothing, or what makes the shapes meet."""

    _fixed = ("in_channels", "out_channels", "stride", "norm")

    def _gradient(self, grad_output: ArrayLike, shape: tuple[int, ...]) -> Array:
        grad: Array = of_shape("grad_output", grad_output, shape).astype(np.float32, copy=False)
        return grad


class ResBlock(_Block):
    """``relu(conv2(conv1(x)) + downsample(x))``, Metavision's.

    Parameters
    ----------
    in_channels, out_channels : int
    stride : int, default 1
        Of the second convolution.
    norm : {'BatchNorm2d', 'none'}
    rng : int, Generator or None
        Of the initial values.

    Attributes
    ----------
    conv1, conv2 : ConvLayer
        3x3, with normalisation and ReLU.
    downsample : ConvLayer or Sequential
        1x1 with normalisation; an empty Sequential if channels and size stay.

    Raises
    ------
    ValueError
        A size is not positive, or ``norm`` is another one. From forward: x has another shape. From backward: the
        gradient has another shape than the output.

    Notes
    -----
    Input ``(N, in_channels, height, width)``.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, norm: str = "BatchNorm2d", *, rng: Seed = None
    ) -> None:
        super().__init__()
        random = _init.generator(rng)
        self.in_channels, self.out_channels, self.stride, self.norm = in_channels, out_channels, stride, norm
        self.conv1 = ConvLayer(in_channels, out_channels, bias=norm == "none", norm=norm, rng=random)
        self.conv2 = ConvLayer(out_channels, out_channels, stride=stride, bias=False, norm=norm, rng=random)
        self.downsample: Module = Sequential()
        if stride != 1 or in_channels != out_channels:
            self.downsample = ConvLayer(
                in_channels, out_channels, 1, stride, 0, bias=False, norm=norm, activation="Identity", rng=random
            )
        self.relu = ReLU()

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Run both ways, and add."""
        first, of_first = self.conv1.trace(x)
        second, of_second = self.conv2.trace(first)
        beside, of_shortcut = self.downsample.trace(as_floats("x", x))
        y, of_relu = self.relu.trace(second + beside)
        return y, self.keep((of_first, of_second, of_shortcut, of_relu))

    def pullback(self, context: Any, grad_output: ArrayLike, need_input: bool = True) -> AnyArray | None:
        """Return the sum of both input gradients."""
        of_first, of_second, of_shortcut, of_relu = self.kept(context)
        grad = self.relu.pullback(of_relu, grad_output)
        beside = pull(self.downsample, of_shortcut, grad, need_input)
        found = pull(self.conv1, of_first, self.conv2.pullback(of_second, grad), need_input)
        return found + beside if need_input else None


class PreActBlock(_Block):
    """``excite(conv2(conv1(x))) + downsample(x)``, Metavision's block with squeeze and excitation.

    ``excite(y) = y * sigmoid(fc2(relu(fc1(mean of y's pixels))))``.

    Parameters
    ----------
    in_channels, out_channels : int
        The latter a multiple of 4.
    stride : int, default 1
        Of the first convolution.
    rng : int, Generator or None
        Of the initial values.

    Attributes
    ----------
    conv1, conv2 : ConvLayer
        3x3, with normalisation and ReLU.
    downsample : Sequential
        A 1x1 convolution; empty if channels and size stay.
    fc1, fc2 : Conv2d
        1x1, to a quarter of the channels and back.

    Raises
    ------
    ValueError
        A size is not positive, or ``out_channels`` no multiple of 4. From forward: x has another shape. From
        backward: the gradient has another shape than the output.

    Notes
    -----
    Input ``(N, in_channels, height, width)``.

    References
    ----------
    Hu, Shen and Sun, "Squeeze-and-excitation networks", CVPR 2018.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, *, rng: Seed = None) -> None:
        super().__init__()
        _init.positive(in_channels=in_channels, out_channels=out_channels)
        if out_channels % 4:
            raise ValueError(f"out_channels: expected a multiple of 4, got {out_channels}")
        random = _init.generator(rng)
        self.in_channels, self.out_channels, self.stride = in_channels, out_channels, stride
        self.conv1 = ConvLayer(in_channels, out_channels, stride=stride, bias=False, rng=random)
        self.conv2 = ConvLayer(out_channels, out_channels, bias=False, rng=random)
        self.downsample = Sequential()
        if stride != 1 or in_channels != out_channels:
            self.downsample.append(Conv2d(in_channels, out_channels, 1, stride, bias=False, rng=random))
        self.fc1 = Conv2d(out_channels, out_channels // 4, 1, rng=random)
        self.fc2 = Conv2d(out_channels // 4, out_channels, 1, rng=random)
        self.pool, self.relu, self.sigmoid = AdaptiveAvgPool2d(1), ReLU(), Sigmoid()

    def _excitation(self) -> tuple[Module, ...]:
        return self.pool, self.fc1, self.relu, self.fc2, self.sigmoid

    def trace(self, x: ArrayLike) -> tuple[Array, Any]:
        """Run both ways, and add."""
        first, of_first = self.conv1.trace(x)
        second, of_second = self.conv2.trace(first)
        weight, contexts = second, []
        for module in self._excitation():
            weight, context = module.trace(weight)
            contexts.append(context)
        beside, of_shortcut = self.downsample.trace(as_floats("x", x))
        y = second * weight + beside
        return y, self.keep((y.shape, of_first, of_second, second, weight, contexts, of_shortcut))

    def pullback(self, context: Any, grad_output: ArrayLike, need_input: bool = True) -> AnyArray | None:
        """Return the sum of both input gradients."""
        shape, of_first, of_second, second, weight, contexts, of_shortcut = self.kept(context)
        grad = self._gradient(grad_output, shape)
        beside = pull(self.downsample, of_shortcut, grad, need_input)
        through: Any = np.sum(grad * second, axis=(2, 3), keepdims=True)
        for module, inner in reversed(list(zip(self._excitation(), contexts, strict=True))):
            through = module.pullback(inner, through)
        found = pull(self.conv1, of_first, self.conv2.pullback(of_second, grad * weight + through), need_input)
        return found + beside if need_input else None
