"""Convolutional recurrent networks of other libraries."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seriatim._arrays import as_numbers
from seriatim._typing import AnyArray, ArrayLike
from seriatim.convert._reader import Reader, refuse


def convgru(state_dict: Mapping[str, ArrayLike]) -> dict[str, AnyArray]:
    """Weights of pytorch_convgru for :class:`seriatim.nn.ConvGRU`.

    Parameters
    ----------
    state_dict : mapping of name to array_like
        ``ConvGRUCell_00.reset_gate.weight``, ..., or, of a single cell, ``reset_gate.weight``, ...

    Returns
    -------
    dict
        For ``ConvGRU.load_state_dict`` or, of a single cell, ``ConvGRUCell.load_state_dict``.

    Raises
    ------
    ValueError
        Names are missing or not known, or shapes do not fit each other; all are listed.
    """
    reader = Reader("pytorch_convgru", state_dict)
    cells = sorted({name.rsplit(".", 2)[0] if name.count(".") > 1 else "" for name in reader.given})
    for place, cell in enumerate(cells or [""]):
        start = f"{cell}." if cell else ""
        hidden, both, kernel = f"hidden_{place}", f"input_and_hidden_{place}", f"kernel_{place}"
        for gate in ("reset_gate", "update_gate", "out_gate"):
            name = f"{start}{gate}"
            reader.take(f"{name}.weight", f"{name}.weight", hidden, both, kernel, kernel)
            reader.take(f"{name}.bias", f"{name}.bias", hidden)
    taken = reader.done()
    found = [taken[f"{cell}.reset_gate.weight" if cell else "reset_gate.weight"].shape[:2] for cell in cells]
    refuse(
        "pytorch_convgru",
        [
            f"{cell}: expected inputs of {before} channels, the state of the cell before it, got {both - hidden}"
            for cell, (before, _), (hidden, both) in zip(cells[1:], found, found[1:], strict=False)
            if both - hidden != before
        ],
    )
    return taken


def metavision(state_dict: Mapping[str, ArrayLike]) -> dict[str, AnyArray]:
    """Weights of Metavision's (OpenEB's) models for models of ours built alike.

    The layers' names are the same. Taken off is the ``model.`` of checkpoints, and what is no weight is left out: the
    memory that some versions saved.

    Parameters
    ----------
    state_dict : mapping of name to array_like

    Returns
    -------
    dict
    """
    given = {name: value for name, value in state_dict.items() if name.rsplit(".", 1)[-1] not in ("prev_h", "prev_c")}
    taken_off = "model." if given and all(name.startswith("model.") for name in given) else ""
    return {name[len(taken_off) :]: np.array(as_numbers(name, value)) for name, value in given.items()}
