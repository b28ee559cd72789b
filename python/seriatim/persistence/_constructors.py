"""How a module was made: its constructor's arguments, as they were given."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seriatim.nn import Module, Sequential
from seriatim.nn.losses._loss import Loss
from seriatim.persistence._registry import is_registered

_SEVERAL = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass
class Arguments:
    """Arguments of a constructor: some by place, most by name."""

    by_place: list[Any] = field(default_factory=list)
    by_name: dict[str, Any] = field(default_factory=dict)


def parameters_of(cls: type) -> Mapping[str, inspect.Parameter]:
    """Return the constructor's parameters without the first, the object."""
    made: Any = cls
    return _parameters(made.__init__)


@functools.lru_cache(maxsize=512)
def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:
    return types.MappingProxyType(dict(list(inspect.signature(function).parameters.items())[1:]))


# What an annotation means where a number, a flag or a word stands: kinds of NumPy's types.
_KINDS = {"float": "fiub", "int": "iub", "bool": "b", "str": "U", "None": ""}


def is_simple(parameter: inspect.Parameter) -> bool:
    """Return whether a parameter takes one number, flag or word, or None."""
    return all(word in _KINDS for word in str(parameter.annotation).split(" | "))


def is_of_kind(cls: type, name: str, value: Any) -> bool:
    """Return whether a value is of the kind that a class of the library takes; where that is not simple any is."""
    parameter = None if is_registered(cls) else parameters_of(cls).get(name)
    if parameter is None:
        return True
    words = str(parameter.annotation).split(" | ")
    if words[0] in ("Pair", "Module") and words[1:] in ([], ["None"]):
        if value is None or words[0] == "Module":
            return isinstance(value, Module) or (value is None and "None" in words)
        return np.shape(value) in ((), (1,), (2,)) and np.asarray(value).dtype.kind in "iuf"
    if not is_simple(parameter):
        return True
    if value is None or isinstance(value, (list, tuple, Mapping)):
        return value is None and "None" in words
    given = np.asarray(value)
    # 0 and 1 are flags as well.
    is_flag = given.dtype.kind in "iu" and given.ndim == 0 and given in (0, 1) and "bool" in words
    return given.ndim == 0 and (is_flag or any(given.dtype.kind in _KINDS[word] for word in words))


def holds_children(cls: type) -> bool:
    """Return whether a class of the library is made of its children alone, as Sequential and ModuleList are."""
    return not is_registered(cls) and "modules" in parameters_of(cls)


def arguments_of(thing: Module | Loss) -> Arguments:
    """Return the arguments that make a module anew, without the generator of its initial values."""
    cls = type(thing)
    parameters = parameters_of(cls)
    if isinstance(thing, Loss):
        return Arguments([], {name: getattr(thing, name) for name in parameters})
    if holds_children(cls):
        children = dict(thing._places())
        options = {name: getattr(thing, name) for name in parameters if name != "modules"}
        if parameters["modules"].kind is not inspect.Parameter.VAR_POSITIONAL:
            return Arguments([children if hasattr(cls, "keys") else list(children.values())], options)
        plain = not issubclass(cls, Sequential) or list(children) == [str(index) for index in range(len(children))]
        return Arguments(list(children.values()) if plain else [children], options)
    args, kwargs = thing._arguments
    bound = inspect.signature(cls.__init__).bind(thing, *args, **kwargs)
    bound.apply_defaults()
    several = any(p.kind is _SEVERAL[0] and bound.arguments.get(name) for name, p in parameters.items())
    found, registered = Arguments(), is_registered(cls)
    for name, parameter in parameters.items():
        value, has_default = bound.arguments[name], parameter.default is not parameter.empty
        if parameter.kind in _SEVERAL and not registered:
            continue  # Identity ignores them.
        if name == "rng" and has_default:
            continue
        if parameter.kind is _SEVERAL[0]:
            found.by_place += value
        elif parameter.kind is _SEVERAL[1]:
            found.by_name.update(value)
        elif parameter.kind is parameter.POSITIONAL_ONLY or (
            several and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ):
            found.by_place.append(value)
        elif not (has_default and value is parameter.default and not is_plain(value)):
            found.by_name[name] = value
    return found


def is_plain(value: Any) -> bool:
    """Return whether a value is plain: numbers, strings, arrays, and lists, tuples and dicts of them."""
    if type(value) in (list, tuple):
        return all(is_plain(one) for one in value)
    if isinstance(value, Mapping):
        return all(is_plain(key) and is_plain(one) for key, one in value.items())
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiubU"
    return value is None or type(value) in (bool, int, float, str) or isinstance(value, (np.number, np.bool_, np.str_))


def modules_in(value: Any) -> Iterator[Module | Loss]:
    """Yield the modules in a value, in lists and the like as well."""
    if isinstance(value, (Module, Loss)):
        yield value
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from modules_in(one)
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from modules_in(one)
