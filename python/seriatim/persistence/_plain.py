"""Python's plain values as nodes, and back: numbers, text, containers, paths, and what is known by a name."""

from __future__ import annotations

import collections
import functools
import inspect
import pathlib
import types
from typing import TYPE_CHECKING, Any

from seriatim.persistence._scikit_learn import find_function, function_name

if TYPE_CHECKING:
    from seriatim.persistence._values import Reader, Writer

_MAPPINGS: dict[str, Any] = {
    "OrderedDict": collections.OrderedDict,
    "Counter": collections.Counter,
    "mappingproxy": types.MappingProxyType,
}
_SETS: dict[str, Any] = {"set": set, "frozenset": frozenset}


def encode(writer: Writer, value: Any, prefix: str, path: str) -> Any:
    """Return the node of a plain value other than None, of anything else None."""
    kind = type(value)
    if kind in (bool, int, float, str):
        return value
    if kind is list:
        return [writer.encode(item, f"{prefix}{i}.", f"{path}[{i}]") for i, item in enumerate(value)]
    if kind is tuple:
        return {"tuple": writer.encode(list(value), prefix, path)}
    if kind is dict or _MAPPINGS.get(kind.__name__) is kind:
        pairs = [
            [writer.encode(k, f"{prefix}key {i}.", path), writer.encode(v, f"{prefix}{k}.", f"{path}[{k!r}]")]
            for i, (k, v) in enumerate(value.items())
        ]
        return {"dict": pairs} if kind is dict else {"dict": pairs, "kind": kind.__name__}
    if kind in (set, frozenset):
        # Their order differs from process to process.
        return {"set": writer.encode(sorted(value, key=repr), prefix, path), "kind": kind.__name__}
    if kind is bytes:
        return {"bytes": value.hex()}
    if kind is complex:
        return {"complex": [value.real, value.imag]}
    if kind in (range, slice):
        return {kind.__name__: writer.encode([value.start, value.stop, value.step], prefix, path)}
    if isinstance(value, pathlib.Path):
        return {"path": str(value)}
    if kind is functools.partial:
        parts = [value.func, list(value.args), dict(value.keywords)]
        return {"partial": writer.encode(parts, prefix, path)} if schedule_name(value.func) else None
    if name := schedule_name(value) or function_name(value):
        return {"function": name}
    return None


def schedule_name(value: Any) -> str | None:
    """Return the name of a schedule's class, None of anything else."""
    word = value.__name__ if inspect.isclass(value) else ""
    return f"seriatim.optim.{word}" if word and _schedule(word) is value else None


def _schedule(word: str) -> Any:
    # By name, as other classes: files are not above training.
    import seriatim.optim as optim

    found = getattr(optim, word, None)
    return found if word in optim.__all__ and inspect.isclass(found) and issubclass(found, optim.LRScheduler) else None


def _function(reader: Reader, node: dict[str, Any]) -> Any:
    name = str(node["function"])
    home, _, word = name.rpartition(".")
    found = _schedule(word) if home == "seriatim.optim" else find_function(name)
    if found is None:
        raise ValueError(f"names a function {name!r:.60}, which no file can name")
    return found


def _partial(reader: Reader, node: dict[str, Any]) -> Any:
    function, args, keywords = reader.decode(node["partial"])
    if schedule_name(function) is None:
        raise ValueError("holds a partial of what is no schedule")
    return functools.partial(function, *args, **keywords)


def _dict(reader: Reader, node: dict[str, Any]) -> Any:
    found = {reader.decode(key): reader.decode(value) for key, value in node["dict"]}
    return _MAPPINGS[node["kind"]](found) if "kind" in node else found


DECODERS: dict[str, Any] = {
    "tuple": lambda reader, node: tuple(reader.decode(node["tuple"])),
    "dict": _dict,
    "set": lambda reader, node: _SETS[node["kind"]](reader.decode(node["set"])),
    "bytes": lambda reader, node: bytes.fromhex(node["bytes"]),
    "complex": lambda reader, node: complex(*node["complex"]),
    "range": lambda reader, node: range(*reader.decode(node["range"])),
    "slice": lambda reader, node: slice(*reader.decode(node["slice"])),
    "path": lambda reader, node: pathlib.Path(node["path"]),
    "partial": _partial,
    "function": _function,
}
