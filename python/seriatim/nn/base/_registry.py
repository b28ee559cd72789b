"""What a module has: parameters, buffers and modules by name, as attributes; and its settings, followed or fixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from seriatim._arrays import as_numbers
from seriatim._brief import brief
from seriatim._typing import AnyArray, ArrayLike
from seriatim.nn.base import _undo
from seriatim.nn.base._parameter import Parameter, owned

if TYPE_CHECKING:
    from seriatim.nn.base._module import Module

# What a call is made of.
_COMPUTES = ("forward", "backward", "trace", "pullback")


def _is_same(one: Any, other: Any) -> bool:
    try:
        return one is other or bool(one == other)
    except (ValueError, RuntimeError):
        return False  # Arrays and tensors give many answers.


class Registry:
    """The part of :class:`Module` that keeps what is registered, under torch's rules."""

    # Settings that a module is made with: what it has is made of them, so they do not change.
    _fixed: ClassVar[tuple[str, ...]] = ()
    # Settings of torch's class of this name that are not here, and the value that says so.
    _lacks: ClassVar[Mapping[str, Any]] = {}
    # Buffers that state_dict leaves out.
    _left_out: tuple[str, ...] = ()

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]

    # ---- Attributes

    def __setattr__(self, name: str, value: Any) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: call super().__init__() before setting '{name}'")
        if name in _COMPUTES:
            raise AttributeError(
                f"{type(self).__name__}.{name}: expected the class's own, got {brief(value)}: a module around this one "
                f"would not call it, nor backward know of it. Define {name} in a subclass."
            )
        taken = getattr(type(self), name, None)
        if taken is None and name in self._lacks and not _is_same(self._lacks[name], value):
            self._refuse_lacking(name, value)
        if hasattr(type(taken), "__set__"):
            self._set_property(name, taken, value)
        elif isinstance(value, Parameter):
            self._register("parameter", self._parameters, name, value)
        elif isinstance(value, Registry):
            self._register("module", self._modules, name, value)
        elif not self._set_registered(name, value):
            if name in self._fixed and not _is_same(self.__dict__.get(name, value), value):
                self._refuse(name, self.__dict__[name], value)
            object.__setattr__(self, name, value)

    def _set_property(self, name: str, taken: Any, value: Any) -> None:
        if not isinstance(taken, property) or taken.fset is not None:
            object.__setattr__(self, name, value)
        elif not _is_same(now := getattr(self, name), value):
            self._refuse(name, now, value)

    def _refuse(self, name: str, now: Any, value: Any) -> None:
        kind = type(self).__name__
        raise AttributeError(
            f"{kind}.{name}: expected {brief(now)}, which this {kind} was made with, got {brief(value)}. What it "
            f"has is made of it, so it cannot change: make a new {kind}."
        )

    def _refuse_lacking(self, name: str, value: Any) -> None:
        """Refuse a setting that nothing would follow; a subclass that computes in its own way may have it."""
        computes = next(cls for cls in type(self).__mro__ if "trace" in vars(cls))
        if computes.__module__.startswith("seriatim."):
            raise AttributeError(
                f"{type(self).__name__}.{name}: expected {self._lacks[name]!r}, got {brief(value)}: this setting of "
                "torch's is not here, and would do nothing."
            )

    def _set_registered(self, name: str, value: Any) -> bool:
        """Set what is registered under a name already; returns whether anything is."""
        kinds: tuple[tuple[dict[str, Any], str], ...] = (
            (self._parameters, "a Parameter"), (self._buffers, "an array"), (self._modules, "a Module"),
        )  # fmt: skip
        for store, kind in kinds:
            if name in store:
                # As in torch: a registered name keeps its kind, so that nothing falls out of the state unnoticed.
                if value is not None and not (store is self._buffers and isinstance(value, (np.ndarray, np.generic))):
                    raise TypeError(
                        f"{type(self).__name__}.{name}: expected {kind} or None, got {type(value).__name__}"
                    )
                new = None if value is None else owned(as_numbers(name, value))
                _undo.note_entry(store, name)
                store[name] = new
                return True
        return False

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for store in ("_parameters", "_modules", "_buffers"):
            if store in own and name in own[store]:
                return own[store][name]
        kind = type(self).__name__
        if isinstance(getattr(type(self), name, None), property):
            # What it reads is not there; Python then asks for it here.
            gone = [own for own, value in self.__dict__.get("_parameters", {}).items() if value is None]
            why = f"while {', '.join(gone)} = None: assign Parameters" if gone else "of what the module has"
            raise AttributeError(f"{kind}.{name} cannot be told {why}")
        raise AttributeError(f"'{kind}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for store in (self._parameters, self._buffers, self._modules):
            if name in store:
                del store[name]
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._parameters, *self._buffers, *self._modules]

    # ---- Registration

    def _check_name(self, kind: str, name: str, taken: bool) -> None:
        """Raise for what can be no name, or one that is taken; as torch says it, and why."""
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "." (dots join the names of modules), got: {name}')
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if taken:
            raise KeyError(f"attribute '{name}' already exists in {type(self).__name__}: choose another name")

    def _store(self, kind: str, name: str) -> dict[str, Any]:
        """Return where a new parameter, buffer or module goes, under a name that it may have."""
        own: dict[str, Any] | None = self.__dict__.get(f"_{kind}s")
        if own is None:
            raise AttributeError(f"cannot assign {kind} before Module.__init__() call: call super().__init__() first")
        self._check_name(kind, name, isinstance(name, str) and hasattr(self, name) and name not in own)
        return own

    def _register(self, kind: str, store: dict[str, Any], name: str, value: Any) -> None:
        """Register what is assigned to an attribute, in place of what was there."""
        self._check_name(kind, name, hasattr(type(self), name))
        for other in (self.__dict__, self._parameters, self._buffers, self._modules):
            if other is not store:
                other.pop(name, None)
        store[name] = value
        if kind == "parameter":
            value._owned_by(self)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Register a parameter; None says that the module could have one of this name and has not.

        Raises
        ------
        AttributeError
            ``super().__init__()`` was not called.
        KeyError
            The name has a dot, is empty, or is an attribute already that is no parameter.
        TypeError
            The name is no string, or the parameter no Parameter.
        """
        store = self._store("parameter", name)
        if parameter is not None and not isinstance(parameter, Parameter):
            raise TypeError(
                f"cannot assign '{type(parameter).__name__}' object to parameter '{name}' (Parameter or None required)"
            )
        store[name] = parameter
        if parameter is not None:
            parameter._owned_by(self)

    def register_buffer(self, name: str, value: ArrayLike | None, persistent: bool = True) -> None:
        """Register an array that is part of the state but not trained; float or integer type is kept.

        Parameters
        ----------
        name : str
        value : array_like or None
        persistent : bool, default True
            Whether ``state_dict`` has it and ``load_state_dict`` wants it. :func:`seriatim.save` keeps it either way: a
            module comes back as it was.

        Raises
        ------
        AttributeError, KeyError
            As of :meth:`register_parameter`.
        TypeError
            The name is no string, or the values are no real numbers.
        """
        store = self._store("buffer", name)
        store[name] = None if value is None else np.array(as_numbers(name, value))
        if persistent == (name in self._left_out):
            others = tuple(other for other in self._left_out if other != name)
            self.__dict__["_left_out"] = others if persistent else (*others, name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Register a module under a name that need not be an identifier; None says that there could be one.

        Raises
        ------
        AttributeError, KeyError
            As of :meth:`register_parameter`.
        TypeError
            The name is no string, or the module no Module.
        """
        store = self._store("module", name)
        if module is not None and not isinstance(module, Registry):
            raise TypeError(f"{name}: expected a Module, got {type(module).__name__}")
        store[name] = module

    def register_module(self, name: str, module: Module | None) -> None:
        """Register a module: :meth:`add_module`, as torch calls it too."""
        self.add_module(name, module)

    # ---- Looking around

    def _places(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules that are attributes of this one, one that has several names under each."""
        for name, module in self._modules.items():
            if module is not None:
                yield name, module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules that are attributes of this one, each once, with their names."""
        seen: set[int] = set()
        for name, module in self._places():
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yield the modules that are attributes of this one, each once."""
        for _, module in self.named_children():
            yield module

    def named_modules(self, prefix: str = "", remove_duplicate: bool = True) -> Iterator[tuple[str, Module]]:
        """Yield this module and all inside it, with dotted names: each once, or under each of its names."""
        seen: set[int] = set()
        stack: list[tuple[str, Any]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if remove_duplicate:
                if id(module) in seen:
                    continue
                seen.add(id(module))
            yield name, module
            inner = [(f"{name}.{k}" if name else k, m) for k, m in module._places()]
            stack.extend(reversed(inner))

    def modules(self) -> Iterator[Module]:
        """Yield this module and all inside it, each once."""
        for _, module in self.named_modules():
            yield module

    def _named(self, store: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        places: Any = self.named_modules(prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in places:
            for name, value in module.__dict__[store].items():
                if value is None or (remove_duplicate and id(value) in seen):
                    continue
                seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield all parameters with dotted names, in the order of registration.

        Parameters
        ----------
        prefix : str
            What all names begin with.
        recurse : bool, default True
            Whether those of the modules inside are wanted.
        remove_duplicate : bool, default True
            Whether one that is shared comes once, or under each of its names.
        """
        yield from self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield all parameters, each once."""
        for _, parameter in self.named_parameters(recurse=recurse):
            yield parameter

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, AnyArray]]:
        """Yield all buffers with dotted names; arguments as of :meth:`named_parameters`."""
        yield from self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[AnyArray]:
        """Yield all buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target: str) -> Module:
        """Return the module of a dotted name, as :meth:`named_modules` gives it.

        Raises
        ------
        AttributeError
            There is none.
        """
        found: Any = self
        for name in target.split(".") if target else ():
            if found._modules.get(name) is None:
                raise AttributeError(f"{type(found).__name__} has no module '{name}' (of '{target}')")
            found = found._modules[name]
        module: Module = found
        return module
