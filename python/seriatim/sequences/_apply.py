"""Functions of single observations, applied to batches of sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seriatim._arrays import as_numbers
from seriatim._typing import AnyArray
from seriatim.sequences._packed import PackedSequence


def elementwise_apply(fn: Callable[[AnyArray], AnyArray], packed: PackedSequence) -> PackedSequence:
    """Apply ``fn`` to the data ``(N, ...) -> (N, ...)`` of a packed batch, keeping the order of its sequences.

    Parameters
    ----------
    fn : callable
        Gives as many rows as it is given.
    packed : PackedSequence

    Returns
    -------
    PackedSequence

    Raises
    ------
    ValueError
        ``fn`` gives another number of rows.
    """
    return PackedSequence(fn(packed.data), *packed[1:])


def time_to_batch(x: AnyArray) -> tuple[AnyArray, int]:
    """Merge time into the batch: ``(T, B, ...) -> (T * B, ...)``, and B.

    An array that has no time axis, ``(B, C, H, W)``, is given back with its B.

    Parameters
    ----------
    x : ndarray, shape (T, B, C, H, W) or (B, C, H, W)

    Returns
    -------
    merged : ndarray, shape (T * B, C, H, W)
    n : int
        B.

    Raises
    ------
    ValueError
        ``x`` has another number of axes.
    """
    array = as_numbers("x", x)
    if array.ndim == 5:
        return array.reshape(array.shape[0] * array.shape[1], *array.shape[2:]), array.shape[1]
    if array.ndim == 4:
        return array, array.shape[0]
    raise ValueError(f"x: expected shape (T, B, C, H, W) or (B, C, H, W), got {array.shape}")


def batch_to_time(x: AnyArray, n: int) -> AnyArray:
    """Undo :func:`time_to_batch`: ``(T * n, ...) -> (T, n, ...)``.

    Parameters
    ----------
    x : ndarray, shape (T * n, ...)
    n : int
        The batch size.

    Returns
    -------
    ndarray, shape (T, n, ...)

    Raises
    ------
    ValueError
        ``n`` does not divide the first axis.
    """
    array = as_numbers("x", x)
    if n == 0 and array.ndim and not len(array):
        return array.reshape(0, 0, *array.shape[1:])
    if n < 1 or array.ndim == 0 or len(array) % n:
        raise ValueError(f"n: expected a batch size that divides the first axis of shape {array.shape}, got {n}")
    return array.reshape(len(array) // n, n, *array.shape[1:])


def seq_wise(fn: Callable[[AnyArray], Any]) -> Callable[[AnyArray], Any]:
    """Make a function of images ``(N, C, H, W)`` one of sequences ``(T, B, C, H, W)`` too.

    Parameters
    ----------
    fn : callable
        Of images and what else it is called with.

    Returns
    -------
    callable
    """

    def apply(x: AnyArray, *args: Any, **kwargs: Any) -> Any:
        merged, n = time_to_batch(x)
        y = fn(merged, *args, **kwargs)
        return batch_to_time(y, n) if np.ndim(x) == 5 else y

    return apply
