"""What stands in a collection: its sequences one by one, whatever holds them and whatever they are made of.

A collection has sequences; an object with axes (an array, a tensor, a table, a column of numbers) is none. What an item
is made of never says what it means: its shape does.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import GeneratorType
from typing import Any

import numpy as np

from seriatim._arrays import as_arrays, as_numbers
from seriatim._typing import AnyArray


@dataclass(frozen=True)
class Items:
    """The items of a collection as arrays, their keys in it, if it has any, and the names of their columns."""

    arrays: list[AnyArray]
    keys: list[Any] | None = None
    columns: list[str] | None = None
    # Whether it is lists in lists: the array that it could be.
    is_nested: bool = False


# What generators have given, for as long as they live: who gives one to fit and to predict means the same sequences.
_GIVEN: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()


def reusable(X: Any) -> Any:
    """Return X, or a list of what it gives if that can be had only once: a generator, a map, an open file's rows."""
    if isinstance(X, GeneratorType):
        if X not in _GIVEN:
            _GIVEN[X] = list(X)
        return _GIVEN[X]
    return list(X) if isinstance(X, Iterator) else X


def read_items(each: str, X: Any) -> Items | None:
    """Return the items of a collection as arrays; None if X is an object with axes, or numbers.

    Parameters
    ----------
    each : str
        What an item is called in errors, with {} in the place of its number.
    X : list, tuple, iterator, dict, dict view, groups of a frame, array or column whose cells are sequences
        Of arrays, lists, tensors, frames, columns. Pairs of a key and a sequence count as the sequence.

    Returns
    -------
    Items or None

    Raises
    ------
    ValueError, TypeError
        An item holds no numbers, or frames differ in their columns.
    """
    items, keys = opened(X)
    if items is None or not (items == [] or any(map(has_axes, items))):
        return None
    if keys is None and items and all(map(_is_pair, items)):
        keys, items = [pair[0] for pair in items], [pair[1] for pair in items]
        items = _without_keys(keys, items)
    columns = _common_columns(each, items)
    arrays = as_arrays(each, items)
    nested = isinstance(X, (list, tuple)) and all(isinstance(item, (list, tuple)) for item in items)
    return Items(arrays, keys, columns, nested and keys is None)


def keys_of(X: Any) -> list[Any] | None:
    """Return the keys of a collection, None if it has none."""
    items, keys = opened(X)
    if keys is None and items and all(map(_is_pair, items)):
        return [pair[0] for pair in items]
    return keys


def has_axes(item: Any) -> bool:
    """Return whether something has at least one axis: it is neither a number nor text nor missing."""
    if isinstance(item, np.ndarray):
        return item.ndim > 0
    if item is None or isinstance(item, (np.generic, str, bytes, int, float, complex)):
        return False
    shape = getattr(item, "shape", None)
    if isinstance(shape, tuple):
        return len(shape) > 0
    return isinstance(item, Iterable) or is_array(item)


def is_array(X: Any) -> bool:
    """Return whether something is one object with axes."""
    return any(hasattr(type(X), name) for name in ("__array__", "__dlpack__", "to_numpy", "toarray")) or hasattr(
        X, "__array_interface__"
    )


def opened(X: Any) -> tuple[list[Any] | None, list[Any] | None]:
    """Return the items of a collection and their keys, None if they have none; no items if it is no collection."""
    if isinstance(X, (list, tuple)):
        return list(X), None
    if isinstance(X, Mapping):
        return list(X.values()), list(X)
    if isinstance(X, (str, bytes)):
        return None, None
    if getattr(X, "is_nested", False) is True:
        # A nested tensor of torch.
        return list(X.unbind()), None
    if is_array(X):
        return _cells(X), None
    return (list(reusable(X)), None) if isinstance(X, Iterable) else (None, None)


def _cells(X: Any) -> list[Any] | None:
    """Return the cells of an array, a column or a table that are sequences; None if they are numbers."""
    kinds = getattr(X, "dtypes", getattr(X, "dtype", None))
    kinds = [kinds] if isinstance(kinds, np.dtype) or not isinstance(kinds, Iterable) else list(kinds)
    if all(isinstance(kind, np.dtype) and kind.kind != "O" for kind in kinds) or not hasattr(X, "__len__"):
        return None
    array: AnyArray = X if isinstance(X, np.ndarray) else X.to_numpy() if hasattr(X, "to_numpy") else np.empty(0)
    if array.dtype.kind != "O" or array.ndim not in (1, 2) or not array.size or not has_axes(array.flat[0]):
        return None
    if array.ndim == 1:
        return list(array)
    if array.shape[1] == 1:
        return list(array[:, 0])
    # A table whose cells are series: one feature a column.
    rows = [[as_numbers(f"X[{i}, {j}]", cell) for j, cell in enumerate(row)] for i, row in enumerate(array)]
    for i, row in enumerate(rows):
        if any(cell.shape != row[0].shape for cell in row):
            raise ValueError(f"X[{i}]: expected cells of one length, got shapes {[cell.shape for cell in row]}")
    return [np.stack(row, axis=-1) for row in rows]


def _is_pair(item: Any) -> bool:
    """Whether it is a key and what it stands for, as groups and the items of a dict are."""
    if not isinstance(item, tuple) or len(item) != 2 or not has_axes(item[1]):
        return False
    key = item[0]
    if isinstance(key, tuple):
        return not isinstance(item[1], (list, tuple)) and not any(map(has_axes, key))
    return not has_axes(key)


def _without_keys(keys: list[Any], frames: list[Any]) -> list[Any]:
    """Return frames of groups without the columns that hold nothing but the group's key."""
    names = [name for name in getattr(frames[0], "columns", []) if isinstance(name, str)]
    if not names or not all(hasattr(frame, "columns") for frame in frames):
        return frames
    parts = [key if isinstance(key, tuple) else (key,) for key in keys]

    def is_key(name: str) -> bool:
        return any(
            all(
                name in frame.columns and bool(np.all(np.asarray(frame[name], dtype=object) == key[place]))
                for key, frame in zip(parts, frames, strict=True)
            )
            for place in range(len(parts[0]))
        )

    dropped = {name for name in names if is_key(name)}
    return [frame[[name for name in frame.columns if name not in dropped]] for frame in frames] if dropped else frames


def column_names(frame: Any) -> list[str] | None:
    """Return the column names of a data frame if all are text, None for anything else."""
    columns = getattr(frame, "columns", None)
    if columns is None or not all(isinstance(name, str) for name in columns):
        return None
    return list(columns)


def _common_columns(each: str, items: list[Any]) -> list[str] | None:
    columns = column_names(items[0]) if items else None
    if columns is None:
        return None
    for i, item in enumerate(items):
        found = column_names(item)
        if found is not None and found != columns:
            raise ValueError(
                f"{each.format(i)}: expected the columns of {each.format(0)}, {columns}, in their order, got {found}"
            )
    return columns


def transposed(shapes: list[tuple[int, ...]]) -> str:
    """Return a hint if sequences look as if features came before steps, (C, T) in the place of (T, C)."""
    if any(len(shape) != 2 for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
        return ""
    if len({shape[1] for shape in shapes}) == 1:
        return ""
    return (
        f": all have {shapes[0][0]} in axis 0 and differ in axis 1, as if transposed. Steps come first, (T, D): "
        "[x.T for x in X]"
    )
