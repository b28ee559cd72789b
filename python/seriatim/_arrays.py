"""What a user gives as an array, read in one place: real numbers, all of them, or an error that names the argument.

Arrays pass as they are, without a copy. Lists, tensors, tables and what else can be seen as an array become one; what
would lose a part on the way (a mask, an imaginary part, a missing value) is refused.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np

from seriatim._typing import AnyArray, Integers

_REAL = "fiub"
_SECONDS = ": convert times to seconds, (t - t[0]) / np.timedelta64(1, 's')"
# Those of pandas are subclasses.
_TIMES = (datetime.date, datetime.timedelta, np.datetime64, np.timedelta64)
_SCALARS = (int, float, complex, np.generic, str, bytes)


class ComplexDataError(TypeError, ValueError):
    """Numbers are complex: the wrong type, and, in scikit-learn's manner, a wrong value."""


def as_numbers(name: str, values: Any) -> AnyArray:
    """Return real numbers, of the type that they have.

    Parameters
    ----------
    name : str
        The argument, for errors.
    values : array_like
        An array (as it is, of any byte order and layout), numbers in lists, a torch tensor, a table or column of pandas
        or polars, or anything with ``__array__`` or ``__dlpack__``.

    Returns
    -------
    ndarray of floating-point numbers, integers or bools

    Raises
    ------
    TypeError
        They are complex, text, dates, None or other objects.
    ValueError
        Some are masked, or missing in a table, or lists differ in length.
    """
    if type(values) is np.ndarray and values.dtype.kind in _REAL:
        return values
    array = _read(name, values)
    return array if array.dtype.kind in _REAL else _real(name, array)


def of_shape(name: str, values: Any, shape: tuple[int, ...]) -> AnyArray:
    """Return real numbers, of the type that they have, in an array of exactly that shape: as gradients of outputs are.

    Raises
    ------
    ValueError
        The shape is another one.
    TypeError, ValueError
        As of :func:`as_numbers`.
    """
    array = as_numbers(name, values)
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    return array


def as_arrays(each: str, sequences: Sequence[Any] | AnyArray) -> list[AnyArray]:
    """Return each of several sequences as :func:`as_numbers` does; ``each`` is a name with {} for its place.

    An empty list says nothing of its type: it is of the integers that the others hold.
    """
    arrays = [
        s if type(s) is np.ndarray and s.dtype.kind in _REAL else as_numbers(each.format(i), s)
        for i, s in enumerate(sequences)
    ]
    untyped = [i for i, s in enumerate(sequences) if isinstance(s, (list, tuple)) and not arrays[i].size]
    if untyped and len(untyped) < len(arrays):
        kinds = {array.dtype for i, array in enumerate(arrays) if i not in set(untyped)}
        if all(kind.kind in "iub" for kind in kinds):
            for i in untyped:
                arrays[i] = arrays[i].astype(np.result_type(*kinds))
    return arrays


def as_floats(name: str, values: Any, dtype: Any = np.float32) -> AnyArray:
    """Return numbers as floating-point numbers of a type, float32 by default; without a copy if they are."""
    return np.asarray(as_numbers(name, values), dtype)


def in_range(name: str, array: AnyArray, dtype: Any = np.float32) -> AnyArray:
    """Return numbers as floating-point numbers of a type, float32 by default, without a copy if they are.

    Raises
    ------
    ValueError
        One is too large for it; infinities are no such ones.
    """
    with np.errstate(over="ignore"):
        found = array.astype(dtype, copy=False)
    lost = np.isinf(found) & ~np.isinf(array) if found is not array else np.zeros(0, bool)
    if lost.any():
        raise ValueError(
            f"{name}: expected numbers that {found.dtype} can have, up to {np.finfo(dtype).max:.3g}, got "
            f"{array[lost][0]:.3g}"
        )
    return found


def as_integers(name: str, values: Any, bools: bool = False) -> Integers:
    """Return indices, codes or classes as int64; with ``bools`` False and True are classes 0 and 1.

    Raises
    ------
    TypeError
        They are bools or, though whole, floating-point numbers: what has been one may not be what it was.
    ValueError
        One is beyond int64.
    """
    array = as_numbers(name, values)
    if array.dtype.kind not in ("iub" if bools else "iu") and array.size:
        _refuse_large(name, values)
        raise TypeError(f"{name}: expected integers, got {array.dtype}")
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name}: expected integers below 2**63, got {array.max()}")
    return array.astype(np.int64, copy=False)


def as_lengths(values: Any, name: str = "lengths") -> Integers:
    """Return lengths as int64; floating-point numbers, as columns of tables are, count if they are whole.

    Raises
    ------
    TypeError
        They are not integers along one axis.
    """
    if type(values) is np.ndarray and values.dtype == np.int64 and values.ndim == 1:
        return values
    array = as_numbers(name, values)
    if (
        array.dtype.kind == "f"
        and array.ndim == 1
        and np.all(array == np.rint(array))
        and np.all(np.abs(array) < 2**53)
    ):
        array = array.astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        _refuse_large(name, values)
        raise TypeError(f"{name}: expected a 1-D array of integers, got {array.dtype} of shape {array.shape}")
    return as_integers(name, array)


def _refuse_large(name: str, values: Any) -> None:
    """Raise ValueError for Python's integers beyond 64 bits, of which NumPy makes other things than integers."""
    for value in np.asarray(values, object).flat:
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise ValueError(f"{name}: expected integers below 2**63, got one of {value.bit_length()} bits")


def as_labels(name: str, values: Any) -> AnyArray:
    """Return labels, of any type but complex numbers, none of them masked."""
    array = _read(name, values)
    if array.dtype.kind == "c":
        raise _complex(name, array)
    return array


def is_text(labels: AnyArray) -> bool:
    """Whether labels, of which there is one at least, are text."""
    return labels.dtype.kind in "US" or (labels.dtype == object and isinstance(labels[0], (str, bytes)))


def are_label(labels: AnyArray, label: Any) -> AnyArray:
    """Where labels are this one, which may be NaN or NaT; of None nowhere."""
    if label is None or not len(labels):
        return np.zeros(len(labels), bool)
    if label != label:
        return np.asarray(labels != labels, bool)
    if labels.dtype != object and is_text(labels) != isinstance(label, (str, bytes)):
        # Text is no number, whatever NumPy makes of the two.
        return np.zeros(len(labels), bool)
    return np.asarray(labels == label, bool)


# ---- Into an array


def _read(name: str, values: Any) -> AnyArray:
    """Return an array of whatever type, with nothing lost."""
    if isinstance(values, np.ndarray):
        _refuse_mask(name, values)
        return np.asarray(values)
    if isinstance(values, tuple) and hasattr(values, "batch_sizes"):
        if type(values).__module__.startswith("torch"):
            raise TypeError(
                f"{name}: expected an array or seriatim.PackedSequence, got torch's PackedSequence p: "
                "seriatim.PackedSequence(*p) is it, seriatim.pack_sequence packs arrays"
            )
        raise TypeError(
            f"{name}: expected an array, got a PackedSequence: nn.SequenceWise and elementwise_apply go over its rows"
        )
    if isinstance(values, (list, tuple)):
        return _from_list(name, values)
    if missing := _missing(values):
        raise ValueError(f"{name}: expected values that are all there, got {missing} missing: fill or drop them")
    try:
        array = _converted(values)
    except MemoryError:
        raise
    except Exception as error:
        raise TypeError(f"{name}: expected an array, got {type(values).__name__}, which is none: {error}") from error
    if isinstance(values, np.generic) or array.ndim or array.dtype.kind != "O":
        return array
    if hasattr(values, "toarray"):
        raise TypeError(f"{name}: Sparse data was passed, expected a dense array: convert it by .toarray()")
    return array


def _missing(values: Any) -> int:
    """Count what is missing in a table or column of polars, and in those of pandas that have NA: no NaN is."""
    if callable(count := getattr(values, "null_count", None)):
        found = count()
        return sum(found.row(0)) if hasattr(found, "row") else int(found)
    if not hasattr(values, "isna") or not hasattr(values, "dtype" if np.ndim(values) == 1 else "dtypes"):
        return 0
    types = [values.dtype] if np.ndim(values) == 1 else list(values.dtypes)
    absent = np.asarray(values.isna()).reshape(-1, len(types))
    return int(absent[:, [not isinstance(kind, np.dtype) for kind in types]].sum())


def _converted(values: Any) -> AnyArray:
    """Return what one object, neither an array nor a list, is as an array."""
    if hasattr(values, "detach") and hasattr(values, "numpy"):
        tensor = values.detach().cpu()
        # NumPy has none of torch's short floating-point numbers but float16.
        short = str(tensor.dtype).startswith(("torch.bfloat", "torch.float8"))
        return np.asarray((tensor.float() if short else tensor).numpy())
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy())
    if hasattr(values, "__dlpack__") and not hasattr(values, "__array__"):
        return np.asarray(np.from_dlpack(values))
    return np.asarray(values)


def _from_list(name: str, values: list[Any] | tuple[Any, ...]) -> AnyArray:
    if _is_plain(values):
        return np.asarray(values)
    parts = [_read(f"{name}[{i}]", value) for i, value in enumerate(values)]
    for i, part in enumerate(parts):
        if part.shape != parts[0].shape:
            raise ValueError(f"{name}[{i}]: expected shape {parts[0].shape}, that of {name}[0], got {part.shape}")
    return np.asarray([part[()] if part.ndim == 0 else part for part in parts])


def _is_plain(values: list[Any] | tuple[Any, ...]) -> bool:
    """Whether they are numbers or text, or lists of such, equally long: what NumPy reads right, and fast."""
    kinds = set(map(type, values))
    if all(issubclass(kind, _SCALARS) for kind in kinds):
        return True
    return kinds <= {list, tuple} and len(set(map(len, values))) == 1 and all(map(_is_plain, values))


def _refuse_mask(name: str, array: AnyArray) -> None:
    if type(array) is np.ndarray or not isinstance(array, np.ma.MaskedArray):
        return
    mask = np.ma.getmaskarray(array)
    if not mask.any():
        return
    first = f", the first at [{', '.join(map(str, np.argwhere(mask)[0]))}]" if array.ndim else ""
    raise ValueError(
        f"{name}: expected numbers that are all there, got a masked array in which {mask.sum()} of {mask.size} are "
        f"masked{first}: fill them by .filled(0.0), or leave out the steps that have them; Sequences.from_padded takes "
        "a mask of steps"
    )


# ---- Into real numbers


def _complex(name: str, array: AnyArray) -> ComplexDataError:
    return ComplexDataError(
        f"{name}: expected real numbers, got {array.dtype}. Complex data not supported: give both parts as features, "
        "np.concatenate([x.real, x.imag], axis=-1), or np.abs(x)"
    )


def _real(name: str, array: AnyArray) -> AnyArray:
    """Return real numbers out of an array that has another type, or raise."""
    kind = array.dtype.kind
    if kind == "c":
        raise _complex(name, array)
    if kind in "Mm":
        raise TypeError(f"{name}: expected real numbers, got {array.dtype}{_SECONDS}")
    if kind == "O":
        return _from_objects(name, array)
    # What JAX and TensorFlow call bfloat16 is an unknown type for NumPy.
    if array.dtype.name.startswith(("bfloat16", "float8")):
        return array.astype(np.float32)
    example = f", {array.flat[0]!r}" if array.size else ""
    raise TypeError(f"{name}: expected real numbers, got {array.dtype}{example}")


def _from_objects(name: str, array: AnyArray) -> AnyArray:
    if any(isinstance(item, (np.ndarray, list, tuple)) for item in array.flat):
        return as_numbers(name, array.tolist())
    if array.size and all(isinstance(item, (int, np.integer)) for item in array.flat):
        # Codes beyond 2**53 are no floating-point numbers.
        array = np.asarray(array.tolist())
        if array.dtype.kind in "iu":
            return array
    numbers = np.empty(array.shape)
    for place, item in np.ndenumerate(array):
        where = f" at [{', '.join(map(str, place))}]" if place else ""
        if item is None or type(item).__name__ in ("NAType", "NaTType"):
            raise TypeError(f"{name}: expected real numbers, got a missing value ({item}){where}: fill or drop it")
        if isinstance(item, (str, bytes)):
            raise TypeError(f"{name}: expected real numbers, got {item!r}{where}")
        if isinstance(item, (complex, np.complexfloating)):
            raise _complex(name, np.asarray(item))
        if isinstance(item, _TIMES):
            raise TypeError(f"{name}: expected real numbers, got {type(item).__name__}{where}{_SECONDS}")
        try:
            numbers[place] = float(item)
        except (TypeError, ValueError, OverflowError) as error:
            raise TypeError(f"{name}: expected real numbers, got {type(item).__name__}{where}: {error}") from error
    return numbers
