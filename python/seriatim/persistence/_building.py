"""Modules of nodes: the way back of ``_modules``."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from seriatim._config import __version__
from seriatim.nn import Module, Parameter
from seriatim.nn.base import _init
from seriatim.nn.base._narrow import NARROW
from seriatim.nn.losses._loss import Loss
from seriatim.persistence._compare import BESIDE, STORES
from seriatim.persistence._constructors import is_of_kind, is_plain, is_simple, parameters_of
from seriatim.persistence._drafts import arrays_of, unique_arrays, zeros_of
from seriatim.persistence._generators import GENERATORS
from seriatim.persistence._names import KEPT, attribute
from seriatim.persistence._numpy import dtype_of, shape_of
from seriatim.persistence._registry import is_registered

if TYPE_CHECKING:
    from seriatim.persistence._values import Reader

# Arrays and modules that a node may make beside those that have tensors of their own.
_PARTS = 16
# More items than a constructor is given by a range.
_RANGE = 10_000


def decode_module(reader: Reader, cls: Any, node: dict[str, Any]) -> Any:
    """Return the module of a node; a whole is in evaluation mode."""
    args = [reader.decode(value) for value in node.get("args", ())]
    config = {name: reader.decode(value) for name, value in node["config"].items()}
    check_arguments(node["class"], cls, config)
    try:
        reader.budget.parts += _PARTS
        with _init.blank(reader.budget), reader.generators.kept():
            module = cls(*args, **config)
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(f"holds a {node['class']} that cannot be made: {type(error).__name__}: {error}") from error
    _change(reader, module, node)
    return _with_values(reader, module, node)


def decode_same(reader: Reader, node: dict[str, Any]) -> Any:
    """Return what another place has as well."""
    return _with_values(reader, reader.same[node["same"]], node)


def check_arguments(name: str, cls: Any, config: dict[str, Any]) -> None:
    """Raise ValueError for arguments that a class does not have, and for values that one of the library's never has."""
    parameters = parameters_of(cls)
    for key, value in config.items():
        _check_kind(cls, key, value)
        if isinstance(value, range) and len(value) > _RANGE:
            raise ValueError(f"holds a {name} whose {key} is {value}: expected at most {_RANGE} numbers")
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    unknown = [key for key in config if key not in parameters]
    if unknown:
        raise ValueError(
            f"holds a {name} with {', '.join(map(repr, unknown))}, which this version ({__version__}) does not know: "
            f"it knows {', '.join(parameters) or 'no parameter'}. A newer version may have written it"
        )


def _check_kind(cls: Any, name: str, value: Any) -> None:
    if not is_of_kind(cls, name, value):
        wanted = str(parameters_of(cls)[name].annotation).replace(" | ", " or ")
        raise ValueError(f"holds a {cls.__name__} whose {name} is {value!r:.60}: expected {wanted}")


def _set(module: Any, name: str, value: Any) -> None:
    """Set an attribute; a setting of a class of the library's own by way of its checks."""
    cls, public = type(module), name.lstrip("_")
    now = vars(module).get(name)
    if not (is_registered(cls) or is_plain(now) or isinstance(now, GENERATORS)):
        raise ValueError(f"holds a {cls.__name__} whose {name} is set, which no file can set")
    _check_kind(cls, public, value)
    if name in KEPT and not (isinstance(value, tuple) and all(isinstance(item, str) for item in value)):
        raise ValueError(f"holds a {cls.__name__} whose {name} is {value!r:.60}: expected names")
    setting, parameter = inspect.getattr_static(cls, public, None), parameters_of(cls).get(public)
    checks = isinstance(setting, property) and setting.fset is not None
    checks = checks and parameter is not None and is_simple(parameter) and not is_registered(cls)
    setattr(module, public if checks else name, value)


def _change(reader: Reader, module: Any, changes: dict[str, Any]) -> None:
    """Make of what a constructor gave what a node says."""
    if "id" in changes:
        reader.same[changes["id"]] = module
    for key, kind in (("parameters", Parameter), ("buffers", np.ndarray)):
        if key in changes:
            make = functools.partial(_array, reader, kind=kind)
            _fill(module, vars(module)[f"_{key}"], changes[key], make)
    for parameter in vars(module).get("_parameters", {}).values():
        if parameter is not None:
            parameter._owned_by(module)
    if "children" in changes:
        _fill(module, module._modules, changes["children"], lambda entry, made: _part(reader, entry, made))
    for name, entry in changes.get("parts", ()):
        made = _part(reader, entry, vars(module).get(name))
        vars(module)[_settable(module, name)] = made
    for name in changes.get("without", ()):
        del vars(module)[_free(name)]
    for name, value in changes.get("attributes", {}).items():
        _set(module, _settable(module, name), reader.decode(value))
    if "memory" in changes:
        module.memory.kept = tuple(np.array(state) for state in reader.decode(changes["memory"]))


def _fill(module: Any, stored: dict[str, Any], entries: list[Any], make: Any) -> None:
    now = {str(name): make(entry, stored.get(name)) for name, entry in entries}
    for name in now:
        vars(module).pop(_free(name), None)
    stored.clear()
    stored.update(now)


def _free(name: str) -> str:
    """Return the name of an attribute; raises for those that modules themselves live by."""
    if name in BESIDE or name in STORES or name.startswith("__"):
        raise ValueError(f"holds an attribute {name!r}, which no file can set")
    return name


def _settable(module: Any, name: str) -> str:
    """Return the name of an attribute that a constructor has made, or that a class has not."""
    return _free(name) if name in vars(module) else attribute(type(module), _free(name), settable=True)


def _part(reader: Reader, entry: Any, made: Any) -> Any:
    if entry is None:
        return None
    if "same" in entry or "class" in entry:
        made = reader.decode(entry)
    else:
        _change(reader, made, entry)
    if not isinstance(made, (Module, Loss)):
        raise ValueError(f"holds a {type(made).__name__} where a module is expected")
    return made


def _array(reader: Reader, entry: Any, made: Any, kind: type) -> Any:
    if entry is None:
        return None
    if "same" in entry:
        found = reader.same[entry["same"]]
    else:
        found = _zeros(reader, entry) if "shape" in entry else made
        if "id" in entry:
            reader.same[entry["id"]] = found
    if not isinstance(found, kind):
        raise ValueError(f"holds a {type(found).__name__} where a {kind.__name__} is expected")
    return found


def _zeros(reader: Reader, entry: dict[str, Any]) -> Any:
    shape, dtype = shape_of(entry["shape"]), entry["dtype"]
    reader.budget.take(shape)
    if dtype != "parameter" and dtype not in NARROW:
        dtype_of(dtype, "fiubc")
    return zeros_of(entry)


def _with_values(reader: Reader, module: Any, node: dict[str, Any]) -> Any:
    prefix = node.get("state")
    if prefix is None:
        return module
    every = dict(unique_arrays(module))
    frozen, wrong = set(node.get("frozen", ())), []
    for name in node.get("values", every):
        target = every.get(name)
        for tensor, memory in arrays_of(name, target):
            given = reader.tensors.get(prefix + tensor)
            if memory is None or given is None:
                wrong.append(f"{tensor}: {'missing' if given is None else 'not known'}")
            elif given.shape != memory.shape or given.dtype != memory.dtype:
                wrong.append(f"{tensor}: expected {memory.dtype} {memory.shape}, got {given.dtype} {given.shape}")
            else:
                memory[...] = reader.tensors[prefix + tensor]
        if isinstance(target, Parameter):
            target.requires_grad = name not in frozen
            target._touch()
    if wrong:
        raise ValueError("\n  ".join([f"its tensors do not fit the {type(module).__name__} that it holds:", *wrong]))
    return module.eval() if isinstance(module, Module) else module
