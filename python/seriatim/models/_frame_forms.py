"""The forms in which targets of frames are given, and in which answers for frames come: those of X."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from seriatim._arrays import as_labels
from seriatim._sklearn import Reading
from seriatim._typing import AnyArray
from seriatim.sequences import Sequences
from seriatim.sequences._items import has_axes, opened


class GivenTargets:
    """Targets of frames as they are given: in the form of X, or with their rows behind each other.

    Parameters
    ----------
    y : Sequences, collection or array_like
    """

    def __init__(self, y: Any) -> None:
        if isinstance(y, Iterator):
            y = list(y)
        self.y, (self.items, self.keys) = y, (None, None) if isinstance(y, Sequences) else opened(y)
        self.is_flat = not isinstance(y, Sequences) and not (self.items and any(map(has_axes, self.items)))
        if self.is_flat:
            self.y = as_labels("y", self.items if isinstance(y, (list, tuple)) else y)

    def __len__(self) -> int:
        """How many there are, if they are rows."""
        return len(self.y) if self.is_flat and self.y.ndim else 0


def rows_of_targets(given: GivenTargets, reading: Reading) -> AnyArray:
    """Return targets, a row a frame, in the order of the frames.

    Raises
    ------
    ValueError
        There is not a target for each frame.
    """
    sequences, y, items, keys = reading.sequences, given.y, given.items, given.keys
    if isinstance(y, Sequences):
        _check_lengths([len(part) for part in y], sequences)
        return y.X
    if keys is not None and reading.keys is not None and keys != list(reading.keys):
        raise ValueError(f"y: expected the keys of X in their order, {reading.keys[:5]}, got {keys[:5]}")
    if items and not given.is_flat:
        parts = [as_labels(f"y[{i}]", _as_objects(item)) for i, item in enumerate(items)]
        shapes = {part.shape for part in parts}
        # Lists of as many numbers a frame are rows, too.
        if len(shapes) > 1 or len(parts) != len(sequences.X) or len(parts) == len(sequences):
            _check_lengths([len(part) for part in parts], sequences)
            return _joined(parts)
        return np.stack(parts)
    array: AnyArray = y
    n, steps = len(sequences), int(sequences.lengths[0])
    if array.ndim > 1 and array.shape[:2] == (n, steps) and (sequences.lengths == steps).all():
        return array.reshape(-1, *array.shape[2:])
    if array.ndim == 0 or len(array) != len(sequences.X):
        got = "one" if array.ndim == 0 else f"{len(array)}"
        way = ": one for each sequence? GRUClassifier and its siblings take such" if got == f"{n}" else ""
        raise ValueError(
            f"y: expected a target for each of {len(sequences.X)} frames, or an array of them for each of {n} "
            f"sequences, got {got}{way}"
        )
    return array


def in_form(reading: Reading, rows: AnyArray) -> Any:
    """Return what there is of each frame in the form in which the sequences were given."""
    sequences, form = reading.sequences, reading.form
    if form in ("table", "lengths"):
        return rows
    equal = bool(np.all(sequences.lengths == sequences.lengths[0]))
    if form == "cube" or (form == "nested" and equal):
        return rows.reshape(len(sequences), -1, *rows.shape[1:])
    parts = cut(rows, sequences)
    return dict(zip(reading.keys, parts, strict=True)) if form == "dict" and reading.keys is not None else parts


def cut(rows: AnyArray, sequences: Sequences) -> list[AnyArray]:
    """Return the rows of each sequence."""
    return np.split(rows, sequences.starts[1:])


def _as_objects(item: Any) -> Any:
    """Return a list of labels as objects, which says what is missing in it, and what is text and what is not."""
    if not isinstance(item, (list, tuple)) or any(map(has_axes, item)):
        return item
    return np.array(item, dtype=object)


def _joined(parts: list[AnyArray]) -> AnyArray:
    kinds = {part.dtype.kind for part in parts}
    if kinds & set("USO") and len(kinds) > 1:
        # NumPy would make text of the numbers among them.
        parts = [part.astype(object) for part in parts]
    try:
        return np.concatenate(parts)
    except ValueError:
        raise ValueError(
            f"y: expected targets of one shape a frame, got {[part.shape for part in parts][:5]}"
        ) from None


def _check_lengths(found: list[int], sequences: Sequences) -> None:
    if len(found) != len(sequences):
        raise ValueError(f"y: expected targets of {len(sequences)} sequences, got those of {len(found)}")
    for i, (length, wanted) in enumerate(zip(found, sequences.lengths.tolist(), strict=True)):
        if length != wanted:
            raise ValueError(f"y[{i}]: expected a target for each of {wanted} frames, got {length}")
