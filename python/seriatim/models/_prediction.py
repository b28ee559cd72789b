"""What a network, or several, give for sequences: in batches of similar length, in the sequences' own order.

How batches are cut says how much memory they take; what each sequence gives has the same bits in any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from seriatim._typing import Array, Integers
from seriatim.nn import Ensemble, Module
from seriatim.nn.containers._ensemble import average
from seriatim.sequences import PackedSequence, Sequences
from seriatim.sequences._packed import places
from seriatim.training import by_length, collate, is_reservoir

# Enough rows a step for the kernels, few enough for the cache.
_MOST_SEQUENCES = 128


def members(module: Module) -> list[Any]:
    """Return the networks of a module that several may stand in."""
    return list(module) if isinstance(module, Ensemble) else [module]


def trained_members(module: Module) -> list[Any]:
    """Return the networks that are trained; a reservoir that stands alone is what there is."""
    found = [member for member in members(module) if not is_reservoir(member)]
    return found or members(module)


def side_by_side(modules: Sequence[Module]) -> Module:
    """Return modules as one, or the module if it is a single one."""
    return modules[0] if len(modules) == 1 else Ensemble(*modules)


def outputs(
    module: Module,
    sequences: Sequences,
    width: int,
    rows: int,
    *,
    log_probs: bool,
    each: Callable[[Array], Array] = lambda output: output,
) -> Array:
    """Return what a module gives, ``(n, width)``; of several the mean, of probabilities if these are logarithms.

    ``each`` makes of one module's output what is meant.
    """
    if not isinstance(module, Ensemble):
        return in_batches(lambda x: each(module(x)), sequences, width, rows)
    return in_batches(lambda x: average(each(module(x)), log_probs), sequences, width, rows)


def in_batches(run: Callable[[PackedSequence], Array], sequences: Sequences, width: int, rows: int) -> Array:
    """Return what a function gives for each sequence, ``(n, width)``."""
    result = np.empty((len(sequences), width), np.float32)
    for x, order in batches(sequences, rows):
        result[order] = run(x)
    return result


def frames_in_batches(run: Callable[[PackedSequence], Array], sequences: Sequences, width: int, rows: int) -> Array:
    """Return what a function gives for each frame, ``(sum T, width)``; the function gives packed rows."""
    result = np.empty((len(sequences.X), width), np.float32)
    for x, order in batches(sequences, rows):
        result[places(sequences.starts[order], x.batch_sizes)] = run(x)
    return result


def batches(sequences: Sequences, rows: int) -> Iterator[tuple[PackedSequence, Integers]]:
    """Yield the sequences packed, with their places: at most so many rows at a time, and one sequence at least."""
    for index in by_length(sequences.lengths, _MOST_SEQUENCES, rows):
        yield collate(sequences, index)
