"""What runs before the network: transformers as operators.

Each function takes and gives x ``(B, T, D)`` and int64 lengths ``(B,)``; what it computes beyond a sequence's end is
never read. The table at the end says which is whose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from seriatim import preprocessing as prep
from seriatim.export._graph import Graph
from seriatim.preprocessing._base import loses
from seriatim.preprocessing._scaling import ROUNDINGS


def _scaled(graph: Graph, step: Any, x: str, lengths: str) -> tuple[str, str]:
    if step.over == "sequence":
        if type(step) is prep.MinMaxScale:
            raise ValueError("preprocessing: expected MinMaxScale over 'training' to export, got over 'sequence'")
        x, inverse = _own_statistics(graph, x, lengths, steady=1.0)
        x = x if type(step) is prep.Center else graph.add("Mul", x, inverse)
    else:
        x = graph.add("Sub", x, graph.real_constant("shift", step.shift_))
        x = graph.add("Mul", x, graph.real_constant("scale", step.scale_))
    return (x if type(step) is prep.Center else _narrowed(graph, x)), lengths


def _narrowed(graph: Graph, x: str) -> str:
    """Give float32: no offset is left."""
    if graph.real is np.float32:
        return x
    graph.real = np.float32
    return graph.cast(x, np.float32)


def _deltas(graph: Graph, step: prep.Deltas, x: str, lengths: str) -> tuple[str, str]:
    share = graph.real_constant("share", 1 / (2 * sum(n * n for n in range(1, step.reach + 1))))
    parts = [x] if step.append else []
    before = x
    for _ in range(step.order):
        terms = []
        for distance in range(1, step.reach + 1):
            ahead = _moved(graph, before, lengths, distance)
            difference = graph.add("Sub", ahead, _moved(graph, before, lengths, -distance))
            terms.append(graph.add("Mul", difference, graph.real_constant("distance", distance)))
        before = graph.add("Mul", graph.add("Sum", *terms), share)
        parts.append(before)
    return graph.add("Concat", *parts, axis=2) if len(parts) > 1 else parts[0], lengths


def _level_and_shape(graph: Graph, step: prep.LevelAndShape, x: str, lengths: str) -> tuple[str, str]:
    if not len(step.wide_):
        return x, lengths
    unit, is_wide = np.ones(step.n_features_in_), np.zeros(step.n_features_in_, bool)
    unit[step.wide_], is_wide[step.wide_] = step.unit_, True
    size = graph.add("Div", graph.add("Abs", x), graph.real_constant("unit", unit))
    logarithm = graph.add("Log", graph.add("Add", size, graph.real_constant("one", 1)))
    level = graph.add("Mul", graph.add("Sign", x), logarithm)
    wide = graph.add("Gather", x, graph.constant("wide", np.asarray(step.wide_, np.int64)), axis=2)
    centred, inverse = _own_statistics(graph, wide, lengths, steady=0.0)
    shape = graph.add("Mul", centred, inverse)
    x = graph.add("Where", graph.constant("is_wide", is_wide), level, x)
    return graph.add("Concat", x, shape, axis=2), lengths


def _stack(graph: Graph, step: prep.Stack, x: str, lengths: str) -> tuple[str, str]:
    factor = graph.constant("factor", np.int64(step.factor))
    more = graph.constant("more", np.int64(step.factor - 1))
    steps = graph.add("Div", graph.add("Add", _steps(graph, x), more), factor)
    every = graph.add("Mul", steps, factor)
    x = _at(graph, x, lengths, _range(graph, every))
    shape = graph.constant("joined", np.array([0, -1, step.factor * _width(step)]))
    return graph.add("Reshape", x, shape), graph.add("Div", graph.add("Add", lengths, more), factor)


def _width(step: Any) -> int:
    return int(step.n_features_in_)


# ---- Steps of each sequence


def _steps(graph: Graph, x: str) -> str:
    return graph.add("Gather", graph.add("Shape", x), graph.constant("axis", np.int64(1)))


def _range(graph: Graph, count: str) -> str:
    zero, one = graph.constant("zero", np.int64(0)), graph.constant("one", np.int64(1))
    return graph.add("Range", zero, count, one)


def _moved(graph: Graph, x: str, lengths: str, distance: int) -> str:
    """Give ``x[t + distance]``, a sequence's first and last step repeated beyond its ends."""
    steps = graph.add("Add", _range(graph, _steps(graph, x)), graph.constant("distance", np.int64(distance)))
    return _at(graph, x, lengths, steps)


def _at(graph: Graph, x: str, lengths: str, steps: str) -> str:
    """Give the steps ``(T',)`` of x, those beyond a sequence's ends being its first and last one."""
    one, last_axis = graph.constant("one", np.int64(1)), graph.constant("axes", [1])
    last = graph.add("Unsqueeze", graph.add("Sub", lengths, one), last_axis)
    steps = graph.add("Min", graph.add("Max", steps, graph.constant("zero", np.int64(0))), last)
    rows = graph.add("Unsqueeze", steps, graph.constant("axes", [2]))
    width = graph.add("Shape", x, start=2, end=3)
    shape = graph.add("Concat", graph.add("Shape", steps), width, axis=0)
    return graph.add("GatherElements", x, graph.add("Expand", rows, shape), axis=1)


def _own_statistics(graph: Graph, x: str, lengths: str, steady: float) -> tuple[str, str]:
    """Give x without each sequence's own mean, and the inverse deviation ``(B, 1, D)``, ``steady`` of what is so."""
    axes = graph.constant("axes", [1, 2])
    ends = graph.add("Unsqueeze", lengths, axes)
    places = graph.add("Unsqueeze", _range(graph, _steps(graph, x)), graph.constant("axes", [0, 2]))
    inside = graph.add("Less", places, ends)
    count = graph.cast(ends, graph.real)
    zero, over = graph.real_constant("zero", 0), graph.constant("over", [1])
    limits = np.finfo(graph.real)

    def mean_of(values: str) -> str:
        kept = graph.add("Where", inside, values, zero)
        return graph.add("Div", graph.add("ReduceSum", kept, over, keepdims=1), count)

    origin = ""
    if graph.real is np.float64:
        # Differences from the first step: their sums lose nothing to an offset.
        origin = graph.add("Gather", x, graph.constant("first", [0]), axis=1)
        x = graph.add("Sub", x, origin)
    mean = mean_of(x)
    centred = graph.add("Sub", x, mean)
    spread = graph.add("Sqrt", mean_of(graph.add("Mul", centred, centred)))
    whole = graph.add("Add", origin, mean) if origin else mean
    roundings = graph.real_constant("roundings", ROUNDINGS * limits.eps)
    share = graph.add("Mul", graph.add("Abs", whole), roundings)
    is_steady = graph.add("LessOrEqual", spread, graph.add("Add", share, graph.real_constant("tiny", limits.tiny)))
    one = graph.real_constant("one", 1)
    inverse = graph.add("Div", one, graph.add("Where", is_steady, one, spread))
    return centred, graph.add("Where", is_steady, graph.real_constant("steady", steady), inverse)


def needs_float64(steps: Sequence[Any]) -> bool:
    """Return whether float32 would round away how the values differ, before the first of the transformers sees it."""
    if not steps:
        return False
    first = steps[0]
    if type(first) in (prep.Standardize, prep.MinMaxScale) and first.over == "training":
        return loses(first.shift_, 1 / first.scale_)
    return getattr(first, "_has_offset", False)


PREPARATIONS: dict[type, Callable[[Graph, Any, str, str], tuple[str, str]]] = {
    prep.Center: _scaled,
    prep.Deltas: _deltas,
    prep.LevelAndShape: _level_and_shape,
    prep.MinMaxScale: _scaled,
    prep.Stack: _stack,
    prep.Standardize: _scaled,
}


def prepared(graph: Graph, features: int) -> tuple[str, str]:
    """Add the inputs x ``(B, T, D)`` and lengths of a whole estimator; returns x as ``(T, B, D')``, and lengths."""
    first = graph.steps[0].n_features_in_ if graph.steps else features
    x = graph.input("x", graph.real, ("B", "T", first))
    lengths = graph.input("lengths", np.int64, ("B",))
    for step in graph.steps:
        x, lengths = PREPARATIONS[type(step)](graph, step, x, lengths)
    x = _narrowed(graph, x)
    return graph.add("Transpose", x, perm=[1, 0, 2]), lengths
