"""Files: one safetensors file a model, with its configuration inside. Nothing in it is ever executed.

The header's metadata has ``seriatim`` (JSON: format, library version, and the model as a tree of plain values); arrays
are the file's tensors, under names that say where they belong (``module_.gru1.weight_ih_l0``). Only classes of
``seriatim.nn``, ``seriatim.models``, ``seriatim.preprocessing`` and ``seriatim.recipes``, and scikit-learn's
``Pipeline``, can be in it.
"""

from __future__ import annotations

import datetime
import importlib
import inspect
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from seriatim._arrays import as_labels
from seriatim._config import __version__
from seriatim._files import replace_file
from seriatim._typing import AnyArray

__all__ = ["load", "save"]


def __dir__() -> list[str]:
    return sorted(__all__)


# 1, a file of one estimator or module without a tree, was never released.
FORMAT = 2

_HOMES = ("seriatim.nn", "seriatim.models", "seriatim.preprocessing", "seriatim.recipes")


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator, a pipeline, or a module.

    Parameters
    ----------
    model : estimator or transformer of seriatim, Pipeline of these, or module of seriatim.nn
        ``Sequential`` and other modules that are made of modules of ``seriatim.nn`` as well. A module of your own: save
        its ``state_dict()`` with ``safetensors.numpy.save_file``.
    path : str or path
        Replaced as a whole once everything is written: a crash leaves the old file.

    Raises
    ------
    TypeError
        Something in the model is of a class that a file cannot hold.
    sklearn.exceptions.NotFittedError
    FileNotFoundError
        The path's folder is not there.
    """
    from safetensors.numpy import save as to_bytes

    if isinstance(model, (str, os.PathLike)):
        raise TypeError(f"model: expected a model, got a path: the model comes first, save(model, {str(model)!r})")

    tensors: dict[str, AnyArray] = {}
    tree = _encode(model, tensors, "", type(model).__name__)
    if not (isinstance(tree, dict) and "class" in tree):
        raise TypeError(_not_known(model, "model"))
    header = {"format": FORMAT, "version": __version__, "class": tree["class"], "model": tree}
    content = to_bytes(tensors, metadata={"seriatim": json.dumps(header)})
    replace_file(path, content)


def load(path: str | os.PathLike[str]) -> Any:
    """Load what :func:`save` wrote; modules come back in evaluation mode.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    estimator, transformer, Pipeline or module
        Of the class that was saved.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
    ValueError
        The file is cut short, or not one of ours, or in another format than this version's.
    """
    header, tensors = _read(Path(path))
    try:
        return _decode(header["model"], tensors)
    except _UnknownClassError as error:
        raise ValueError(f"{path}: holds a {error}, which this version ({__version__}) does not know") from None


def _read(path: Path) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected the path of a file, got that of a folder")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("seriatim")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from error
    if text is None:
        raise ValueError(f"{path}: a safetensors file, but not one of seriatim.save's")
    header: dict[str, Any] = json.loads(text)
    if header["format"] != FORMAT:
        todo = "a newer version reads it" if header["format"] > FORMAT else "fit and save the model again"
        raise ValueError(
            f"{path}: written by seriatim {header['version']} in format {header['format']}; this version "
            f"({__version__}) reads format {FORMAT}: {todo}"
        )
    return header, tensors


class _UnknownClassError(ValueError):
    pass


def _known(name: str) -> Any:
    """Return the class of a name that a file may have, None if there is none."""
    if name == "Pipeline":
        from sklearn.pipeline import Pipeline

        return Pipeline
    for home in _HOMES:
        module = importlib.import_module(home)
        if name in module.__all__ and inspect.isclass(getattr(module, name)):
            return getattr(module, name)
    return None


def _not_known(value: Any, path: str) -> str:
    kind = type(value).__name__
    wanted = f"{path}: expected a value, an estimator or a module of seriatim that a file can hold, got {kind}"
    if kind.endswith("SearchCV") or hasattr(value, "best_estimator_"):
        return f"{wanted}: save what it has found, its best_estimator_"
    if isinstance(value, (datetime.date, datetime.timedelta)):
        return f"{wanted}: labels that are times become strings, y.astype(str), before fit"
    parts = path.split(".")
    for name, other in (("augmentation", None), ("schedule", "constant")):
        if name in parts:
            return f"{wanted}: nothing predicts by it, so set_params({name}={other!r}) before saving"
    return f"{wanted}; of other modules save state_dict() with safetensors.numpy.save_file"


# ---- Writing


def _encode(
    value: Any, tensors: dict[str, AnyArray], prefix: str, path: str, weights: bool = True, fitted: bool = True
) -> Any:
    """Return what JSON holds of a value; arrays go to ``tensors`` under names that begin with ``prefix``."""
    from sklearn.base import BaseEstimator

    from seriatim.nn import Module

    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [_encode(v, tensors, f"{prefix}{i}.", f"{path}[{i}]", weights) for i, v in enumerate(value)]
    if isinstance(value, tuple):
        return {"tuple": _encode(list(value), tensors, prefix, path, weights)}
    if hasattr(value, "items") and not isinstance(value, (Module, BaseEstimator)):
        pairs = [
            [_encode(k, tensors, prefix, path), _encode(v, tensors, f"{prefix}{k}.", f"{path}[{k!r}]", weights)]
            for k, v in value.items()
        ]
        return {"dict": pairs}
    if isinstance(value, np.ndarray):
        value = as_labels(path, value)
        if value.dtype.kind not in "fiub":
            return {"array": _encode(value.tolist(), tensors, prefix, path), "dtype": value.dtype.str}
        tensors[prefix.rstrip(".")] = np.asarray(value, order="C")
        return {"tensor": prefix.rstrip(".")}
    if _known(type(value).__name__) is not type(value):
        raise TypeError(_not_known(value, path))
    if isinstance(value, Module):
        return _encode_module(value, tensors, prefix, path, weights)
    return _encode_estimator(value, tensors, prefix, path, fitted)


def _encode_module(module: Any, tensors: dict[str, AnyArray], prefix: str, path: str, weights: bool) -> Any:
    if weights:
        for name, array in module.state_dict().items():
            tensors[prefix + name] = np.asarray(array, order="C")
    # What is inside has its values in the state of the whole.
    config = {k: _encode(v, tensors, prefix, f"{path}.{k}", False) for k, v in _config(module).items()}
    return {"class": type(module).__name__, "config": config, "state": prefix if weights else None}


def _config(module: Any) -> dict[str, Any]:
    """Return the constructor's arguments: as they were given, but for attributes that have been changed since."""
    from seriatim.nn import Module, Parameter

    args, kwargs = module._arguments
    signature = inspect.signature(type(module).__init__)
    if hasattr(module, "_modules") and "modules" in signature.parameters:
        named = dict(module.named_children())
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


def _encode_estimator(model: Any, tensors: dict[str, AnyArray], prefix: str, path: str, fitted: bool) -> Any:
    from sklearn.pipeline import Pipeline
    from sklearn.utils.validation import check_is_fitted

    name = type(model).__name__
    if isinstance(model, Pipeline):
        steps = [
            [key, _encode(step, tensors, f"{prefix}{key}.", f"{path}.{key}", fitted=fitted)]
            for key, step in model.steps
        ]
        return {"class": name, "steps": steps}
    if fitted and hasattr(model, "fit"):
        check_is_fitted(model, "n_features_in_" if hasattr(model, "n_features_in_") else None)
    # A parameter that is an estimator is one to be cloned.
    given, state = model._parameters_to_save(), model._fitted_state()
    return {
        "class": name,
        "parameters": {
            key: _encode(value, tensors, f"{prefix}{key}.", f"{path}.{key}", fitted=False)
            for key, value in given.items()
        },
        "fitted": {key: _encode(value, tensors, f"{prefix}{key}.", f"{path}.{key}") for key, value in state.items()},
    }


# ---- Reading


def _decode(node: Any, tensors: dict[str, AnyArray]) -> Any:
    if isinstance(node, list):
        return [_decode(item, tensors) for item in node]
    if not isinstance(node, dict):
        return node
    if "tuple" in node:
        return tuple(_decode(node["tuple"], tensors))
    if "dict" in node:
        return {_decode(k, tensors): _decode(v, tensors) for k, v in node["dict"]}
    if "tensor" in node:
        return tensors[node["tensor"]]
    if "array" in node:
        kind = np.dtype(object) if node["dtype"] == "|O" else np.dtype(node["dtype"])
        return np.array(_decode(node["array"], tensors), dtype=kind)
    cls = _known(node["class"])
    if cls is None:
        raise _UnknownClassError(repr(node["class"]))
    if "steps" in node:
        return cls([(name, _decode(step, tensors)) for name, step in node["steps"]])
    if "config" in node:
        return _decode_module(cls, node, tensors)
    parameters, fitted = ({k: _decode(v, tensors) for k, v in node[part].items()} for part in ("parameters", "fitted"))
    return cls._restored(parameters, fitted)


def _decode_module(cls: Any, node: dict[str, Any], tensors: dict[str, AnyArray]) -> Any:
    config = {k: _decode(v, tensors) for k, v in node["config"].items()}
    modules = config.pop("modules", None)
    if modules is None:
        module = cls(**config)
    else:
        named = all(parameter.kind is not inspect.Parameter.VAR_POSITIONAL for parameter in _parameters(cls))
        module = cls(list(modules.values()), **config) if named else cls(*modules.values(), **config)
        # Names are those of the file: a Sequential may have been made of a mapping.
        for old, (new, child) in zip(list(module._modules), modules.items(), strict=True):
            del module._modules[old]
            module.add_module(new, child)
    prefix = node["state"]
    if prefix is not None:
        module.load_state_dict({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
    return module.eval()


def _parameters(cls: Any) -> Any:
    return inspect.signature(cls.__init__).parameters.values()
