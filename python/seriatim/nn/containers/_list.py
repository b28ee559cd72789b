"""What a row of modules has of a list: Sequential's and ModuleList's items, and the dictionary beside them."""

from __future__ import annotations

import operator
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, TypeVar

from seriatim.nn.base._module import Module

Self = TypeVar("Self", bound="Row")


def _checked(module: Any) -> Module:
    if not isinstance(module, Module):
        raise TypeError(f"module: expected a Module, got {type(module).__name__}")
    return module


class Row(Module):
    """Modules in an order, which may change as a list's may.

    Those that are called by numbers are numbered anew when their places change; names that are none stay. An optimiser
    that was made before knows the modules of then: ``add_param_group`` gives it the new ones.
    """

    def _forget_arguments(self, given: Any) -> None:
        """Let modules go that are replaced: the arguments, where they are the modules, would hold them."""
        if self.__dict__["_arguments"] == (given, {}):
            self.__dict__["_arguments"] = ((), {})

    def _next_name(self) -> str:
        """Name the next child by number; in a slice, which begins above 0, its length may be taken already."""
        index = len(self._modules)
        while str(index) in self._modules:
            index += 1
        return str(index)

    def _arrange(self, modules: Iterable[tuple[str, Module]]) -> None:
        pairs = list(modules)
        if all(name.isdigit() for name, _ in pairs):
            pairs = [(str(index), module) for index, (_, module) in enumerate(pairs)]
        self._modules.clear()
        self._modules.update(pairs)

    def _name_at(self, index: Any) -> str:
        place = operator.index(index)
        if not -len(self) <= place < len(self):
            raise IndexError(f"index {place} is out of range of {len(self)} modules")
        return list(self._modules)[place]

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    def __contains__(self, module: object) -> bool:
        return any(one is module for one in self._modules.values())

    def __setitem__(self, index: int | slice, module: Module | Iterable[Module]) -> None:
        if not isinstance(index, slice):
            self._modules[self._name_at(index)] = _checked(module)
            return
        if isinstance(module, Module) and not isinstance(module, Row):
            raise TypeError(f"modules: expected several for a slice, got one {type(module).__name__}")
        given: Any = module
        new = [_checked(one) for one in given]
        pairs: list[tuple[str, Module]] = list(self._modules.items())
        names = [name for name, _ in pairs[index]]
        if len(names) != len(new):
            # Of another number: the new ones are named when all have their places.
            taken, count = set(self._modules), 0
            while len(names) < len(new):
                if str(count) not in taken:
                    names.append(str(count))
                count += 1
        pairs[index] = list(zip(names, new, strict=False))
        self._arrange(pairs) if len(pairs) != len(self) else self._modules.update(pairs)

    def __delitem__(self, index: int | slice) -> None:
        gone = set(list(self._modules)[index]) if isinstance(index, slice) else {self._name_at(index)}
        self._arrange([(name, module) for name, module in self._modules.items() if name not in gone])

    def append(self: Self, module: Module) -> Self:
        """Add a module at the end; returns the container."""
        self.add_module(self._next_name(), _checked(module))
        return self

    def extend(self: Self, modules: Iterable[Module]) -> Self:
        """Add modules at the end, all or, if one is none, none; returns the container."""
        for module in [_checked(module) for module in modules]:
            self.append(module)
        return self

    def insert(self: Self, index: int, module: Module) -> Self:
        """Put a module in front of the one at an index; returns the container."""
        place, count = operator.index(index), len(self)
        if not -count <= place <= count:
            raise IndexError(f"index {place} is out of range of {count} modules")
        pairs: list[tuple[str, Module]] = list(self._modules.items())
        pairs.insert(place, (self._next_name(), _checked(module)))
        self._arrange(pairs)
        return self

    def pop(self, key: int | slice = -1) -> Any:
        """Take a module out, the last by default, or a slice; returns it."""
        taken = self[key]  # type: ignore[index]
        del self[key]
        return taken

    def __iadd__(self: Self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)


class ModuleList(Row):
    """A list of modules that registers them; it has no forward.

    Parameters
    ----------
    modules : iterable of Module, optional

    Raises
    ------
    TypeError
        One is no Module.

    Notes
    -----
    It has what a list has, as in torch: items and slices are read, set and deleted, and there are ``append``,
    ``extend``, ``insert``, ``pop`` and ``+``.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self.extend(modules)
        self._forget_arguments((modules,))

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return ModuleList(list(self)[index])
        return self._modules[self._name_at(index)]

    def __add__(self, others: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *others])


class ModuleDict(Module):
    """A dictionary of modules that registers them; it has no forward.

    Parameters
    ----------
    modules : mapping of str to Module, or iterable of pairs, optional

    Raises
    ------
    TypeError
        One is no Module.
    KeyError
        A name is one of a method's.
    """

    def __init__(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]] = ()) -> None:
        super().__init__()
        self.update(modules)

    def __getitem__(self, name: str) -> Module:
        module: Module = self._modules[name]
        return module

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, _checked(module))

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self._modules.keys()

    def values(self) -> ValuesView[Module]:
        """Return the modules."""
        return self._modules.values()

    def items(self) -> ItemsView[str, Module]:
        """Return names and modules."""
        return self._modules.items()

    def pop(self, name: str) -> Module:
        """Take a module out; returns it."""
        module: Module = self._modules.pop(name)
        return module

    def clear(self) -> None:
        """Take all out."""
        self._modules.clear()

    def update(self, modules: Mapping[str, Module] | Iterable[tuple[str, Module]]) -> None:
        """Register modules under their names."""
        pairs = modules.items() if isinstance(modules, (Mapping, ModuleDict)) else modules
        for name, module in [(name, _checked(module)) for name, module in pairs]:
            self.add_module(name, module)
