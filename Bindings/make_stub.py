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

from seriatim._typing import Array, ArrayLike, Integers

'''

# What a parameter of each kind takes, and a result gives; objects say so themselves.
TAKES = {
    "floats": "ArrayLike", "integers": "ArrayLike", "strided": "ArrayLike", "elements": "ArrayLike", "places": "Array",
    "batch_sizes": "ArrayLike", "offsets": "ArrayLike", "written": "Array", "written_strided": "Array", "size": "int",
    "sizes": "tuple[int, ...]", "choice": "int", "flag": "bool", "number": "float", "numbers": "tuple[float, ...]",
    "word": "int",
}  # fmt: skip
GIVES = {"floats": "Array", "places": "Array", "number": "float"}

# Functions without tables, until they have some.
WITHOUT_TABLES = """def gru_pack(
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None,
    bias_hh: ArrayLike | None,
    reset_after: bool,
    /,
) -> Array: ...
def gru_pack_backward(weight_ih: ArrayLike, weight_hh: ArrayLike, reset_after: bool, need_input: bool, /) -> Array: ...
def gru_forward(
    x: ArrayLike,
    batch_sizes: ArrayLike,
    h0: ArrayLike | None,
    packed: Array,
    hidden_size: int,
    reset_after: bool,
    reverse: bool,
    training: bool,
    out: Array | None,
    /,
) -> tuple[Array, Array, Array | None]: ...
def gru_backward(
    grad_y: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    cache: Array,
    x: ArrayLike,
    y: Array,
    batch_sizes: ArrayLike,
    h0: ArrayLike | None,
    packed: Array,
    hidden_size: int,
    reset_after: bool,
    reverse: bool,
    need_input: bool,
    need_state: bool,
    grad_weight_ih: Array,
    grad_weight_hh: Array,
    grad_bias_ih: Array | None,
    grad_bias_hh: Array | None,
    accumulate: bool,
    grad_x: Array | None,
    /,
) -> tuple[Array | None, Array | None]: ...
def lstm_pack(
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None,
    bias_hh: ArrayLike | None,
    weight_hr: ArrayLike | None,
    /,
) -> Array: ...
def lstm_pack_backward(
    weight_ih: ArrayLike, weight_hh: ArrayLike, weight_hr: ArrayLike | None, need_input: bool, /
) -> Array: ...
def lstm_forward(
    x: ArrayLike,
    batch_sizes: ArrayLike,
    h0: ArrayLike | None,
    c0: ArrayLike | None,
    packed: Array,
    hidden_size: int,
    proj_size: int,
    reverse: bool,
    training: bool,
    out: Array | None,
    /,
) -> tuple[Array, Array, Array, Array | None]: ...
def lstm_backward(
    grad_y: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    grad_c_n: ArrayLike | None,
    cache: Array,
    x: ArrayLike,
    y: Array,
    batch_sizes: ArrayLike,
    h0: ArrayLike | None,
    c0: ArrayLike | None,
    packed: Array,
    hidden_size: int,
    proj_size: int,
    reverse: bool,
    need_input: bool,
    need_state: bool,
    grad_weight_ih: Array,
    grad_weight_hh: Array,
    grad_bias_ih: Array | None,
    grad_bias_hh: Array | None,
    grad_weight_hr: Array | None,
    accumulate: bool,
    grad_x: Array | None,
    /,
) -> tuple[Array | None, Array | None, Array | None]: ...
def rnn_pack(
    weight_ih: ArrayLike, weight_hh: ArrayLike, bias_ih: ArrayLike | None, bias_hh: ArrayLike | None, /
) -> Array: ...
def rnn_pack_backward(weight_ih: ArrayLike, weight_hh: ArrayLike, need_input: bool, /) -> Array: ...
def rnn_forward(
    x: ArrayLike,
    batch_sizes: ArrayLike,
    h0: ArrayLike | None,
    packed: Array,
    hidden_size: int,
    rectifies: bool,
    reverse: bool,
    out: Array | None,
    /,
) -> tuple[Array, Array]: ...
def rnn_backward(
    grad_y: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    x: ArrayLike,
    y: Array,
    batch_sizes: ArrayLike,
    h0: ArrayLike | None,
    packed: Array,
    hidden_size: int,
    rectifies: bool,
    reverse: bool,
    need_input: bool,
    need_state: bool,
    grad_weight_ih: Array,
    grad_weight_hh: Array,
    grad_bias_ih: Array | None,
    grad_bias_hh: Array | None,
    accumulate: bool,
    grad_x: Array | None,
    /,
) -> tuple[Array | None, Array | None]: ...
"""


def type_of(row: dict[str, Any], kinds: dict[str, str]) -> str:
    """Return the Python type of a row of a table."""
    name = row["type"] or kinds[row["kind"]]
    return f"{name} | None" if row["optional"] else name


def declare(function: dict[str, Any]) -> str:
    """Return one function's declaration, laid out as ruff does."""
    parameters = [f"{row['name']}: {type_of(row, TAKES)}" for row in function["parameters"]]
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

    return HEAD + "".join(map(declare, _core.signatures())) + WITHOUT_TABLES


if __name__ == "__main__":
    STUB.write_text(stub())
