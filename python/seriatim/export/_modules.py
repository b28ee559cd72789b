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
    directions, size, layers = module.num_directions, module.hidden_size, module.num_layers
    options = {**options, "hidden_size": size, "direction": "bidirectional" if directions == 2 else "forward"}
    sizes = graph.constant("directions", np.full(layers, directions)) if states else ""
    firsts = [graph.add_many("Split", layers, state, sizes, axis=0) for state in states]
    lasts: list[list[str]] = [[], []] if operator == "LSTM" else [[]]
    merged = graph.constant("merged", [0, 0, directions * size])
    for layer in range(layers):
        weights = _weights(graph, module, layer, order)
        given = (x, *weights, lengths, *[parts[layer] for parts in firsts])
        y, *last = graph.add_many(operator, 1 + len(lasts), *given, **options)
        for parts, part in zip(lasts, last, strict=True):
            parts.append(part)
        # (T, directions, B, H)
        x = graph.add("Reshape", graph.add("Transpose", y, perm=[0, 2, 1, 3]), merged)
    return x, [graph.add("Concat", *parts, axis=0) for parts in lasts]


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


def _deepgru(graph: Graph, module: nn.DeepGRU, initial_state: bool) -> None:
    """Make DeepGRU a whole model."""
    if initial_state:
        raise ValueError("initial_state: expected False, as DeepGRU takes no states, got True")
    h = graph.sequences(module.n_features)
    lengths, h_last = graph.input("lengths", np.int64, ("B",)), ""
    short = graph.add("Cast", lengths, to=graph.onnx.TensorProto.INT32)
    for stack in (module.gru1, module.gru2, module.gru3):
        h, (h_last, *_) = emit(graph, STACKS, stack, h, short, [])
    features = emit(graph, ATTENTIONS, module.attention, h, h_last, lengths)
    name = "log_probs" if module.head == "log_softmax" else "y"
    graph.output(name, emit(graph, ROWS, module.classifier, features), np.float32, ("B", module.n_classes))


def _sequence_rnn(graph: Graph, module: nn.SequenceRNN, initial_state: bool) -> None:
    """Make a stack with its linear layer a whole model."""
    if initial_state:
        raise ValueError("initial_state: expected False, as SequenceRNN takes no states, got True")
    x = graph.sequences(module.input_size)
    short = graph.add("Cast", graph.input("lengths", np.int64, ("B",)), to=graph.onnx.TensorProto.INT32)
    _, (last, *_) = emit(graph, STACKS, module.rnn, x, short, [])
    layers, directions = module.rnn.num_layers, module.rnn.num_directions
    # The top layer's states (directions, B, H), forward and reverse side by side.
    first, end = graph.constant("first", [(layers - 1) * directions]), graph.constant("end", [layers * directions])
    top = graph.add("Transpose", graph.add("Slice", last, first, end), perm=[1, 0, 2])
    features = graph.add("Reshape", top, graph.constant("merged", [0, module.width]))
    name = "log_probs" if module.head == "log_softmax" else "y"
    graph.output(name, emit(graph, ROWS, module.classifier, features), np.float32, ("B", module.n_outputs))


# ---- Who exports what

STACKS: dict[type, Callable[..., tuple[str, list[str]]]] = {nn.GRU: _gru, nn.LSTM: _lstm, nn.RNN: _rnn}
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
MODELS: dict[type, Callable[..., None]] = {
    nn.DeepGRU: _deepgru,
    nn.SequenceRNN: _sequence_rnn,
    **dict.fromkeys(STACKS, _recurrent),
}
