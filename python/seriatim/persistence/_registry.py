"""Which classes a file may name: the library's, scikit-learn's Pipeline, and modules that a user has registered."""

from __future__ import annotations

import datetime
import importlib
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, overload

_HOMES = ("seriatim.nn", "seriatim.models", "seriatim.preprocessing", "seriatim.recipes")

Kind = TypeVar("Kind", bound=type)

_registered: dict[str, type] = {}


class UnknownClassError(ValueError):
    """A file names a class that is not known."""


def known(name: str) -> Any:
    """Return the class of a name that a file may have, None if there is none."""
    return _registered.get(name) or _of_the_library(name)


def name_of(cls: type) -> str | None:
    """Return the name that a file has for a class, None if it can hold none of it."""
    if _of_the_library(cls.__name__) is cls:
        return cls.__name__
    return next((name for name, one in _registered.items() if one is cls), None)


def is_registered(cls: type) -> bool:
    """Return whether a class is a user's."""
    return any(one is cls for one in _registered.values())


def _of_the_library(name: str) -> type | None:
    if name == "Pipeline":
        from sklearn.pipeline import Pipeline

        found: type = Pipeline
        return found
    for home in _HOMES:
        module = importlib.import_module(home)
        if name in module.__all__ and inspect.isclass(getattr(module, name)):
            found = getattr(module, name)
            return found
    return None


@overload
def register_module(cls: Kind, *, name: str | None = None) -> Kind: ...
@overload
def register_module(cls: None = None, *, name: str | None = None) -> Callable[[Kind], Kind]: ...
def register_module(cls: Any = None, *, name: str | None = None) -> Any:
    """Let files hold a module class of your own: its name and its constructor's arguments, never its code.

    Parameters
    ----------
    cls : subclass of seriatim.nn.Module
        Its constructor's arguments are plain values, arrays, and modules that a file can hold. Without ``cls`` a
        decorator is returned.
    name : str, optional
        What files call it; the class's own name by default.

    Returns
    -------
    class
        As it was given.

    Raises
    ------
    TypeError
        ``cls`` is no subclass of Module, or ``name`` no string.
    ValueError
        The name is one of the library's, or another class's that is registered. The same class, defined once more in
        a notebook or by a reload, takes its own place.

    Notes
    -----
    The program that loads a file registers the class, too, before it does. A file knows nothing of code: that both
    mean the same class is theirs to see to.

    Examples
    --------
    >>> @seriatim.register_module
    ... class Scaled(nn.Module):
    ...     def __init__(self, gain=2.0):
    ...         super().__init__()
    ...         self.gain = gain
    ...
    ...     def forward(self, x):
    ...         return self.gain * x
    """
    if cls is None:
        return lambda given: register_module(given, name=name)
    from seriatim.nn import Module

    if not (inspect.isclass(cls) and issubclass(cls, Module)):
        got = cls.__name__ if inspect.isclass(cls) else f"a {type(cls).__name__}"
        raise TypeError(f"cls: expected a subclass of seriatim.nn.Module, got {got}")
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name: expected a string or None, got {type(name).__name__}")
    called = cls.__name__ if name is None else name
    todo = f"register_module(name=...) gives it another, such as 'mine.{cls.__name__}'"
    if not called:
        raise ValueError("name: expected a name, got an empty string")
    if _of_the_library(called) is not None:
        raise ValueError(f"name: {called!r} is a class of the library or of scikit-learn: {todo}")
    before = _registered.get(called)
    if before is not None and _definition(before) != _definition(cls):
        raise ValueError(f"name: {called!r} is registered for {'.'.join(_definition(before))} already: {todo}")
    for other in [key for key, one in _registered.items() if one is cls and key != called]:
        del _registered[other]
    _registered[called] = cls
    return cls


def _definition(cls: type) -> tuple[str, str]:
    return cls.__module__, cls.__qualname__


def unknown_class(name: str, home: str | None) -> UnknownClassError:
    """Say that a class is not known; ``home``: where one was defined that a user had registered."""
    if home is None:
        return UnknownClassError(f"holds a {name!r}, which this version does not know")
    return UnknownClassError(
        f"holds a module {name!r}, which is not registered: import what registers it, or call "
        f"seriatim.register_module(cls, name={name!r}) with its class before load (it was saved from {home})"
    )


def not_known(value: Any, path: str) -> str:
    """Say that a file cannot hold a value, and what to do."""
    from seriatim.nn import Module

    kind = type(value).__name__
    wanted = f"{path}: expected a value, an estimator or a module of seriatim that a file can hold, got {kind}"
    if kind.endswith("SearchCV") or hasattr(value, "best_estimator_"):
        return f"{wanted}: save what it has found, its best_estimator_"
    if isinstance(value, (datetime.date, datetime.timedelta)):
        return f"{wanted}: labels that are times become strings, y.astype(str), before fit"
    if isinstance(value, Module) and type(value).__module__.startswith("seriatim."):
        return f"{wanted}: a part of the library's own has no name in files, and stays where its owner has put it"
    if isinstance(value, Module):
        return (
            f"{wanted}: seriatim.register_module({kind}) lets files hold it, by name and constructor's arguments; or "
            "save state_dict() with safetensors.numpy.save_file"
        )
    parts = path.split(".")
    for name, other in (("augmentation", None), ("schedule", "constant")):
        if name in parts:
            return f"{wanted}: nothing predicts by it, so set_params({name}={other!r}) before saving"
    if callable(value):
        return f"{wanted}: code is in no file; a seriatim.nn.Module of your own, registered by register_module, can be"
    return f"{wanted}; of other modules save state_dict() with safetensors.numpy.save_file"
