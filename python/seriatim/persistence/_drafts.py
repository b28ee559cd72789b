"""What has been described of a model so far, and what the descriptions are made of."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from seriatim.nn import Module, Parameter
from seriatim.nn.base._narrow import NARROW, NarrowParameter, narrow_zeros
from seriatim.persistence._compare import Comparison
from seriatim.persistence._constructors import is_plain
from seriatim.persistence._generators import Generators


class Drafts:
    """What has been described so far, and what its descriptions make."""

    def __init__(self) -> None:
        self.made: dict[int, Any] = {}
        self.valued: set[int] = set()
        self._entries: dict[int, dict[str, Any]] = {}
        self._taken: set[int] = set()
        self._alive: list[Any] = []
        self._ids = 0
        # Copies of those that constructors are given.
        self.generators = Generators()
        # What is being described, from the outermost on.
        self.open: list[Any] = []

    def state(self) -> Any:
        """Return what :meth:`restore` goes back to."""
        return dict(self.made), dict(self._entries), set(self._taken), set(self.valued), list(self.open)

    def restore(self, state: Any) -> None:
        """Forget what has been described since."""
        self.made, self._entries, self._taken, self.valued, self.open = state

    def note(self, thing: Any, entry: dict[str, Any], made: Any) -> None:
        """Keep the description of a thing and what it makes."""
        self._entries[id(thing)], self.made[id(thing)] = entry, made
        self._taken.add(id(made))
        self._alive += [thing, made]

    def knows(self, thing: Any) -> bool:
        """Return whether a thing has been described."""
        return id(thing) in self._entries

    def copy_of(self, generator: Any) -> Any:
        """Return what a draft has for a user's generator, which nothing may draw from."""
        made = self.made.get(id(generator), generator)
        if made is generator:
            made = copy.deepcopy(generator)
            self.made[id(generator)] = made
            self._taken.add(id(made))
            self._alive += [generator, made]
            self.generators.add(made)
        return made

    def is_free(self, made: Any) -> bool:
        """Return whether a draft's part is nothing's counterpart yet."""
        return id(made) not in self._taken

    def same(self, thing: Any) -> dict[str, Any]:
        """Return what refers to a thing that has been described."""
        entry = self._entries[id(thing)]
        if "id" not in entry:
            entry["id"] = self._ids
            self._ids += 1
        return {"same": entry["id"]}

    def differ(self, one: Any, other: Any) -> bool:
        """Return whether two values differ."""
        if is_plain(one) and is_plain(other):
            return Comparison().find(one, other, "") is not None
        return Comparison(dict(self.made)).find(one, other, "") is not None


class Places(list[Any]):
    """Entries of one of a module's stores."""

    # Whether names and order are the draft's.
    as_made = True


def unique_arrays(module: Module) -> Iterator[tuple[str, Any]]:
    """Yield parameters and buffers, each once, with dotted names."""
    seen: set[int] = set()
    for path, part in module.named_modules():
        for name, value in [*part._parameters.items(), *part._buffers.items()]:
            if value is not None and id(value) not in seen:
                seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value


def form_of(value: Any) -> dict[str, Any]:
    if isinstance(value, Parameter):
        dtype = "parameter" if value.form == "float32" else value.form
    else:
        dtype = np.dtype(value.dtype).newbyteorder("=").str
    return {"shape": list(value.shape), "dtype": dtype}


def zeros_of(form: dict[str, Any]) -> Any:
    """Return a parameter or a buffer of zeros."""
    if form["dtype"] == "parameter":
        return Parameter(np.zeros(form["shape"], np.float32))
    if form["dtype"] in NARROW:
        return narrow_zeros(form["dtype"], form["shape"])
    return np.zeros(form["shape"], np.dtype(form["dtype"]))


def arrays_of(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the arrays that hold the values of a parameter or a buffer, by the names of their tensors."""
    if isinstance(value, NarrowParameter):
        narrow = value._kept()
        yield name, narrow.codes
        if narrow.scale is not None:
            yield f"{name}.scale", narrow.scale
    else:
        yield name, value._array if isinstance(value, Parameter) else value


def pruned(tree: Any) -> Any:
    """Return a tree without entries that say no more than what the constructor does."""
    if isinstance(tree, Places):
        return [[name, pruned(entry)] for name, entry in tree]
    if isinstance(tree, list):
        return [pruned(one) for one in tree]
    if not isinstance(tree, dict):
        return tree
    found = {}
    for key, value in tree.items():
        small = pruned(value)
        if not (isinstance(value, Places) and value.as_made and not any(entry for _, entry in small)):
            found[key] = small
    return found
