"""Forwards that wait for their backward: the one place that opens and closes them.

A module's pair, ``trace`` and ``pullback``, touches no hidden state. Here forward and backward are made of it: forward
keeps the context on the module's stack of open forwards, backward looks at the top, computes, and only then takes it
off. A module whose forward and backward were written by hand gets its pair made of these: what its forward opens in
other modules is taken off their stacks and becomes its context, and backward finds it there again.
"""

from __future__ import annotations

import functools
import inspect
import warnings
import weakref
from collections.abc import Callable, Iterable
from contextvars import ContextVar, copy_context
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from seriatim._typing import AnyArray
from seriatim.nn.base import _undo

if TYPE_CHECKING:
    from seriatim.nn.base._module import Module
    from seriatim.nn.base._parameter import Parameter

# ---- Evaluation for a while, and whether a call is kept

is_evaluating: ContextVar[bool] = ContextVar("is_evaluating", default=False)
# Whether what is running is a part of a call of a module in training mode: then all parts keep what backward needs,
# those in evaluation mode too, so that gradients flow through them.
is_kept: ContextVar[bool] = ContextVar("is_kept", default=False)


def evaluated(call: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """Call what calls modules, which all evaluate, whatever their modes are; these stay what they are."""
    # In a context of its own, which ends with the call wherever Ctrl-C arrives.
    context = copy_context()
    context.run(is_evaluating.set, True)
    return context.run(call, *given, **options)


def _keeping(trace: Callable[..., Any]) -> Any:
    """Let the parts of a call in training mode keep their contexts, whatever their own modes are."""

    @functools.wraps(trace)
    def outer(self: Module, *inputs: Any, **options: Any) -> Any:
        if is_kept.get() or not self.training:
            return trace(self, *inputs, **options)
        token = is_kept.set(True)
        try:
            return trace(self, *inputs, **options)
        finally:
            is_kept.reset(token)

    return outer


# ---- Whose a context is


class Kept:
    """What ``keep`` makes of a context: a pullback tells it from other modules', and from those of other weights."""

    __slots__ = ("_module", "_values", "context")

    def __init__(self, module: Module, context: Any) -> None:
        self.context, self._module, self._values = context, weakref.ref(module), module._values()

    def open(self, module: Module) -> Any:
        """Return the context, or raise RuntimeError."""
        if self._module() is not module:
            raise RuntimeError(
                f"{type(module).__name__}.pullback(): this is the context of another module, or of one that this is a "
                "copy of. Each module pulls back what its own trace has given."
            )
        if self._values != module._values():
            raise RuntimeError(
                f"{type(module).__name__}.pullback(): the weights have changed since this forward (by an optimizer's "
                "step, by load_state_dict, or assigned): gradients would be of neither. Call backward before the step, "
                "and forward again after it."
            )
        return self.context


# ---- Open forwards


class Open(NamedTuple):
    """One forward that waits for its backward."""

    context: Any
    output: Output | None
    thread: int


class Output:
    """Which array a forward has given, without keeping it alive."""

    __slots__ = ("_ends", "_reference")

    def __init__(self, array: AnyArray) -> None:
        self._reference = weakref.ref(array)
        self._ends = (array.item(0), array.item(-1))

    @classmethod
    def of(cls, output: Any) -> Output | None:
        """Return None for what is no array of numbers."""
        return cls(output) if type(output) is np.ndarray and output.size else None

    def get(self) -> AnyArray | None:
        """Return the array, None if it is gone or was written to."""
        array = self._reference()
        return array if array is not None and (array.item(0), array.item(-1)) == self._ends else None


# Modules that have an open forward; and those of which train() has dropped one in training mode.
waiting: weakref.WeakValueDictionary[int, Module] = weakref.WeakValueDictionary()
dropped: weakref.WeakValueDictionary[int, Module] = weakref.WeakValueDictionary()

# How many open forwards are a mistake: of whole models, and of cells and layers, which may run once a step.
MANY, MANY_STEPS = 500, 10_000


class _Record:
    """What is opened on the way of one call of a module that was written by hand."""

    __slots__ = ("opened", "owner")

    def __init__(self, owner: Module) -> None:
        self.owner = owner
        self.opened: list[tuple[Module, Open]] = []

    def take(self) -> list[tuple[Module, Open]]:
        """Close what is still open; returns it in the order in which it was opened."""
        taken = [(module, entry) for module, entry in reversed(self.opened) if _close(module, entry)]
        return taken[::-1]


_record: ContextVar[_Record | None] = ContextVar("record", default=None)


def _open(module: Module, context: Any, output: Any) -> None:
    entry, stack = Open(context, Output.of(output), get_ident()), module._contexts
    _note_stack(module)
    if not stack:
        waiting[id(module)] = module
    stack.append(entry)
    record = _record.get()
    if record is not None:
        record.opened.append((module, entry))
    elif len(stack) in (MANY, MANY_STEPS) and len(stack) == (MANY_STEPS if module._runs_a_step() else MANY):
        warnings.warn(
            f"{type(module).__name__}: {len(stack)} forwards in training mode wait for their backward and keep their "
            "memory; call eval() before predicting.",
            RuntimeWarning,
            stacklevel=4,
        )


def _close(module: Module, entry: Open) -> bool:
    """Take one forward off the stack; returns whether it was there."""
    stack = module._contexts
    for place in reversed(range(len(stack))):
        if stack[place] is entry:
            _note_stack(module)
            del stack[place]
            if not stack:
                waiting.pop(id(module), None)
            return True
    return False


def drop(module: Module, noted: bool) -> None:
    """Close all of a module's open forwards; the next step of an optimiser tells of it if that is noted."""
    if module._contexts:
        _note_stack(module)
        module._contexts.clear()
        waiting.pop(id(module), None)
        if noted:
            dropped[id(module)] = module


def _note_stack(module: Module) -> None:
    """Note which forwards are open, before that changes."""
    _undo.note(module, "open", lambda: functools.partial(_put_back, module, list(module._contexts)))


def _put_back(module: Module, stack: list[Open]) -> None:
    _note_stack(module)
    module._contexts[:] = stack
    if stack:
        waiting[id(module)] = module
    else:
        waiting.pop(id(module), None)


# ---- Whose gradient an array is

_predictions: dict[int, tuple[weakref.ref[AnyArray], Output]] = {}


def note_gradient(grad: AnyArray, prediction: Output | None) -> None:
    """Note that a loss gave this gradient for that prediction."""
    if prediction is not None:
        key = id(grad)
        _predictions[key] = (weakref.ref(grad, lambda _: _predictions.pop(key, None)), prediction)


def _refuse_others(module: Module, entry: Open, gradients: tuple[Any, ...]) -> None:
    """Raise for a gradient that is known to be of another open forward's output."""
    known = _predictions.get(id(gradients[0])) if gradients else None
    own = None if entry.output is None else entry.output.get()
    if known is None or own is None or known[0]() is not gradients[0]:
        return
    prediction = known[1].get()
    if prediction is None or prediction is own:
        return
    for other in list(waiting.values()):
        if any(one.output is not None and one.output.get() is prediction for one in other._contexts):
            whose = "an earlier forward" if other is module else f"a forward of another {type(other).__name__}"
            raise RuntimeError(
                f"{type(module).__name__}.backward(): this is the loss's gradient of the output of {whose}, not of the "
                "last open one. Backwards come in the opposite order of forwards, and each loss needs a criterion of "
                "its own."
            )


# ---- Forward and backward made of a pair


def first_named(forward: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a call's arguments with that called ``input``, torch's name of the first one, under its name here."""
    parameters = list(inspect.signature(forward).parameters.values())
    first = parameters[0] if parameters else None
    if args or first is None or first.kind is not first.POSITIONAL_OR_KEYWORD or first.name in kwargs:
        return args, kwargs
    if any(p.name == "input" or p.kind is p.VAR_KEYWORD for p in parameters):
        return args, kwargs
    return (kwargs["input"],), {name: value for name, value in kwargs.items() if name != "input"}


def _named_as(name: str, like: Callable[..., Any]) -> Callable[[Any], Any]:
    """Give a function another's text and signature, and its own name."""

    def named(function: Any) -> Any:
        functools.update_wrapper(function, like)
        function.__name__ = name
        function.__qualname__ = f"{like.__qualname__.rpartition('.')[0]}.{name}"
        return function

    return named


def _forward_of(trace: Callable[..., Any]) -> Any:
    @_named_as("forward", trace)
    def forward(self: Module, *inputs: Any, **options: Any) -> Any:
        output, context = trace(self, *inputs, **options)
        if context is not None and self._keeps():
            _open(self, context, output)
        return output

    return forward


def _backward_of(pullback: Callable[..., Any]) -> Any:
    @_named_as("backward", pullback)
    def backward(self: Module, *gradients: Any, **options: Any) -> Any:
        return _run_backward(self, pullback, gradients, options)

    # Without the context.
    parameters = list(inspect.signature(pullback).parameters.values())
    backward.__signature__ = inspect.Signature(parameters[:1] + parameters[2:])
    return backward


def _last_open(self: Module) -> Open:
    """Return the last open forward of this thread; of another one's where it is the only one that has such."""
    stack: list[Open] = list(self._contexts)
    own = get_ident()
    mine: list[Open] = [entry for entry in stack if entry.thread == own]
    if mine:
        return mine[-1]
    if any(entry.thread != stack[-1].thread for entry in stack):
        raise RuntimeError(
            f"{type(self).__name__}.backward(): forwards of several threads are open, and none of this one. Call "
            "backward in the thread of its forward, or hand the context on: trace and pullback."
        )
    return stack[-1]


def _run_backward(self: Module, pullback: Callable[..., Any], gradients: Any, options: Any) -> Any:
    if not self._contexts:
        type(self).kept(self, None)
    entry = _last_open(self)
    _refuse_others(self, entry, gradients)
    try:
        found = pullback(self, entry.context, *gradients, **options)
    except ValueError as error:
        if len(self._contexts) > 1 and hasattr(error, "add_note"):
            error.add_note(
                f"{len(self._contexts)} forwards of {type(self).__name__} are open. Backward takes the gradient of the "
                "last one's output first."
            )
        raise
    _close(self, entry)
    return found


# ---- A pair made of forward and backward


class _ByHand(tuple[tuple["Module", Open], ...]):
    """The context of a module that was written by hand: what it has opened in others."""


def _trace_of(forward: Callable[..., Any]) -> Any:
    @_named_as("trace", forward)
    def trace(self: Module, *inputs: Any, **options: Any) -> Any:
        if not self._keeps():
            return forward(self, *inputs, **options), None
        record = _Record(self)
        token = _record.set(record)
        try:
            output = forward(self, *inputs, **options)
        finally:
            _record.reset(token)
            opened = record.take()
        return output, type(self).keep(self, _ByHand(opened))

    return trace


def _pullback_of(backward: Callable[..., Any]) -> Any:
    @_named_as("pullback", backward)
    def pullback(self: Module, context: Any, *gradients: Any, **options: Any) -> Any:
        opened = [(module, entry._replace(thread=get_ident())) for module, entry in type(self).kept(self, context)]
        before = {id(module): (module, list(module._contexts)) for module, _ in opened}
        for module, entry in opened:
            _put_back(module, [*module._contexts, entry])
        record = _Record(self)
        token = _record.set(record)
        try:
            found = backward(self, *gradients, **options)
            left = [module for module, entry in opened if any(one is entry for one in module._contexts)]
            if left or any(record.take()):
                raise RuntimeError(_left_open(self, left))
        except BaseException:
            record.take()
            for module, stack in before.values():
                _put_back(module, stack)
            raise
        finally:
            _record.reset(token)
        return found

    parameters = list(inspect.signature(backward).parameters.values())
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    pullback.__signature__ = inspect.Signature([parameters[0], context, *parameters[1:]])
    return pullback


def _left_open(self: Module, left: Iterable[Module]) -> str:
    names = {id(module): name for name, module in self.named_modules()}
    texts = [f"{names.get(id(module)) or 'a module'} ({type(module).__name__})" for module in left]
    return (
        f"{type(self).__name__}.backward() has left open what its forward called: "
        f"{', '.join(dict.fromkeys(texts)) or 'a module that it called itself'}. Call the backward of each of them, as "
        "often as forward called it: without it gradients are incomplete."
    )


def _inner(self: Module) -> bool:
    """Whether the module's own forward or backward is running: this call is its super()'s, or recursive."""
    record = _record.get()
    return record is not None and record.owner is self


def _complete_by_hand(cls: type[Module], forward: Callable[..., Any], backward: Callable[..., Any], base: Any) -> None:
    infers_only = backward is base.backward
    trace, pullback = _trace_of(forward), _pullback_of(backward)
    if not infers_only:
        trace = _keeping(trace)

    @functools.wraps(forward)
    def outer_forward(self: Module, *inputs: Any, **options: Any) -> Any:
        if _inner(self) or not self._keeps():
            return forward(self, *inputs, **options)
        output, context = trace(self, *inputs, **options)
        if infers_only:
            # There is no backward that could want it; what it has called may have one that is called by hand.
            for module, entry in type(self).kept(self, context):
                _reopen(module, entry)
        else:
            _open(self, context, output)
        return output

    @functools.wraps(backward)
    def outer_backward(self: Module, *gradients: Any, **options: Any) -> Any:
        if infers_only or _inner(self) or not self._contexts:
            return backward(self, *gradients, **options)
        return _run_backward(self, pullback, gradients, options)

    cls.forward, cls.backward = _undo.whole(outer_forward), _undo.whole(outer_backward)  # type: ignore[method-assign]
    cls.trace, cls.pullback = _undo.whole(trace), _undo.whole(pullback)  # type: ignore[method-assign]


def _reopen(module: Module, entry: Open) -> None:
    _put_back(module, [*module._contexts, entry])
    record = _record.get()
    if record is not None:
        record.opened.append((module, entry))


def complete(cls: type[Module], base: type[Module]) -> None:
    """Give a class that defines one pair, trace and pullback or forward and backward, the other one."""
    own: dict[str, Any] = {}
    for part in cls.__mro__:
        if part is not cls and issubclass(part, base):
            break  # It is complete.
        for name in ("trace", "pullback", "forward", "backward"):
            if name in vars(part):
                own.setdefault(name, vars(part)[name])
    explicit, by_hand = own.keys() & {"trace", "pullback"}, own.keys() & {"forward", "backward"}
    if explicit and by_hand:
        raise TypeError(
            f"{cls.__name__}: expected either trace and pullback or forward and backward (the others are made of it), "
            f"got {', '.join(sorted(own))}"
        )
    if by_hand:
        _complete_by_hand(cls, cls.forward, cls.backward, base)
    elif explicit:
        for name in explicit:
            setattr(cls, name, _undo.whole(own[name]))
        if "trace" in own and not vars(cls).get("_is_leaf"):
            cls.trace = _keeping(cls.trace)  # type: ignore[method-assign]
        cls.forward = _forward_of(cls.trace)  # type: ignore[method-assign]
        cls.backward = _backward_of(cls.pullback)  # type: ignore[method-assign]
    if own.keys() & {"trace", "forward"} and "_trace_over_time" not in vars(cls):
        # A container with a forward of its own is no longer one that could run its modules in another way.
        cls._trace_over_time = None
    if own:
        cls._has_need_input = "need_input" in inspect.signature(cls.pullback).parameters


def pull(module: Module, context: Any, grad_output: Any, need_input: bool = True) -> Any:
    """Return the pullback of a module, with or without the input's gradient where it can be left out."""
    if module._has_need_input:
        return module.pullback(context, grad_output, need_input=need_input)
    return module.pullback(context, grad_output)


# ---- What an optimiser asks before it steps


def warn_before_step(groups: Iterable[Iterable[Parameter]], since: int) -> None:
    """Warn of open forwards of modules that own these parameters, and of used ones without a gradient since then."""
    if waiting or dropped:
        _warn_of_open({id(p) for group in groups for p in group})
    silent = [p for group in groups for p in group if p._written < since and p.requires_grad]
    gone = sum(p._owner is not None and p._owner() is None for p in silent)
    if gone:
        warnings.warn(
            f"optimizer.step(): {gone} parameters are of modules that are gone, and got no gradient; what has taken "
            "their place is not known here. Tell of it by optimizer.add_param_group({'params': new.parameters()}), or "
            "make a new optimizer.",
            RuntimeWarning,
            stacklevel=3,
        )
    forgotten = [name for name in (_used_as(p, since) for p in silent) if name is not None]
    if forgotten:
        warnings.warn(
            f"optimizer.step(): {', '.join(forgotten)} got no gradient, but forward has used the module since the last "
            "step; its backward is missing, or does not add to every parameter's gradient. requires_grad_(False) "
            "freezes what is not to be trained.",
            RuntimeWarning,
            stacklevel=3,
        )


def _warn_of_open(owned: set[int]) -> None:
    for modules, what in ((waiting, "are still open"), (dropped, "were dropped by train()")):
        found = [module for module in list(modules.values()) if any(id(p) in owned for p in module.parameters())]
        if found:
            names = ", ".join(sorted({type(module).__name__ for module in found}))
            warnings.warn(
                f"optimizer.step(): forwards in training mode of {names} {what} without a backward. Call backward for "
                "each of them; call eval() before a forward that validates or predicts, and train() after it.",
                RuntimeWarning,
                stacklevel=4,
            )
        if modules is dropped:
            for module in found:
                dropped.pop(id(module), None)


def _used_as(parameter: Parameter, since: int) -> str | None:
    """Name a parameter whose module was used since then."""
    owner = None if parameter._owner is None else parameter._owner()
    if owner is None or owner.__dict__.get("_used", -1) < since:
        return None
    names = [name for name, one in owner._parameters.items() if one is parameter]
    return f"{type(owner).__name__}.{names[0]} {parameter.shape}" if names else None
