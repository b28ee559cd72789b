"""Convolutional recurrent networks of other libraries."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from seriatim._states import StateDict, as_weight, read_state
from seriatim._typing import AnyArray
from seriatim.convert._reader import Reader, refuse

_GATES = ("reset_gate", "update_gate", "out_gate")


def convgru(state_dict: StateDict) -> dict[str, AnyArray]:
    """Weights of pytorch_convgru for :class:`seriatim.nn.ConvGRU`.

    Parameters
    ----------
    state_dict : mapping of name to array_like
        ``ConvGRUCell_00.reset_gate.weight``, ..., or, of a single cell, ``reset_gate.weight``, ...; or whatever
        ``Module.load_state_dict`` takes. A prefix that all names have is taken off.

    Returns
    -------
    dict
        For ``ConvGRU.load_state_dict`` or, of a single cell, ``ConvGRUCell.load_state_dict``.

    Raises
    ------
    ValueError
        Names are missing or not known, shapes do not fit each other, or a cell between others is not there; all are
        listed.
    """
    reader = Reader("pytorch_convgru", state_dict, r"(?:ConvGRUCell_\d+\.)?(?:reset|update|out)_gate\.(?:weight|bias)")
    found = [re.match(r"(ConvGRUCell_(\d+))\.", name) for name in reader.given]
    numbers = {match[1]: int(match[2]) for match in found if match}
    cells = sorted(numbers, key=lambda cell: numbers[cell])
    if [numbers[cell] for cell in cells] != list(range(len(cells))):
        reader.problems.append(f"expected cells 00, 01, ... without a gap, got {', '.join(cells)}")
    for place, cell in enumerate(cells or [""]):
        start = f"{cell}." if cell else ""
        hidden, both, kernel = f"hidden_{place}", f"input_and_hidden_{place}", f"kernel_{place}"
        for gate in _GATES:
            name = f"{start}{gate}"
            reader.take(f"{name}.weight", f"{name}.weight", hidden, both, kernel, kernel)
            reader.take(f"{name}.bias", f"{name}.bias", hidden)
    taken = reader.done()
    sizes = [taken[f"{cell}.reset_gate.weight" if cell else "reset_gate.weight"].shape[:2] for cell in cells]
    refuse(
        "pytorch_convgru",
        [
            f"{cell}: expected inputs of {before} channels, the state of the cell before it, got {both - hidden}"
            for cell, (before, _), (hidden, both) in zip(cells[1:], sizes, sizes[1:], strict=False)
            if both - hidden != before
        ],
    )
    return taken


# The network that event_to_video's loss looks through, which its checkpoints hold beside the model.
_LOSSES = ("vgg_perc_l1.",)
_MEMORY = ("prev_h", "prev_c")


def metavision(state_dict: StateDict) -> dict[str, AnyArray]:
    """Weights of Metavision's (OpenEB's) models for models of ours built alike.

    The layers' names are the same. Taken off is the ``model.`` of checkpoints. Left out is what is no weight of the
    model: the memory that some versions saved (``prev_h``, ``prev_c``), and the loss's network in checkpoints of
    event_to_video (``vgg_perc_l1.``).

    Parameters
    ----------
    state_dict : mapping of name to array_like
        Or whatever ``Module.load_state_dict`` takes: a checkpoint of lightning's, a module, a path.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        Beside ``model.`` there are other weights, or a layer's are not complete or do not fit each other; all are
        listed.
    """
    given = read_state(state_dict)
    # Of lightning's module, maybe inside DataParallel.
    prefix = next((start for start in ("model.", "module.model.") if any(name.startswith(start) for name in given)), "")
    left_out = tuple(prefix.removesuffix("model.") + loss for loss in _LOSSES) if prefix else ()
    others = [
        name for name in given if not name.startswith((prefix, *left_out)) and name.rpartition(".")[2] not in _MEMORY
    ]
    taken = {
        name[len(prefix) :]: np.array(as_weight(name, value))
        for name, value in given.items()
        if name.startswith(prefix) and name.rpartition(".")[2] not in _MEMORY
    }
    if not taken:
        others.append("no weights")
    refuse("Metavision's", [*(f"{name}: not of the model" for name in others), *_layers(taken)])
    return taken


def _layers(state: dict[str, AnyArray]) -> Iterator[str]:
    """Yield what is missing of recurrences and batch norms, and what does not fit."""
    for name, array in state.items():
        path, _, last = name.rpartition(".")
        if last == "running_mean":
            wanted = {f"{path}.{part}" for part in ("weight", "bias", "running_var")}
            yield from (f"{one}: missing beside {name}" for one in sorted(wanted - state.keys()))
            for one in sorted(wanted & state.keys()):
                if state[one].shape != array.shape:
                    yield f"{one}: expected shape {array.shape}, that of {name}, got {state[one].shape}"
        if last == "weight" and array.ndim == 4 and re.search(r"(^|\.)conv_(h2h|rz|f)(\.\d)?$", path):
            if f"{path}.bias" not in state:
                yield f"{path}.bias: missing"
            if path.endswith("conv_h2h") and array.shape[0] not in (4 * array.shape[1], array.shape[1]):
                yield f"{name}: expected shape (4 C, C, 3, 3), got {array.shape}"
        for one, other in (("conv_rz", "conv_f"), ("conv_f", "conv_rz")):
            if path.endswith(one) and f"{path.removesuffix(one)}{other}.{last}" not in state:
                yield f"{path.removesuffix(one)}{other}.{last}: missing beside {name}"
