"""Convolutional GRU over sequences of images (Ballas et al. 2016, as in pytorch_convgru and Metavision).

``r = sigmoid(x_r + W_r * h + b_r)``, ``z = sigmoid(x_z + W_z * h + b_z)``, ``n = tanh(x_n + W_n * (r h) + b_n)``,
``h' = (1 - z) h + z n``: the reset comes before the convolution, and z weighs the candidate.
"""

from __future__ import annotations

from typing import NamedTuple

from seriatim import _core
from seriatim._typing import Array, ArrayLike


class ConvGRUCache(NamedTuple):
    """What :func:`conv_gru_backward` needs of a forward call. Backward uses it up."""

    gates: Array
    y: Array
    h0: Array | None
    kernel_size: int
    hard: bool


def conv_gru_pack(weight: ArrayLike) -> Array:
    """Lay hidden weights ``(3 H, H, k, k)``, rows r, z, n, out for :func:`conv_gru`; opaque, 1-D."""
    return _core.conv_gru_pack(weight, False)


def conv_gru_pack_backward(weight: ArrayLike) -> Array:
    """Lay the same weights out for :func:`conv_gru_backward`."""
    return _core.conv_gru_pack(weight, True)


def conv_gru(
    gates: Array,
    packed: Array,
    h0: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    *,
    kernel_size: int,
    hard: bool = False,
) -> tuple[Array, ConvGRUCache]:
    """Run all steps.

    Parameters
    ----------
    gates : ndarray of float32, shape (T, B, 3 H, height, width)
        The convolved input of r, z and n. Used up: it becomes the gates.
    packed : ndarray
        ``conv_gru_pack(weight)``.
    h0 : array_like, shape (B, H, height, width), optional
        Zeros by default.
    bias : array_like, shape (3 H,), optional
        Added to the convolved input.
    kernel_size : int
        Odd; states keep their size.
    hard : bool, default False
        Gates ``x / 2 + 1 / 2`` held within 0 and 1, candidates held within -1 and 1.

    Returns
    -------
    y : ndarray of float32, shape (T, B, H, height, width)
        The states after every step.
    cache : ConvGRUCache
    """
    state = None if h0 is None else _core.as_floats(h0, "h0")
    y = _core.conv_gru_forward(gates, state, packed, bias, kernel_size, hard)
    return y, ConvGRUCache(gates, y, state, kernel_size, hard)


def conv_gru_backward(
    grad_y: ArrayLike,
    grad_h_n: ArrayLike | None,
    cache: ConvGRUCache,
    packed: Array,
    *,
    grad_weight: Array | None = None,
    grad_bias: Array | None = None,
    accumulate: bool = False,
) -> tuple[Array, Array | None]:
    """Back through all steps.

    Parameters
    ----------
    grad_y : array_like, shape (T, B, H, height, width)
    grad_h_n : array_like, shape (B, H, height, width), optional
        That of the last state besides.
    cache : ConvGRUCache
        Used up.
    packed : ndarray
        ``conv_gru_pack_backward(weight)``.
    grad_weight, grad_bias : ndarray of float32, shapes (3 H, H, k, k) and (3 H,), optional
        Written to, or added to with ``accumulate``.

    Returns
    -------
    grad_gates : ndarray, shape (T, B, 3 H, height, width)
    grad_h0 : ndarray, or None if there was no h0
    """
    gates, y, h0, kernel_size, hard = cache
    grad_h0 = _core.conv_gru_backward(
        grad_y, grad_h_n, gates, y, h0, packed, kernel_size, hard, grad_weight, grad_bias, accumulate
    )
    return gates, None if h0 is None else grad_h0
