"""What runs before the network: transformers as operators.

Each function takes and gives x ``(B, T, D)`` and int64 lengths ``(B,)``; what it computes beyond a sequence's end is
never read. The table at the end says which is whose.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seriatim import preprocessing as prep
from seriatim.export._graph import Graph


def _scaled(graph: Graph, step: Any, x: str, lengths: str) -> tuple[str, str]:
    if step.over == "sequence":
        if type(step) is prep.MinMaxScale:
            raise ValueError("preprocessing: expected MinMaxScale over 'training' to export, got over 'sequence'")
        mean, inverse = _own_statistics(graph, x, lengths, steady=1.0)
        x = graph.add("Sub", x, mean)
        return (x if type(step) is prep.Center else graph.add("Mul", x, inverse)), lengths
    x = graph.add("Sub", x, graph.constant("shift", np.asarray(step.shift_, np.float32)))
    return graph.add("Mul", x, graph.constant("scale", np.asarray(step.scale_, np.float32))), lengths


def _deltas(graph: Graph, step: prep.Deltas, x: str, lengths: str) -> tuple[str, str]:
    share = graph.constant("share", np.float32(1 / (2 * sum(n * n for n in range(1, step.reach + 1)))))
    parts = [x] if step.append else []
    before = x
    for _ in range(step.order):
        terms = []
        for distance in range(1, step.reach + 1):
            ahead = _moved(graph, before, lengths, distance)
            difference = graph.add("Sub", ahead, _moved(graph, before, lengths, -distance))
            terms.append(graph.add("Mul", difference, graph.constant("distance", np.float32(distance))))
        before = graph.add("Mul", graph.add("Sum", *terms), share)
        parts.append(before)
    return graph.add("Concat", *parts, axis=2) if len(parts) > 1 else parts[0], lengths


def _level_and_shape(graph: Graph, step: prep.LevelAndShape, x: str, lengths: str) -> tuple[str, str]:
    if not len(step.wide_):
        return x, lengths
    unit, is_wide = np.ones(step.n_features_in_), np.zeros(step.n_features_in_, bool)
    unit[step.wide_], is_wide[step.wide_] = step.unit_, True
    size = graph.add("Div", graph.add("Abs", x), graph.constant("unit", unit.astype(np.float32)))
    logarithm = graph.add("Log", graph.add("Add", size, graph.constant("one", np.float32(1))))
    level = graph.add("Mul", graph.add("Sign", x), logarithm)
    wide = graph.add("Gather", x, graph.constant("wide", np.asarray(step.wide_, np.int64)), axis=2)
    mean, inverse = _own_statistics(graph, wide, lengths, steady=0.0)
    shape = graph.add("Mul", graph.add("Sub", wide, mean), inverse)
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
    """Give each sequence's own mean and inverse deviation, ``(B, 1, D)``; ``steady`` for what does not vary."""
    axes = graph.constant("axes", [1, 2])
    ends = graph.add("Unsqueeze", lengths, axes)
    places = graph.add("Unsqueeze", _range(graph, _steps(graph, x)), graph.constant("axes", [0, 2]))
    inside = graph.add("Less", places, ends)
    count = graph.add("Cast", ends, to=graph.onnx.TensorProto.FLOAT)
    zero, over = graph.constant("zero", np.float32(0)), graph.constant("over", [1])

    def mean_of(values: str) -> str:
        kept = graph.add("Where", inside, values, zero)
        return graph.add("Div", graph.add("ReduceSum", kept, over, keepdims=1), count)

    mean = mean_of(x)
    centred = graph.add("Sub", x, mean)
    spread = graph.add("Sqrt", mean_of(graph.add("Mul", centred, centred)))
    tiny = graph.constant("tiny", np.finfo(np.float32).tiny)
    share = graph.add("Mul", graph.add("Abs", mean), graph.constant("least", np.float32(1e-6)))
    is_steady = graph.add("LessOrEqual", spread, graph.add("Add", share, tiny))
    one = graph.constant("one", np.float32(1))
    inverse = graph.add("Div", one, graph.add("Where", is_steady, one, spread))
    return mean, graph.add("Where", is_steady, graph.constant("steady", np.float32(steady)), inverse)


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
    x = graph.input("x", np.float32, ("B", "T", first))
    lengths = graph.input("lengths", np.int64, ("B",))
    for step in graph.steps:
        x, lengths = PREPARATIONS[type(step)](graph, step, x, lengths)
    return graph.add("Transpose", x, perm=[1, 0, 2]), lengths
