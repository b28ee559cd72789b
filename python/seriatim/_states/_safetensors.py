"""Files of state dicts that other programs wrote."""

from __future__ import annotations

import os

import numpy as np

from seriatim._arrays import in_range
from seriatim._files import as_path, opened
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
    path, state = as_path(path), {}
    with opened(path) as file:
        if "seriatim" in file.texts:
            raise ValueError(f"{path}: a model that seriatim.save wrote: seriatim.load({str(path)!r}) gives it whole")
        for name, entry in file.entries.items():
            if not name.startswith(prefix):
                continue
            if entry.kind == "BF16":
                # The upper half of a float32.
                upper = file.raw(name).view("<u2").astype(np.uint32)
                array: AnyArray = (upper << 16).view(np.float32).reshape(entry.shape)
            else:
                array = file.array(name)
            state[name[len(prefix) :]] = in_range(f"{path}: {name}", array) if array.dtype.kind == "f" else array
        if not state:
            raise ValueError(f"{path}: expected names that begin with {prefix!r}, got {list(file.entries)[:5]}")
    return state
