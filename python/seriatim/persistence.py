"""Files: one safetensors file a model, with its configuration inside. Nothing in it is ever executed.

The header's metadata has ``seriatim`` (JSON: format, library version, class, configuration, fitted state); the tensors
are ``state_dict()``. Only classes listed here can be loaded.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from seriatim._config import __version__
from seriatim._typing import AnyArray

__all__ = ["load", "save"]

FORMAT = 1

# Class name -> module. A file names one of these; nothing else is imported.
_MODULES = {
    name: "seriatim.nn"
    for name in (
        "BatchNorm1d",
        "BatchNorm2d",
        "Conv2d",
        "ConvGRU",
        "ConvLSTM",
        "DeepGRU",
        "Dropout",
        "ELU",
        "Embedding",
        "GRU",
        "LSTM",
        "LeakyReLU",
        "Linear",
        "LogSoftmax",
        "RNN",
        "ReLU",
        "Softmax",
    )
}
_ESTIMATORS = {"DeepGRUClassifier": "seriatim.models"}

# Parameters of an estimator that say how a fit runs, not what the model is; they may hold anything and stay behind.
_NOT_SAVED = {"callbacks"}


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator or a module.

    Parameters
    ----------
    model : estimator of seriatim.models, or module of seriatim.nn
        A module of your own: save its ``state_dict()`` with ``safetensors.numpy.save_file``.
    path : str or path
        Replaced as a whole once everything is written: a crash leaves the old file.
    """
    from safetensors.numpy import save as to_bytes

    name = type(model).__name__
    if _known(name) is not type(model):
        raise TypeError(
            f"model: expected one of {sorted(_ESTIMATORS | _MODULES)}, got {type(model).__name__}; of other modules "
            "save state_dict() with safetensors.numpy.save_file"
        )
    described, module = _describe_estimator(model) if name in _ESTIMATORS else (_describe_module(model), model)
    header = {"format": FORMAT, "version": __version__, "class": name, **described}
    tensors = {key: np.asarray(value, order="C") for key, value in module.state_dict().items()}
    content = to_bytes(tensors, metadata={"seriatim": json.dumps(header)})
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> Any:
    """Load what :func:`save` wrote; modules come back in evaluation mode.

    Raises
    ------
    FileNotFoundError
    ValueError
        The file is cut short, or not one of ours, or written by a newer library.
    """
    header, tensors = _read(Path(path))
    name = header["class"]
    kind = _known(name)
    if kind is None:
        raise ValueError(f"{path}: holds a {name!r}, which this version ({__version__}) does not know")
    if name in _MODULES:
        return _filled(kind(**header["config"]), tensors)
    return _load_estimator(kind, header, tensors)


def _known(name: str) -> Any:
    home = (_ESTIMATORS | _MODULES).get(name)
    return None if home is None else getattr(importlib.import_module(home), name)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    from safetensors import SafetensorError, safe_open

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
    if header["format"] > FORMAT:
        raise ValueError(
            f"{path}: written by seriatim {header['version']} in format {header['format']}; this version "
            f"({__version__}) reads formats up to {FORMAT}"
        )
    return header, tensors


def _describe_module(module: Any) -> dict[str, Any]:
    """Return the constructor arguments, which modules keep as attributes of the same names."""
    names = [n for n in inspect.signature(type(module).__init__).parameters if n not in ("self", "rng")]
    config = {}
    for name in names:
        value = getattr(module, name)
        # Linear's and BatchNorm's flags are named like the parameters they switch.
        if name == "bias" and not isinstance(value, bool):
            value = value is not None
        config[name] = value
    return {"config": config}


def _filled(module: Any, tensors: dict[str, AnyArray]) -> Any:
    module.load_state_dict(tensors)
    return module.eval()


def _describe_estimator(model: Any) -> tuple[dict[str, Any], Any]:
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(model)
    parameters = {k: v for k, v in model.get_params(deep=False).items() if k not in _NOT_SAVED}
    if not isinstance(parameters.get("random_state"), (int, type(None))):
        parameters["random_state"] = None
    if isinstance(parameters.get("class_weight"), dict):
        parameters["class_weight"] = [[_plain(k), float(v)] for k, v in parameters["class_weight"].items()]
    fitted = {
        "classes_": {"dtype": model.classes_.dtype.str, "values": [_plain(c) for c in model.classes_]},
        "n_features_in_": model.n_features_in_,
        "n_iter_": model.n_iter_,
        "history_": model.history_,
        "row_per_sequence": model._row_per_sequence,
    }
    described = {
        "parameters": {k: _plain(v) for k, v in parameters.items()},
        "fitted": fitted,
        **_describe_module(model.module_),
    }
    return described, model.module_


def _load_estimator(kind: Any, header: dict[str, Any], tensors: dict[str, AnyArray]) -> Any:
    from seriatim.nn import DeepGRU

    parameters, fitted = header["parameters"], header["fitted"]
    if isinstance(parameters.get("class_weight"), list):
        parameters["class_weight"] = {k: v for k, v in parameters["class_weight"]}
    model = kind(**parameters)
    classes = fitted["classes_"]
    kind_of_label = np.dtype(object) if classes["dtype"] == "|O" else np.dtype(classes["dtype"])
    model.classes_ = np.array(classes["values"], dtype=kind_of_label)
    model.n_features_in_, model.n_iter_ = fitted["n_features_in_"], fitted["n_iter_"]
    model.history_, model._row_per_sequence = fitted["history_"], fitted["row_per_sequence"]
    model.module_ = _filled(DeepGRU(**header["config"]), tensors)
    return model


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as the Python number or string that JSON has."""
    return value.item() if isinstance(value, np.generic) else value
