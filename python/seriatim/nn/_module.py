"""The base of all modules: registration, states, and the stack of what backward needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import numpy as np

from seriatim._typing import AnyArray, ArrayLike
from seriatim.nn._parameter import Parameter

Self = TypeVar("Self", bound="Module")


class LoadResult(NamedTuple):
    """What ``load_state_dict(strict=False)`` left out."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """A function with parameters.

    Attributes that are modules or parameters register themselves, as in torch. A subclass with ``forward`` alone
    serves inference; one that also has ``backward`` can be trained. ``backward`` takes the gradient of the last
    forward's output that is still open, adds to the parameters' gradients and returns that of the input.

    Attributes
    ----------
    training : bool
        True after construction and :meth:`train`: forward keeps what backward needs. False after :meth:`eval`: it
        keeps nothing.
    """

    training: bool

    def __new__(cls: type[Self], *args: Any, **kwargs: Any) -> Self:
        """Note the arguments: a file tells how to make the module again."""
        module = super().__new__(cls)
        module.__dict__["_arguments"] = (args, kwargs)
        return module

    def __init__(self) -> None:
        self.__dict__.update(_parameters={}, _buffers={}, _modules={}, _contexts=[], training=True)

    # ---- Calling

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output. Subclasses define it."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward()")

    def backward(self, grad_output: Any) -> Any:
        """Compute the input's gradient and add to the parameters'. Subclasses that can be trained define it."""
        raise NotImplementedError(
            f"{type(self).__name__} defines no backward(): it serves inference only. Define it, or compose the module "
            "from Sequential and other modules that have one."
        )

    def _push(self, context: Any) -> None:
        """Keep what backward needs, in training."""
        if self.training:
            self._contexts.append(context)

    def _peek(self) -> Any:
        """Return what the last open forward kept, and leave it open: backward closes it when it has succeeded."""
        if not self._contexts:
            raise RuntimeError(
                f"{type(self).__name__}.backward(): no forward in training mode is open; call forward once for every "
                "backward, after train()."
            )
        return self._contexts[-1]

    def _pop(self) -> Any:
        """Take what the last open forward kept."""
        context = self._peek()
        self._contexts.pop()
        return context

    # ---- Registration

    def __setattr__(self, name: str, value: Any) -> None:
        if "_modules" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: call super().__init__() before setting '{name}'")
        own: dict[str, Any] | None = None
        if isinstance(value, Parameter):
            own = self._parameters
        elif isinstance(value, Module):
            own = self._modules
        if own is not None:
            self.__dict__.pop(name, None)
            for store in (self._parameters, self._buffers, self._modules):
                if store is not own:
                    store.pop(name, None)
            own[name] = value
            return
        kinds = ((self._parameters, "a Parameter"), (self._buffers, "an array"), (self._modules, "a Module"))
        for store, kind in kinds:
            if name in store:
                # As in torch: a registered name keeps its kind, so that nothing falls out of the state unnoticed.
                if value is not None and not (store is self._buffers and isinstance(value, (np.ndarray, np.generic))):
                    raise TypeError(
                        f"{type(self).__name__}.{name}: expected {kind} or None, got {type(value).__name__}"
                    )
                store[name] = None if value is None else np.asarray(value)
                return
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        for store in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(store, {}):
                return self.__dict__[store][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for store in (self._parameters, self._buffers, self._modules):
            if name in store:
                del store[name]
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._parameters, *self._buffers, *self._modules]

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Register a parameter; None says that the module could have one of this name and has not."""
        self.__dict__.pop(name, None)
        self._parameters[name] = parameter

    def register_buffer(self, name: str, value: ArrayLike | None) -> None:
        """Register an array that is part of the state but not trained; float or integer type is kept."""
        self.__dict__.pop(name, None)
        self._buffers[name] = None if value is None else np.array(value)

    def add_module(self, name: str, module: Module) -> None:
        """Register a module under a name that need not be an identifier."""
        if not isinstance(module, Module):
            raise TypeError(f"{name}: expected a Module, got {type(module).__name__}")
        self._modules[name] = module

    # ---- Looking around

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules that are attributes of this one, with their names."""
        for name, module in self._modules.items():
            if module is not None:
                yield name, module

    def children(self) -> Iterator[Module]:
        """Yield the modules that are attributes of this one."""
        for _, module in self.named_children():
            yield module

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """Yield this module and all inside it, each once, with dotted names."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            inner = [(f"{name}.{k}" if name else k, m) for k, m in module.named_children()]
            stack.extend(reversed(inner))

    def modules(self) -> Iterator[Module]:
        """Yield this module and all inside it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Yield all parameters, each once, with dotted names, in the order of registration."""
        seen: set[int] = set()
        for path, module in self.named_modules(prefix):
            for name, parameter in module._parameters.items():
                if parameter is not None and id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield (f"{path}.{name}" if path else name), parameter

    def parameters(self) -> Iterator[Parameter]:
        """Yield all parameters, each once."""
        for _, parameter in self.named_parameters():
            yield parameter

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, AnyArray]]:
        """Yield all buffers with dotted names."""
        for path, module in self.named_modules(prefix):
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    yield (f"{path}.{name}" if path else name), buffer

    # ---- State

    def state_dict(self) -> dict[str, AnyArray]:
        """Return copies of all parameters and buffers under torch's names."""
        return {name: np.array(memory) for name, memory, _ in self._state("")}

    def _state(self, prefix: str) -> Iterator[tuple[str, AnyArray, Parameter | None]]:
        """Yield name, memory, and the parameter whose memory it is; what is shared comes under each of its names."""
        for name, parameter in self._parameters.items():
            if parameter is not None:
                yield prefix + name, parameter._array, parameter
        for name, buffer in self._buffers.items():
            if buffer is not None:
                yield prefix + name, buffer, None
        for name, module in self.named_children():
            yield from module._state(f"{prefix}{name}.")

    def load_state_dict(self, state_dict: Mapping[str, ArrayLike], strict: bool = True) -> LoadResult:
        """Copy values in.

        Parameters
        ----------
        state_dict : mapping of name to array_like
        strict : bool, default True
            Whether names that are missing or not known are an error.

        Returns
        -------
        LoadResult
            ``missing_keys``, ``unexpected_keys``.

        Raises
        ------
        ValueError
            A shape or type differs, or (strict) a name is missing or not known. Everything wrong is listed, and
            nothing has been changed.
        """
        known = {name: (memory, parameter) for name, memory, parameter in self._state("")}
        given = {name: np.asarray(value) for name, value in state_dict.items()}
        missing = [name for name in known if name not in given]
        unexpected = [name for name in given if name not in known]
        wrong = []
        for name, value in given.items():
            memory = known[name][0] if name in known else value
            if value.shape != memory.shape:
                wrong.append(f"{name}: expected shape {memory.shape}, got {value.shape}")
            elif not np.can_cast(value.dtype, memory.dtype, "same_kind"):
                wrong.append(f"{name}: expected {memory.dtype}, got {value.dtype}")
        if strict:
            wrong += [f"{name}: missing" for name in missing]
            wrong += [f"{name}: not known" for name in unexpected]
        if wrong:
            head = f"state_dict does not fit {type(self).__name__}; nothing was loaded:"
            raise ValueError("\n  ".join([head, *wrong]))
        for name, value in given.items():
            if name in known:
                memory, parameter = known[name]
                memory[...] = value
                if parameter is not None:
                    parameter._touch()
        return LoadResult(missing, unexpected)

    # ---- Modes

    def train(self: Self, mode: bool = True) -> Self:
        """Set training mode here and in all modules inside; returns the module.

        Children are told through their own ``train``, so a module that overrides it to stay frozen does.
        """
        self.training = bool(mode)
        self._contexts.clear()
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Set evaluation mode: forward keeps nothing; returns the module."""
        return self.train(False)

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        """Evaluate for a while: modes and open forwards are afterwards what they were."""
        kept = [(module, module.training, list(module._contexts)) for module in self.modules()]
        self.eval()
        try:
            yield
        finally:
            for module, mode, contexts in kept:
                module.__dict__["training"] = mode
                module._contexts[:] = contexts

    def zero_grad(self) -> None:
        """Make all gradients zeros."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Set ``requires_grad`` of all parameters; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def apply(self: Self, function: Callable[[Module], Any]) -> Self:
        """Call a function on every module inside and then on this one; returns the module."""
        for module in self.children():
            module.apply(function)
        function(self)
        return self

    def __getstate__(self) -> dict[str, Any]:
        # Caches of an open forward are memory, not state.
        return {**self.__dict__, "_contexts": []}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def extra_repr(self) -> str:
        """Return what stands between the brackets of the representation."""
        return ""

    def __repr__(self) -> str:
        extra, lines = self.extra_repr(), []
        for name, module in self.named_children():
            lines.append(f"({name}): " + repr(module).replace("\n", "\n  "))
        if not lines:
            return f"{type(self).__name__}({extra})"
        return f"{type(self).__name__}({extra}\n  " + "\n  ".join(lines) + "\n)"
