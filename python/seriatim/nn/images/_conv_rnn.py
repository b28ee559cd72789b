"""Metavision's layers for sequences of images (OpenEB, metavision_core_ml.core)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from seriatim._typing import Array, ArrayLike, Seed
from seriatim.functional._convolution import Pair
from seriatim.nn.base import _init
from seriatim.nn.base._calls import ArrayModule
from seriatim.nn.base._contexts import pull
from seriatim.nn.base._memory_stream import MemoryStream
from seriatim.nn.base._module import Module
from seriatim.nn.base._parameter import Parameter
from seriatim.nn.base._stream import Stream
from seriatim.nn.containers._sequential import Sequential
from seriatim.nn.containers._video import SequenceWise
from seriatim.nn.images._conv_cells import (
    GRUSteps,
    HiddenConvolution,
    RNNSteps,
    StatefulCell,
    Weights,
    odd,
)
from seriatim.nn.images._conv_lstm import ConvLSTMCell
from seriatim.nn.images._convolution import Conv2d
from seriatim.nn.images._videos import Videos
from seriatim.nn.layers import _activation
from seriatim.nn.layers._batch_norm import BatchNorm2d
from seriatim.nn.layers._shape import Identity
from seriatim.sequences import PackedSequence

_ACTIVATIONS = ("ReLU", "LeakyReLU", "ELU", "Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Identity")
_NORMS = {"BatchNorm2d": BatchNorm2d, "Identity": Identity}


def _made(name: str, given: Any, *arguments: Any) -> Module:
    """Return a module, or what a class or another callable makes."""
    module = given if isinstance(given, Module) else given(*arguments)
    if not isinstance(module, Module):
        raise TypeError(f"{name}: expected a name, a module, or a callable that makes one, got {given!r}")
    return module


def _activation_of(given: str | Module | Callable[[], Module]) -> Module:
    if isinstance(given, str):
        if given not in _ACTIVATIONS:
            raise ValueError(f"activation: expected one of {', '.join(_ACTIVATIONS)}, got {given!r}")
        given = Identity if given == "Identity" else getattr(_activation, given)
    if given in (_activation.Softmax, _activation.LogSoftmax):
        # Of images the classes are their channels, as torch has it for four axes where no dim is given.
        return _made("activation", functools.partial(given, dim=1))
    if not callable(given):
        raise TypeError(f"activation: expected a name, a module, or a callable that makes one, got {given!r}")
    return _made("activation", given)


def _norm_of(given: str | Module | Callable[[int], Module], channels: int) -> list[Module]:
    if isinstance(given, str):
        if given == "none":
            return []
        if given not in _NORMS:
            raise ValueError(f"norm: expected 'none' or one of {', '.join(_NORMS)}, got {given!r}")
        given = _NORMS[given]
    if not callable(given):
        raise TypeError(f"norm: expected a name, a module, or a callable that makes one, got {given!r}")
    return [_made("norm", given, channels)]


class ConvLayer(Sequential):
    """Convolution, normalisation, activation.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation : int or pair of int, default 3, 1, 1, 1
    bias : bool, default True
    norm : {'BatchNorm2d', 'Identity', 'none'}, Module or callable
        A class or another callable is given the number of channels and makes a module.
    activation : str, Module or callable
        The name of a module: 'ReLU', 'LeakyReLU', 'ELU', 'Sigmoid', 'Tanh', 'Softmax', 'LogSoftmax' or 'Identity'. A
        class or another callable without arguments makes one. Softmax and LogSoftmax, by name or as classes, go over
        the channels.
    separable : bool, default False
        A depthwise convolution to ``in_channels * depth_multiplier`` channels, then a pointwise one.
    depth_multiplier : int, default 1
    rng : int, Generator or None
        Of the initial values.

    Raises
    ------
    ValueError
        A size is not positive, or ``norm`` or ``activation`` is another name. From forward: x has another shape.
        From backward: the gradient has another shape than the output.
    TypeError
        ``norm`` or ``activation`` is or makes no module.

    Notes
    -----
    Images ``(N, C, H, W)``; inside :class:`SequenceWise` sequences too. Parameters: ``0.weight`` (or ``0.0.weight``,
    ``0.1.weight``), ``1.weight``, ..., as in Metavision.
    """

    _fixed = ("out_channels",)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 3,
        stride: Pair = 1,
        padding: Pair = 1,
        dilation: Pair = 1,
        bias: bool = True,
        norm: str | Module | Callable[[int], Module] = "BatchNorm2d",
        activation: str | Module | Callable[[], Module] = "ReLU",
        separable: bool = False,
        depth_multiplier: int = 1,
        *,
        rng: Seed = None,
    ) -> None:
        behind = [*_norm_of(norm, out_channels), _activation_of(activation)]
        random = _init.generator(rng)
        convolution: Module
        if separable:
            _init.positive(depth_multiplier=depth_multiplier)
            wide = in_channels * depth_multiplier
            convolution = Sequential(
                Conv2d(
                    in_channels, wide, kernel_size, stride, padding, dilation, groups=in_channels, bias=bias, rng=random
                ),
                Conv2d(wide, out_channels, 1, bias=bias, rng=random),
            )
        else:
            convolution = Conv2d(
                in_channels, out_channels, kernel_size, stride, padding, dilation, bias=bias, rng=random
            )
        super().__init__(convolution, *behind)
        self.out_channels = out_channels


class _GRUPool(GRUSteps, StatefulCell):
    """Metavision's convolutional GRU: ``conv_rz`` gives z, then r, of ``[h, x]``; ``conv_f`` the candidate."""

    def __init__(
        self, in_channels: int, hidden_dim: int, kernel_size: int = 3, *, hard: bool = False, rng: Seed = None
    ) -> None:
        super().__init__()
        self.in_size, self.hidden_size, self.hard = in_channels, hidden_dim, bool(hard)
        self.kernel_size = odd("kernel_size", kernel_size)
        random, pad = _init.generator(rng), kernel_size // 2
        self.conv_rz = Conv2d(in_channels + hidden_dim, 2 * hidden_dim, kernel_size, padding=pad, rng=random)
        self.conv_f = Conv2d(in_channels + hidden_dim, hidden_dim, kernel_size, padding=pad, rng=random)
        self._hold()

    def _owned(self) -> tuple[Parameter | None, ...]:
        return self.conv_rz.weight, self.conv_rz.bias, self.conv_f.weight, self.conv_f.bias

    def _assemble(self) -> Weights:
        hidden = self.hidden_size
        z, r = np.split(self.conv_rz.weight._array, 2)
        bias_z, bias_r = np.split(self.conv_rz.bias._array, 2)
        whole = np.concatenate([r, z, self.conv_f.weight._array])
        bias = np.concatenate([bias_r, bias_z, self.conv_f.bias._array])
        return Weights(np.ascontiguousarray(whole[:, hidden:]), np.ascontiguousarray(whole[:, :hidden]), bias)

    def _disassemble(self, grads: Weights) -> Iterable[Array | None]:
        assert grads.x is not None
        assert grads.bias is not None
        r, z, n = np.split(np.concatenate([grads.h, grads.x], axis=1), 3)
        bias_r, bias_z, bias_n = np.split(grads.bias, 3)
        return np.concatenate([z, r]), np.concatenate([bias_z, bias_r]), n, bias_n


class _RNNPool(RNNSteps, HiddenConvolution):
    """The tutorial's recurrence: ``h' = sigmoid(x + W * h + b)``."""

    def __init__(self, hidden_dim: int, kernel_size: int = 3, *, separable: bool = False, rng: Seed = None) -> None:
        super().__init__()
        self.hidden_size = self.in_size = hidden_dim
        self.kernel_size = odd("kernel_size", kernel_size)
        self._make_hidden(separable, _init.generator(rng))


class ConvRNN(ArrayModule):
    """A convolution of the input of all steps, then a recurrence with memory.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation : int or pair of int, default 3, 1, 1, 1
        Of the input's convolution. The hidden one is 3x3.
    cell : {'lstm', 'gru', 'rnn'}
        'rnn': ``h' = sigmoid(x2h(x) + h2h(h))``, without normalisation.
    separable, separable_hidden : bool, default False
        Whether the input's and the hidden convolution are depthwise and pointwise. A GRU's hidden one cannot be.
    rng : int, Generator or None
        Of the initial values.
    batch_first : bool, default False
        Whether sequences come and go as ``(B, T, C, H, W)``.

    Attributes
    ----------
    conv_x2h : SequenceWise
        A :class:`ConvLayer` without activation.
    timepool : Module
        The recurrence.

    Raises
    ------
    ValueError
        A size is not positive, ``cell`` is another one, or ``separable_hidden`` is asked of a GRU. From forward: x
        has another shape, or one that does not fit the memory. From backward: the gradient has another shape than
        the output.

    Notes
    -----
    Input ``(T, B, in_channels, H, W)``, output ``(T, B, out_channels, H', W')``. The memory is kept between calls and
    detached: no gradient flows from one call into the one before. An input of another size raises ValueError until
    :meth:`reset_all` (Metavision forgets without a word). A PackedSequence of frames gives one; the memory is each
    sequence's last state, in the caller's order. One call with T steps equals T calls with one in evaluation.
    """

    _fixed = ("in_channels", "out_channels", "cell")
    _over_time = _streams_parts = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair = 3,
        stride: Pair = 1,
        padding: Pair = 1,
        dilation: Pair = 1,
        cell: str = "lstm",
        separable: bool = False,
        separable_hidden: bool = False,
        *,
        rng: Seed = None,
        batch_first: bool = False,
    ) -> None:
        super().__init__()
        _init.positive(in_channels=in_channels, out_channels=out_channels)
        random = _init.generator(rng)
        self.in_channels, self.out_channels, self.cell, self.batch_first = in_channels, out_channels, cell, batch_first
        widths = {"lstm": 4 * out_channels, "gru": in_channels, "rnn": out_channels}
        if cell not in widths:
            raise ValueError(f"cell: expected 'lstm', 'gru' or 'rnn', got {cell!r}")
        if cell == "gru" and separable_hidden:
            raise ValueError("separable_hidden: expected False for cell='gru', got True")
        layer = ConvLayer(
            in_channels, widths[cell], kernel_size, stride, padding, dilation, activation="Identity",
            norm="none" if cell == "rnn" else "BatchNorm2d", separable=separable, rng=random,
        )  # fmt: skip
        self.conv_x2h = SequenceWise(layer)
        if cell == "lstm":
            self.timepool: StatefulCell = ConvLSTMCell(out_channels, separable=separable_hidden, rng=random)
        elif cell == "gru":
            self.timepool = _GRUPool(in_channels, out_channels, rng=random)
        else:
            self.timepool = _RNNPool(out_channels, separable=separable_hidden, rng=random)

    def trace(self, x: ArrayLike | PackedSequence) -> tuple[Any, Any]:
        """Run all steps, from where the last call ended."""
        videos = Videos.read(x, self.in_channels, self.batch_first)
        packed = videos.packed
        convolved, of_input = self.conv_x2h.trace(videos.frames if packed is None else packed)
        inner = videos._replace(frames=convolved if packed is None else convolved.data)
        # The convolution's output is nobody else's: it may become the gates.
        y, of_steps = self.timepool._trace_from_memory(inner, True)
        return videos.give_back(y), self.keep((videos._replace(frames=y[:0]), y.shape, of_input, of_steps))

    def pullback(self, context: Any, grad_output: ArrayLike | PackedSequence, need_input: bool = True) -> Any:
        """Return the input's gradient; add to the parameters'."""
        form, shape, of_input, of_steps = self.kept(context)
        convolved = self.timepool.pullback(of_steps, form.read_gradient(grad_output, shape))
        grad = pull(self.conv_x2h, of_input, convolved, need_input)
        return form.give_back(grad) if form.packed is None and grad is not None else grad

    def _make_stream(self, batch_size: int) -> Stream:
        return MemoryStream(self, batch_size)

    def reset(self, mask: ArrayLike) -> None:
        """Clear the memory of the sequences whose mask, ``(B,)`` or ``(B, 1, 1, 1)``, is 0."""
        self.timepool.reset(mask)

    def reset_all(self) -> None:
        """Clear the memory."""
        self.timepool.reset_all()
