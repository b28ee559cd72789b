"""Who exports what.

A function for each kind of module adds the operators that compute what the module computes in evaluation. The tables at
the end say which is whose. A subclass is another kind, as it may compute something else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from seriatim import nn
from seriatim._typing import AnyArray
from seriatim.export._graph import Graph, emit
from seriatim.export._preparation import prepared
from seriatim.export._scan import scan
from seriatim.functional._sequence_pooling import KINDS

# ---- Recurrent modules: of x (T, B, I), int32 lengths or '', and states (layers * directions, B, H) or none, they give
# y (T, B, directions * H) and the last states


def _gru(graph: Graph, module: nn.GRU, x: str, lengths: str, states: Sequence[str]) -> tuple[str, list[str]]:
    # torch's rows are r, z, n; ONNX's z, r, h.
    reset = {"linear_before_reset": int(module.reset_after)}
    return _layers(graph, module, "GRU", (1, 0, 2), reset, x, lengths, states)


def _lstm(graph: Graph, module: nn.LSTM, x: str, lengths: str, states: Sequence[str]) -> tuple[str, list[str]]:
    if module.proj_size:
        where = graph.path or "model"
        raise ValueError(f"{where}: expected proj_size 0, as ONNX's LSTM has no projection, got {module.proj_size}")
    # torch's rows are i, f, g, o; ONNX's i, o, f, c.
    return _layers(graph, module, "LSTM", (0, 3, 1, 2), {}, x, lengths, states)


def _rnn(graph: Graph, module: nn.RNN, x: str, lengths: str, states: Sequence[str]) -> tuple[str, list[str]]:
    names = {"activations": [module.nonlinearity.capitalize()] * module.num_directions}
    return _layers(graph, module, "RNN", (0,), names, x, lengths, states)


def _layers(
    graph: Graph,
    module: nn.GRU | nn.LSTM | nn.RNN,
    operator: str,
    order: Sequence[int],
    options: dict[str, Any],
    x: str,
    lengths: str,
    states: Sequence[str],
) -> tuple[str, list[str]]:
    if not isinstance(module, nn.RNN) and module.norm:
        where = graph.path or "model"
        raise ValueError(f"{where}: expected norm None, as ONNX's {operator} does not normalise, got {module.norm!r}")
    if module.zoneout:
        where = graph.path or "model"
        raise ValueError(f"{where}: expected zoneout 0, as ONNX's {operator} does not mix states, got {module.zoneout}")
    directions, size, layers = module.num_directions, module.hidden_size, module.num_layers
    options = {**options, "hidden_size": size, "direction": "bidirectional" if directions == 2 else "forward"}
    sizes = graph.constant("directions", np.full(layers, directions)) if states else ""
    firsts = [graph.add_many("Split", layers, state, sizes, axis=0) for state in states]
    lasts: list[list[str]] = [[], []] if operator == "LSTM" else [[]]
    merged = graph.constant("merged", [0, 0, directions * size])
    for layer in range(layers):
        weights = _weights(graph, module, layer, order)
        given = [x, *weights, lengths, *[parts[layer] for parts in firsts]]
        if isinstance(module, nn.LSTM) and module.peephole:
            given += [""] * (7 - len(given)) + [_peepholes(graph, module, layer)]
        y, *last = graph.add_many(operator, 1 + len(lasts), *given, **options)
        for parts, part in zip(lasts, last, strict=True):
            parts.append(part)
        # (T, directions, B, H)
        x = graph.add("Reshape", graph.add("Transpose", y, perm=[0, 2, 1, 3]), merged)
    return x, [graph.add("Concat", *parts, axis=0) for parts in lasts]


def _peepholes(graph: Graph, module: nn.LSTM, layer: int) -> str:
    """Add P of one layer: ours are i, f, o; ONNX's i, o, f."""
    state = module.state_dict()
    suffixes = ("", "_reverse")[: module.num_directions]
    parts = [np.split(state[f"weight_ch_l{layer}{suffix}"], 3) for suffix in suffixes]
    return graph.constant(f"weight_ch_l{layer}", np.stack([np.concatenate([i, o, f]) for i, f, o in parts]))


def _weights(graph: Graph, module: nn.GRU | nn.LSTM | nn.RNN, layer: int, order: Sequence[int]) -> list[str]:
    """Add W, R and B of one layer, each with an axis of directions in front; B is '' if there are no biases."""
    state = module.state_dict()

    def reordered(name: str) -> AnyArray:
        suffixes = ("", "_reverse")[: module.num_directions]
        gates = [np.split(state[f"{name}_l{layer}{suffix}"], len(order)) for suffix in suffixes]
        return np.stack([np.concatenate([blocks[index] for index in order]) for blocks in gates])

    found = [graph.constant(f"{name}_l{layer}", reordered(name)) for name in ("weight_ih", "weight_hh")]
    if not module.bias:
        return [*found, ""]
    biases = np.concatenate([reordered("bias_ih"), reordered("bias_hh")], axis=1)
    return [*found, graph.constant(f"bias_l{layer}", biases)]


def _recurrent(graph: Graph, module: nn.GRU | nn.LSTM | nn.RNN, initial_state: bool) -> None:
    """Make a recurrent module a whole model."""
    axes = ("B", "T") if module.batch_first else ("T", "B")
    x = graph.input("x", np.float32, (*axes, module.input_size))
    lengths = graph.add("Cast", graph.input("lengths", np.int64, ("B",)), to=graph.onnx.TensorProto.INT32)
    shape = (module.num_layers * module.num_directions, "B", module.hidden_size)
    names = ("h", "c") if type(module) is nn.LSTM else ("h",)
    states = [graph.input(f"{name}0", np.float32, shape) for name in names] if initial_state else []
    x = graph.add("Transpose", x, perm=[1, 0, 2]) if module.batch_first else x
    y, lasts = emit(graph, STACKS, module, x, lengths, states)
    y = graph.add("Transpose", y, perm=[1, 0, 2]) if module.batch_first else y
    graph.output("y", y, np.float32, (*axes, module.output_size))
    for name, last in zip(names, lasts, strict=True):
        graph.output(f"{name}_n", last, np.float32, shape)


# ---- Modules of rows: of x they give y


def _linear(graph: Graph, module: nn.Linear, x: str) -> str:
    state = module.state_dict()
    y = graph.add("MatMul", x, graph.constant("weight", state["weight"].T))
    return graph.add("Add", y, graph.constant("bias", state["bias"])) if "bias" in state else y


def _batch_norm(graph: Graph, module: nn.BatchNorm1d, x: str) -> str:
    state = module.state_dict()
    if "running_mean" not in state:
        raise ValueError(f"{graph.path}: expected running statistics to normalise by, got track_running_stats=False")
    mean = state["running_mean"]
    state = {"weight": np.ones_like(mean), "bias": np.zeros_like(mean), **state}
    constants = [graph.constant(name, state[name]) for name in ("weight", "bias", "running_mean", "running_var")]
    return graph.add("BatchNormalization", x, *constants, epsilon=module.eps)


def _sequential(graph: Graph, module: nn.Sequential, x: str) -> str:
    for child in module:
        x = emit(graph, ROWS, child, x)
    return x


def _flatten(graph: Graph, module: nn.Flatten, x: str) -> str:
    shape = [graph.add("Shape", x, end=module.start_dim), graph.constant("merged", [-1])]
    if module.end_dim != -1:
        shape.append(graph.add("Shape", x, start=module.end_dim + 1))
    return graph.add("Reshape", x, graph.add("Concat", *shape, axis=0))


def _same(graph: Graph, module: nn.Dropout | nn.Identity, x: str) -> str:
    return x


def _activation(operator: str, **attributes: str) -> Callable[[Graph, Any, str], str]:
    """Return the function of an activation; ``attributes`` are the operator's, each with the module's name of it."""
    return lambda graph, module, x: graph.add(operator, x, **{k: getattr(module, v) for k, v in attributes.items()})


# ---- Attention and classifiers


def _attention(graph: Graph, module: nn.Attention, h: str, h_last: str, lengths: str) -> str:
    """Give features (B, 2 H) of h (T, B, H), h_last (1, B, H) and int64 lengths."""
    query = graph.add("Transpose", emit(graph, ROWS, module.query, h_last), perm=[1, 0, 2])
    scores = graph.add("MatMul", query, graph.add("Transpose", h, perm=[1, 2, 0]))
    zero, one = graph.constant("zero", 0), graph.constant("one", 1)
    steps = graph.add("Range", zero, graph.add("Gather", graph.add("Shape", h), zero), one)
    inside = graph.add("Less", steps, graph.add("Unsqueeze", lengths, graph.constant("axes", [1, 2])))
    # (B, 1, T)
    scores = graph.add("Where", inside, scores, graph.constant("never", np.float32(-np.inf)))
    weights = graph.add("Softmax", scores, axis=2)
    context = graph.add("MatMul", weights, graph.add("Transpose", h, perm=[1, 0, 2]))
    context = graph.add("Transpose", context, perm=[1, 0, 2])
    _, (auxiliary,) = emit(graph, STACKS, module.gru, context, "", [h_last])
    return graph.add("Squeeze", graph.add("Concat", context, auxiliary, axis=2), graph.constant("axis", [0]))


# ---- Networks of whole sequences: of x (T, B, D) and int64 lengths they give (B, outputs), of frames (T, B, outputs)


def _deepgru(graph: Graph, module: nn.DeepGRU, x: str, lengths: str) -> str:
    short = graph.add("Cast", lengths, to=graph.onnx.TensorProto.INT32)
    levels, last = [x], ""
    for stack in (module.gru1, module.gru2, module.gru3):
        h, (last, *_) = emit(graph, STACKS, stack, levels[-1], short, [])
        levels.append(h)
    last = graph.add("Unsqueeze", _top_states(graph, module.gru3, last), graph.constant("axis", [0]))
    parts = [emit(graph, ATTENTIONS, module.attention, levels[-1], last, lengths)]
    for h in levels[1:] if module.pooling else []:
        parts += _pooled(graph, module.pooling, h, lengths)
    features = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)
    return str(emit(graph, ROWS, module.classifier, features))


def _sequence_rnn(graph: Graph, module: nn.SequenceRNN, x: str, lengths: str) -> str:
    short = graph.add("Cast", lengths, to=graph.onnx.TensorProto.INT32)
    y, (last, *_) = emit(graph, STACKS, module.rnn, x, short, [])
    parts = [_top_states(graph, module.rnn, last)] if "last" in module.pooling else []
    parts += _pooled(graph, [kind for kind in module.pooling if kind != "last"], y, lengths)
    features = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=1)
    return str(emit(graph, ROWS, module.classifier, features))


def _frame_rnn(graph: Graph, module: nn.FrameRNN, x: str, lengths: str) -> str:
    """Give outputs of every step, (T, B, outputs)."""
    if module.window is not None:
        x = emit(graph, WINDOWS, module.window, x, lengths)
    y, _ = emit(graph, STACKS, module.rnn, x, graph.add("Cast", lengths, to=graph.onnx.TensorProto.INT32), [])
    return str(emit(graph, ROWS, module.classifier, y))


def _frame_window(graph: Graph, module: nn.FrameWindow, x: str, lengths: str) -> str:
    """Give the frames of x (T, B, D) that each step sees side by side, mapped: (T, B, H)."""
    x = graph.add("Where", _inside(graph, x, lengths), x, graph.constant("nothing", np.float32(0)))
    ahead = (module.frames - 1) // 2 if module.centred else 0
    behind = module.frames - 1 - ahead
    wide = graph.add("Pad", x, graph.constant("pads", [behind, 0, 0, ahead, 0, 0]))
    axis, parts = graph.constant("axis", [0]), []
    for place in range(module.frames):
        end = place - module.frames + 1 or np.iinfo(np.int64).max
        parts.append(graph.add("Slice", wide, graph.constant("first", [place]), graph.constant("end", [end]), axis))
    seen = parts[0] if len(parts) == 1 else graph.add("Concat", *parts, axis=2)
    return str(emit(graph, ROWS, module.relu, emit(graph, ROWS, module.linear, seen)))


def _inside(graph: Graph, x: str, lengths: str) -> str:
    """Give which steps of x (T, B, D) a sequence has, (T, B, 1)."""
    zero, one = graph.constant("zero", 0), graph.constant("one", 1)
    steps = graph.add("Range", zero, graph.add("Gather", graph.add("Shape", x), zero), one)
    places = graph.add("Unsqueeze", steps, graph.constant("axes", [1, 2]))
    return graph.add("Less", places, graph.add("Unsqueeze", lengths, graph.constant("axes", [0, 2])))


def _top_states(graph: Graph, stack: nn.GRU | nn.LSTM | nn.RNN, last: str) -> str:
    """Give the top layer's states, forward and reverse side by side: ``(B, directions * H)``."""
    layers, directions = stack.num_layers, stack.num_directions
    first, end = graph.constant("first", [(layers - 1) * directions]), graph.constant("end", [layers * directions])
    top = graph.add("Transpose", graph.add("Slice", last, first, end), perm=[1, 0, 2])
    return graph.add("Reshape", top, graph.constant("merged", [0, directions * stack.hidden_size]))


def _pooled(graph: Graph, kinds: Sequence[str], y: str, lengths: str) -> list[str]:
    """Give what is pooled of y ``(T, B, H)`` over each sequence's own steps, ``(B, H)`` each, in their one order."""
    if not kinds:
        return []
    inside, over = _inside(graph, y, lengths), graph.constant("over", [0])
    count = graph.add("Cast", lengths, to=graph.onnx.TensorProto.FLOAT)
    count = graph.add("Unsqueeze", count, graph.constant("axes", [1]))
    nothing = graph.constant("nothing", np.float32(0))

    def mean(values: str) -> str:
        kept = graph.add("Where", inside, values, nothing)
        return graph.add("Div", graph.add("ReduceSum", kept, over, keepdims=0), count)

    found = []
    for kind in (kind for kind in KINDS if kind in kinds):
        if kind == "max":
            kept = graph.add("Where", inside, y, graph.constant("never", np.float32(-np.inf)))
            # ReduceMax takes its axes in another way before opset 18: a top-k of one is the same in all.
            best, _ = graph.add_many("TopK", 2, kept, graph.constant("k", [1]), axis=0)
            found.append(graph.add("Squeeze", best, over))
        elif kind == "positive":
            above = graph.add("Greater", y, nothing)
            found.append(mean(graph.add("Cast", above, to=graph.onnx.TensorProto.FLOAT)))
        else:
            found.append(mean(y))
    return found


def _ensemble(graph: Graph, module: nn.Ensemble, x: str, lengths: str) -> str:
    """Give the mean of several networks, of probabilities where they give logarithms of such."""
    return mixed(graph, module, [emit(graph, NETWORKS, member, x, lengths) for member in module])


def mixed(graph: Graph, module: nn.Ensemble, each: Sequence[str]) -> str:
    """Give the mean of what an ensemble's members give."""
    count = graph.constant("count", np.float32(len(each)))
    if getattr(module[0], "head", "") != "log_softmax":
        return graph.add("Div", graph.add("Sum", *each), count)
    peak = graph.add("Max", *each)
    shares = graph.add("Sum", *[graph.add("Exp", graph.add("Sub", y, peak)) for y in each])
    return graph.add("Add", peak, graph.add("Log", graph.add("Div", shares, count)))


def _network(graph: Graph, module: Any, initial_state: bool) -> None:
    """Make a network of whole sequences, or of their frames, a whole model."""
    if initial_state:
        raise ValueError(f"initial_state: expected False, as {type(module).__name__} takes no states, got True")
    first = module[0] if isinstance(module, nn.Ensemble) else module
    features, outputs = (
        (first.n_features, first.n_classes) if isinstance(first, nn.DeepGRU) else (first.input_size, first.n_outputs)
    )
    x, lengths = prepared(graph, features)
    axes: tuple[str, ...] = ("B",)
    y = emit(graph, NETWORKS, module, x, lengths)
    if isinstance(first, nn.FrameRNN):
        y = graph.add("Where", _inside(graph, y, lengths), y, graph.constant("nothing", np.float32(0)))
        y, axes = graph.add("Transpose", y, perm=[1, 0, 2]), ("B", "T")
    graph.output("log_probs" if first.head == "log_softmax" else "y", y, np.float32, (*axes, outputs))


# ---- Who exports what

STACKS: dict[type, Callable[..., tuple[str, list[str]]]] = {
    nn.GRU: _gru,
    nn.IndRNN: scan,
    nn.LSTM: _lstm,
    nn.MinGRU: scan,
    nn.MinLSTM: scan,
    nn.RNN: _rnn,
}
ATTENTIONS: dict[type, Callable[..., str]] = {nn.Attention: _attention}
ROWS: dict[type, Callable[..., str]] = {
    nn.BatchNorm1d: _batch_norm,
    nn.Dropout: _same,
    nn.ELU: _activation("Elu", alpha="slope"),
    nn.Flatten: _flatten,
    nn.Identity: _same,
    nn.LeakyReLU: _activation("LeakyRelu", alpha="slope"),
    nn.Linear: _linear,
    nn.LogSoftmax: _activation("LogSoftmax", axis="dim"),
    nn.ReLU: _activation("Relu"),
    nn.Sequential: _sequential,
    nn.Sigmoid: _activation("Sigmoid"),
    nn.Softmax: _activation("Softmax", axis="dim"),
    nn.Tanh: _activation("Tanh"),
}
WINDOWS: dict[type, Callable[..., str]] = {nn.FrameWindow: _frame_window}
NETWORKS: dict[type, Callable[..., str]] = {
    nn.DeepGRU: _deepgru,
    nn.Ensemble: _ensemble,
    nn.FrameRNN: _frame_rnn,
    nn.SequenceRNN: _sequence_rnn,
}
MODELS: dict[type, Callable[..., None]] = {
    **dict.fromkeys(NETWORKS, _network),
    **dict.fromkeys(STACKS, _recurrent),
}
