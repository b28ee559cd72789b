"""Weights of half or a quarter the width, for inference: bfloat16, and int8 with a scale for each row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._typing import AnyArray, Array, ArrayLike

# How weights are kept, as `_core` numbers it.
FORMS = ("float32", "bfloat16", "int8")

# Whole numbers that int8 weights have at most: as many below 0 as above it.
_MOST = 127


class Narrow(NamedTuple):
    """A weight in bfloat16 or int8, as :func:`narrow` makes it.

    Parameters
    ----------
    codes : ndarray
        Of uint16, the upper halves of float32; or of int8.
    scale : ndarray of float32, shape (rows,), or None
        Of int8: what a row's whole numbers are multiplied by.
    """

    codes: AnyArray
    scale: Array | None = None

    @property
    def form(self) -> str:
        """'bfloat16' or 'int8'."""
        return "bfloat16" if self.scale is None else "int8"

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows and columns."""
        return self.codes.shape

    def wide(self) -> Array:
        """Return the weight in float32: the values that it stands for."""
        numbers = self.numbers()
        return numbers if self.scale is None else numbers * self.scale[:, np.newaxis]

    def numbers(self) -> Array:
        """Return what the kernels pack, in float32: the values, or the whole numbers."""
        if self.scale is None:
            return (self.codes.astype(np.uint32) << 16).view(np.float32)
        return self.codes.astype(np.float32)


def narrow(weight: ArrayLike, form: str) -> Narrow:
    """Round a weight.

    Parameters
    ----------
    weight : array_like, shape (rows, columns)
    form : {'bfloat16', 'int8'}
        bfloat16: to the nearest, ties to even. int8: ``q = round(w / scale)``, ``scale = max |w| / 127`` of each row.

    Returns
    -------
    Narrow

    Raises
    ------
    ValueError
        The form is another one, or the weight is no matrix, holds NaN or infinity, or a number that bfloat16 cannot
        hold.
    TypeError
        The weight holds no real numbers.

    Notes
    -----
    The rows of int8 weights that hold nothing above ``127 * 2**-126`` become zeros: kernels take such scales for zero.
    """
    if form not in FORMS[1:]:
        raise ValueError(f"form: expected 'bfloat16' or 'int8', got {form!r}")
    array = _core.as_floats(weight, "weight")
    if array.ndim != 2:
        raise ValueError(f"weight: expected a matrix, got shape {array.shape}")
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise ValueError(f"weight: expected finite numbers, got {array[row, column]} at ({row}, {column})")
    return _to_bfloat16(array) if form == "bfloat16" else _to_int8(array)


def _to_bfloat16(array: Array) -> Narrow:
    bits = array.view(np.uint32)
    codes = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    if (codes & 0x7FFF == 0x7F80).any():
        largest = array.ravel()[np.abs(array).argmax()]
        raise ValueError(f"weight: expected numbers up to 3.3895e38, the largest of bfloat16, got {largest}")
    return Narrow(codes)


def _to_int8(array: Array) -> Narrow:
    scale = np.abs(array).max(axis=1) / np.float32(_MOST)
    empty = scale < np.finfo(np.float32).tiny
    scale[empty] = 1
    codes = np.rint(np.where(empty[:, np.newaxis], 0, array) / scale[:, np.newaxis])
    return Narrow(codes.clip(-_MOST, _MOST).astype(np.int8), scale)
