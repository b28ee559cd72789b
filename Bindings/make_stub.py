"""Writes python/seriatim/_core.pyi from the tables of Bindings/*.c, as the built extension gives them.

    python Bindings/make_stub.py

after a build in which a function's parameters or results changed; a test holds the two together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

STUB = Path(__file__).resolve().parents[1] / "python" / "seriatim" / "_core.pyi"
WIDTH = 120

HEAD = '''"""The compiled kernels. Private: seriatim.functional is the way in.

Written by Bindings/make_stub.py from the tables in Bindings: change those.
"""

from collections.abc import Sequence
from typing import Any

from seriatim._typing import Array, ArrayLike, Doubles, Integers

'''

# What a parameter of each kind takes, and a result gives; objects say so themselves.
TAKES = {
    "floats": "ArrayLike", "doubles": "ArrayLike",
    "integers": "ArrayLike", "strided": "ArrayLike", "elements": "ArrayLike", "places": "Array",
    "batch_sizes": "ArrayLike", "offsets": "ArrayLike", "written": "Array", "written_strided": "Array", "size": "int",
    "sizes": "tuple[int, ...]", "choice": "int", "flag": "bool", "number": "float", "numbers": "tuple[float, ...]",
    "word": "int",
}  # fmt: skip
GIVES = {"floats": "Array", "doubles": "Doubles", "places": "Array", "number": "float"}


def type_of(row: dict[str, Any], kinds: dict[str, str]) -> str:
    """Return the Python type of a row of a table."""
    name = row["type"] or kinds[row["kind"]]
    return f"{name} | None" if row["optional"] else name


def none_last(name: str) -> tuple[bool, str]:
    """Return the key of an order in which None is the last."""
    return name == "None", name


def declare(function: dict[str, Any]) -> str:
    """Return one function's declaration, laid out as ruff does. A group is one argument, a tuple of the next rows."""
    parameters, rows = [], iter(function["parameters"])
    for row in rows:
        if row["kind"] == "group":
            members = [type_of(next(rows), TAKES) for _ in range(row["limit"])]
            # One type for all the items of a long tuple.
            one = " | ".join(sorted({part for member in members for part in member.split(" | ")}, key=none_last))
            parameters.append(f"{row['name']}: tuple[{f'{one}, ...' if len(members) > 5 else ', '.join(members)}]")
        else:
            parameters.append(f"{row['name']}: {type_of(row, TAKES)}")
    parameters += ["/"] if parameters else []
    results = [type_of(row, GIVES) for row in function["results"]]
    given = "None" if not results else results[0] if len(results) == 1 else f"tuple[{', '.join(results)}]"
    end = f") -> {given}: ..."
    line = ", ".join(parameters)
    short = f"def {function['name']}({line}{end}"
    if len(short) <= WIDTH:
        return short + "\n"
    if len(line) + 4 <= WIDTH:
        return f"def {function['name']}(\n    {line}\n{end}\n"
    lines = "".join(f"    {parameter},\n" for parameter in parameters)
    return f"def {function['name']}(\n{lines}{end}\n"


def stub() -> str:
    """Return the stub's text."""
    from seriatim import _core

    return HEAD + "".join(map(declare, _core.signatures()))


if __name__ == "__main__":
    STUB.write_text(stub())
