"""The forms in which users give sequences, read into one container and checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_array

from seriatim._typing import AnyArray, ArrayLike, Integers, float_type
from seriatim.sequences import Sequences


def read_sequences(
    X: Any, lengths: ArrayLike | None, row_per_sequence: bool, estimator: str, dtype: Any = None
) -> Sequences:
    """Read X in any of its forms.

    Parameters
    ----------
    X : Sequences, list of arrays (T_i, D) or (T_i,), array (n, T, D), or array (sum T, D) with lengths
    lengths : array_like of int, optional
    row_per_sequence : bool
        What a 2-D array without lengths is: one sequence a row, or else one sequence.
    estimator : str
        Named in messages.
    dtype : dtype, optional
        Of floating-point numbers; by default float32 if it holds all values of X's type, and else float64, so that an
        offset rounds nothing away before it is gone.

    Returns
    -------
    Sequences
        Of contiguous observations ``(sum T, D)``, finite.

    Raises
    ------
    ValueError
        X has none of the forms, or values that are no finite numbers; lengths do not belong to it.
    TypeError
        Lengths are not integers.
    """
    if isinstance(X, Sequences):
        _no_lengths(lengths, "a Sequences object, which knows them")
        return _checked(X.X, X.lengths, estimator, dtype)
    if is_list_of_arrays(X):
        _no_lengths(lengths, "a list of sequences, which has them")
        return _from_list(list(X), estimator, dtype)
    if getattr(X, "ndim", None) == 3 or (isinstance(X, (list, tuple)) and np.ndim(X) == 3):
        _no_lengths(lengths, "a 3-D array, all of whose sequences are equally long")
        array = np.asarray(X)
        if 0 in array.shape:
            raise ValueError(f"X: expected a 3-D array (n, T, D) with no empty axis, got shape {array.shape}")
        n, steps, features = array.shape
        return _checked(array.reshape(-1, features), np.full(n, steps), estimator, dtype)
    if lengths is not None:
        array = np.asarray(X)
        array = array.reshape(-1, 1) if array.ndim == 1 else X
        return _checked(array, lengths, estimator, dtype)
    checked = np.ascontiguousarray(_numbers(X, estimator, dtype))
    counts = np.ones(len(checked)) if row_per_sequence else np.array([len(checked)])
    return Sequences(checked, counts.astype(np.int64))


def rows_of_table(X: Any) -> int | None:
    """Return how many rows a 2-D table of numbers has; None if X is a list of sequences, a container or else."""
    if isinstance(X, Sequences):
        return None
    if isinstance(X, (list, tuple)) and any(isinstance(x, np.ndarray) and x.ndim > 0 for x in X):
        return None
    shape = np.asarray(X).shape
    return shape[0] if len(shape) == 2 else None


def is_list_of_arrays(X: Any) -> bool:
    """Return whether X is a list, tuple or object array of arrays."""
    if isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 1:
        return len(X) > 0 and all(isinstance(x, np.ndarray) for x in X)
    return isinstance(X, (list, tuple)) and len(X) > 0 and any(isinstance(x, np.ndarray) and x.ndim > 0 for x in X)


def _from_list(arrays: list[Any], estimator: str, dtype: Any) -> Sequences:
    columns: list[AnyArray] = []
    for i, given in enumerate(arrays):
        x = np.asarray(given)
        if x.ndim == 1:
            x = x[:, None]
        if x.ndim != 2 or 0 in x.shape:
            raise ValueError(f"X[{i}]: expected a sequence of shape (T, D) or (T,) with T >= 1, got {np.shape(given)}")
        if columns and x.shape[1] != columns[0].shape[1]:
            raise ValueError(
                f"X[{i}]: expected {columns[0].shape[1]} features as in X[0], got {x.shape[1]} (shape {x.shape})"
            )
        columns.append(x)
    return _checked(np.concatenate(columns), [len(x) for x in columns], estimator, dtype)


def _no_lengths(lengths: ArrayLike | None, beside: str) -> None:
    if lengths is not None:
        raise ValueError(f"lengths: expected None beside {beside}, got lengths as well")


def _numbers(X: Any, estimator: str, dtype: Any) -> AnyArray:
    """Return a table of finite numbers; scikit-learn words what is wrong with anything else."""
    if type(X) is np.ndarray and X.ndim == 2 and X.dtype.kind == "f" and 0 not in X.shape:
        with np.errstate(all="ignore"):
            array = X.astype(dtype or float_type(X.dtype), copy=False)
            # One pass: a NaN or an infinity anywhere makes the sum one.
            if np.isfinite(np.sum(array, dtype=np.float64)):
                return array
    if dtype is None:
        kind = getattr(X, "dtype", None)
        narrow = isinstance(kind, np.dtype) and float_type(kind) is np.float32
        # Of a frame, scikit-learn finds the common type of the columns, and takes the first of these if it is neither.
        dtype = np.float32 if narrow else [np.float64, np.float32]
    checked: AnyArray = check_array(X, dtype=dtype, estimator=estimator)
    return checked


def _checked(X: Any, lengths: ArrayLike, estimator: str, dtype: Any) -> Sequences:
    # Mini-batches are collected from dense rows: once here, not once a batch.
    array = np.ascontiguousarray(_numbers(X, estimator, dtype))
    counts: Integers = np.asarray(lengths)
    if counts.dtype.kind == "f" and np.all(counts == np.round(counts)):
        counts = counts.astype(np.int64)
    return Sequences(array, counts)


def read_videos(X: Any, lengths: ArrayLike | None) -> Sequences:
    """Read videos in any of their forms.

    Parameters
    ----------
    X : Sequences, list of arrays (T_i, C, H, W), array (n, T, C, H, W), or array (sum T, C, H, W) with lengths
    lengths : array_like of int, optional

    Returns
    -------
    Sequences
        Of frames ``(sum T, C, H, W)``, finite; float32 if it holds all values of X's type, and else float64.
    """
    if isinstance(X, Sequences):
        _no_lengths(lengths, "a Sequences object, which knows them")
        frames, counts = X.X, X.lengths
    elif is_list_of_arrays(X):
        _no_lengths(lengths, "a list of videos, which has them")
        for i, video in enumerate(X):
            if np.ndim(video) != 4 or 0 in np.shape(video) or np.shape(video)[1:] != np.shape(X[0])[1:]:
                raise ValueError(
                    f"X[{i}]: expected a video (T, C, H, W) with T >= 1 and frames like X[0]'s, got {np.shape(video)}"
                )
        frames, counts = np.concatenate(list(X)), np.array([len(video) for video in X])
    else:
        frames = np.asarray(X)
        if lengths is None and frames.ndim == 5 and 0 not in frames.shape:
            counts = np.full(len(frames), frames.shape[1])
            frames = frames.reshape(-1, *frames.shape[2:])
        elif lengths is None:
            raise ValueError(
                "X: expected a list of videos (T, C, H, W), an array (n, T, C, H, W), or frames (sum T, C, H, W) with "
                f"lengths, got shape {frames.shape} without lengths"
            )
        else:
            counts = np.asarray(lengths)
    if frames.ndim != 4 or frames.dtype.kind not in "fiub":
        raise ValueError(f"X: expected frames (sum T, C, H, W) of numbers, got {frames.dtype} of shape {frames.shape}")
    used = np.ascontiguousarray(frames, float_type(frames.dtype))
    if not np.isfinite(used).all():
        raise ValueError("X: expected finite numbers, got NaN or infinity")
    return Sequences(used, counts)
