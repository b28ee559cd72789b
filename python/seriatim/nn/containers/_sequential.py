"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

from seriatim.functional._stream import Stage
from seriatim.nn.base._memory_stream import MemoryStream
from seriatim.nn.base._module import Module
from seriatim.nn.base._stages import below, one_behind_another
from seriatim.nn.base._steps import Resets, Steps, knows_of_time, pull, remembers
from seriatim.nn.base._stream import Stream
from seriatim.nn.containers._list import Row
from seriatim.nn.images._convolution import Conv2d
from seriatim.nn.layers._activation import Elementwise


def _fuses(module: Module, after: Module) -> bool:
    """Whether a convolution may compute the activation behind it: nobody has changed one, or wants a gradient."""
    plain = type(module) is Conv2d and type(after).trace is Elementwise.trace
    return plain and not (module._keeps() or after._keeps())


class Sequential(Resets, Row):
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
    It has what a list has, as in torch: items are read, set and deleted (``net[-1] = nn.Linear(8, 3)`` is a new head),
    a slice is a Sequential (of a VideoSequential one of these) in the same mode that shares the modules, and there are
    ``append``, ``extend``, ``insert``, ``pop`` and
    ``+``.
    """

    _streams_parts = True

    def __init__(self, *modules: Module | Mapping[str, Module]) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named: Mapping[str, Any] = modules[0]
        else:
            named = {str(index): module for index, module in enumerate(modules)}
        for name, module in named.items():
            self.add_module(name, module)
        self._forget_arguments(modules)

    def trace(self, x: Any) -> tuple[Any, Any]:
        """Run the modules one after another; in evaluation a convolution and its activation at once."""
        steps = Steps.inside(self, x)
        if steps is not None:
            return self._trace_over_time(x, steps)
        modules, contexts = list(self._modules.values()), []
        index = 0
        while index < len(modules):
            module = modules[index]
            after = modules[index + 1] if index + 1 < len(modules) else None
            if after is not None and _fuses(module, after):
                x, _ = module._trace(x, after.kind, after.slope)
                contexts += [(module, None), (after, None)]
                index += 2
            else:
                x, context = module.trace(x)
                contexts.append((module, context))
                index += 1
        return x, self.keep(contexts)

    def _make_stream(self, batch_size: int) -> Stream:
        return MemoryStream(self, batch_size) if remembers(self) else super()._make_stream(batch_size)

    def _stream_stages(self, name: str, inputs: int) -> list[Stage]:
        for own, module in list(self._modules.items())[:-1]:
            if module is not None and module._gives_states:
                raise TypeError(
                    f"{type(self).__name__}: {below(name, own)}, a {type(module).__name__}, gives its states as well, "
                    f"which the next module does not take: put nn.Outputs({type(module).__name__}(...)) in its place"
                )
        return one_behind_another([(below(name, own), module) for own, module in self._modules.items()], inputs)

    def pullback(self, context: Any, grad_output: Any, need_input: bool = True) -> Any:
        """Run the gradient through the modules from the last to the first."""
        return self._pull(self.kept(context), grad_output, need_input)

    def _trace_over_time(self, x: Any, steps: Steps) -> tuple[Any, Any]:
        y, contexts = self._run_over_time(x, steps)
        return y, self.keep(contexts)

    def _run_over_time(self, x: Any, steps: Steps) -> tuple[Any, list[Any]]:
        contexts, is_sequence = [], True
        for module in self._modules.values():
            x, context = steps.run(module, x) if is_sequence else module.trace(x)
            contexts.append((module, context))
            is_sequence = is_sequence and (not knows_of_time(module) or steps.holds(x))
        return x, contexts

    def _pull(self, parts: list[Any], grad_output: Any, need_input: bool) -> Any:
        # The modules that have run, whatever has taken their places since.
        for index in reversed(range(len(parts))):
            module, inner = parts[index]
            grad_output = pull(module, inner, grad_output, need_input or index > 0)
        return grad_output

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Module:
        if isinstance(index, slice):
            names = list(self._modules)[index]
            return self._with({name: self._modules[name] for name in names})
        module: Module = self._modules[self._name_at(index)]
        return module

    def _with(self, named: Mapping[str, Module]) -> Sequential:
        """Return a container of this kind, in this mode: of the nearest class that is made of modules alone."""
        kind = next(cls for cls in type(self).__mro__ if cls.__init__ is Sequential.__init__)  # type: ignore[misc]
        made: Sequential = kind(named)
        made.__dict__["training"] = self.__dict__["training"]
        return made

    def __add__(self, other: Sequential) -> Sequential:
        if not isinstance(other, Sequential):
            return NotImplemented
        return self._with({str(index): module for index, module in enumerate([*self, *other])})

    def __mul__(self, times: int) -> Sequential:
        if not isinstance(times, int) or times < 1:
            raise ValueError(f"times: expected a positive integer, got {times!r}")
        return self._with({str(index): module for index, module in enumerate(list(self) * times)})

    __rmul__ = __mul__
