"""Values in a few words, for representations and messages of one line."""

from __future__ import annotations

from typing import Any

import numpy as np

_LONGEST = 60


def brief(value: Any) -> str:
    """Return what a value is, in one short line: never an address, never a whole array or network."""
    if isinstance(value, np.ndarray):
        return f"array of shape {value.shape}"
    if callable(getattr(value, "named_parameters", None)):
        return f"{type(value).__name__}({sum(p.size for _, p in value.named_parameters()):,} numbers)"
    # What runs one after another: scikit-learn's pipelines, and augmentations.
    parts: Any = getattr(value, "augmentations", ())
    if hasattr(value, "named_steps"):
        parts = [step for _, step in value.steps]
    if parts:
        return " + ".join(map(brief, parts))
    name = getattr(value, "__name__", None)
    if callable(value) and name is not None:
        return str(name)
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
