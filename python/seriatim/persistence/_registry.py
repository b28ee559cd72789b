"""Which classes a file may name."""

from __future__ import annotations

import datetime
import importlib
import inspect
from typing import Any

_HOMES = ("seriatim.nn", "seriatim.models", "seriatim.preprocessing", "seriatim.recipes")


class UnknownClassError(ValueError):
    """A file names a class that is not known."""


def known(name: str) -> Any:
    """Return the class of a name that a file may have, None if there is none."""
    if name == "Pipeline":
        from sklearn.pipeline import Pipeline

        return Pipeline
    for home in _HOMES:
        module = importlib.import_module(home)
        if name in module.__all__ and inspect.isclass(getattr(module, name)):
            return getattr(module, name)
    return None


def not_known(value: Any, path: str) -> str:
    """Say that a file cannot hold a value, and what to do."""
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
