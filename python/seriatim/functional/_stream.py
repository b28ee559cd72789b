"""Networks that run frame by frame: stages one after another, and what streams keep between calls.

Stages before 'gathered' work on rows, one a frame; 'last', 'pool' and 'attention' let rows pass as they are and
write columns of the features, of each sequence so far. 'gathered' turns from rows to features, and what follows works
on those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from seriatim import _core
from seriatim._typing import Array, Integers
from seriatim.functional._recurrent import Cell

# In the order of the C ABI's numbers.
STAGES = (
    "window", "linear", "batch_norm", "activation", "softmax", "recurrent", "last", "pool", "attention", "gathered",
)  # fmt: skip
# Of `pool`, and their bits.
POOLS = {"mean": 1, "max": 2, "positive": 4}
_NO_CELL = (0, 0, 0, 0, 0)


class Stage(NamedTuple):
    """One stage of a network.

    Parameters
    ----------
    name : str
        What its state is called.
    kind : str
        One of ``STAGES``.
    inputs, outputs : int
        Columns before and behind it.
    handle : object
        What :func:`network` takes.
    kept : tuple of (field, before, behind)
        What it keeps: of B streams an array ``(*before, B, *behind)``, in the order of memory.
    features : int
        Columns that it adds to the features.
    span : int
        Frames of 'window' and 'attention'.
    """

    name: str
    kind: str
    inputs: int
    outputs: int
    handle: object
    kept: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    features: int = 0
    span: int = 0


def stage(
    name: str,
    kind: str,
    inputs: int,
    outputs: int | None = None,
    *,
    option: int = 0,
    cell: Cell | None = None,
    weights: Array | None = None,
    second: Array | None = None,
    bias: Array | None = None,
    norm: tuple[Array | None, Array | None, Array | None, Array | None] = (None, None, None, None),
    number: float = 0.0,
    column: int = 0,
    count: int = 0,
) -> Stage:
    """Return a stage; it holds the arrays that it is given.

    Parameters
    ----------
    name, kind, inputs, outputs
        As of :class:`Stage`; as many outputs as inputs by default.
    option : int
        Of 'linear' the number of its weights' form, of 'activation' and 'pool' what is computed, of 'softmax' whether
        its logarithm is.
    cell : Cell, optional
        Of 'recurrent' the layer, of 'attention' its GRU.
    weights, second : ndarray, optional
        Packed: of 'linear', 'recurrent' or attention's W; of attention's GRU.
    bias : ndarray, optional
    norm : (mean, variance, weight, bias)
        Of 'batch_norm'.
    number : float
        Epsilon, slope, or zoneout's rate as its negative.
    column : int
        The first of the features that are written.
    count : int
        Frames of 'window'; the most that 'attention' looks back at, 0 for all.

    Raises
    ------
    ValueError, TypeError
        They do not fit together.
    """
    outputs = inputs if outputs is None else outputs
    kept: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    features = 0
    if kind == "recurrent" and cell is not None:
        kept = tuple((field, (), (size,)) for field, size in zip("hc", cell.state_sizes, strict=False))
    elif kind == "window":
        kept = (("last", (), (count - 1, inputs)),) if count > 1 else ()
    elif kind == "pool":
        both = {"mean": ("sum", (2,), (inputs,)), "max": ("max", (), (inputs,)), "positive": ("count", (), (inputs,))}
        kept = tuple(both[one] for one, bit in POOLS.items() if option & bit)
        features = len(kept) * inputs
    elif kind in ("last", "attention"):
        features = inputs if kind == "last" else 2 * inputs
    handle = _core.stream_stage(
        (STAGES.index(kind), option, inputs, outputs),
        _NO_CELL if cell is None else tuple(cell),
        (weights, second, bias),
        norm,
        number,
        (column, count, 0),
    )
    return Stage(name, kind, inputs, outputs, handle, kept, features, count)


class Network(NamedTuple):
    """Stages that fit together."""

    handle: object
    stages: tuple[Stage, ...]


class Sizes(NamedTuple):
    """What calls of a network need: see :func:`stream_sizes`."""

    state: int
    scratch: int
    features: int
    outputs: int
    history: int
    looks_ahead: bool


def network(stages: Sequence[Stage]) -> Network:
    """Return a network of stages.

    Raises
    ------
    ValueError
        A stage takes another number of columns than the one before gives, or features are not complete.
    """
    return Network(_core.stream_network(tuple([one.handle for one in stages])), tuple(stages))


def stream_sizes(net: Network, streams: int, rows: int, steps: int, capacity: int = 0) -> Sizes:
    """Return the floats of state and scratch, the columns of features, outputs and frames that attention keeps.

    Parameters
    ----------
    net : Network
    streams, rows, steps : int
        Streams, and the frames and steps of a call.
    capacity : int
        Frames of a stream that attention may look back at.
    """
    return Sizes(*_core.stream_measure(net.handle, streams, rows, steps, capacity, True))


def stream(
    net: Network,
    x: Array,
    batch_sizes: Integers,
    order: Integers | None,
    kept: tuple[Array | None, Integers, Array | None],
    scratch: Array,
    out: Array,
) -> None:
    """Run frames of some streams; ``out`` has a row for each.

    Parameters
    ----------
    net : Network
    x : array_like, shape (rows, inputs)
        Packed: time-major, the sequences with most frames first.
    batch_sizes : ndarray of int64, shape (steps,)
    order : ndarray of int64, shape (batch_sizes[0],), or None
        Whose the packed sequences are; None: stream 0, 1, ...
    kept : (state, frames, history)
        Of all streams: changed in place, but for ``frames``, how many each had seen, which the caller counts on.
        State None: nothing is kept. History ``(streams, capacity, size)``, None where nothing attends.
    scratch : ndarray of float32
        As large as :func:`stream_sizes` says for these rows, steps and capacity.
    out : ndarray of float32, shape (rows, outputs)
        Written.

    Raises
    ------
    ValueError, TypeError, IndexError
        An array has another shape or type; nothing was computed.
    """
    history = kept[2]
    capacity = 0 if history is None else history.shape[1]
    _core.stream_run(net.handle, len(kept[1]), capacity, True, (x, batch_sizes, order), kept, scratch, out)


def no_frames(streams: int) -> Integers:
    """Return the counts of new streams."""
    return np.zeros(streams, np.int64)
