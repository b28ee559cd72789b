"""JSON that may come from anywhere."""

from __future__ import annotations

import json
import re
from typing import Any

# Brackets inside each other: Python's own reader goes down into them on the stack.
_DEPTH = 1000
_MARKS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.S)


def parsed(text: str | bytes, *, finite: bool = True) -> dict[str, Any]:
    """Return a JSON object.

    Parameters
    ----------
    text : str or bytes
    finite : bool, default True
        Whether NaN and infinities, which Python writes, are refused.

    Raises
    ------
    ValueError
        It is none, has a key twice, or is nested too deeply.
    """
    if isinstance(text, bytes):
        text = text.decode()
    _refuse_deep(text)
    try:
        found = json.loads(text, object_pairs_hook=_unlike, parse_constant=_refuse_constant if finite else None)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError(f"expected an object, got {text!r:.60}")
    return found


def _unlike(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise ValueError(f"has {key!r:.60} twice")
            seen.add(key)
    return found


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"has {word}, which is no JSON")


def _refuse_deep(text: str) -> None:
    if text.count("[") + text.count("{") <= _DEPTH:
        return
    depth = 0
    for mark in _MARKS.finditer(text):
        first = text[mark.start()]
        depth += (first in "[{") - (first in "]}")
        if depth > _DEPTH:
            raise ValueError(f"is nested in more than {_DEPTH} brackets")
