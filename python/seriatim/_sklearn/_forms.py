"""The forms in which users give sequences: one reader for all of them, and what a fitted estimator remembers of them.

The rule: a collection (a list, a generator, a dict, groups of a frame, a column of arrays) holds sequences, whatever
they are made of, and an item with one axis is a univariate sequence, whatever the lengths. One object with axes (an
array, a tensor, a table) is taken by its axes: with three it is sequences of equal length; with two a table, whose rows
are steps, or, where there are as many targets as rows, sequences of one step. What rows were in ``fit`` they are in all
that comes later, given as a list or as a table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils.validation import check_array

from seriatim._arrays import as_lengths, as_numbers
from seriatim._sklearn._finite import as_finite
from seriatim._sklearn._mistakes import other_features
from seriatim._typing import AnyArray, ArrayLike, Integers, float_type
from seriatim.sequences import Sequences
from seriatim.sequences._items import Items, column_names, is_array, read_items, transposed

# What a row of numbers is, where X says no more: a step of a sequence, a sequence of one step, a univariate sequence.
STEP, SEQUENCE, SERIES = "step", "sequence", "series"
# Axes of a table's row, and of a frame of a video.
_TABLE, _VIDEO = 1, 3


class Known(NamedTuple):
    """What a fitted estimator knows of the sequences that come: what a row is, and the shape of an observation.

    ``steps`` are those of univariate sequences that were all equally long, None if they were not.
    """

    rows: str
    shape: tuple[int, ...]
    steps: int | None = None


class Reading(NamedTuple):
    """Sequences as they were given.

    ``rows`` says what a row of X is, ``form`` in what the sequences came: 'sequences', 'list', 'nested' (lists in
    lists), 'dict', 'cube' (an array with an axis of sequences), 'table', or 'lengths' (a table with lengths).
    """

    sequences: Sequences
    rows: str
    form: str
    names: list[str] | None = None
    keys: list[Any] | None = None

    @property
    def known(self) -> Known:
        """What is to be remembered."""
        lengths = self.sequences.lengths
        equal = (
            self.rows == SERIES and self.form not in ("sequences", "lengths") and bool(np.all(lengths == lengths[0]))
        )
        return Known(self.rows, self.sequences.X.shape[1:], int(lengths[0]) if equal else None)


def read_sequences(
    X: Any,
    lengths: ArrayLike | None,
    estimator: str,
    *,
    known: Known | None = None,
    targets: int | None = None,
    dtype: Any = None,
) -> Reading:
    """Read X in any of its forms.

    Parameters
    ----------
    X : Sequences; collection of (T_i, D) or (T_i,); array (n, T, D), or (sum T, D) with lengths, or a table
    lengths : array_like of int, optional
    estimator : str
        Named in messages.
    known : Known, optional
        What was read in ``fit``; None in ``fit`` itself.
    targets : int, optional
        How many targets there are: in ``fit`` as many rows of a table are so many sequences; without any, or with
        another number of them, a table is one sequence.
    dtype : dtype, optional
        Of floating-point numbers; by default float32 if it holds all values of X's type, and else float64, so that an
        offset rounds nothing away before it is gone.

    Returns
    -------
    Reading
        Its sequences are of contiguous observations ``(sum T, D)``, finite.

    Raises
    ------
    ValueError
        X has none of the forms, other features than is known, or values that are no finite numbers; lengths do not
        belong to it.
    TypeError
        Lengths are not integers, or X no numbers.
    """
    return _Reader(estimator, _TABLE, known, targets, dtype).read(X, lengths)


def read_videos(
    X: Any, lengths: ArrayLike | None, estimator: str, *, known: Known | None = None, dtype: Any = None
) -> Reading:
    """Read videos in any of their forms.

    Parameters
    ----------
    X : Sequences; collection of (T_i, C, H, W); array (n, T, C, H, W), or (sum T, C, H, W) with lengths
        Where frames are known, one video ``(T, C, H, W)`` or a list of frames as well.
    lengths, estimator, known, dtype
        As of :func:`read_sequences`.

    Returns
    -------
    Reading
        Its sequences are of frames ``(sum T, C, H, W)``, finite.
    """
    return _Reader(estimator, _VIDEO, known, None, dtype).read(X, lengths)


class _Reader(NamedTuple):
    estimator: str
    # Of an observation.
    axes: int
    known: Known | None
    targets: int | None
    dtype: Any

    def read(self, X: Any, lengths: ArrayLike | None) -> Reading:
        if isinstance(X, Sequences):
            _no_lengths(lengths, "a Sequences object, which knows them")
            return self.checked(X.X, X.lengths, STEP, "sequences", X.columns, X.keys)
        items = read_items("X[{}]", X)
        if items is not None:
            return self.of_items(items, lengths)
        array = as_numbers("X", X if is_array(X) or not isinstance(X, Iterable) else list(X))
        return self.of_array(array, lengths, column_names(X))

    # ---- Collections

    def of_items(self, items: Items, lengths: ArrayLike | None) -> Reading:
        arrays = items.arrays
        if not arrays:
            raise ValueError("X: expected at least one sequence, got none (0 samples)")
        shapes = [array.shape for array in arrays]
        rows = {array.ndim for array in arrays} == {self.axes}
        if lengths is not None:
            if not rows or len(set(shapes)) > 1:
                _no_lengths(lengths, "a list of sequences, which has them")
            return self.checked(np.stack(arrays), lengths, STEP, "lengths", items.columns)
        meaning = SERIES if self.axes == _TABLE else STEP
        if rows and self.known is not None:
            meaning = self.known_meaning(shapes)
        if rows and meaning != SERIES and len(set(shapes)) == 1 and (self.axes == _TABLE or self.known is not None):
            table = np.stack(arrays)
            counts = [len(table)] if meaning == STEP else np.ones(len(table))
            return self.checked(table, counts, meaning, "table", items.columns)
        form = "nested" if items.is_nested else "dict" if isinstance(items.keys, list) else "list"
        whole = [array[:, None] if self.axes == _TABLE and array.ndim == 1 else array for array in arrays]
        self.check_items(whole, shapes)
        # Whatever holds (T, 1) and (T,) side by side has univariate sequences.
        kind = SERIES if any(array.ndim == self.axes for array in arrays) else STEP
        return self.checked(
            np.concatenate(whole),
            np.array([len(array) for array in whole]),
            kind,
            form,
            items.columns,
            items.keys,
        )

    def check_items(self, whole: list[AnyArray], shapes: list[tuple[int, ...]]) -> None:
        """Refuse sequences that have not the axes, or not the features, of each other and of what is known."""
        what = "(T, D) or (T,)" if self.axes == _TABLE else "(T, C, H, W)"
        kind = "a sequence" if self.axes == _TABLE else "a video"
        for i, array in enumerate(whole):
            if array.ndim != self.axes + 1 or 0 in array.shape:
                grey = ": a channel axis is missing, X[i][:, None]" if array.ndim == self.axes == _VIDEO else ""
                raise ValueError(f"X[{i}]: expected {kind} of shape {what} with T >= 1, got {shapes[i]}{grey}")
        wanted = whole[0].shape[1:] if self.known is None else self.known.shape
        for i, array in enumerate(whole):
            if array.shape[1:] == wanted:
                continue
            if self.known is not None:
                raise ValueError(other_features(self.estimator, array.shape[1:], wanted, self.turned(i, shapes[i])))
            hint = transposed(shapes)
            if self.axes == _TABLE:
                raise ValueError(
                    f"X[{i}]: expected {wanted[0]} features as in X[0], got {array.shape[1]} (shape {shapes[i]}){hint}"
                )
            raise ValueError(
                f"X[{i}]: expected a video (T, C, H, W) with T >= 1 and frames like X[0]'s, {wanted}, got {shapes[i]}"
            )

    def turned(self, i: int, shape: tuple[int, ...]) -> str:
        """Say which sequence has other features than are known, and whether it looks transposed."""
        assert self.known is not None
        if self.axes != _TABLE:
            return f" (X[{i}] has shape {shape})"
        text = f": X[{i}] has shape {shape}"
        if len(shape) == 1:
            return text + ", a univariate sequence"
        if shape[0] == self.known.shape[0]:
            return text + f", transposed? Steps come first, (T, {shape[0]}): x.T"
        return text

    # ---- One object with axes

    def of_array(self, array: AnyArray, lengths: ArrayLike | None, names: list[str] | None) -> Reading:
        if array.ndim == self.axes + 2:
            _no_lengths(
                lengths,
                "a 3-D array, all of whose sequences are equally long (Sequences.from_padded(X, lengths) cuts padding)"
                if self.axes == _TABLE
                else "a 5-D array, all of whose videos are equally long",
            )
            return self.of_cube(array)
        if lengths is not None:
            if self.axes == _TABLE and array.ndim == 1:
                return self.checked(array[:, None], lengths, SERIES, "lengths")
            return self.checked(array, lengths, STEP, "lengths", names)
        if self.axes == _VIDEO:
            if self.known is not None and array.ndim == self.axes + 1:
                return self.checked(array, [len(array)], STEP, "table")
            raise ValueError(
                "X: expected a list of videos (T, C, H, W), an array (n, T, C, H, W), or frames (sum T, C, H, W) with "
                f"lengths, got shape {array.shape} without lengths"
            )
        if array.ndim == 1 and self.known is not None and self.known.shape == (1,) and self.known.rows != SEQUENCE:
            return self.checked(array[:, None], [len(array)], SERIES, "table")
        if array.ndim != 2 or 0 in array.shape:
            self.refuse(array)
        meaning = self.table_meaning(array)
        if meaning == SERIES:
            return self.checked(array.reshape(-1, 1), np.full(len(array), array.shape[1]), SERIES, "cube")
        counts = np.ones(len(array)) if meaning == SEQUENCE else [len(array)]
        return self.checked(array, counts, meaning, "table", names)

    def of_cube(self, array: AnyArray) -> Reading:
        if 0 in array.shape:
            kind = "a 3-D array (n, T, D)" if self.axes == _TABLE else "an array (n, T, C, H, W)"
            raise ValueError(f"X: expected {kind} with no empty axis, got shape {array.shape}")
        if self.known is not None and array.shape[2:] != self.known.shape:
            hint = ""
            if self.axes == _TABLE and array.shape[1] == self.known.shape[0]:
                hint = f": X has shape {array.shape}, transposed? Steps come first: X.transpose(0, 2, 1)"
            raise ValueError(other_features(self.estimator, array.shape[2:], self.known.shape, hint))
        return self.checked(array.reshape(-1, *array.shape[2:]), np.full(len(array), array.shape[1]), STEP, "cube")

    # ---- What rows are

    def known_meaning(self, shapes: list[tuple[int, ...]]) -> str:
        """Return what a fitted estimator takes rows in a collection for."""
        assert self.known is not None
        if self.known.rows == SEQUENCE:
            return SEQUENCE
        if self.known.shape == (1,):
            # Steps of one number each, where sequences have been given with two axes.
            return STEP if self.known.rows == STEP and set(shapes) == {(1,)} else SERIES
        return STEP if set(shapes) == {self.known.shape} else SERIES

    def table_meaning(self, array: AnyArray) -> str:
        """Return what rows of a table are."""
        if self.known is None:
            return SEQUENCE if self.targets == len(array) else STEP
        if self.known.rows == SERIES:
            steps = array.shape[1]
            if self.known.steps not in (None, steps):
                # As of any table; X.T is such a one.
                raise ValueError(
                    f"X has {steps} features, but {self.estimator} is expecting {self.known.steps} features as input: "
                    f"X has shape {array.shape}, and in training all had {self.known.steps} steps: if its rows are "
                    "sequences of another length, give list(X)"
                )
            return STEP if steps == 1 else SERIES
        if self.known.rows == STEP and self.targets == len(array):
            return SEQUENCE
        return self.known.rows

    # ---- Numbers

    def checked(
        self,
        rows: AnyArray,
        lengths: Any,
        kind: str,
        form: str,
        names: list[str] | None = None,
        keys: list[Any] | None = None,
    ) -> Reading:
        """Return a reading of observations that lie behind each other, all of them finite and as is known."""
        if self.axes == _TABLE and rows.ndim == 1 and len(rows):
            rows, kind = rows[:, None], SERIES
        if rows.ndim != self.axes + 1 or 0 in rows.shape:
            self.refuse(rows)
        if self.known is not None and rows.shape[1:] != self.known.shape:
            hint = ""
            if self.axes == _TABLE and form == "table" and len(rows) == self.known.shape[0]:
                hint = f": X has shape {rows.shape}, transposed? Steps come first: X.T"
            elif form == "table" and self.known.shape == (1,):
                hint = ": if its rows are univariate sequences, give X[:, :, None]"
            raise ValueError(other_features(self.estimator, rows.shape[1:], self.known.shape, hint))
        counts: Integers = as_lengths(lengths)
        sequences = Sequences(rows, counts)
        # Mini-batches are collected from dense rows: once here, not once a batch.
        numbers = np.ascontiguousarray(as_finite(rows, counts, self.dtype or float_type(rows.dtype), names))
        if numbers is not rows:
            sequences = Sequences(numbers, counts)
        return Reading(sequences, kind, form, names, keys)

    def refuse(self, array: AnyArray) -> None:
        """Raise scikit-learn's words for what is no table."""
        if self.axes == _VIDEO:
            raise ValueError(
                f"X: expected frames (sum T, C, H, W) of numbers, got {array.dtype} of shape {array.shape}"
            )
        check_array(array, dtype=np.float64, estimator=self.estimator)
        raise ValueError(f"X: expected a table (sum T, D), got shape {array.shape}")


def _no_lengths(lengths: ArrayLike | None, beside: str) -> None:
    if lengths is not None:
        raise ValueError(f"lengths: expected None beside {beside}, got lengths as well")
