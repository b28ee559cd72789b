"""What takes arrays out of a foreign state dict, and says all that is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np

from seriatim._states import StateDict, as_weight, read_state
from seriatim._typing import AnyArray

_GRU_NAMES = ("weight_hh", "weight_ih", "bias_ih", "bias_hh")
_NORM_NAMES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def refuse(source: str, problems: Iterable[str]) -> None:
    """Raise a ValueError that lists the problems, if there are any."""
    found = list(problems)
    if found:
        raise ValueError("\n  ".join([f"not a state dict of {source}:", *found]))


def _cell(name: str, shape: tuple[int, ...]) -> str:
    """Return whose weights the recurrent ones of a GRU may be instead."""
    if "weight_hh" not in name or len(shape) != 2:
        return ""
    return {4 * shape[1]: ", which is an LSTM's", shape[1]: ", which is an RNN's"}.get(shape[0], "")


class Reader:
    """Takes arrays out of a foreign state dict and, at the end, says what was missing, left, or of another shape.

    Shapes are written in sizes, ``("3 H", "I")``: the first array that has a size by itself says what it is.

    Parameters
    ----------
    source : str
        Whose it is, for errors.
    state_dict : StateDict
    anchor : str
        A regular expression of names that are there in any case, from a dot or the beginning to the end: what stands
        before it is the prefix of all, and taken off.
    """

    def __init__(self, source: str, state_dict: StateDict, anchor: str) -> None:
        self.source = source
        state = read_state(state_dict)
        found = [re.search(rf"(?:^|(?<=\.)){anchor}$", name) for name in state]
        starts = {name[: match.start()] for name, match in zip(state, found, strict=True) if match}
        self.prefix = starts.pop() if len(starts) == 1 else ""
        self.problems: list[str] = []
        if starts:
            self.problems.append(f"several models, under {', '.join(map(repr, sorted(starts)))}: give one")
        self.given: dict[str, AnyArray] = {}
        self._others: list[str] = []
        for name, value in state.items():
            if name.startswith(self.prefix):
                self.given[name[len(self.prefix) :]] = np.array(as_weight(name, value))
            else:
                self._others.append(name)
        self.taken: dict[str, AnyArray] = {}
        self._sizes: dict[str, int] = {}

    def take(self, name: str, ours: str, *shape: str, optional: bool = False) -> None:
        """Take an array under our name."""
        if name in self.given:
            self.taken[ours] = self.given.pop(name)
            self._check(name, self.taken[ours].shape, shape)
        elif not optional:
            self.problems.append(f"{self.prefix}{name}: missing")

    def _check(self, name: str, found: tuple[int, ...], shape: tuple[str, ...]) -> None:
        terms = [text.rpartition(" ") for text in shape]
        wanted: list[int] = []
        if len(found) == len(shape):
            for (factor, _, size), axis in zip(terms, found, strict=True):
                if not factor:
                    self._sizes.setdefault(size, axis)
            wanted = [int(factor or 1) * self._sizes.get(size, 0) for factor, _, size in terms]
        if len(found) != len(shape) or list(found) != wanted:
            known = dict.fromkeys(size for _, _, size in terms if size in self._sizes)
            sizes = ", ".join(f"{size} = {self._sizes[size]}" for size in known)
            text = f"({', '.join(shape)}{',' * (len(shape) == 1)})" + (f" with {sizes}" if sizes else "")
            self.problems.append(f"{self.prefix}{name}: expected shape {text}, got {found}{_cell(name, found)}")

    def gru(self, name: str, ours: str, inputs: str, hidden: str, layers: int = 1) -> None:
        """Take a torch GRU; ``inputs`` and ``hidden`` name its sizes."""
        rows = f"3 {hidden}"
        for layer in range(layers):
            columns = {"weight_ih": [hidden if layer else inputs], "weight_hh": [hidden]}
            for part in _GRU_NAMES:
                self.take(f"{name}.{part}_l{layer}", f"{ours}.{part}_l{layer}", rows, *columns.get(part, []))

    def norm(self, name: str, ours: str, size: str) -> None:
        """Take a torch BatchNorm."""
        for part in _NORM_NAMES:
            # Files of torch before 0.4.1 count no batches.
            counts = part == "num_batches_tracked"
            self.take(f"{name}.{part}", f"{ours}.{part}", *([] if counts else [size]), optional=counts)
        self.taken.setdefault(f"{ours}.num_batches_tracked", np.array(0, np.int64))

    def linear(self, name: str, ours: str, inputs: str, outputs: str) -> None:
        """Take a torch Linear."""
        self.take(f"{name}.weight", f"{ours}.weight", outputs, inputs)
        self.take(f"{name}.bias", f"{ours}.bias", outputs)

    def done(self) -> dict[str, AnyArray]:
        """Return what was taken, or raise."""
        left = [*(self.prefix + name for name in self.given), *self._others]
        refuse(self.source, [*self.problems, *(f"{name}: not known" for name in left)])
        return self.taken
