"""Which classes a file may name: the library's, scikit-learn's, and modules that a user has registered."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, overload

import numpy as np

from seriatim.persistence._scikit_learn import find

_HOMES = ("seriatim.nn", "seriatim.models", "seriatim.preprocessing", "seriatim.recipes")

_HOLDS = (
    "A file holds numbers, text, bytes, dates and times, arrays, lists, tuples, dicts, sets, ranges, paths, random "
    "generators, estimators and modules"
)

Kind = TypeVar("Kind", bound=type)

_registered: dict[str, type] = {}


class UnknownClassError(ValueError):
    """A file names a class that is not known."""


def known(name: str) -> Any:
    """Return the class of a name that a file may have, None if there is none."""
    return find(name) if name.startswith("sklearn.") else _registered.get(name) or _of_the_library(name)


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
        Its constructor's arguments, and its attributes, are what a file can hold: numbers, text, dates, arrays, lists,
        dicts, sets, random generators, modules and the like. Without ``cls`` a decorator is returned.
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
    from seriatim.nn import Module, Parameter

    kind = type(value).__name__
    wanted = f"{path}: expected a value, an estimator or a module of seriatim that a file can hold, got {kind}"
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
    home = type(value).__module__.split(".")[0]
    if home == "seriatim" and hasattr(value, "to_local"):
        return f"{wanted} of {type(value).__module__}: save what its to_local() gives"
    if home == "seriatim" and hasattr(value, "get_params"):
        return f"{wanted}, an adaptor: save the estimator inside of it"
    if hasattr(value, "get_params"):
        whose = "your own" if home in ("__main__", "builtins") else home
        return (
            f"{wanted}, a class of {whose}: a file names estimators of seriatim and scikit-learn alone. Save the parts "
            "that are such, one file each, or the whole by joblib.dump, a pickle"
        )
    if isinstance(value, np.ndarray):
        return f"{wanted} of {value.dtype}: expected a plain one, of numbers, text, times or objects"
    if home in ("sklearn", "scipy") and not inspect.isfunction(value):
        search = "; of a search, its best_estimator_ may do" if "SearchCV" in path else ""
        return (
            f"{wanted}, an object of {home} that is no plain values. Leave that part out of the file and fit it anew, "
            f"or save the whole by joblib.dump, a pickle{search}"
        )
    if hasattr(value, "state_dict") and not isinstance(value, type):
        return f"{wanted}; of other modules save state_dict() with safetensors.numpy.save_file"
    if callable(value):
        return (
            f"{wanted} ({getattr(value, '__name__', kind)}): code is in no file; ufuncs of NumPy and SciPy and "
            "functions of scikit-learn can be named in one, and so can a Module of your own, by register_module"
        )
    if home in ("pandas", "datetime", "zoneinfo"):
        return (
            f"{wanted}: labels of this kind become strings, y.astype(str), before fit; anything else a string, an "
            f"array or a plain value. {_HOLDS}"
        )
    if isinstance(value, Parameter):
        return f"{wanted}: as an attribute of its own, or by register_parameter, it is a part of its module"
    if home == "torch" and hasattr(value, "numpy"):
        return f"{wanted} of torch: make it an array, value.detach().cpu().numpy(). {_HOLDS}"
    return f"{wanted}. {_HOLDS}"
