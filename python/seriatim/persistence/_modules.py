"""Modules as trees of constructors' arguments with a state, and back."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from seriatim.persistence._values import Reader, Writer


def encode_module(writer: Writer, module: Any, prefix: str, path: str, weights: bool) -> Any:
    """Return the tree of a module; its values go to the tensors."""
    if weights:
        for name, array in module.state_dict().items():
            writer.tensors[prefix + name] = np.asarray(array, order="C")
    # What is inside has its values in the state of the whole.
    config = {k: writer.encode(v, prefix, f"{path}.{k}", False) for k, v in _config(module).items()}
    return {"class": type(module).__name__, "config": config, "state": prefix if weights else None}


def _config(module: Any) -> dict[str, Any]:
    """Return the constructor's arguments: as they were given, but for attributes that have been changed since."""
    from seriatim.nn import Module, Parameter

    args, kwargs = module._arguments
    signature = inspect.signature(type(module).__init__)
    if hasattr(module, "_modules") and "modules" in signature.parameters:
        named = dict(module._places())
        others = {k: getattr(module, k) for k in signature.parameters if k not in ("self", "modules")}
        return {"modules": named, **others}
    bound = signature.bind(module, *args, **kwargs)
    bound.apply_defaults()
    config = {}
    for name, given in bound.arguments.items():
        kind = signature.parameters[name].kind
        if name in ("self", "rng") or kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD):
            continue
        now = getattr(module, name, given)
        config[name] = given if isinstance(now, (Module, Parameter)) and not isinstance(given, Module) else now
    return config


def decode_module(reader: Reader, cls: Any, node: dict[str, Any]) -> Any:
    """Return the module of a tree, in evaluation mode."""
    config = {k: reader.decode(v) for k, v in node["config"].items()}
    modules = config.pop("modules", None)
    if modules is None:
        module = cls(**config)
    else:
        named = all(parameter.kind is not inspect.Parameter.VAR_POSITIONAL for parameter in _parameters(cls))
        given = modules if hasattr(cls, "keys") else list(modules.values())
        module = cls(given, **config) if named else cls(*modules.values(), **config)
        # Names are those of the file: a Sequential may have been made of a mapping.
        for old, (new, child) in zip(list(module._modules), modules.items(), strict=True):
            del module._modules[old]
            module.add_module(new, child)
    prefix = node["state"]
    if prefix is not None:
        module.load_state_dict({k[len(prefix) :]: v for k, v in reader.tensors.items() if k.startswith(prefix)})
    return module.eval()


def _parameters(cls: Any) -> Any:
    return inspect.signature(cls.__init__).parameters.values()
