"""The file itself: a safetensors file whose metadata has the header, and what the user says of the model."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seriatim._config import __version__
from seriatim._files import as_path, parsed, read_tensors, read_texts, replace_file, to_bytes
from seriatim._typing import AnyArray
from seriatim.persistence._format2 import upgraded

# 1, a file of one estimator or module without a tree, was never released. 2 had the values of modules alone: nothing of
# what is shared, frozen, or changed after construction.
FORMAT = 3
# The same with weights that are quantised, which versions that know only 3 refuse.
NARROW_FORMAT = 4

# Tensors of this many bytes are written once, however often they are there; but all of them are at most so many times
# as large as what is written: nobody's small file becomes a large model.
_WORTH, _TIMES = 256, 100


def write(
    path: str | os.PathLike[str],
    tree: dict[str, Any],
    tensors: dict[str, AnyArray],
    metadata: dict[str, Any],
    form: int = FORMAT,
) -> None:
    """Replace a file as a whole by a model's tree, its tensors and its user's metadata, in a format."""
    unique, alike = _unique(tensors)
    header = {"format": form, "version": __version__, "class": tree["class"], "model": tree, "alike": alike}
    texts = {"seriatim": json.dumps(header)}
    if metadata:
        texts["metadata"] = json.dumps(metadata)
    replace_file(path, to_bytes(unique, texts))


def _unique(tensors: dict[str, AnyArray]) -> tuple[dict[str, AnyArray], dict[str, str]]:
    """Return tensors of different bytes, and of the others the names of those that they are like."""
    unique: dict[str, AnyArray] = {}
    alike: dict[str, str] = {}
    first: dict[Any, str] = {}
    written = again = 0
    forms = Counter((array.dtype.str, array.shape) for array in tensors.values())
    for name, array in tensors.items():
        key, form = None, (array.dtype.str, array.shape)
        if array.nbytes >= _WORTH and forms[form] > 1:
            key = *form, hashlib.sha256(np.ascontiguousarray(array).data).digest()
        if key in first and again + array.nbytes <= _TIMES * written:
            alike[name] = first[key]
            again += array.nbytes
            continue
        unique[name] = array
        written += array.nbytes
        if key is not None:
            first[key] = name
    return unique, alike


def read(path: Path) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Return the header, as of this version's format, and the tensors of a file."""
    texts, tensors = read_tensors(path)
    header = _header(path, texts)
    if type(header["format"]) is not int:
        raise ValueError(f"{path}: its header's format is {header['format']!r:.60}: expected a number")
    if header["format"] not in (2, FORMAT, NARROW_FORMAT):
        todo = "a newer version reads it" if header["format"] > NARROW_FORMAT else "fit and save the model again"
        raise ValueError(
            f"{path}: written by seriatim {header['version']} in format {header['format']}; this version "
            f"({__version__}) reads formats {FORMAT} and {NARROW_FORMAT}: {todo}"
        )
    model, alike = header["model"], header.get("alike", {})
    if not (isinstance(model, dict) and "class" in model):
        raise ValueError(f"{path}: its header's model is {model!r:.60}: expected what names a class")
    if header["format"] == 2:
        try:
            header["model"] = upgraded(model)
        except MemoryError:
            raise
        except Exception as error:
            raise ValueError(f"{path}: is not as save writes it: {error!r}") from error
    if not (isinstance(alike, dict) and all(isinstance(other, str) for other in alike.values())):
        raise ValueError(f"{path}: its header's alike is {alike!r:.60}: expected names of tensors by names")
    _add_alike(path, tensors, alike)
    return header, tensors


def _add_alike(path: Path, tensors: dict[str, AnyArray], alike: dict[str, str]) -> None:
    wrong = next((name for name, other in alike.items() if other not in tensors or name in tensors), None)
    if wrong is not None:
        fault = "which is in the file as well" if wrong in tensors else "which is not in the file"
        raise ValueError(f"{path}: {wrong!r:.60} is said to be like {alike[wrong]!r:.60}, {fault}")
    there, asked = (sum(tensors[name].nbytes for name in names) for names in (tensors, alike.values()))
    if asked > _TIMES * there:
        raise ValueError(f"{path}: {asked} bytes are said to be like {there}: expected {_TIMES} times as many at most")
    tensors.update({name: np.array(tensors[other]) for name, other in alike.items()})


def read_metadata(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what was given to :func:`save` as ``metadata``; the model is not loaded.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict
        Empty if nothing was given.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
    ValueError
        The file is cut short, or not one of :func:`save`'s.
    """
    path = as_path(path)
    texts = read_texts(path)
    _header(path, texts)
    return _parsed(path, texts.get("metadata", "{}"))


def _header(path: Path, texts: dict[str, str]) -> dict[str, Any]:
    if "seriatim" not in texts:
        raise ValueError(f"{path}: a safetensors file, but not one of seriatim.save's")
    header = _parsed(path, texts["seriatim"])
    if not {"format", "version", "model"} <= set(header):
        raise ValueError(f"{path}: its header has no {sorted({'format', 'version', 'model'} - set(header))}")
    return header


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        # A parameter may be NaN.
        return parsed(text, finite=False)
    except ValueError as error:
        raise ValueError(f"{path}: its header is no JSON of save's: {error}") from error


def checked_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return metadata as it comes back; raises for what JSON cannot hold."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata: expected a dict of plain values, got {type(metadata).__name__}")
    found: dict[str, Any] = _checked(metadata, "metadata")
    return found


def _checked(value: Any, place: str) -> Any:
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(
            f"{place}: expected a finite number, which JSON can hold, got {value}: None or a string can be"
        )
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [_checked(one, f"{place}[{index}]") for index, one in enumerate(value)]
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"{place}: expected keys that are strings, got {key!r}")
        return {str(key): _checked(one, f"{place}[{key!r}]") for key, one in value.items()}
    todo = {tuple: "make it a list", set: "make it a list", np.ndarray: "value.tolist() is a list"}
    raise TypeError(
        f"{place}: expected None, a bool, number, string, list or dict, got {type(value).__name__}: "
        f"{todo.get(type(value), 'make it a string')}"
    )
