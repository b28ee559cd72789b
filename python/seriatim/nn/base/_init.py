"""Where initial parameters come from: torch's default distributions, from a seeded generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from seriatim._typing import Array, Seed

_shared = np.random.default_rng()


class _Blank(np.random.Generator):
    """Draws zeros, which cost no time, and no memory until they are written to."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def integers(self, low: Any, high: Any = None, size: Any = None, *others: Any, **options: Any) -> Any:
        return np.zeros(size or (), np.int64)[()]

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return np.zeros(size or (), np.float32)[()]

    def standard_normal(self, size: Any = None, *others: Any, **options: Any) -> Any:
        return np.zeros(size or (), np.float32)[()]


_is_blank: ContextVar[bool] = ContextVar("is_blank", default=False)


@contextmanager
def blank() -> Iterator[None]:
    """Let modules that are made meanwhile begin with zeros, for values come from elsewhere; nothing is drawn."""
    token = _is_blank.set(True)
    try:
        yield
    finally:
        _is_blank.reset(token)


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
    if _is_blank.get():
        return _Blank()
    return _shared if rng is None else np.random.default_rng(rng)


def uniform(rng: np.random.Generator, shape: tuple[int, ...], fan: int) -> Array:
    """Draw from ``[-1 / sqrt(fan), 1 / sqrt(fan)]``."""
    bound = fan**-0.5
    return rng.uniform(-bound, bound, shape).astype(np.float32)


def positive(**sizes: int) -> None:
    """Raise a ValueError for the first size that is not a positive integer."""
    for name, size in sizes.items():
        if not isinstance(size, (int, np.integer)) or size < 1:
            raise ValueError(f"{name}: expected a positive integer, got {size!r}")


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Draw an array whose rows, all axes but the first merged, are orthogonal; or its columns if those are fewer."""
    rows, columns = shape[0], int(np.prod(shape[1:]))
    drawn = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    q *= np.sign(np.diag(r))
    return (q if rows >= columns else q.T).reshape(shape).astype(np.float32)
