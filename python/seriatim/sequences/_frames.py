"""Sequences in a long table, one observation a row, and back. Frames of pandas and polars alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seriatim._arrays import as_numbers
from seriatim._typing import AnyArray, Integers
from seriatim._warnings import warn


@dataclass(frozen=True)
class Origin:
    """Where sequences come from: a key each, what the keys are called, and the names of the features."""

    keys: list[Any] | None = None
    by: tuple[str, ...] = ("sequence",)
    columns: list[str] | None = None

    def __getitem__(self, chosen: Integers) -> Origin:
        return self if self.keys is None else replace(self, keys=[self.keys[int(i)] for i in chosen])


def from_frame(df: Any, by: Any, columns: Any, order: Any) -> tuple[AnyArray, Integers, Origin]:
    """Return observations, lengths and origin of the sequences of a long table."""
    if not hasattr(df, "columns") or not hasattr(df, "__getitem__"):
        raise TypeError(f"df: expected a data frame of pandas or polars, got {type(df).__name__}")
    ids, sorting = _names(df, by), [] if order is None else _names(df, order)
    named = [str(name) for name in getattr(getattr(df, "index", None), "names", []) if name is not None]
    if any(name in named and name not in df.columns for name in [*ids, *sorting]):
        df = df.reset_index()
    features = [c for c in df.columns if c not in [*ids, *sorting]] if columns is None else _names(df, columns)
    for argument, names in (("by", ids), ("order", sorting), ("columns", features)):
        missing = [name for name in names if name not in df.columns]
        if missing or (not names and argument != "order"):
            raise ValueError(f"{argument}: expected some of the columns {list(df.columns)}, got {missing or 'none'}")
    if not len(df):
        raise ValueError("df: expected at least one row, got none")
    keys, codes = _numbered([_present(df, name) for name in ids])
    # The last key of lexsort is the first to sort by; it keeps the rows' order among equals.
    ranks = [np.unique(np.asarray(_present(df, name)), return_inverse=True)[1] for name in reversed(sorting)]
    rows = np.lexsort([*ranks, codes])
    X = np.column_stack([_feature(df, name, argument="columns") for name in features])[rows]
    lengths = np.bincount(codes)
    if columns is None:
        _warn_of_constants(X, lengths, features)
    texts = [str(name) for name in features]
    return X, lengths, Origin(keys, tuple(str(name) for name in ids), texts)


def to_frame(X: AnyArray, lengths: Integers, origin: Origin | None) -> Any:
    """Return a long table of pandas: a column for each part of the key, then one for each feature."""
    import pandas

    if X.ndim > 2:
        raise ValueError(f"expected observations with at most one axis to make columns of, got shape {X.shape[1:]}")
    origin = origin or Origin()
    keys: list[Any] = list(range(len(lengths))) if origin.keys is None else origin.keys
    single = len(origin.by) == 1
    values = X.reshape(len(X), -1)
    names = origin.columns or [f"x{i}" for i in range(values.shape[1])]
    rows = np.repeat(np.arange(len(lengths)), lengths)
    parts = {
        name: [keys[i] if single else keys[i][place] for i in rows.tolist()] for place, name in enumerate(origin.by)
    }
    return pandas.DataFrame({**parts, **{name: values[:, i] for i, name in enumerate(names)}})


def _names(df: Any, given: Any) -> list[Any]:
    """Return one name, or several, as a list; a tuple may be either."""
    single = isinstance(given, str) or not isinstance(given, Iterable)
    return [given] if single or (isinstance(given, tuple) and given in list(df.columns)) else list(given)


def _present(df: Any, name: Any) -> list[Any]:
    """Return the values of a column, none of them missing."""
    values: list[Any] = df[name].to_list()
    for row, value in enumerate(values):
        # NaN and NaT are not themselves; pandas' NA is neither true nor false.
        if value is None or type(value).__name__ == "NAType" or value != value:
            raise ValueError(f"df: expected a value in every row of column {name!r}, got {value} in row {row}")
    return values


def _numbered(columns: list[list[Any]]) -> tuple[list[Any], Integers]:
    """Return the different keys, in the order of their first rows, and the number of each row's."""
    numbers: dict[Any, int] = {}
    keys = columns[0] if len(columns) == 1 else zip(*columns, strict=True)
    codes = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
    return list(numbers), codes


def _feature(df: Any, name: Any, argument: str) -> AnyArray:
    try:
        return as_numbers(f"column {name!r}", df[name])
    except TypeError as error:
        raise TypeError(f"{error}; {argument} says which columns are features") from None


def _warn_of_constants(X: AnyArray, lengths: Integers, names: list[Any]) -> None:
    """Warn of columns that say nothing but which sequence it is: targets among the features."""
    starts = np.cumsum(lengths) - lengths
    if len(lengths) < 2 or len(X) == len(lengths):
        return
    within = (np.repeat(X[starts], lengths, axis=0) == X).all(0) & (X[starts] != X[0]).any(0)
    found = [names[i] for i in np.flatnonzero(within)]
    if found:
        warn(
            f"{', '.join(map(repr, found))}: the same in all rows of a sequence, and taken for a feature. If it is "
            "what is to be predicted, say by columns= which are features."
        )
