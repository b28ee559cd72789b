"""What code is: functions by what they compute and stand on, classes by their methods, libraries by their names.

A function of a user counts by its compiled code, defaults, closure and attributes, and by the globals that it reads,
which are followed in the same way; so another number in the file it stands in is another function. What is installed
beside Python is known by its name: a checkpoint notes the library's version by itself.
"""

from __future__ import annotations

import dis
import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

_LIBRARIES = {"seriatim", *sys.stdlib_module_names} - {"__main__"}
# By their place in a class or module.
_SLOTS = (
    types.MemberDescriptorType, types.GetSetDescriptorType, types.MethodDescriptorType, types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
)  # fmt: skip
_SIZES = ("co_argcount", "co_posonlyargcount", "co_kwonlyargcount", "co_flags")
_NAMES = ("co_names", "co_varnames", "co_freevars", "co_cellvars")


def parts(reader: Any, value: Any) -> list[Any] | None:
    """Return what the digest of code is made of, None of what is none.

    Parameters
    ----------
    reader : object with ``read``, ``at``, ``named``, ``own`` and ``refused``
        As of :mod:`_identity`.
    value : object
    """
    if isinstance(value, types.FunctionType):
        return _function(reader, value)
    if isinstance(value, types.CodeType):
        return _compiled(reader, value)
    if isinstance(value, type):
        return _class(reader, value)
    if isinstance(value, types.MethodType):
        return ["method", reader.read(value.__func__), reader.read(value.__self__)]
    if isinstance(value, (types.BuiltinFunctionType, types.MethodWrapperType)):
        bound = value.__self__
        of = str(value.__module__) if bound is None or isinstance(bound, types.ModuleType) else reader.read(bound)
        return ["builtin", value.__qualname__, of]
    if isinstance(value, _SLOTS):
        return ["slot", value.__objclass__.__qualname__, value.__name__]
    if isinstance(value, types.ModuleType):
        return _module(value)
    if isinstance(value, types.CellType):
        return ["cell", *_contents(reader, value)]
    if isinstance(value, (staticmethod, classmethod)):
        return [type(value).__name__, reader.read(value.__func__)]
    if isinstance(value, property):
        return ["property", *map(reader.read, (value.fget, value.fset, value.fdel))]
    if isinstance(value, functools.cached_property):
        return ["cached", reader.read(value.func)]
    if isinstance(value, functools._lru_cache_wrapper):
        return ["cache", reader.read(value.__wrapped__)]
    return None


def home_of(value: Any, name: str) -> str | None:
    """Return the module where a name leads to a value, None if there is none."""
    # Functions over arrays do not say where they are at home.
    for home in (getattr(value, "__module__", None), "numpy", "scipy.special"):
        found: Any = sys.modules.get(home or "")
        for part in name.split("."):
            found = getattr(found, part, None)
        if found is value:
            return home
    return None


def _is_installed(name: str | None) -> bool:
    """Return whether a module is of a library, or of Python."""
    if name is None or name.partition(".")[0] in _LIBRARIES:
        return True
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if file is None:
        return name not in ("__main__", "__mp_main__") and module is not None and not hasattr(module, "__path__")
    return "site-packages" in file or "dist-packages" in file


def _function(reader: Any, value: types.FunctionType) -> list[Any]:
    installed = _is_installed(value.__module__)
    if installed and home_of(value, value.__qualname__) is not None:
        return ["function", value.__module__, value.__qualname__]
    with reader.at(f" ({value.__qualname__})" if len(reader.path) > 1 else ""):
        found: list[Any] = ["code", value.__qualname__, reader.read(value.__code__)]
        found += [reader.read(value.__defaults__), reader.read(value.__kwdefaults__)]
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
            with reader.at(f", its {name!r}"):
                found += _contents(reader, cell)
        if not installed:
            found += _globals(reader, value)
        found += reader.own(value)
        return found


def _contents(reader: Any, cell: types.CellType) -> list[bytes]:
    try:
        return [b"full", reader.read(cell.cell_contents)]
    except ValueError:
        return [b"empty"]


def _globals(reader: Any, value: types.FunctionType) -> Iterator[Any]:
    """Yield names and digests of the globals that a function reads."""
    for name in sorted(set(_read_by(value.__code__))):
        if name in value.__globals__:
            with reader.at(f", its global {name!r}"):
                yield name
                yield reader.read(value.__globals__[name])


def _read_by(code: types.CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _read_by(constant)


def _compiled(reader: Any, code: types.CodeType) -> list[Any]:
    sizes = [getattr(code, name) for name in _SIZES]
    names = [getattr(code, name) for name in _NAMES]
    return ["compiled", code.co_code, getattr(code, "co_exceptiontable", b""), *map(reader.read, (sizes, names)),
            *map(reader.read, code.co_consts)]  # fmt: skip


def _class(reader: Any, value: type) -> list[Any]:
    if _is_installed(value.__module__):
        return ["class", value.__module__, value.__qualname__]
    # Names with two underscores are Python's own notes, but for the methods among them.
    own = {
        name: item
        for name, item in vars(value).items()
        if not (name.startswith("__") and name.endswith("__"))
        or isinstance(item, (types.FunctionType, staticmethod, classmethod, property))
    }
    own.pop("_abc_impl", None)
    bases = [reader.read(base) for base in value.__bases__]
    return ["class", value.__qualname__, *bases, *reader.named(sorted(own.items()))]


def _module(value: types.ModuleType) -> list[Any]:
    file = getattr(value, "__file__", None)
    if _is_installed(value.__name__) or file is None:
        return ["module", value.__name__]
    with open(file, "rb") as source:
        return ["module", value.__name__, source.read()]
