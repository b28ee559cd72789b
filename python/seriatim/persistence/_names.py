"""Which attributes a file may set: values, never what makes a class what it is."""

from __future__ import annotations

import inspect
from typing import Any

_PLAIN = (type(None), bool, int, float, str)
# The one that a file has to give back: which buffers are in no state dict.
KEPT = ("_left_out",)


def attribute(cls: type, name: Any, *, settable: bool = False) -> str:
    """Return the name of an attribute that an object of a class may be given.

    Parameters
    ----------
    cls : type
    name : str
    settable : bool, default False
        Whether properties are allowed that can be set, which check what they are given.

    Raises
    ------
    ValueError
        The class has a method, or anything else that is no plain value, under this name, or Python has.
    """
    there = inspect.getattr_static(cls, name, None) if isinstance(name, str) else cls
    setter = settable and isinstance(there, property) and there.fset is not None
    works = callable(there) or hasattr(type(there), "__get__")
    # What a class keeps for itself, as its rules of parameters.
    works |= isinstance(name, str) and name.startswith("_") and not isinstance(there, _PLAIN) and name not in KEPT
    if not isinstance(name, str) or name.startswith("__") or (works and not setter):
        raise ValueError(f"{cls.__name__} has an attribute {name!r:.60} in the file, which no file can set")
    return name
