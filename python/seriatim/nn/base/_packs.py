"""Packed copies of parameters, kept until a parameter changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from seriatim._typing import Array
from seriatim.nn.base._parameter import Parameter


class Packs:
    """What was packed from which version of which parameters.

    A copy is used again only while no parameter has changed and no user holds a writeable view of one.
    """

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[tuple[int, ...], Array]] = {}

    def get(self, key: Hashable, parameters: tuple[Parameter | None, ...], pack: Callable[[], Array]) -> Array:
        """Return the kept copy, or what ``pack`` makes."""
        stamps = tuple([-1 if p is None else p._stamp() for p in parameters])
        if None in stamps:
            self._kept.pop(key, None)
            return pack()
        kept = self._kept.get(key)
        if kept is not None and kept[0] == stamps:
            return kept[1]
        packed = pack()
        self._kept[key] = (stamps, packed)  # type: ignore[assignment]
        return packed

    def __getstate__(self) -> tuple[()]:
        return ()

    def __setstate__(self, state: Any) -> None:
        self._kept = {}

    def __deepcopy__(self, memo: Any) -> Packs:
        return Packs()
