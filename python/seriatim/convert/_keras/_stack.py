"""Layers of one stack, out of whatever form of weights, in an order that names or the model say."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Any

from seriatim._states import as_floats_of
from seriatim.convert._keras._cells import DIRECTIONS, Cell, cells_of
from seriatim.convert._keras._kinds import Kind
from seriatim.convert._keras._lists import named
from seriatim.convert._keras._settings import TRANSPARENT, ignored, kind_of_setting, problems
from seriatim.convert._keras._source import Setting, Source, is_list_of_arrays, read
from seriatim.convert._reader import refuse

Key = tuple[str, ...]
# The directions of a layer, by their suffix.
Sides = dict[str, Cell]


def stack(
    kind: Kind,
    given: Any,
    layer: Any,
    ignore: str | Collection[str],
    units: int | None = None,
    bidirectional: bool | None = None,
) -> tuple[list[Sides], Source]:
    """Return the layers of a stack, each with its directions, and what they were read from.

    Raises
    ------
    ValueError
        They are not of the kind, do something that ours do not, or are not layers of one stack.
    """
    names, ignore = _names(layer), ignored(ignore)
    is_list = is_list_of_arrays(given)
    source = Source(named(kind, given, units, bidirectional)) if is_list else read(given)
    if not is_list and (units is not None or bidirectional is not None):
        raise TypeError("units, bidirectional: say how a list of arrays is read; names say it by themselves")
    cells, unknown = cells_of(source)
    chosen = _chosen(kind, source, cells, names)
    left = [] if source.whole or names else [cell for cell in cells if cell not in chosen]
    for name in (name for cell in left for name in cell.names.values()):
        unknown.append(f"{name}: not of a recurrent layer; give the {kind.name}'s weights alone, or its name as layer=")
    refuse(kind.source, [*(problem for cell in chosen for problem in cell.problems(kind)), *unknown])
    refuse(kind.source, _made_floats(chosen))
    described = [setting for setting in source.plan if any(_is_of(cell, setting) for cell in chosen)]
    refuse(kind.source, [problem for setting in described for problem in problems(setting, kind, ignore)])
    layers = _sides(kind, chosen, names)
    keys = _in_order(kind, list(layers), source, names)
    if source.plan and not names:
        refuse(kind.source, _unchained(keys, source.plan))
    whole = [
        {suffix: layers[key][side] for side, suffix in DIRECTIONS.items()} if len(layers[key]) == 2 else layers[key]
        for key in keys
    ]
    refuse(kind.source, _misfits(whole, kind))
    return whole, source


# ---- Which cells


def _names(layer: Any) -> list[str]:
    """Return the names of the layers that are asked for; of a layer of Keras, its name."""
    if layer is None:
        return []
    given = list(layer) if isinstance(layer, (list, tuple)) else [layer]
    names = [each.name if hasattr(each, "get_config") and hasattr(each, "name") else each for each in given]
    if not names or not all(isinstance(name, str) for name in names):
        raise TypeError(
            f"layer: expected the name of a layer, or a list of names in the stack's order, got {layer!r}; without "
            "layer= all are taken"
        )
    if len(set(names)) < len(names):
        raise ValueError(f"layer: expected different names, got {names}; convert a layer that comes twice by itself")
    return names


def _chosen(kind: Kind, source: Source, cells: list[Cell], names: list[str]) -> list[Cell]:
    """Return the cells that are meant: those of the layers that are named, else all of the kind."""
    recurrent = [cell for cell in cells if cell.is_recurrent]
    if names:
        found = [cell for cell in recurrent if any(_begins(cell.path, name) for name in names)]
        absent = [name for name in names if not any(_begins(cell.path, name) for cell in recurrent)]
        refuse(
            kind.source,
            [f"layer={name!r}: no recurrent layer has this name, got {_shown(recurrent)}" for name in absent],
        )
        return found
    if not source.whole:
        return recurrent or cells or [Cell((), 0, {}, {})]
    if source.plan:
        of_kind = [setting for setting in source.plan if kind_of_setting(setting) is kind]
        found = [cell for cell in recurrent if any(_is_of(cell, setting) for setting in of_kind)]
    else:
        found = [cell for cell in recurrent if cell.kind is kind]
    if not found:
        others = {cell.kind.function for cell in recurrent if cell.kind}
        other = f"; convert.{' and convert.'.join(sorted(others))} are for these" if others else ""
        refuse(kind.source, [f"no {kind.name} is in it, got {_shown(recurrent) or 'no recurrent layer'}{other}"])
    return found


def _begins(path: Key, name: str) -> bool:
    """Whether a layer's name, of one part or several, is in a path."""
    parts = tuple(name.strip("/").split("/"))
    return any(path[place : place + len(parts)] == parts for place in range(len(path)))


def _is_of(cell: Cell, setting: Setting) -> bool:
    return cell.path[: cell.start] == setting.name


def _made_floats(cells: list[Cell]) -> Iterator[str]:
    """Make floats of the cells' arrays, and yield which are none."""
    for cell in cells:
        for part, array in cell.arrays.items():
            try:
                cell.arrays[part] = as_floats_of(cell.names[part], array)
            except (TypeError, ValueError) as error:
                yield str(error)


def _sides(kind: Kind, cells: list[Cell], names: list[str]) -> dict[Key, Sides]:
    """Return the directions of each layer."""
    layers: dict[Key, Sides] = {}
    # One that is asked for by its own name stands alone.
    alone = any(part.partition("_")[0] in DIRECTIONS for name in names for part in name.split("/"))
    for cell in cells:
        key, side = (cell.path, "") if alone else cell.side
        if side in layers.get(key, {}):
            text = f"{'/'.join(key)}: two layers have this name, got {_shown(cells)}"
            refuse(kind.source, [f"{text}; Bidirectional StackedRNNCells are no stack of ours"])
        layers.setdefault(key, {})[side] = cell
    for sides in layers.values():
        if set(sides) not in ({""}, set(DIRECTIONS)):
            there = next(iter(sides.values()))
            text = f"{'/'.join(there.path)}: one direction of a Bidirectional layer, without the other"
            name = f"name one that stands alone without {next(iter(sides))}_"
            refuse(kind.source, [f"{text}, got {_shown(cells)}; {name}"])
    return layers


# ---- In which order


def _in_order(kind: Kind, keys: list[Key], source: Source, names: list[str]) -> list[Key]:
    """Sort layers as the caller or the model does, or by the numbers of names that are alike but for these."""
    known: list[Key] = [tuple(name.strip("/").split("/")) for name in names]
    if len(known) == 1:
        known = []
    elif not known and source.plan:
        known = list(source.layers)

    def place(key: Key) -> int:
        return next((place for place, name in enumerate(known) if _begins(key, "/".join(name))), 0)

    stems = {(place(key), *(re.sub(r"_?\d+$", "", part) for part in key)) for key in keys}
    if len(stems) > len({place(key) for key in keys}):
        shown = ", ".join("/".join(key) for key in keys)
        text = f"{len(keys)} layers whose names do not say their order: {shown}"
        refuse(kind.source, [f"{text}; convert each by itself, or name them in their order, layer=[...]"])
    numbers = {key: [int((re.findall(r"\d+$", part) or ["0"])[0]) for part in key] for key in keys}
    return sorted(keys, key=lambda key: (place(key), numbers[key]))


def _unchained(keys: list[Key], plan: list[Setting]) -> Iterator[str]:
    """Yield the layers that take something else than the output of the one before them."""
    by_name = {setting.name: setting for setting in plan}
    used = [next(setting for setting in plan if key[: len(setting.name)] == setting.name) for key in keys]
    for whole in dict.fromkeys(setting.name for setting in used if setting.calls > 1):
        name = "/".join(whole)
        yield (
            f"{name}: is applied {by_name[whole].calls} times, which is one set of weights at several places; "
            f"layer={name!r} gives it once, for one module of ours that is called as often"
        )
    for earlier, later in pairwise(used):
        if earlier is later:
            continue  # StackedRNNCells.
        setting: Setting | None = later
        while setting is not None and setting is not earlier:
            before = setting.before or ()
            setting = by_name.get((*setting.name[:-1], before[0])) if len(before) == 1 else None
            if setting is not None and setting is not earlier and setting.kind not in TRANSPARENT:
                setting = None
        if setting is None:
            first, second = "/".join(earlier.name), "/".join(later.name)
            yield (
                f"{second}: does not take the output of {first} alone, as a layer of one stack does; convert each by "
                f"itself, layer={first!r} and layer={second!r}, or say that they are one, layer=[{first!r}, {second!r}]"
            )


# ---- Whether they fit


def _misfits(layers: list[Sides], kind: Kind) -> Iterator[str]:
    """Yield in what the cells differ that one stack of ours has once."""
    cells = [cell for layer in layers for cell in layer.values()]
    size, first = cells[0].hidden_size, "/".join(cells[0].path)
    directions = len(layers[0])
    biases = {2 if cell.is_cudnn else cell.arrays["bias"].ndim for cell in cells if "bias" in cell.arrays}
    if kind.name == "GRU" and len(biases) > 1:
        yield "bias: expected the same reset_after of all layers, got biases (2, 3 H) and (3 H,)"
    before = cells[0].arrays["kernel"].shape[-2]
    for layer in layers:
        for cell in layer.values():
            name, found = "/".join(cell.path), cell.arrays["kernel"].shape[-2]
            if len(layer) != directions:
                yield f"{name}: expected as many directions as {first} has, {directions}, got {len(layer)}"
            if not kind.space and cell.hidden_size != size:
                yield f"{name}: expected {size} units as {first} has, got {cell.hidden_size}; convert each by itself"
            if found != before:
                yield f"{cell.names['kernel']}: expected {before} inputs, as the layer before it puts out, got {found}"
        before = sum(cell.hidden_size for cell in layer.values())


def _shown(cells: list[Cell]) -> str:
    return ", ".join("/".join(cell.path) or "kernel" for cell in cells)
