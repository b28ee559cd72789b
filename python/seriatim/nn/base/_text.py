"""Modules as text, as torch writes them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any


def tree(name: str, extra: str, children: Iterable[tuple[str, Any]]) -> str:
    """Return a module's name, what stands between its brackets, and its children; equal ones in a row are one."""
    lines = [extra] * bool(extra)
    for text, alike in groupby(children, key=lambda child: repr(child[1]).replace("\n", "\n  ")):
        names = [child for child, _ in alike]
        if len(names) > 1 and all(child.isdigit() for child in names):
            lines.append(f"({names[0]}-{names[-1]}): {len(names)} x {text}")
        else:
            lines += [f"({child}): {text}" for child in names]
    if len(lines) == bool(extra):
        return f"{name}({extra})"
    return f"{name}(\n  " + "\n  ".join(lines) + "\n)"
