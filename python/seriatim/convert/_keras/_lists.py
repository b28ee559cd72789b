"""Arrays without names, as ``get_weights()`` gives them: read only if they fit in one way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from seriatim._states import as_floats_of
from seriatim._typing import Array
from seriatim.convert._keras._cells import PARTS
from seriatim.convert._keras._kinds import Kind
from seriatim.convert._reader import refuse


def named(kind: Kind, given: Sequence[Any], units: int | None, bidirectional: bool | None) -> dict[str, Array]:
    """Return arrays by names, which follow from Keras's order: kernel, recurrent kernel and bias of each cell."""
    arrays = [as_floats_of(f"state_dict[{place}]", value) for place, value in enumerate(given)]
    shapes = [array.shape for array in arrays]
    if units is None:
        raise ValueError(
            f"state_dict: expected names with the arrays, or units=, how many the {kind.name} has, with a list, got "
            f"{len(shapes)} arrays of shapes {shapes}; {{v.path: v.numpy() for v in layer.weights}} has names"
        )
    found = list(_readings(kind, shapes, units, bidirectional))
    if len(found) != 1:
        ways = "; ".join(text for text, _ in found) or "none"
        more = ": say bidirectional=True or False, or give names" if found else ""
        refuse(kind.source, [f"a list of shapes {shapes} can be read in one way with units={units}, got {ways}{more}"])
    return dict(zip(found[0][1], arrays, strict=True))


def _readings(
    kind: Kind, shapes: list[tuple[int, ...]], units: int, bidirectional: bool | None
) -> Iterator[tuple[str, list[str]]]:
    """Yield each way to read a list, in words and as names."""
    wide = kind.gates * units
    for size in (2, 3):
        if not shapes or len(shapes) % size:
            continue
        cells = [shapes[start : start + size] for start in range(0, len(shapes), size)]
        good_bias = {(wide,), (2 * wide,)} | ({(2, wide)} if kind.gates == 3 else set())
        if any(
            len(cell[0]) != 2 + kind.space
            or len(cell[1]) != 2 + kind.space
            or cell[0][-1] != wide
            or cell[1][-2:] != (units, wide)
            or (size == 3 and cell[2] not in good_bias)
            for cell in cells
        ):
            continue
        for directions in (1, 2):
            if len(cells) % directions or bidirectional not in (None, directions == 2):
                continue
            # All cells of a layer see what the layer before it gives.
            inputs = [cell[0][-2] for cell in cells]
            wanted = [inputs[0]] * directions + [directions * units] * (len(cells) - directions)
            if inputs != wanted:
                continue
            sides = ["forward_", "backward_"][:directions] if directions == 2 else [""]
            stem = kind.name.lower()
            paths = [f"{stem}_{layer}/{side}cell" for layer in range(len(cells) // directions) for side in sides]
            text = f"{len(cells) // directions} layer(s){' of two directions' * (directions == 2)}"
            yield text, [f"{path}/{part}" for path in paths for part in PARTS[:size]]
