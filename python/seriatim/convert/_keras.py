"""Recurrent layers of Keras, known by the full names of their weights."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from seriatim._arrays import as_floats
from seriatim._typing import AnyArray, Array, ArrayLike
from seriatim.convert._reader import refuse

_SOURCE = "a Keras GRU"
# In Keras's order, in which its own files (".weights.h5") number them.
_PARTS = ("kernel", "recurrent_kernel", "bias")
_DIRECTIONS = {"forward": "", "backward": "_reverse"}
_OTHERS = {4: "an LSTM has four gates", 1: "a SimpleRNN has none"}


@dataclass(frozen=True)
class _Cell:
    """The arrays of one direction of one layer.

    Attributes
    ----------
    path : tuple of str
        What stands before ``kernel`` in the names.
    arrays : dict of str to ndarray
        By the last part of the name.
    names : dict of str to str
        The whole names.
    """

    path: tuple[str, ...]
    arrays: dict[str, Array]
    names: dict[str, str]

    @property
    def hidden_size(self) -> int:
        return len(self.arrays["recurrent_kernel"])

    @property
    def layer(self) -> tuple[tuple[str, ...], str]:
        """Return what names the layer, and the direction: 'forward', 'backward', or '' for one that has one."""
        for place, part in enumerate(self.path):
            side, _, rest = part.partition("_")
            if side in _DIRECTIONS and rest:
                return self.path[:place] or (rest,), side
        return self.path, ""

    def problems(self) -> Iterator[str]:
        """Yield what does not fit."""
        for part in _PARTS[:2]:
            if part not in self.arrays:
                yield f"{'/'.join((*self.path, part))}: missing"
        if not self.arrays.keys() >= {"kernel", "recurrent_kernel"}:
            return
        shapes = {part: array.shape for part, array in self.arrays.items()}
        kernel, recurrent, hidden = self.names["kernel"], self.names["recurrent_kernel"], shapes["recurrent_kernel"][:1]
        size = hidden[0] if hidden else 0
        if shapes["recurrent_kernel"] != (size, 3 * size) or not size:
            gates = shapes["recurrent_kernel"][-1] / size if size else 0
            why = f"; {_OTHERS[int(gates)]}" if gates in _OTHERS else ""
            yield f"{recurrent}: expected shape (H, 3 H), got {shapes['recurrent_kernel']}{why}"
        if len(shapes["kernel"]) != 2 or shapes["kernel"][1] != 3 * size:
            yield f"{kernel}: expected shape (I, 3 H) with H = {size}, got {shapes['kernel']}"
        if shapes.get("bias", (3 * size,)) not in ((3 * size,), (2, 3 * size)):
            why = ""
            if shapes["bias"] == (6 * size,):
                why = (
                    ": a CuDNNGRU's, whose weights lie otherwise; Keras itself turns them round when a "
                    "GRU(reset_after=True) loads them, whose weights are wanted here"
                )
            yield (
                f"{self.names['bias']}: expected shape (2, 3 H), or (3 H,) without reset_after, with H = {size}, "
                f"got {shapes['bias']}{why}"
            )


def keras_gru(state_dict: Mapping[str, ArrayLike]) -> dict[str, AnyArray]:
    """Weights of Keras GRU layers, one or several, in one direction or ``Bidirectional``, for :class:`seriatim.nn.GRU`.

    Parameters
    ----------
    state_dict : mapping of name to array_like
        ``kernel (I, 3 H)``, ``recurrent_kernel (H, 3 H)``, gates z, r, h, and ``bias``: ``(2, 3 H)`` with Keras's
        default ``reset_after=True``, ``(3 H,)`` without, or none. Names may have a path in front and ``:0`` behind, as
        ``{variable.path: variable for variable in layer.weights}`` and Keras's files have; with several cells they
        must have: directions are known by ``forward_`` and ``backward_``, layers by the numbers of their names
        (``gru``, ``gru_1``), never by their order.

    Returns
    -------
    dict
        For ``nn.GRU(I, H, num_layers, bidirectional=...)`` or, with biases ``(3 H,)``, the same with
        ``reset_after=False``; zeros where there is no bias. ``Bidirectional`` joins its directions as ours does with
        ``merge_mode="concat"``, which is Keras's default.

    Raises
    ------
    ValueError
        Names are missing or not known, shapes do not fit each other (an LSTM's, a CuDNNGRU's), or the cells are not
        layers of one stack. All that is wrong is listed.
    """
    layers = _stack(_cells(state_dict))
    found: dict[str, AnyArray] = {}
    for number, layer in enumerate(layers):
        for suffix, cell in layer.items():
            bias = np.zeros((2, 3 * cell.hidden_size), np.float32)
            if "bias" in cell.arrays:
                given = np.atleast_2d(cell.arrays["bias"])
                bias[: len(given)] = given
            behind = f"_l{number}{suffix}"
            found[f"weight_ih{behind}"] = _turned(cell.arrays["kernel"]).T
            found[f"weight_hh{behind}"] = _turned(cell.arrays["recurrent_kernel"]).T
            found[f"bias_ih{behind}"], found[f"bias_hh{behind}"] = _turned(bias)
    return found


def _turned(array: Array) -> Array:
    """Return gates r, z, n of gates z, r, h."""
    z, r, n = np.split(array, 3, axis=-1)
    return np.concatenate([r, z, n], axis=-1)


def _cells(state_dict: Mapping[str, ArrayLike]) -> list[_Cell]:
    """Return the cells whose arrays there are, each complete."""
    cells: dict[tuple[str, ...], _Cell] = {}
    unknown = []
    for name, value in state_dict.items():
        *path, part = re.split(r"[/.]", name.split(":")[0])
        if path and path[-1] == "vars" and part.isdigit() and int(part) < len(_PARTS):
            path, part = path[:-1], _PARTS[int(part)]
        if any("seed_generator" in one for one in (*path, part)):
            continue  # Of dropout: no weight.
        cell = cells.setdefault(tuple(path), _Cell(tuple(path), {}, {}))
        if part not in _PARTS or part in cell.arrays:
            unknown.append(f"{name}: {'given twice' if part in cell.arrays else 'not known'}")
            continue
        cell.arrays[part], cell.names[part] = as_floats(name, value), name
    recurrent = [cell for cell in cells.values() if "recurrent_kernel" in cell.arrays]
    others = [cell for cell in cells.values() if recurrent and "recurrent_kernel" not in cell.arrays]
    for name in (name for cell in others for name in cell.names.values()):
        unknown.append(f"{name}: not of a recurrent layer; give the GRU's weights alone")
    whole = recurrent or list(cells.values()) or [_Cell((), {}, {})]
    refuse(_SOURCE, [*(problem for cell in whole for problem in cell.problems()), *unknown])
    return whole


def _stack(cells: list[_Cell]) -> list[dict[str, _Cell]]:
    """Return the directions of each layer, by their suffix, the layers in order."""
    layers: dict[tuple[str, ...], dict[str, _Cell]] = {}
    for cell in cells:
        key, side = cell.layer
        if side in layers.get(key, {}):
            refuse(_SOURCE, [f"{'/'.join(key)}: two layers have this name, got {_shown(cells)}"])
        layers.setdefault(key, {})[side] = cell
    for sides in layers.values():
        if set(sides) not in ({""}, set(_DIRECTIONS)):
            there = next(iter(sides.values()))
            text = f"{'/'.join(there.path)}: one direction of a Bidirectional layer, without the other"
            refuse(_SOURCE, [f"{text}, got {_shown(cells)}; name one that stands alone without {next(iter(sides))}_"])
    ordered = [layers[key] for key in _in_order(list(layers))]
    whole = [
        {suffix: sides[side] for side, suffix in _DIRECTIONS.items()} if len(sides) == 2 else sides for sides in ordered
    ]
    refuse(_SOURCE, _misfits(whole))
    return whole


def _in_order(keys: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Sort layers by the numbers of their names, which are alike but for these."""
    stems = {tuple(re.sub(r"_?\d+$", "", part) for part in key) for key in keys}
    numbers = {key: [int((re.findall(r"\d+$", part) or ["0"])[0]) for part in key] for key in keys}
    if len(stems) > 1:
        names = ", ".join("/".join(key) for key in keys)
        refuse(_SOURCE, [f"{len(keys)} layers whose names do not say their order: {names}; convert each by itself"])
    return sorted(keys, key=lambda key: numbers[key])


def _misfits(layers: list[dict[str, _Cell]]) -> Iterator[str]:
    """Yield in what the cells differ that one nn.GRU has once."""
    cells = [cell for layer in layers for cell in layer.values()]
    size, first = cells[0].hidden_size, "/".join(cells[0].path)
    directions = len(layers[0])
    inputs = cells[0].arrays["kernel"].shape[0]
    biases = {cell.arrays["bias"].ndim for cell in cells if "bias" in cell.arrays}
    if len(biases) > 1:
        yield "bias: expected the same reset_after of all layers, got biases (2, 3 H) and (3 H,)"
    for number, layer in enumerate(layers):
        for cell in layer.values():
            name, found = "/".join(cell.path), cell.arrays["kernel"].shape[0]
            if len(layer) != directions:
                yield f"{name}: expected as many directions as {first} has, {directions}, got {len(layer)}"
            if cell.hidden_size != size:
                yield f"{name}: expected {size} units as {first} has, got {cell.hidden_size}; convert each by itself"
            wanted = directions * size if number else inputs
            if found != wanted:
                yield f"{cell.names['kernel']}: expected {wanted} inputs, as the layer before it puts out, got {found}"


def _shown(cells: list[_Cell]) -> str:
    return ", ".join("/".join(cell.path) or "kernel" for cell in cells)
