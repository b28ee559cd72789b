"""Dropout whose mask depends on a seed, the number of the call and the element's position alone.

The random words are Philox4x32-10's (Salmon et al. 2011): key = seed, counter = (element // 4, offset), word = element
% 4. An element is kept where its word is at least ``floor(p * 2**32)``.
"""

from __future__ import annotations

from seriatim import _core
from seriatim._arrays import of_shape
from seriatim._typing import Array, ArrayLike


def dropout(x: ArrayLike, p: float, seed: int, offset: int) -> Array:
    """``x / (1 - p)`` where the element is kept, 0 elsewhere.

    Parameters
    ----------
    x : array_like, any shape
    p : float in [0, 1)
        Probability of an element to be dropped.
    seed, offset : int in [0, 2**64)

    Returns
    -------
    y : ndarray of float32, the shape of x

    Raises
    ------
    ValueError
        ``p``, ``seed`` or ``offset`` is out of its range.
    TypeError
        ``x`` holds no real numbers.
    """
    return _core.dropout(x, p, seed, offset)


def dropout_backward(
    grad_y: ArrayLike, p: float, seed: int, offset: int, shape: tuple[int, ...] | None = None
) -> Array:
    """Gradient of :func:`dropout`: the same mask, drawn again.

    Parameters
    ----------
    grad_y : array_like, the shape of x
    p, seed, offset
        Those of the forward call.
    shape : tuple of int, optional
        Of x: then a ``grad_y`` of another shape, whose elements would meet another mask, is refused.

    Returns
    -------
    grad_x : ndarray of float32, the shape of x

    Raises
    ------
    ValueError
        ``p``, ``seed`` or ``offset`` is out of its range, or ``grad_y`` has another shape than ``shape``.
    TypeError
        ``grad_y`` holds no real numbers.
    """
    return _core.dropout(grad_y if shape is None else of_shape("grad_y", grad_y, shape), p, seed, offset)
