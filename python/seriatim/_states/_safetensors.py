"""Files of state dicts that other programs wrote."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from seriatim._arrays import in_range
from seriatim._typing import AnyArray


def read_safetensors(path: str | os.PathLike[str], prefix: str = "") -> dict[str, AnyArray]:
    """Read a state dict that torch, or any other program, saved as safetensors.

    Parameters
    ----------
    path : str or path
    prefix : str, default ''
        Only names that begin with it are read, and they lose it: ``"encoder."``.

    Returns
    -------
    dict of name to ndarray
        Floating types, bfloat16 among them, as float32; integers and booleans as they are.

    Raises
    ------
    FileNotFoundError
    ValueError
        Not a whole safetensors file, a type that NumPy does not have, a number too large for float32, no name begins
        with the prefix, or the file is one of ``seriatim.save``.
    """
    from safetensors import SafetensorError, deserialize

    content = Path(path).read_bytes()
    try:
        found: Any = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from error
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    if "seriatim" in header.get("__metadata__", {}):
        raise ValueError(f"{path}: a model that seriatim.save wrote: seriatim.load({str(path)!r}) gives it whole")
    kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
             "U8": "u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "?"}  # fmt: skip
    state = {}
    for name, tensor in found:
        if not name.startswith(prefix):
            continue
        kind, data = tensor["dtype"], bytes(tensor["data"])
        if kind == "BF16":
            # The upper half of a float32.
            array = (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
        elif kind in kinds:
            array = np.frombuffer(data, kinds[kind])
        else:
            raise ValueError(f"{path}: expected one of BF16, {', '.join(kinds)} for {name}, got {kind}")
        array = array.reshape(tensor["shape"])
        state[name[len(prefix) :]] = in_range(f"{path}: {name}", array) if array.dtype.kind == "f" else array.copy()
    if not state:
        raise ValueError(f"{path}: expected names that begin with {prefix!r}, got {[name for name, _ in found][:5]}")
    return state
