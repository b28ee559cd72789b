"""The types that signatures are written with."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float32]
Integers: TypeAlias = npt.NDArray[np.int64]
ArrayLike: TypeAlias = npt.ArrayLike
AnyArray: TypeAlias = npt.NDArray[Any]
Seed: TypeAlias = "int | np.random.Generator | None"
