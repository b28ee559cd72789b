"""What completion shows of the package and of its modules: the names that are meant."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import seriatim

OTHERS = ("cli", "compat.sequentia", "demo")
MODULES = [f"seriatim.{name}" for name in (*seriatim._SUBMODULES, *OTHERS) if name != "compat"]


def shown(module):
    return [name for name in dir(module) if not name.startswith("_")]


@pytest.mark.parametrize("name", MODULES)
def test_modules_show_what_they_give_out(name):
    module = importlib.import_module(name)
    # Tools that look a module over import more into it.
    list(map(importlib.import_module, MODULES))
    assert shown(module) == sorted(module.__all__)
    assert all(hasattr(module, one) for one in dir(module))


def test_adaptors_are_shown_where_their_library_is_there():
    assert "sequentia" in shown(seriatim.compat)
    assert set(shown(seriatim.compat)) <= {"aeon", "sequentia", "sktime"}
    assert seriatim.compat.sequentia.OnSequences
    with pytest.raises(AttributeError, match="no attribute 'keras'"):
        assert seriatim.compat.keras


def test_the_package_shows_its_modules_as_well():
    assert shown(seriatim) == sorted({*seriatim.__all__, *seriatim._SUBMODULES} - {"__version__"})
    assert "__version__" in dir(seriatim)
    assert all(getattr(seriatim, name) is not None for name in dir(seriatim))
    for name in ("Any", "annotations", "importlib", "TYPE_CHECKING"):
        assert name not in dir(seriatim)


def test_type_checkers_see_the_same_modules():
    tree = ast.parse(Path(seriatim.__file__).read_text())
    seen = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
        if alias.asname == alias.name
    ]
    assert tuple(seen) == seriatim._SUBMODULES
