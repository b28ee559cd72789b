"""Which steps of a padded batch are there: by lengths, by a mask, or by NaN."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._arrays import as_lengths, as_numbers
from seriatim._typing import AnyArray, ArrayLike, Integers

_SIDES = ("right", "left")


def without_padding(x: Any, lengths: ArrayLike | None, side: str, mask: ArrayLike | None) -> tuple[AnyArray, Integers]:
    """Return the observations of a padded batch (n, T, ...) behind each other, and the lengths of its sequences."""
    if side not in _SIDES:
        raise ValueError(f"side: expected one of {_SIDES}, got {side!r}")
    array, masked = _unmasked(x)
    if array.ndim < 2:
        raise ValueError(f"x: expected shape (n, T, ...), got {array.shape}")
    n, steps = array.shape[:2]
    if mask is not None:
        kept = _checked_mask(mask, n, steps, side)
        if lengths is not None and not np.array_equal(kept.sum(1), as_lengths(lengths)):
            raise ValueError("lengths: expected how many steps the mask leaves to each sequence, got others")
    elif lengths is not None:
        counts = _checked_lengths(lengths, n, steps)
        behind = np.arange(steps) if side == "right" else np.arange(steps)[::-1]
        kept = behind < counts[:, None]
    elif masked is not None:
        kept = _checked_mask(~masked, n, steps, side)
    else:
        kept = _found(array, side)
    if masked is not None and (masked & kept).any():
        i, step = np.argwhere(masked & kept)[0]
        raise ValueError(f"x: expected steps that are there, got a masked one, step {step} of sequence {i}")
    return array[kept], kept.sum(1)


def _unmasked(x: Any) -> tuple[AnyArray, AnyArray | None]:
    """Return the numbers of a masked array and which steps are masked; None if none are."""
    if not isinstance(x, np.ma.MaskedArray) or not np.ma.getmaskarray(x).any() or x.ndim < 2:
        return as_numbers("x", x), None
    array = as_numbers("x", np.asarray(x.data))
    flags = np.ma.getmaskarray(x).reshape(*array.shape[:2], -1)
    some: AnyArray = np.any(flags, axis=-1)
    whole: AnyArray = np.all(flags, axis=-1)
    if (some & ~whole).any():
        i, step = np.argwhere(some & ~whole)[0]
        raise ValueError(
            f"x: expected steps that are masked as a whole, got step {step} of sequence {i} with some features masked: "
            "fill these, or mask the step"
        )
    return array, whole


def _checked_lengths(lengths: ArrayLike, n: int, steps: int) -> Integers:
    counts = as_lengths(lengths)
    if counts.shape != (n,):
        raise ValueError(f"lengths: expected {n} integers, got shape {counts.shape}")
    if counts.size and (counts.min() < 1 or counts.max() > steps):
        raise ValueError(f"lengths: expected lengths from 1 to {steps}, got {counts.min()} to {counts.max()}")
    return counts


def _checked_mask(mask: ArrayLike, n: int, steps: int, side: str) -> AnyArray:
    """Return a mask as bools: for each sequence one run of steps that are there."""
    given = as_numbers("mask", mask)
    if given.shape != (n, steps) or not np.isin(given, (0, 1)).all():
        raise ValueError(
            f"mask: expected a bool for each step, shape {(n, steps)}, True where it is there, got {given.dtype} of "
            f"shape {given.shape}"
        )
    kept = given.astype(bool)
    # A run begins where a step is there and the one before is not.
    runs = kept[:, :1].sum(1) + (kept[:, 1:] & ~kept[:, :-1]).sum(1)
    for i in np.flatnonzero(runs != 1):
        if not kept[i].any():
            raise ValueError(f"mask: expected at least one step of each sequence, got none of sequence {i}")
        hole = np.flatnonzero(~kept[i] & (np.arange(steps) > kept[i].argmax()))[0]
        raise ValueError(
            f"mask: expected padding at the ends alone, got a hole in sequence {i}, at step {hole}: to leave such "
            "steps out, Sequences.from_list([row[steps] for row, steps in zip(x, mask)])"
        )
    if side == "left" and not kept[:, -1].all():
        i = np.flatnonzero(~kept[:, -1])[0]
        raise ValueError(f"mask: expected padding in front, as side='left' says, got some behind sequence {i}")
    return kept


def _found(array: AnyArray, side: str) -> AnyArray:
    """Return which steps are there where NaN is padding."""
    n, steps = array.shape[:2]
    flat = array.reshape(n, steps, -1)
    if array.dtype.kind != "f" or not np.isnan(flat).any():
        return _whole(flat)
    there: AnyArray = ~np.all(np.isnan(flat), axis=-1)
    for i in np.flatnonzero(~there.any(1)):
        raise ValueError(f"x: expected at least one step of each sequence, got nothing but NaN in sequence {i}")
    first, end = there.argmax(1), steps - there[:, ::-1].argmax(1)
    places = np.arange(steps)
    # NaN in front alone is padding in front. On the other side of padding it is a missing step, and stays.
    if side == "left" or (np.all(end == steps) and first.any()):
        kept: AnyArray = places >= first[:, None]
    else:
        kept = places < end[:, None]
    return kept


def _whole(flat: AnyArray) -> AnyArray:
    """Return that all steps are there, unless zeros at the ends may be padding."""
    zeros = (flat == 0).all(-1)
    if flat.shape[1] > 1 and (zeros[:, 0] | zeros[:, -1]).any():
        i = np.flatnonzero(zeros[:, 0] | zeros[:, -1])[0]
        raise ValueError(
            "x: expected NaN as padding, or lengths, or a mask, got none, and zeros at the ends, first of sequence "
            f"{i}: if these are padding say so by lengths, or mask=(x != 0) of steps; else give x as it is"
        )
    return np.ones(flat.shape[:2], bool)
