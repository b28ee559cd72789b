"""Labels as users give them: one a sequence, all there, all text or all numbers; or an error that says where not."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator, KeysView, Sequence, ValuesView
from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from seriatim._arrays import as_labels
from seriatim._typing import AnyArray
from seriatim._warnings import warn

_WAY_ON = "leave these {}s out, or give what is unknown a label of its own"
# Of these none is missing, and they do not mix.
_WHOLE: tuple[frozenset[type], ...] = (frozenset({str, np.str_}), frozenset({int, bool, np.int64, np.int32, np.bool_}))


def read_labels(name: str, values: Any, each: str = "sequence") -> AnyArray:
    """Return labels ``(n,)``; a single column warns, as scikit-learn does.

    Parameters
    ----------
    name : str
        The argument, for errors.
    values : array_like
        Also an iterator, a range, or a dict's keys or values.
    each : str
        What has a label, for errors.

    Raises
    ------
    ValueError, TypeError
        One is missing (None, NaN, NA, NaT) or infinite, they are text and numbers, or there are several a sequence.
    """
    values = as_list(values)
    refuse_missing(name, values, f"a label for each {each}", _WAY_ON.format(each))
    labels = as_labels(name, values)
    if labels.dtype == object and labels.ndim == 1 and len(labels) and not _is_text(labels[0]):
        # Numbers that a table kept as objects.
        _refuse_times(name, labels)
        labels = np.array(labels.tolist())
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise ValueError(f"{name}: expected a label a {each}, shape (n,), got {labels.shape}; {_several(name, labels)}")
    column: AnyArray = column_or_1d(labels, warn=True)
    with warnings.catch_warnings():
        if column.dtype.kind in "OUS":
            # Many labels may be few sequences each, but text is no number.
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
        check_classification_targets(column)
    return column


def read_label_table(name: str, values: Any) -> AnyArray:
    """Return labels ``(n,)``, or several a sequence, ``(n, n_labels)``, in scikit-learn's forms.

    Parameters
    ----------
    name : str
        The argument, for errors.
    values : array_like, shape (n,), or (n, n_labels) of 0 and 1, or of integers or text

    Raises
    ------
    ValueError, TypeError
        As of :func:`read_labels`; or several labels a sequence are numbers that are none.
    """
    values = as_list(values)
    table = as_labels(name, values) if np.ndim(_first(values)) else None
    if table is None or table.ndim != 2 or table.shape[1] < 2:
        return read_labels(name, values)
    refuse_missing(name, values, "labels for each sequence", _WAY_ON.format("sequence"))
    if table.dtype == object and len({_is_text(one) for one in table[0]}) > 1:
        raise ValueError(
            f"{name}: expected columns of labels of one kind, got text and numbers: make all of them text, "
            f"{name}.astype(str)"
        )
    kind = type_of_target(table, input_name=name)
    if kind not in ("multilabel-indicator", "multiclass-multioutput"):
        raise ValueError(
            f"{name}: Unknown label type: expected a label a sequence, (n,), 0 and 1 for each of several labels, or "
            f"columns of labels, got {kind!r} of shape {table.shape}"
        )
    if are_sets(table) and (table.sum(axis=1) == 1).all() and len(table) > 1:
        warn(
            f"{name} has one 1 in every row, as one-hot rows have: they are learned as labels that are each there or "
            f"not. np.argmax({name}, axis=1) makes them classes that exclude each other."
        )
    return table


def are_sets(table: AnyArray) -> bool:
    """Return whether several labels a sequence are 0 and 1 for each."""
    return table.ndim == 2 and type_of_target(table) == "multilabel-indicator"


def _first(values: Any) -> Any:
    """Return the first of some values, without making anything of them all."""
    if isinstance(values, list):
        return values[0] if values else 0
    shape = getattr(values, "shape", None)
    return np.zeros(1) if isinstance(shape, tuple) and len(shape) > 1 else 0


def as_list(values: Any) -> Any:
    """Return what has an order but is no array as a list; anything else as it is."""
    ordered = isinstance(values, (Iterator, KeysView, ValuesView, Sequence)) and not isinstance(values, (str, bytes))
    return list(values) if ordered else values


def refuse_missing(name: str, values: Any, wanted: str, way_on: str) -> None:
    """Refuse values of which some are missing or infinite, and text among numbers, which NumPy would make text.

    Raises
    ------
    ValueError
        With the index of the first one.
    """
    array = _objects(values)
    if array.dtype.kind not in "OfMm" or not array.size:
        return
    missing = np.frompyfunc(_is_missing, 1, 1)(array).astype(bool) if array.dtype == object else ~np.isfinite(array)
    rows = np.flatnonzero(missing.reshape(len(missing), -1).any(axis=1))
    if len(rows):
        first = array.reshape(len(array), -1)[rows[0]][missing.reshape(len(missing), -1)[rows[0]]][0]
        infinite = isinstance(first, (float, np.floating)) and np.isinf(first)
        shown = "infinity (inf)" if infinite else "NaN" if isinstance(first, (float, np.floating)) else str(first)
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        raise ValueError(f"{name}: expected {wanted}, got {shown} at index {rows[0]}{more}: {way_on}")
    if array.dtype == object and array.ndim == 1:
        _refuse_mixed(name, array)


def _objects(values: Any) -> AnyArray:
    """Return an array in which what is missing still is."""
    if isinstance(values, list):
        if any(kinds.issuperset(map(type, values)) for kinds in _WHOLE):
            return np.array([])
        try:
            return np.array(values, dtype=object)
        except ValueError:
            # Lists that differ in length: whoever makes an array of them says so.
            return np.array([])
    if callable(getattr(values, "isna", None)):
        return np.asarray(values.to_numpy(dtype=object))
    if callable(getattr(values, "null_count", None)):
        return np.array(values.to_list() if hasattr(values, "to_list") else values.rows(), dtype=object)
    return values if isinstance(values, np.ndarray) and values.ndim else np.array([])


def _refuse_mixed(name: str, items: AnyArray) -> None:
    text = [_is_text(item) for item in items]
    if all(text) or not any(text):
        return
    i, j = text.index(True), text.index(False)
    raise ValueError(
        f"{name}: expected labels of one kind, got text, {items[i]!r} at index {i}, and {type(items[j]).__name__}, "
        f"{items[j]!r} at index {j}: list(map(str, {name})) is the way on"
    )


def _refuse_times(name: str, items: AnyArray) -> None:
    """Refuse Python's dates and times: classes are arrays of NumPy's, which are not equal to them in scikit-learn."""
    for index, item in enumerate(items):
        if not isinstance(item, (datetime.date, datetime.timedelta)):
            continue
        if getattr(item, "tzinfo", None) is not None:
            way = f"pandas.DatetimeIndex({name}).tz_convert(None), their times in UTC, is the way on"
        else:
            is_time = isinstance(item, datetime.datetime)
            unit = "M8[us]" if is_time else "M8[D]" if isinstance(item, datetime.date) else "m8[us]"
            way = f'np.asarray({name}, "{unit}") is the way on'
        kind = type(item)
        raise ValueError(
            f"{name}: expected labels of text, integers or NumPy's datetime64, got {kind.__module__}.{kind.__name__}, "
            f"{str(item)!r} at index {index}: {way}"
        )


def _is_text(item: Any) -> bool:
    return isinstance(item, (str, bytes))


def _is_missing(item: Any) -> bool:
    if item is None or type(item).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(item, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(item))
    return isinstance(item, (float, np.floating)) and not np.isfinite(item)


def _several(name: str, labels: AnyArray) -> str:
    """Say what to do with a table of labels."""
    if labels.dtype.kind in "fiub" and np.isin(labels, (0, 1)).all():
        if (labels.sum(axis=1) == 1).all():
            return f"one-hot rows, as these seem to be, become labels by np.argmax({name}, axis=1)"
        return "for several labels a sequence fit a classifier for each column, as sklearn.multioutput does"
    return f"choose a column, {name}[:, 0], or fit a classifier for each, as sklearn.multioutput does"
