"""The types that signatures are written with."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
ArrayLike: TypeAlias = npt.ArrayLike
AnyArray: TypeAlias = npt.NDArray[Any]
Seed: TypeAlias = "int | np.random.Generator | None"


def float_type(dtype: npt.DTypeLike) -> type[np.float32] | type[np.float64]:
    """Return float32 if it holds all values of a type, else float64: what data keep until offset and scale are gone."""
    kind = np.dtype(dtype)
    holds = kind == np.float32 or (kind != np.float64 and np.can_cast(kind, np.float32))
    return np.float32 if holds else np.float64
