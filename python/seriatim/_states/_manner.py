"""How weights are to be computed with, where names and shapes do not say it but who gives them does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seriatim._states._source import bare_name
from seriatim._typing import AnyArray

# What recurrent layers are made with that their weights do not show.
_KEYS = ("reset_after", "nonlinearity")


class Converted(dict[str, AnyArray]):
    """A state dict that knows for which layers it is.

    Attributes
    ----------
    manner : dict
        What the layer has to be made with: ``{"reset_after": False}``.
    made_up : frozenset of str
        Zeros where the other library has nothing: left out of a layer that has nothing there either.
    """

    manner: Mapping[str, Any]
    made_up: frozenset[str]

    def __init__(
        self, state: Mapping[str, AnyArray] = {}, *, manner: Mapping[str, Any] = {}, made_up: Iterable[str] = ()
    ) -> None:
        super().__init__(state)
        self.manner, self.made_up = dict(manner), frozenset(made_up)

    def copy(self) -> Converted:
        """Return another of the same arrays."""
        return Converted(self, manner=self.manner, made_up=self.made_up)


def without_made_up(source: Any, known: Iterable[str]) -> Any:
    """Return a state without the zeros of a converter that a module has no place for."""
    if not isinstance(source, Converted):
        return source
    names = source.made_up.difference(known)
    return {name: value for name, value in source.items() if name not in names or value.any()}


def other_manner(source: Any, prefix: str, modules: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """Yield where modules compute otherwise than those whose weights they are given.

    Parameters
    ----------
    source
        What was given: only whole modules and what a converter returned say it.
    prefix : str
        What was taken off its names.
    modules : iterable of (name, module)
        Those that take the weights.
    """
    manners = dict(_manners(source, prefix))
    for path, module in modules:
        for key, theirs in manners.get(path, {}).items():
            own = getattr(module, key, theirs)
            if own != theirs:
                yield (
                    f"{path or 'weights'}: expected those of a layer with {key}={own!r}, got those of one with "
                    f"{key}={theirs!r}, which computes otherwise: construct it with {key}={theirs!r}"
                )


def _manners(source: Any, prefix: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(source, Converted):
        yield "", source.manner
    elif callable(getattr(source, "named_modules", None)):
        for path, module in source.named_modules():
            found = {key: getattr(module, key) for key in _KEYS if isinstance(getattr(module, key, None), (bool, str))}
            if any(kind.__module__.startswith("torch.nn.") and "GRU" in kind.__name__ for kind in type(module).__mro__):
                found["reset_after"] = True
            if found:
                yield bare_name(f"{path}." if path else "", ()).removeprefix(prefix).removesuffix("."), found
