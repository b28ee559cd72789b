"""Where initial parameters come from: torch's default distributions, from a seeded generator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from seriatim._typing import Array, Seed

_shared = np.random.default_rng()

# What the kernels count to, and what no memory holds. Each layer is an object: making 2**31 of them would take hours.
_MOST, _MOST_NUMBERS, _MOST_LAYERS = 2**31 - 1, 1 << 48, 1024


class Budget:
    """How much may be made of a file, whose arguments anybody can have written.

    Parameters
    ----------
    numbers : int or float
        Elements of all arrays.
    parts : int or float
        Arrays and modules.
    """

    def __init__(self, numbers: float = math.inf, parts: float = math.inf) -> None:
        self.numbers, self.parts = numbers, parts

    def take(self, shape: Any = (), of: str = "arrays") -> None:
        """Take one part of a shape; raises ValueError when there is not so much left."""
        self.parts -= 1
        if self.parts < 0:
            raise ValueError("asks for more arrays and modules than the file can fill")
        asked = math.prod(map(int, shape)) if isinstance(shape, (tuple, list)) else int(shape)
        self.numbers -= asked
        if self.numbers < 0:
            raise ValueError(f"asks for {of} of {asked} numbers, which is more than the file can fill")


class _Blank(np.random.Generator):
    """Draws zeros, which cost no time, and no memory until they are written to."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(np.random.PCG64(0))
        self.budget = budget

    def _zeros(self, size: Any, dtype: Any) -> Any:
        self.budget.take(size or ())
        return np.zeros(size or (), dtype)[()]

    def integers(self, low: Any, high: Any = None, size: Any = None, *others: Any, **options: Any) -> Any:
        return self._zeros(size, np.int64)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return self._zeros(size, np.float32)

    def standard_normal(self, size: Any = None, *others: Any, **options: Any) -> Any:
        return self._zeros(size, np.float32)


_blank: ContextVar[_Blank | None] = ContextVar("blank", default=None)


@contextmanager
def blank(budget: Budget | None = None) -> Iterator[None]:
    """Let modules that are made meanwhile begin with zeros, for values come from elsewhere; nothing is drawn.

    Parameters
    ----------
    budget : Budget, optional
        What they may take; ValueError is raised when it is used up. Without one there is no end.
    """
    token = _blank.set(_Blank(budget or Budget()))
    try:
        yield
    finally:
        _blank.reset(token)


def count_part(shape: Any = ()) -> None:
    """Take a module, or an array of a shape, that is about to be made, off the budget of a file, if there is one."""
    drawn = _blank.get()
    if drawn is not None:
        drawn.budget.take(shape)


def zeros(shape: Any) -> Array:
    """Return zeros that a module begins with."""
    count_part(shape)
    return np.zeros(shape, np.float32)


def ones(shape: Any) -> Array:
    """Return ones that a module begins with."""
    count_part(shape)
    return np.ones(shape, np.float32)


def manual_seed(seed: int) -> None:
    """Seed the generator that modules use when they are given none.

    Parameters
    ----------
    seed : int
    """
    global _shared
    _shared = np.random.default_rng(seed)


def generator(rng: Seed) -> np.random.Generator:
    """Return the generator that ``rng`` means: itself, one seeded by an integer, or the shared one for None."""
    drawn = _blank.get()
    if drawn is not None:
        return drawn
    return _shared if rng is None else np.random.default_rng(rng)


def possible(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a parameter; raises a ValueError if no memory could hold it."""
    if math.prod(shape) >= _MOST_NUMBERS:
        raise ValueError(f"sizes: expected parameters of fewer than 2**48 numbers, got one of shape {shape}")
    return shape


def uniform(rng: np.random.Generator, shape: tuple[int, ...], fan: int) -> Array:
    """Draw from ``[-1 / sqrt(fan), 1 / sqrt(fan)]``."""
    possible(shape)
    bound = fan**-0.5
    return rng.uniform(-bound, bound, shape).astype(np.float32, copy=False)


def positive(**sizes: int) -> None:
    """Raise a ValueError for the first size that is not a positive integer below 2**31, for layers of at most 1024."""
    for name, size in sizes.items():
        most = _MOST_LAYERS if name.endswith("layers") else _MOST
        if not isinstance(size, (int, np.integer)) or not 1 <= size <= most:
            limit = "" if not isinstance(size, (int, np.integer)) or size < 1 else f" of at most {most}"
            raise ValueError(f"{name}: expected a positive integer{limit}, got {size!r}")
        drawn = _blank.get()
        if drawn is not None and size > (drawn.budget.parts if name.endswith("layers") else drawn.budget.numbers):
            raise ValueError(f"{name}: {size} is more than the file can fill")


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw an array whose rows, all axes but the first merged, are orthogonal; or its columns if those are fewer."""
    if isinstance(rng, _Blank):
        # Of zeros there is nothing to be made orthogonal, and it would take its time.
        return zeros(shape)
    rows, columns = shape[0], math.prod(possible(shape)[1:])
    drawn = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    q *= np.sign(np.diag(r))
    return (q if rows >= columns else q.T).reshape(shape).astype(np.float32)
