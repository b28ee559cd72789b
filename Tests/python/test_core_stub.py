"""The stub of the compiled module says what the tables say."""

import importlib.util
from pathlib import Path

from seriatim import _core

ROOT = Path(__file__).parents[2]


def generator():
    spec = importlib.util.spec_from_file_location("make_stub", ROOT / "Bindings" / "make_stub.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stub_is_what_the_tables_give():
    made = generator()
    assert made.STUB.read_text() == made.stub(), "run python Bindings/make_stub.py"


def test_every_function_has_a_table():
    functions = {name for name in dir(_core) if not name.startswith("_") and callable(getattr(_core, name))}
    assert functions == {table["name"] for table in _core.signatures()}
