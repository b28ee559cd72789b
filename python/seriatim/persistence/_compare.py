"""What differs between a model and what its file makes."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import math
import pathlib
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from seriatim._typing import AnyArray
from seriatim.nn import Module, Parameter
from seriatim.nn.base._packs import Packs
from seriatim.nn.losses._loss import Loss
from seriatim.persistence._estimators import holds, parts_of

# What a module has beside its state: calls that are open, copies for the kernels, how it was made, its mode. A file
# brings it in evaluation mode.
BESIDE = frozenset({"_contexts", "_used", "_arguments", "training", "_packs", "_last", "__orig_class__"})
STORES = ("_parameters", "_buffers", "_modules")


def attributes(thing: Module | Loss) -> dict[str, Any]:
    """Return a module's attributes without what it registers and what is no state."""
    return {k: v for k, v in vars(thing).items() if k not in BESIDE and k not in STORES and not isinstance(v, Packs)}


def store(thing: Module | Loss, name: str) -> dict[str, Any]:
    """Return one of a module's stores; losses have none."""
    found: dict[str, Any] = vars(thing).get(name, {})
    return found


_VALUES = (
    datetime.date, datetime.time, datetime.timedelta, range, slice, complex, set, frozenset, pathlib.PurePath, np.dtype
)  # fmt: skip


class Comparison:
    """Looks for a difference, and knows what is the counterpart of what: sharing is compared as well.

    Attributes
    ----------
    pairs : dict
        By the ids of objects of one side: those of the other.
    left : frozenset of str
        Names of what estimators have left of a fit and stays behind.
    """

    def __init__(self, pairs: dict[int, Any] | None = None, left: frozenset[str] = frozenset()) -> None:
        self.left = left
        self.pairs: dict[int, Any] = {} if pairs is None else pairs
        self._taken = {id(one) for one in self.pairs.values()}
        # Ids are those of objects that live.
        self._alive: list[Any] = []

    def find(self, one: Any, other: Any, place: str) -> str | None:
        """Return where and how two things differ, None if they do not."""
        if isinstance(one, np.memmap):
            one = one.view(np.ndarray)
        if type(one) is not type(other):
            return f"{place}: is {_told(one)}, a file makes {_told(other)}"
        if one is other:
            return None
        if isinstance(one, np.generic):
            return self._arrays(np.asarray(one), np.asarray(other), place)
        if isinstance(one, (str, int, bool, bytes)):
            return None if one == other else f"{place}: is {_told(one)}, a file makes {_told(other)}"
        if isinstance(one, float):
            alike = one == other and math.copysign(1, one) == math.copysign(1, other)
            return None if alike or (one != one and other != other) else f"{place}: is {one}, a file makes {other}"
        if isinstance(one, np.ndarray):
            return self._arrays(one, other, place)
        if isinstance(one, (list, tuple)):
            return self._all(enumerate(one), dict(enumerate(other)), place, "[{!r}]")
        if isinstance(one, Mapping):
            return self._all(one.items(), other, place, "[{!r}]")
        return self._objects(one, other, place)

    def _all(self, items: Any, others: dict[Any, Any], place: str, form: str, find: Any = None) -> str | None:
        pairs, find = list(items), find or self.find
        if [key for key, _ in pairs] != list(others):
            mine = [key for key, _ in pairs]
            more, less = [k for k in mine if k not in others], [k for k in others if k not in mine]
            told = [f"{words} {', '.join(map(str, k))}" for words, k in (("no", more), ("also", less)) if k]
            return f"{place}: a file makes {' and '.join(told) or 'another order'}"
        found = (find(value, others[key], place + form.format(key)) for key, value in pairs)
        return next((text for text in found if text), None)

    def _arrays(self, one: Any, other: Any, place: str) -> str | None:
        if one.shape != other.shape or one.dtype != other.dtype:
            return f"{place}: is {one.dtype} of shape {one.shape}, a file makes {other.dtype} of shape {other.shape}"
        if isinstance(one, np.ma.MaskedArray):
            if text := self._arrays(np.ma.getmaskarray(one), np.ma.getmaskarray(other), place):
                return text
            one, other = one.data, other.data
        if one.dtype.hasobject or one.dtype.char == "T":
            return self.find(one.ravel().tolist(), other.ravel().tolist(), place)
        return None if np.array_equal(_bits(one), _bits(other)) else f"{place}: has other values in a file"

    def _objects(self, one: Any, other: Any, place: str) -> str | None:
        if type(one) is not type(other):
            return f"{place}: is {_told(one)}, a file makes {_told(other)}"
        if one is None:
            return None
        if isinstance(one, _VALUES):
            # Nobody can tell two of them from one.
            return self._inside(one, other, place)
        if id(one) in self.pairs or id(other) in self._taken:
            shared = self.pairs.get(id(one)) is other
            return None if shared else f"{place}: is shared with another place; what a file makes is not"
        if isinstance(one, Packs):
            return None
        self.pairs[id(one)] = other
        self._taken.add(id(other))
        self._alive += [one, other]
        found = self._inside(one, other, place)
        if found is not None:
            # Nothing is said of a pair that is none.
            self.pairs.pop(id(one), None)
            self._taken.discard(id(other))
        return found

    def _inside(self, one: Any, other: Any, place: str) -> str | None:
        if isinstance(one, Parameter):
            if one.requires_grad != other.requires_grad:
                return f"{place}: requires_grad is {one.requires_grad}, a file makes {other.requires_grad}"
            return self.find(one._kept(), other._kept(), place)
        if isinstance(one, np.ndarray):
            return self._arrays(one, other, place)
        if isinstance(one, (Module, Loss)):
            for name in STORES:
                mine = store(one, name)
                find = self._objects if name == "_buffers" else self.find
                if text := self._all(mine.items(), store(other, name), place, ".{}", find):
                    return text
            mine = attributes(one)
            made = attributes(other)
            # The order of attributes is that of assignments, and nothing goes by it.
            return self._all(sorted(mine.items()), dict(sorted(made.items())), place, ".{}")
        if holds(one):
            for mine, made in zip(parts_of(one, self.left), parts_of(other, self.left), strict=True):
                if text := self._all(sorted(mine.items()), dict(sorted(made.items())), place, ".{}"):
                    return text
            return None
        if isinstance(one, np.random.RandomState):
            return self.find(one.get_state(legacy=False), other.get_state(legacy=False), place)
        if isinstance(one, np.random.Generator):
            return self.find(one.bit_generator.state, other.bit_generator.state, place)
        if hasattr(one, "indptr") and hasattr(one, "shape"):
            first, second = ([m.data, m.indices, m.indptr, m.shape] for m in (one, other))
            return self.find(first, second, place)
        if isinstance(one, functools.partial):
            return self.find([one.func, one.args, one.keywords], [other.func, other.args, other.keywords], place)
        if isinstance(one, _VALUES) or type(one).__module__.startswith("pandas."):
            # NaT and NaN are not themselves, two sets may have two orders.
            alike = _equal(one, other) or repr(one) == repr(other)
            return None if alike else f"{place}: is {one}, a file makes {other}"
        if isinstance(one, types.FunctionType):
            return self._functions(one, other, place)
        if isinstance(one, types.MethodType):
            alike = one.__func__ is other.__func__
            return self.find(one.__self__, other.__self__, place) if alike else f"{place}: is another method"
        parts = _parts(one)
        if not parts:
            return None if _equal(one, other) else f"{place}: is {_told(one)}, of which a file holds nothing"
        return self._all(parts.items(), _parts(other), place, ".{}")

    def _functions(self, one: Any, other: Any, place: str) -> str | None:
        cells = [[c.cell_contents for c in f.__closure__ or ()] for f in (one, other)]
        if one.__code__ is not other.__code__ or one.__defaults__ != other.__defaults__:
            return f"{place}: is another function"
        return self.find(cells[0], cells[1], place)


def _equal(one: Any, other: Any) -> bool:
    """Return whether two objects say that they are equal; tensors answer with many values, which say nothing."""
    try:
        return bool(one == other)
    except MemoryError:
        raise
    except Exception:
        return False


def _bits(array: AnyArray) -> AnyArray:
    """Return an array's numbers as integers of their bits, along one axis."""
    flat = np.ascontiguousarray(array).reshape(-1)
    if not flat.itemsize:
        return np.zeros(len(flat), np.uint8)
    return flat.view(f"u{flat.itemsize}" if flat.itemsize in (1, 2, 4, 8) else "u1")


def _parts(thing: Any) -> dict[str, Any]:
    """Return what an object is made of: its attributes, in slots or not."""
    if dataclasses.is_dataclass(thing):
        # What it has computed since is no part of it.
        return {field.name: getattr(thing, field.name) for field in dataclasses.fields(thing)}
    names = [name for cls in type(thing).__mro__ for name in _slots(cls) if not name.startswith("__")]
    found = {name: getattr(thing, name) for name in names if hasattr(thing, name)}
    return {**found, **getattr(thing, "__dict__", {})}


def _slots(cls: type) -> tuple[str, ...]:
    slots = cls.__dict__.get("__slots__", ())
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _told(value: Any) -> str:
    text = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
