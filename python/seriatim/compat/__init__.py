"""Adaptors for other libraries; each is imported only when it is asked for, and wants its library."""

from __future__ import annotations

import importlib.util
from typing import Any

_ADAPTORS = ("aeon", "sequentia", "sktime")


def __getattr__(name: str) -> Any:
    if name in _ADAPTORS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [name for name in _ADAPTORS if importlib.util.find_spec(name)]
