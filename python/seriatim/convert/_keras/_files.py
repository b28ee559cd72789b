"""Files of Keras: ``.keras``, ``.weights.h5``, and the older ``.h5``; read by h5py, which is no requirement of ours."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seriatim._files import as_path, at_most, refuse_no_file
from seriatim._typing import Array
from seriatim.convert._keras._source import Setting, Source, inner, is_model, settings


def read_file(path: str | os.PathLike[str]) -> Source:
    """Return arrays by name and, of a whole model, its layers' plan; no code of the file is run."""
    path = as_path(path)
    refuse_no_file(path)
    try:
        import h5py
    except ImportError as error:
        raise ImportError(
            f"{path}: a file of Keras is read by h5py, which is not installed (pip install h5py); without it, give "
            "{variable.path: variable.numpy() for variable in model.weights}"
        ) from error
    try:
        return _read(path, h5py)
    except (MemoryError, ValueError):
        raise
    except Exception as error:
        # Of the system; the other ones are of what is asked for by numbers in the file.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(f"{path}: not a whole file of Keras: {error!r}") from error


def _read(path: Path, h5py: Any) -> Source:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            missing = {"config.json", "model.weights.h5"} - set(archive.namelist())
            if missing:
                raise ValueError(f"{path}: no .keras file: {', '.join(sorted(missing))} missing")
            at_most(path, sum(archive.getinfo(name).file_size for name in ("config.json", "model.weights.h5")))
            model = json.loads(archive.read("config.json"))
            with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as file:
                _look_at(path, file, h5py)
                return _of_groups(file, model)
    if not h5py.is_hdf5(path):
        raise ValueError(f"{path}: expected a file of Keras, .keras, .weights.h5 or .h5, got another")
    with h5py.File(path, "r") as file:
        _look_at(path, file, h5py)
        if "layer_names" in file.attrs or "model_weights" in file:
            return _of_names(file)
        return _of_groups(file, None)


def _look_at(path: Path, root: Any, h5py: Any) -> None:
    """Raise ValueError for what leads out of a file or in a circle, and for arrays that are larger than it can fill."""
    left, seen, asked = [root], set(), 0
    while left:
        group = left.pop()
        for name in group:
            place = f"{path}: {group.name}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{place} is a link to another place, which Keras does not write")
            one = group[name]
            address = h5py.h5o.get_info(one.id).addr
            if address in seen:
                raise ValueError(f"{place} is at another place as well, which Keras does not write")
            seen.add(address)
            if hasattr(one, "items"):
                left.append(one)
                continue
            if one.external or one.is_virtual:
                raise ValueError(f"{place} has its numbers in another file, which Keras does not write")
            asked += one.nbytes
    at_most(path, asked)


def _arrays(group: Any, path: str = "") -> Iterator[tuple[str, Array]]:
    for name, value in group.items():
        if hasattr(value, "items"):
            yield from _arrays(value, f"{path}{name}/")
        else:
            yield f"{path}{name}", value[()]


# ---- By groups (.keras, .weights.h5): classes are numbered in the order of the model


def _of_groups(file: Any, model: dict[str, Any] | None) -> Source:
    plan = list(settings(model["class_name"], model["config"])) if model else []
    if plan and model:
        arrays = dict(_planned(file, model["config"], ()))
        return Source(arrays, plan, True, tuple(setting.name for setting in plan))
    arrays = {}
    layers = []
    container = file.get("layers", file)
    for group in sorted(container, key=_number):
        own = container[group].get("vars")
        name = str(own.attrs["name"]) if own is not None and "name" in own.attrs else group
        if (name,) in layers:
            name = group
        layers.append((name,))
        arrays |= {f"{name}/{rest}": array for rest, array in _arrays(container[group])}
    return Source(arrays, [], True, tuple(layers))


def _planned(file: Any, config: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, Array]]:
    container = file.get("layers", {})
    counts: dict[str, int] = {}
    for entry in config["layers"]:
        kind, inside = entry["class_name"], entry["config"]
        stem = _snake(kind)
        number = counts[stem] = counts.get(stem, -1) + 1
        group = container.get(f"{stem}_{number}" if number else stem)
        name = (*path, inside.get("name", entry.get("name", "")))
        if group is None:
            continue
        if is_model(kind, inside):
            yield from _planned(group, inside, name)
        else:
            for rest, array in _arrays(group):
                yield "/".join((*name, rest)), array


def _snake(name: str) -> str:
    """Return a class's name as Keras writes it into its files."""
    spaced = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", spaced).lower()


def _number(name: str) -> tuple[str, int]:
    stem, _, number = name.rpartition("_")
    return (stem, int(number)) if number.isdigit() else (name, 0)


# ---- By names of layers and weights (.h5)


def _of_names(file: Any) -> Source:
    root = file.get("model_weights", file)
    arrays: dict[str, Array] = {}
    layers = _names(root, "layer_names")
    for layer in layers:
        for name in _names(root[layer], "weight_names"):
            arrays[f"{layer}/{inner(name, layer)}"] = root[layer][name][()]
    if "model_config" not in file.attrs:
        return Source(arrays, [], True, tuple((layer,) for layer in layers))
    model = json.loads(_text(file.attrs["model_config"]))
    config = model["config"] if isinstance(model["config"], dict) else {"layers": model["config"]}
    plan: list[Setting] = list(settings(model["class_name"], config))
    return Source(arrays, plan, True, tuple(setting.name for setting in plan))


def _names(group: Any, attribute: str) -> list[str]:
    """Return a list of names; a long one is in pieces."""
    if attribute in group.attrs:
        return [_text(name) for name in group.attrs[attribute]]
    pieces = (f"{attribute}{number}" for number in range(len(group.attrs)))
    return [_text(name) for piece in pieces if piece in group.attrs for name in group.attrs[piece]]


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
