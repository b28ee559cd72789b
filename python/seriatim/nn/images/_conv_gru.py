"""Convolutional GRU, after pytorch_convgru (Ballas et al., "Delving deeper into convolutional networks", ICLR 2016)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from seriatim._arrays import as_floats, as_numbers
from seriatim._typing import Array, ArrayLike, Seed
from seriatim.nn.base import _init
from seriatim.nn.base._parameter import Parameter
from seriatim.nn.images._conv_cells import ConvStack, GRUSteps, Weights, odd
from seriatim.nn.images._convolution import Conv2d
from seriatim.nn.images._videos import sequence


class ConvGRUCell(GRUSteps):
    """One step of a convolutional GRU.

    ``r = sigmoid(W_r * [x, h] + b_r)``, ``z = sigmoid(W_z * [x, h] + b_z)``,
    ``n = tanh(W_n * [x, r h] + b_n)``, ``h' = (1 - z) h + z n``.

    Parameters
    ----------
    input_size, hidden_size : int
        Channels.
    kernel_size : int
        Odd; states have the size of the images.
    rng : int, Generator or None
        Of the initial values: orthogonal weights, biases 0.

    Attributes
    ----------
    reset_gate, update_gate, out_gate : Conv2d
        Their weights are ``(hidden_size, input_size + hidden_size, k, k)``, the input's channels first.

    Raises
    ------
    ValueError
        A size is not positive, or ``kernel_size`` is even. From forward and backward: an array has another shape.

    Notes
    -----
    ``h = cell(x, h)`` with x ``(B, input_size, height, width)`` and h ``(B, hidden_size, height, width)`` or None for
    zeros. ``backward(grad_h)`` returns the gradients of x and h.
    """

    def __init__(self, input_size: int, hidden_size: int, kernel_size: int, *, rng: Seed = None) -> None:
        super().__init__()
        _init.positive(input_size=input_size, hidden_size=hidden_size)
        self.input_size, self.hidden_size = input_size, hidden_size
        self.kernel_size = odd("kernel_size", kernel_size)
        random = _init.generator(rng)
        for name in ("reset_gate", "update_gate", "out_gate"):
            gate = Conv2d(input_size + hidden_size, hidden_size, kernel_size, padding=kernel_size // 2, rng=random)
            gate.weight.data = _init.orthogonal(random, gate.weight.shape)
            assert gate.bias is not None
            gate.bias.data = np.zeros(hidden_size)
            setattr(self, name, gate)
        self._hold()

    def _gates(self) -> list[Conv2d]:
        return [self.reset_gate, self.update_gate, self.out_gate]

    def _owned(self) -> tuple[Parameter | None, ...]:
        return tuple(p for gate in self._gates() for p in (gate.weight, gate.bias))

    def _assemble(self) -> Weights:
        whole = np.concatenate([gate.weight._array for gate in self._gates()])
        bias = np.concatenate([gate.bias._array for gate in self._gates()])
        split = self.input_size
        return Weights(np.ascontiguousarray(whole[:, :split]), np.ascontiguousarray(whole[:, split:]), bias)

    def _disassemble(self, grads: Weights) -> Iterable[Array | None]:
        assert grads.x is not None
        assert grads.bias is not None
        whole = np.split(np.concatenate([grads.x, grads.h], axis=1), 3)
        return [g for pair in zip(whole, np.split(grads.bias, 3), strict=True) for g in pair]

    if TYPE_CHECKING:

        def __call__(self, x: ArrayLike, h: ArrayLike | None = None) -> Array: ...

    def trace(self, x: ArrayLike, h: ArrayLike | None = None) -> tuple[Array, Any]:
        """Return the new state."""
        images = sequence(as_numbers("x", x)[None], self.input_size)
        wanted = (images.shape[1], self.hidden_size, *images.shape[3:])
        if h is not None and np.shape(h) != wanted:
            raise ValueError(f"hidden: expected shape {wanted}, got {np.shape(h)}")
        y, _, context = self._trace(images, None if h is None else (as_floats("hidden", h),))
        return y[0], context

    def pullback(self, context: Any, grad_output: ArrayLike) -> tuple[Array, Array | None]:
        """Return the gradients of x and h, the second None if h was; add to the parameters'."""
        grad_x, (grad_h,) = self._pullback(context, as_numbers("grad_output", grad_output)[None], (None,))
        return grad_x[0], grad_h

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.input_size}, {self.hidden_size}, kernel_size={self.kernel_size}"


class ConvGRU(ConvStack):
    """A stack of convolutional GRUs.

    Parameters
    ----------
    input_size : int
        Channels of the input.
    hidden_sizes, kernel_sizes : int or sequence of int
        One for all layers, or one a layer. Kernels are odd.
    n_layers : int
    rng : int, Generator or None
        Of the initial values.
    batch_first : bool, default False
        Whether sequences come and go as ``(B, T, C, H, W)``; states are as they are.

    Raises
    ------
    ValueError
        A size is not positive, a kernel is even, or there is not one number a layer. From forward and backward: an
        array has another shape.

    Notes
    -----
    ``model(x, hidden=None)`` with one image a sequence, x ``(B, C, H, W)``, returns the list of each layer's new state.
    With x ``(T, B, C, H, W)`` it returns the last layer's outputs ``(T, B, C', H, W)`` and the list of final states.
    ``hidden`` is a list with a state, or None for zeros, of every layer.

    Ragged videos come as a PackedSequence of frames ``(frames, C, H, W)``: outputs are packed, states ``(B, C', H, W)``
    are in the caller's order, each sequence's own last one. What comes out of a sequence is what it gives
    alone, to rounding.

    ``backward(grad_output, grad_hidden=None)``: of a single step ``grad_output`` is a list like the result (None where
    there is none), of a sequence the gradient of the outputs, and ``grad_hidden`` may have those of the final states.
    Both return the input's gradient and the list of those of ``hidden``. Layers are called ``ConvGRUCell_00``, ...

    Examples
    --------
    >>> model = ConvGRU(input_size=8, hidden_sizes=[32, 64, 16], kernel_sizes=[3, 5, 3], n_layers=3)
    >>> model(np.zeros((1, 8, 64, 64)))[-1].shape
    (1, 16, 64, 64)
    """

    _cell_name = "ConvGRUCell"

    def _make_cell(self, input_size: int, hidden_size: int, kernel_size: int, rng: np.random.Generator) -> ConvGRUCell:
        return ConvGRUCell(input_size, hidden_size, kernel_size, rng=rng)

    def _inside(self, state: Any) -> tuple[Any, ...]:
        return (state,)

    def _outside(self, states: tuple[Array | None, ...]) -> Array | None:
        return states[0]
