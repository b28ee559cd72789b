"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, overload

from seriatim.nn.base._contexts import pull
from seriatim.nn.base._module import Module
from seriatim.nn.images._convolution import Conv2d
from seriatim.nn.layers._activation import Elementwise


def _next_name(module: Module) -> str:
    """Name the next child by number; in a slice, which begins above 0, its length may be taken already."""
    index = len(module._modules)
    while str(index) in module._modules:
        index += 1
    return str(index)


class Sequential(Module):
    """Modules one after another; backward runs through them from the last to the first.

    Parameters
    ----------
    *modules : Module
        Or one mapping of names to modules. Without names they are called '0', '1', ...

    Raises
    ------
    TypeError
        One is no Module.

    Notes
    -----
    Iterates, slices (a slice is a Sequential that shares the modules) and indexes as in torch.
    """

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named: Mapping[str, Any] = modules[0]
        else:
            named = {str(index): module for index, module in enumerate(modules)}
        for name, module in named.items():
            self.add_module(name, module)

    def trace(self, x: Any) -> tuple[Any, Any]:
        """Run the modules one after another; in evaluation a convolution and its activation at once."""
        modules, contexts = list(self._modules.values()), []
        index = 0
        while index < len(modules):
            module = modules[index]
            after = modules[index + 1] if index + 1 < len(modules) else None
            if type(module) is Conv2d and isinstance(after, Elementwise) and not (module.training or after.training):
                x, _ = module._trace(x, after.kind, after.slope)
                contexts += [None, None]
                index += 2
            else:
                x, context = module.trace(x)
                contexts.append(context)
                index += 1
        return x, self.keep(contexts)

    def pullback(self, context: Any, grad_output: Any, need_input: bool = True) -> Any:
        """Run the gradient through the modules from the last to the first."""
        parts = list(zip(self._modules.values(), self.kept(context), strict=True))
        for index in reversed(range(len(parts))):
            module, inner = parts[index]
            grad_output = pull(module, inner, grad_output, need_input or index > 0)
        return grad_output

    def append(self, module: Module) -> Sequential:
        """Add a module at the end; returns the container."""
        self.add_module(_next_name(self), module)
        return self

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Module:
        names = list(self._modules)
        if isinstance(index, slice):
            return Sequential({name: self._modules[name] for name in names[index]})
        module: Module = self._modules[names[index]]
        return module


class ModuleList(Module):
    """A list of modules that registers them; it has no forward.

    Parameters
    ----------
    modules : iterable of Module, optional

    Raises
    ------
    TypeError
        One is no Module.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        for index, module in enumerate(modules):
            self.add_module(str(index), module)

    def append(self, module: Module) -> ModuleList:
        """Add a module at the end; returns the list."""
        self.add_module(_next_name(self), module)
        return self

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: int) -> Module:
        module: Module = list(self._modules.values())[index]
        return module
