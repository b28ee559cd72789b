"""One step of a network: states in, states out.

Each function adds what a network makes of one frame ``x (B, D)`` and of what the frames before it left behind. States
have the names of a stream's (``module.stream().state``) as inputs, and ``name_n`` as outputs; before the first frame
all are zeros.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from seriatim import nn
from seriatim.export._graph import Graph, emit
from seriatim.export._modules import ATTENTIONS, ROWS, STACKS, mixed
from seriatim.export._preparation import PREPARATIONS
from seriatim.export._scan import scan


def _state(graph: Graph, name: str, shape: tuple[int | str, ...], kind: Any = np.float32) -> tuple[str, Any]:
    """Add a state's input; return it with the function that adds its output."""
    # Members of an ensemble have states of their own.
    whole = f"{graph.path}.{name}" if graph.path else name
    graph.states[whole] = {"next": f"{whole}_n", "dtype": np.dtype(kind).name, "shape": list(shape)}
    # A history has grown by this frame.
    grown = ["T_n" if size == "T" else size for size in shape]
    return graph.input(whole, kind, shape), lambda value: graph.output(f"{whole}_n", value, kind, grown)


def _layers(graph: Graph, module: Any, name: str, x: str) -> str:
    """Give a stack's outputs (B, H) of one frame (B, D)."""
    if module.bidirectional:
        raise ValueError(
            f"{graph.paths[id(module)] or 'model'}: expected one direction in a step, got bidirectional=True, whose "
            "second direction begins at a sequence's end: train one with bidirectional=False"
        )
    fields = ("h", "c") if type(module) is nn.LSTM else ("h",)
    shape = (module.num_layers, "B", module.hidden_size)
    states = [_state(graph, f"{name}.{field}" if name else field, shape) for field in fields]
    axis = graph.constant("axis", [0])
    lengths = graph.cast(_ones(graph, x), np.int32) if STACKS[type(module)] is scan else ""
    y, lasts = emit(graph, STACKS, module, graph.add("Unsqueeze", x, axis), lengths, [given for given, _ in states])
    for (_, give), last in zip(states, lasts, strict=True):
        give(last)
    return graph.add("Squeeze", y, axis)


def _ones(graph: Graph, x: str) -> str:
    """Give 1 for each row of x, int64 (B,)."""
    return graph.add("Expand", graph.constant("one", [1]), graph.add("Shape", x, end=1))


def _frames(graph: Graph) -> tuple[str, str]:
    """Add the number of frames; return it, (B,), and that with this one, (B, 1) of floats."""
    seen, give = _state(graph, "frames", ("B",), np.int64)
    now = graph.add("Add", seen, graph.constant("one", [1]))
    give(now)
    return seen, graph.add("Unsqueeze", graph.cast(now, np.float32), graph.constant("axes", [1]))


def _pooled(graph: Graph, kinds: Any, name: str, y: str, size: int, frames: tuple[str, str]) -> list[str]:
    """Give running pools (B, H) of what a layer puts out."""
    seen, count = frames
    found = []
    for kind in kinds:
        field = {"mean": "sum", "max": "max", "positive": "count"}[kind]
        before, give = _state(graph, f"{name}.{field}", ("B", size))
        if kind == "max":
            is_first = graph.add("Equal", seen, graph.constant("zero", [0]))
            is_first = graph.add("Unsqueeze", is_first, graph.constant("axes", [1]))
            now = graph.add("Where", is_first, y, graph.add("Max", before, y))
            found.append(now)
        else:
            value = y
            if kind == "positive":
                value = graph.cast(graph.add("Greater", y, graph.constant("nothing", np.float32(0))), np.float32)
            now = graph.add("Add", before, value)
            found.append(graph.add("Div", now, count))
        give(now)
    return found


def _joined(graph: Graph, parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)


def _stack_step(graph: Graph, module: Any, x: str) -> str:
    return _layers(graph, module, "", x)


def _sequence_rnn_step(graph: Graph, module: nn.SequenceRNN, x: str) -> str:
    y = _layers(graph, module.rnn, "rnn", x)
    parts = [y] if "last" in module.pooling else []
    if module.pool is not None:
        parts += _pooled(graph, module.pool.kinds, "pool", y, module.rnn.hidden_size, _frames(graph))
    return str(emit(graph, ROWS, module.classifier, _joined(graph, parts)))


def _frame_rnn_step(graph: Graph, module: nn.FrameRNN, x: str) -> str:
    window = module.window
    if window is not None and module.rnn.bidirectional is False:
        if window.frames > 1:
            kept = (("B", window.frames - 1, window.in_features), graph.constant("axis", [1]))
            before, give = _state(graph, "window.last", kept[0])
            seen = graph.add("Concat", before, graph.add("Unsqueeze", x, kept[1]), axis=1)
            ends = graph.constant("first", [1]), graph.constant("end", [window.frames])
            give(graph.add("Slice", seen, *ends, kept[1]))
            x = graph.add("Reshape", seen, graph.constant("merged", [0, window.frames * window.in_features]))
        x = emit(graph, ROWS, window.relu, emit(graph, ROWS, window.linear, x))
    return str(emit(graph, ROWS, module.classifier, _layers(graph, module.rnn, "rnn", x)))


def _deepgru_step(graph: Graph, module: nn.DeepGRU, x: str) -> str:
    frames = _frames(graph) if module.pooling else None
    pools: list[str] = []
    for level, (name, gru) in enumerate((("gru1", module.gru1), ("gru2", module.gru2), ("gru3", module.gru3))):
        x = _layers(graph, gru, name, x)
        if frames is not None:
            pools += _pooled(graph, module.pools[level].kinds, f"pools.{level}", x, gru.hidden_size, frames)
    size = module.gru3.hidden_size
    before, give = _state(graph, "history", ("B", "T", size))
    second = graph.constant("second", [1])
    history = graph.add("Concat", before, graph.add("Unsqueeze", x, second), axis=1)
    give(history)
    shape, batch = graph.add("Shape", history), graph.constant("batch", [0])
    lengths = graph.add("Expand", graph.add("Gather", shape, second), graph.add("Gather", shape, batch))
    steps = graph.add("Transpose", history, perm=[1, 0, 2])
    last = graph.add("Unsqueeze", x, graph.constant("axis", [0]))
    found = emit(graph, ATTENTIONS, module.attention, steps, last, lengths)
    return str(emit(graph, ROWS, module.classifier, _joined(graph, [found, *pools])))


def _ensemble_step(graph: Graph, module: nn.Ensemble, x: str) -> str:
    return mixed(graph, module, [emit(graph, STEPS, member, x) for member in module])


# Of a frame (B, D) they give the output (B, outputs).
STEPS: dict[type, Callable[[Graph, Any, str], str]] = {
    **dict.fromkeys((nn.GRU, nn.LSTM, nn.RNN, nn.MinGRU, nn.MinLSTM, nn.IndRNN), _stack_step),
    nn.DeepGRU: _deepgru_step,
    nn.Ensemble: _ensemble_step,
    nn.FrameRNN: _frame_rnn_step,
    nn.SequenceRNN: _sequence_rnn_step,
}


def step(graph: Graph, module: Any) -> None:
    """Make one step of a module a whole model."""
    if type(module) not in STEPS:
        names = sorted(kind.__name__ for kind in STEPS)
        raise TypeError(f"model: expected one of {names} to export a step of, got {type(module).__name__}")
    network = module[0] if isinstance(module, nn.Ensemble) else module
    features = network.n_features if isinstance(network, nn.DeepGRU) else network.input_size
    first = graph.steps[0].n_features_in_ if graph.steps else features
    x = graph.input("x", graph.real, ("B", first))
    for transformer in graph.steps:
        if transformer._span() != (0, 0):
            raise ValueError(
                f"preprocessing: expected what works on each frame alone in a step, got {type(transformer).__name__}: "
                "it looks at other frames, or at the whole sequence"
            )
    if graph.steps:
        # A sequence of one step.
        axis = graph.constant("axis", [1])
        one, x = _ones(graph, x), graph.add("Unsqueeze", x, axis)
        for transformer in graph.steps:
            x, one = PREPARATIONS[type(transformer)](graph, transformer, x, one)
        x = graph.add("Squeeze", x, axis)
    x = x if graph.real is np.float32 else graph.cast(x, np.float32)
    y = emit(graph, STEPS, module, x)
    outputs = network.n_classes if isinstance(network, nn.DeepGRU) else getattr(network, "n_outputs", None)
    name = "log_probs" if getattr(network, "head", "") == "log_softmax" else "y"
    graph.output(name, y, np.float32, ("B", network.output_size if outputs is None else outputs))
