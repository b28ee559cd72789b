"""Cells of recurrent layers, known by the full names of their weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from seriatim._typing import Array
from seriatim.convert._keras._kinds import GRU, Kind, kind_of
from seriatim.convert._keras._source import Source

# In Keras's order, in which its own files (".weights.h5") number them.
PARTS = ("kernel", "recurrent_kernel", "bias")
DIRECTIONS = {"forward": "", "backward": "_reverse"}
_TORCH = re.compile(r"(weight|bias)_[ih]h")


@dataclass(frozen=True)
class Cell:
    """The arrays of one direction of one layer.

    Attributes
    ----------
    path : tuple of str
        What stands before ``kernel`` in the names.
    start : int
        How many parts of the path are the layer's name; 0 if that is not known.
    arrays : dict of str to ndarray
        By the last part of the name.
    names : dict of str to str
        The whole names.
    """

    path: tuple[str, ...]
    start: int
    arrays: dict[str, Array]
    names: dict[str, str]

    @property
    def is_recurrent(self) -> bool:
        return "recurrent_kernel" in self.arrays

    @property
    def kind(self) -> Kind | None:
        return kind_of(self.arrays["recurrent_kernel"].shape) if self.is_recurrent else None

    @property
    def hidden_size(self) -> int:
        shape: tuple[int, ...] = self.arrays["recurrent_kernel"].shape
        return shape[-2] if len(shape) > 1 else 0

    @property
    def is_cudnn(self) -> bool:
        """Whether it is a CuDNNGRU's or CuDNNLSTM's: both biases lie in one vector."""
        kind = self.kind
        both = 2 * (kind.gates if kind else 0) * self.hidden_size
        return kind is not None and kind.gates > 1 and not kind.space and self._bias_shape == (both,)

    @property
    def _bias_shape(self) -> tuple[int, ...] | None:
        return self.arrays["bias"].shape if "bias" in self.arrays else None

    @property
    def side(self) -> tuple[tuple[str, ...], str]:
        """Return what names the layer, and the direction: 'forward', 'backward', or '' for one that has one."""
        for place, part in enumerate(self.path[self.start :], self.start):
            side, _, rest = part.partition("_")
            if side in DIRECTIONS and rest:
                return self.path[:place] or (rest,), side
        return self.path, ""

    def problems(self, kind: Kind) -> Iterator[str]:
        """Yield what does not fit."""
        for part in PARTS[:2]:
            if part not in self.arrays:
                yield f"{'/'.join((*self.path, part))}: missing"
        if not self.arrays.keys() >= {"kernel", "recurrent_kernel"}:
            return
        kernel, recurrent = self.arrays["kernel"].shape, self.arrays["recurrent_kernel"].shape
        size = self.hidden_size
        wide = kind.gates * size
        if self.kind is not kind or not size or 0 in recurrent:
            yield (
                f"{self.names['recurrent_kernel']}: expected shape {kind.shape('H')}, got {recurrent}"
                f"{_why(recurrent, kind)}"
            )
        if len(kernel) != 2 + kind.space or kernel[-1] != wide or 0 in kernel:
            yield f"{self.names['kernel']}: expected shape {kind.shape('I')} with H = {size}, got {kernel}"
        fits: list[tuple[int, ...]] = [(wide,)] + [(2, wide)] * (kind is GRU)
        if self._bias_shape not in (None, *fits) and not self.is_cudnn:
            wanted = "(2, 3 H), or (3 H,) without reset_after," if kind is GRU else f"({kind.columns},)"
            yield f"{self.names['bias']}: expected shape {wanted} with H = {size}, got {self._bias_shape}"


def _why(shape: tuple[int, ...], kind: Kind) -> str:
    """Return what a recurrent kernel of another shape is, if that can be told."""
    other = kind_of(shape)
    if other is not None:
        gates = {1: "has none", 3: "has three gates", 4: "has four gates"}[other.gates]
        what = "an LSTM" if other.name == "LSTM" else f"a {other.name}"
        return f"; {what} {gates}: convert.{other.function}"
    if len(shape) == 2 and kind_of(shape[::-1]) is kind:
        return "; it is turned: Keras's own are (H, gates of H), torch's the other way round"
    return ""


def _is_cell(path: list[str]) -> bool:
    """Whether what a file keeps here is a cell's: other layers number theirs, too."""
    return bool(path) and (path[-1] == "cell" or "cells" in path[-2:-1] or path[-1].startswith("cu_dnn"))


def cells_of(source: Source) -> tuple[list[Cell], list[str]]:
    """Return all cells, recurrent ones and others, and what is wrong with the names."""
    cells: dict[tuple[str, ...], Cell] = {}
    unknown = []
    for name, array in source.arrays.items():
        layer, rest = source.split(name)
        *path, part = rest
        if path and path[-1] == "vars":
            path = path[:-1]
            if part.isdigit() and int(part) < len(PARTS) and _is_cell(path):
                part = PARTS[int(part)]
        if any("seed_generator" in one for one in (*path, part)):
            continue  # Of dropout: no weight.
        whole = (*layer, *path)
        cell = cells.setdefault(whole, Cell(whole, len(layer), {}, {}))
        if part in cell.arrays:
            unknown.append(f"{name}: given twice")
        elif part not in PARTS and not source.whole:
            torch = "; torch's, whose names and layouts are ours: load it as it is" if _TORCH.match(part) else ""
            unknown.append(f"{name}: not known{torch}")
        else:
            cell.arrays[part], cell.names[part] = array, name
    return list(cells.values()), unknown
