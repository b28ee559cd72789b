"""What a value is, from its content: a digest that is the same in another process, and of nothing else.

Kinds are told apart (1, 1.0, True and "1" are four values), arrays count by their bytes, modules by structure, weights,
freezing and sharing, code by :mod:`_code`, and any other object by what pickle would keep of it. Nothing enters that
differs from process to process: addresses, the order of a set, the file a function stands in.
"""

from __future__ import annotations

import copyreg
import functools
import hashlib
import re
import types
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from seriatim._typing import AnyArray
from seriatim.nn import Module, Parameter
from seriatim.training import _code

# What a module keeps beside its state: of the moment, or of how it was made, which its attributes say; and how much of
# its work it does at once.
_PASSING = {
    "_arguments", "_buffers", "_contexts", "_modules", "_packs", "_parameters", "_used", "frames_at_once", "training"
}  # fmt: skip
_LOCKS = {"lock", "RLock"}
_LONGEST = 60


class NotIdentifiedError(TypeError):
    """A value has no content that can be compared."""


def identity(value: Any, name: str = "value") -> str:
    """Return a digest of what a value is.

    Parameters
    ----------
    value : object
    name : str
        What an error calls it.

    Returns
    -------
    str

    Raises
    ------
    NotIdentifiedError
        Something in it is nothing but an address.
    """
    try:
        return _Reader(name).read(value).hex()
    except RecursionError:
        raise NotIdentifiedError(_advice(name, value, "it is nested too deeply")) from None


def shown(value: Any) -> str:
    """Return a value as a message shows it."""
    named = getattr(value, "__qualname__", None)
    text = named if isinstance(named, str) else re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(repr(value).split()))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _advice(path: str, value: Any, why: str) -> str:
    return (
        f"{path}: a checkpoint is found by what its training is made of, and of {shown(value)} "
        f"({type(value).__module__}.{type(value).__qualname__}) that cannot be said: {why}. Write it as a class whose "
        "__getstate__ or __reduce__ says what matters, or train without checkpoint_dir."
    )


class _Reader:
    """One walk through a value."""

    def __init__(self, name: str) -> None:
        self.path = [name]
        # By address: what was read, which stays alive so that nothing else gets its address; and where a walk is.
        self.done: dict[int, tuple[Any, bytes]] = {}
        self.places: dict[int, int] = {}
        self.open: dict[int, int] = {}

    # ---- Walking

    def read(self, value: Any) -> bytes:
        """Return the digest of a value."""
        plain = _plain(value)
        if plain is not None:
            return _digest(*plain)
        address = id(value)
        if address in self.open:
            return _digest("within", str(len(self.open) - self.open[address]))
        if address in self.done:
            # Whether two weights are one is a part of what a module is; of other things it is not.
            again = isinstance(value, (Module, Parameter))
            return _digest("again", str(self.places[address])) if again else self.done[address][1]
        self.places[address] = len(self.places)
        self.open[address] = len(self.open)
        try:
            found = _digest(*self.parts(value))
        finally:
            del self.open[address]
        self.done[address] = value, found
        return found

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Say in errors where the walk is."""
        self.path.append(name)
        yield
        self.path.pop()

    def named(self, values: Iterable[tuple[str, Any]]) -> list[bytes]:
        """Return digests of values with names, in the order that is given."""
        found = []
        for name, value in values:
            with self.at(f".{name}"):
                found.append(_digest("named", name, self.read(value)))
        return found

    def refused(self, value: Any, why: str) -> NotIdentifiedError:
        """Return the error that a value cannot be identified."""
        return NotIdentifiedError(_advice("".join(self.path), value, why))

    # ---- Kinds

    def parts(self, value: Any) -> Iterable[Any]:
        """Return what the digest of a value is made of."""
        kind = type(value)
        if isinstance(value, np.ndarray):
            return self.array(value)
        if kind in (list, tuple):
            return [kind.__name__, *map(self.read, value)]
        if kind in (set, frozenset):
            return [kind.__name__, *sorted(_Reader("".join(self.path)).read(item) for item in value)]
        if kind is dict or kind is types.MappingProxyType:
            return ["dict", *self.items(value)]
        if isinstance(value, Parameter):
            return ["parameter", self.read(value._array), self.read(value.requires_grad)]
        if isinstance(value, Module):
            return self.module(value)
        if isinstance(value, np.random.RandomState):
            return ["state", self.read(value.get_state(legacy=False))]
        if isinstance(value, np.random.Generator):
            return ["generator", self.read(value.bit_generator.state)]
        if isinstance(value, functools.partial):
            return ["partial", *map(self.read, (value.func, value.args, value.keywords)), *self.own(value)]
        if kind.__module__ == "_thread" and kind.__name__ in _LOCKS:
            return ["lock"]
        return _code.parts(self, value) or _foreign(self, value) or self.object(value)

    def items(self, value: Any) -> list[bytes]:
        keys = sorted((_Reader("".join(self.path)).read(key), place, key) for place, key in enumerate(value))
        found = []
        for digest, _, key in keys:
            with self.at(f"[{shown(key)}]"):
                found.append(_digest(digest, self.read(value[key])))
        return found

    def array(self, value: AnyArray) -> list[Any]:
        if isinstance(value, np.ma.MaskedArray):
            return ["masked", self.read(value.filled(0)), self.read(np.ma.getmaskarray(value))]
        dtype = value.dtype
        head = ["array", dtype.str if dtype.names is None else repr(dtype.descr), str(value.shape)]
        if dtype.hasobject:
            return [*head, *map(self.read, value.reshape(-1).tolist())]
        if not value.size or not dtype.itemsize:
            return head
        return [*head, np.ascontiguousarray(value).reshape(-1).view(np.uint8).data]

    def module(self, value: Module) -> list[Any]:
        rest = {name: item for name, item in _lasting(value, vars(value)).items() if name not in _PASSING}
        stores = [("parameters", value._parameters), ("buffers", value._buffers), ("modules", value._modules)]
        parts = [_digest(name, *self.named(store.items())) for name, store in stores]
        return ["module", self.read(type(value)), *parts, *self.named(sorted(rest.items()))]

    def own(self, value: Any) -> list[bytes]:
        """Return digests of the attributes that were set on a function."""
        return self.named(sorted(getattr(value, "__dict__", {}).items()))

    def object(self, value: Any) -> list[Any]:
        """Read what pickle would keep."""
        try:
            registered = copyreg.dispatch_table.get(type(value))
            reduced = value.__reduce_ex__(4) if registered is None else registered(value)
        except MemoryError:
            raise
        except Exception as error:
            raise self.refused(value, str(error)) from error
        if isinstance(reduced, str):
            home = _code.home_of(value, reduced)
            if home is None:
                raise self.refused(value, "pickle knows it by a name that is not there")
            return ["name", home, reduced]
        function, arguments, state, *items = (*reduced, None, None, None)[:5]
        if isinstance(state, dict) and all(isinstance(name, str) for name in state):
            states = self.named(sorted(_lasting(value, state).items()))
        else:
            states = [self.read(state)]
        following = [self.read(None if each is None else list(each)) for each in items]
        return ["object", self.read(type(value)), self.read(function), self.read(arguments), *states, *following]


def _digest(*parts: Any) -> bytes:
    made = hashlib.blake2b(digest_size=12)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        made.update(b"%d:" % len(raw))
        made.update(raw)
    return made.digest()


def _lasting(value: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Leave out what follows from the rest, and the version that scikit-learn's estimators add."""
    kind = type(value)
    derived = {name for name in state if isinstance(getattr(kind, name, None), functools.cached_property)}
    return {name: item for name, item in state.items() if name not in derived and name != "_sklearn_version"}


def _plain(value: Any) -> tuple[Any, ...] | None:
    """Return the parts of a value that has none inside, None of others."""
    if value is None or value is Ellipsis or value is NotImplemented:
        return ("single", repr(value))
    kind = type(value)
    if kind in (bool, int, float, complex):
        return kind.__name__, value.hex() if kind is float else repr(value)
    if kind in (str, bytes, bytearray):
        return kind.__name__, value
    if isinstance(value, np.generic) and not value.dtype.hasobject:
        return "scalar", value.dtype.str, repr(value.dtype.descr), value.tobytes()
    return None


def _foreign(reader: _Reader, value: Any) -> list[Any] | None:
    """Read what other libraries' objects hold where pickle would keep how, too."""
    kind, home = type(value), type(value).__module__.partition(".")[0]
    name = f"{home}.{kind.__name__}"
    if name == "pandas.DataFrame":
        columns = [value.iloc[:, place] for place in range(value.shape[1])]
        return [name, reader.read(list(value.columns)), reader.read(value.index), *map(reader.read, columns)]
    if name == "pandas.Series":
        return [name, str(value.dtype), *map(reader.read, [value.name, np.asarray(value), value.index])]
    if home == "pandas" and kind.__name__.endswith("Index"):
        return [name, str(value.dtype), reader.read(list(value.names)), reader.read(np.asarray(value))]
    if home == "torch" and hasattr(value, "detach"):
        torch: Any = __import__("torch")
        raw = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return [name, str(value.dtype), str(tuple(value.shape)), str(value.requires_grad), reader.read(raw)]
    if home == "onnxruntime" and hasattr(value, "_model_path"):
        if value._model_path:
            with open(value._model_path, "rb") as file:
                return [name, reader.read(file.read())]
        return [name, reader.read(value._model_bytes)]
    return None
