"""Trees of format 2, made into trees of today's."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any


def upgraded(node: Any, ids: Iterator[int] | None = None) -> Any:
    """Return a tree that makes what one of format 2 made.

    There ``config`` of Sequential and the like had its children by name as ``modules``, and what was inside a whole had
    a ``state`` of None.
    """
    ids = itertools.count() if ids is None else ids
    if isinstance(node, list):
        return [upgraded(one, ids) for one in node]
    if not isinstance(node, dict):
        return node
    found = {key: upgraded(value, ids) for key, value in node.items() if not (key == "state" and value is None)}
    if "class" not in node or "config" not in node or "modules" not in node["config"]:
        return found
    children = found["config"].pop("modules")["dict"]
    if node["class"] == "ModuleList":
        found["config"]["modules"] = [child for _, child in children]
    else:
        found["args"] = [child for _, child in children]
    for _, child in children:
        child["id"] = next(ids)
    found["children"] = [[name, {"same": child["id"]}] for name, child in children]
    return found
