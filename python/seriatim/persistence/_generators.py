"""Random generators that constructors are given: what they draw must not be seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

GENERATORS = (np.random.Generator, np.random.RandomState)


class Generators:
    """Generators of a file, or of a draft of one: a constructor may draw from them, and nothing comes of it.

    What a file says of a generator is how it stands when everything is made.
    """

    def __init__(self) -> None:
        self._all: list[Any] = []

    def add(self, generator: Any) -> None:
        """Let :meth:`kept` look after a generator."""
        self._all.append(generator)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Let all of them stand afterwards as they did before."""
        states = [_state(one) for one in self._all]
        try:
            yield
        finally:
            for one, state in zip(self._all, states, strict=True):
                _set_state(one, state)


def _state(one: Any) -> Any:
    return one.get_state(legacy=False) if isinstance(one, np.random.RandomState) else one.bit_generator.state


def _set_state(one: Any, state: Any) -> None:
    if isinstance(one, np.random.RandomState):
        one.set_state(state)
    else:
        one.bit_generator.state = state
