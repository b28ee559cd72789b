"""Models as ONNX files, for programs that have a runtime of ONNX and not this library.

Batch B and steps T are free, floats are float32. Every model takes ``lengths``, int64 (B,), each from 1 to T, in any
order, and what stands behind a sequence's end does not matter. Inputs and outputs besides:

=================  ===============================================================================================
GRU, LSTM, RNN     ``x`` (T, B, I), or (B, T, I) with ``batch_first``; with ``initial_state`` also ``h0`` (LSTM: and
                   ``c0``), (layers * directions, B, H). ``y``, (T, B, directions * H) or (B, T, ...), has zeros
                   behind each sequence's end; ``h_n`` (``c_n``), like ``h0``, are each sequence's own last states.
DeepGRU            ``x`` (B, T, D). ``log_probs`` (B, C).
DeepGRUClassifier  As DeepGRU; also ``probabilities`` (B, C) and ``label`` (B,): strings, or int64. Of labels that
                   are neither strings nor integers it is the index in ``classes_``.
=================  ===============================================================================================

The metadata has ``class_name``, ``seriatim_version`` and, of a classifier, ``classes``: ``classes_`` in JSON.

ONNX leaves open what its recurrent operators write behind a sequence's end. onnxruntime writes zeros, and this is
relied on; onnx's own reference evaluator does not look at lengths at all.

A function for each kind of module adds the operators that compute what the module computes in evaluation. The tables at
the end say which is whose. A subclass is another kind, as it may compute something else.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seriatim import nn
from seriatim._config import __version__
from seriatim._typing import AnyArray

__all__ = ["export_onnx"]

# The first in which Shape gives part of a shape.
OLDEST_OPSET = 15


def export_onnx(
    model: Any, path: str | os.PathLike[str], *, opset_version: int = 17, initial_state: bool = False
) -> None:
    """Write a model to an ONNX file; inputs and outputs are those of the module's notes.

    Parameters
    ----------
    model : nn.GRU, nn.LSTM, nn.RNN, nn.DeepGRU or a fitted DeepGRUClassifier
        Exported as in evaluation, whatever its mode is, and left as it is.
    path : str or path
        Replaced as a whole once everything is written: a crash leaves the old file.
    opset_version : int, default 17
        From 15 to the newest that the installed onnx knows.
    initial_state : bool, default False
        Whether a recurrent module takes its first states as inputs; else they are zeros.

    Raises
    ------
    ImportError
        onnx is not installed.
    TypeError
        There is no export of the model or of a module inside it.
    ValueError
        The opset is not known, the model takes no states, or ONNX has nothing for its options: an LSTM's ``proj_size``,
        batch normalisation without running statistics.

    Examples
    --------
    >>> import numpy as np, onnxruntime
    >>> from seriatim import nn
    >>> from seriatim.export import export_onnx
    >>> export_onnx(nn.GRU(13, 64, batch_first=True), "gru.onnx")
    >>> session = onnxruntime.InferenceSession("gru.onnx")
    >>> x, lengths = np.zeros((2, 20, 13), np.float32), np.array([7, 20])
    >>> y, h_n = session.run(None, {"x": x, "lengths": lengths})
    >>> y.shape, h_n.shape
    ((2, 20, 64), (1, 2, 64))
    """
    onnx = _onnx(opset_version)
    module = model if isinstance(model, nn.Module) else _fitted_module(model)
    graph = _Graph(onnx, module)
    _emit(graph, _MODELS, module, initial_state)
    metadata = {"class_name": type(model).__name__, "seriatim_version": __version__}
    if module is not model:
        _labels(graph, model.classes_)
        metadata["classes"] = json.dumps(model.classes_.tolist(), default=str)
    content = graph.model(metadata["class_name"], opset_version, metadata).SerializeToString()
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _onnx(opset_version: int) -> Any:
    """Return the package if it is there and knows the opset."""
    try:
        onnx: Any = importlib.import_module("onnx")
    except ImportError as error:
        raise ImportError("export_onnx needs onnx: pip install 'seriatim[onnx]'") from error
    newest = onnx.defs.onnx_opset_version()
    if not isinstance(opset_version, int) or not OLDEST_OPSET <= opset_version <= newest:
        raise ValueError(
            f"opset_version: expected an integer from {OLDEST_OPSET} to {newest}, the newest of onnx "
            f"{onnx.__version__}, got {opset_version!r}"
        )
    return onnx


def _fitted_module(model: Any) -> Any:
    from sklearn.utils.validation import check_is_fitted

    from seriatim.models import DeepGRUClassifier

    if type(model) is not DeepGRUClassifier:
        names = sorted(kind.__name__ for kind in (*_MODELS, DeepGRUClassifier))
        raise TypeError(f"model: expected one of {names} to export, got {type(model).__name__}")
    check_is_fitted(model)
    return model.module_


class _Graph:
    """Operators and constants on their way into a file.

    Values are known by name. Names begin with the path of the module that :func:`_emit` is at.
    """

    def __init__(self, onnx: Any, root: nn.Module) -> None:
        self.onnx = onnx
        self.path = ""
        self.paths = {id(module): path for path, module in root.named_modules()}
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._counts: dict[str, int] = {}

    def _name(self, name: str) -> str:
        whole = f"{self.path}.{name}" if self.path else name
        count = self._counts[whole] = self._counts.get(whole, 0) + 1
        return whole if count == 1 else f"{whole}_{count}"

    def _value_info(self, name: str, kind: Any, shape: Sequence[int | str]) -> Any:
        element = self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        return self.onnx.helper.make_tensor_value_info(name, element, shape)

    def input(self, name: str, kind: Any, shape: Sequence[int | str]) -> str:
        self._inputs.append(self._value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str, kind: Any, shape: Sequence[int | str]) -> None:
        self._nodes.append(self.onnx.helper.make_node("Identity", [value], [name], name))
        self._outputs.append(self._value_info(name, kind, shape))

    def constant(self, name: str, value: Any) -> str:
        """Add an array; strings are arrays of object."""
        unique = self._name(name)
        self._constants[unique] = self.onnx.numpy_helper.from_array(np.asarray(value, order="C"), unique)
        return unique

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output; an input that is left out is ''."""
        return self.add_many(operator, 1, *inputs, **attributes)[0]

    def add_many(self, operator: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        name = self._name(operator)
        names = [name] if count == 1 else [f"{name}.{index}" for index in range(count)]
        self._nodes.append(self.onnx.helper.make_node(operator, inputs, names, name, **attributes))
        return names

    def model(self, name: str, opset_version: int, metadata: dict[str, str]) -> Any:
        """Return the model, without what no output needs."""
        needed, kept = {output.name for output in self._outputs}, []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                kept.append(node)
        helper = self.onnx.helper
        constants = [tensor for key, tensor in self._constants.items() if key in needed]
        graph = helper.make_graph(kept[::-1], name, self._inputs, self._outputs, constants)
        opsets = [helper.make_opsetid("", opset_version)]
        model = helper.make_model(
            graph,
            opset_imports=opsets,
            # The newest one, which is the default, is newer than what many runtimes read.
            ir_version=helper.find_min_ir_version_for(opsets),
            producer_name="seriatim",
            producer_version=__version__,
        )
        helper.set_model_props(model, metadata)
        return model


def _emit(graph: _Graph, table: Mapping[type, Callable[..., Any]], module: nn.Module, *values: Any) -> Any:
    """Add what the table has for a module."""
    path = graph.paths[id(module)]
    if type(module) not in table:
        names = sorted(kind.__name__ for kind in table)
        raise TypeError(f"{path or 'model'}: expected one of {names} to export, got {type(module).__name__}")
    outer, graph.path = graph.path, path
    result = table[type(module)](graph, module, *values)
    graph.path = outer
    return result


# ---- Recurrent modules: of x (T, B, I), int32 lengths or '', and states (layers * directions, B, H) or none, they give
# y (T, B, directions * H) and the last states


def _gru(graph: _Graph, module: nn.GRU, x: str, lengths: str, states: Sequence[str]) -> tuple[str, list[str]]:
    # torch's rows are r, z, n; ONNX's z, r, h.
    reset = {"linear_before_reset": int(module.reset_after)}
    return _layers(graph, module, "GRU", (1, 0, 2), reset, x, lengths, states)


def _lstm(graph: _Graph, module: nn.LSTM, x: str, lengths: str, states: Sequence[str]) -> tuple[str, list[str]]:
    if module.proj_size:
        where = graph.path or "model"
        raise ValueError(f"{where}: expected proj_size 0, as ONNX's LSTM has no projection, got {module.proj_size}")
    # torch's rows are i, f, g, o; ONNX's i, o, f, c.
    return _layers(graph, module, "LSTM", (0, 3, 1, 2), {}, x, lengths, states)


def _rnn(graph: _Graph, module: nn.RNN, x: str, lengths: str, states: Sequence[str]) -> tuple[str, list[str]]:
    names = {"activations": [module.nonlinearity.capitalize()] * module.num_directions}
    return _layers(graph, module, "RNN", (0,), names, x, lengths, states)


def _layers(
    graph: _Graph,
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


def _weights(graph: _Graph, module: nn.GRU | nn.LSTM | nn.RNN, layer: int, order: Sequence[int]) -> list[str]:
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


def _recurrent(graph: _Graph, module: nn.GRU | nn.LSTM | nn.RNN, initial_state: bool) -> None:
    """Make a recurrent module a whole model."""
    axes = ("B", "T") if module.batch_first else ("T", "B")
    x = graph.input("x", np.float32, (*axes, module.input_size))
    lengths = graph.add("Cast", graph.input("lengths", np.int64, ("B",)), to=graph.onnx.TensorProto.INT32)
    shape = (module.num_layers * module.num_directions, "B", module.hidden_size)
    names = ("h", "c") if type(module) is nn.LSTM else ("h",)
    states = [graph.input(f"{name}0", np.float32, shape) for name in names] if initial_state else []
    x = graph.add("Transpose", x, perm=[1, 0, 2]) if module.batch_first else x
    y, lasts = _emit(graph, _STACKS, module, x, lengths, states)
    y = graph.add("Transpose", y, perm=[1, 0, 2]) if module.batch_first else y
    graph.output("y", y, np.float32, (*axes, module.output_size))
    for name, last in zip(names, lasts, strict=True):
        graph.output(f"{name}_n", last, np.float32, shape)


# ---- Modules of rows: of x they give y


def _linear(graph: _Graph, module: nn.Linear, x: str) -> str:
    state = module.state_dict()
    y = graph.add("MatMul", x, graph.constant("weight", state["weight"].T))
    return graph.add("Add", y, graph.constant("bias", state["bias"])) if "bias" in state else y


def _batch_norm(graph: _Graph, module: nn.BatchNorm1d, x: str) -> str:
    state = module.state_dict()
    if "running_mean" not in state:
        raise ValueError(f"{graph.path}: expected running statistics to normalise by, got track_running_stats=False")
    mean = state["running_mean"]
    state = {"weight": np.ones_like(mean), "bias": np.zeros_like(mean), **state}
    constants = [graph.constant(name, state[name]) for name in ("weight", "bias", "running_mean", "running_var")]
    return graph.add("BatchNormalization", x, *constants, epsilon=module.eps)


def _sequential(graph: _Graph, module: nn.Sequential, x: str) -> str:
    for child in module:
        x = _emit(graph, _ROWS, child, x)
    return x


def _flatten(graph: _Graph, module: nn.Flatten, x: str) -> str:
    shape = [graph.add("Shape", x, end=module.start_dim), graph.constant("merged", [-1])]
    if module.end_dim != -1:
        shape.append(graph.add("Shape", x, start=module.end_dim + 1))
    return graph.add("Reshape", x, graph.add("Concat", *shape, axis=0))


def _same(graph: _Graph, module: nn.Dropout | nn.Identity, x: str) -> str:
    return x


def _activation(operator: str, **attributes: str) -> Callable[[_Graph, Any, str], str]:
    """Return the function of an activation; ``attributes`` are the operator's, each with the module's name of it."""
    return lambda graph, module, x: graph.add(operator, x, **{k: getattr(module, v) for k, v in attributes.items()})


# ---- Attention and classifiers


def _attention(graph: _Graph, module: nn.Attention, h: str, h_last: str, lengths: str) -> str:
    """Give features (B, 2 H) of h (T, B, H), h_last (1, B, H) and int64 lengths."""
    query = graph.add("Transpose", _emit(graph, _ROWS, module.query, h_last), perm=[1, 0, 2])
    scores = graph.add("MatMul", query, graph.add("Transpose", h, perm=[1, 2, 0]))
    zero, one = graph.constant("zero", 0), graph.constant("one", 1)
    steps = graph.add("Range", zero, graph.add("Gather", graph.add("Shape", h), zero), one)
    inside = graph.add("Less", steps, graph.add("Unsqueeze", lengths, graph.constant("axes", [1, 2])))
    # (B, 1, T)
    scores = graph.add("Where", inside, scores, graph.constant("never", np.float32(-np.inf)))
    weights = graph.add("Softmax", scores, axis=2)
    context = graph.add("MatMul", weights, graph.add("Transpose", h, perm=[1, 0, 2]))
    context = graph.add("Transpose", context, perm=[1, 0, 2])
    _, (auxiliary,) = _emit(graph, _STACKS, module.gru, context, "", [h_last])
    return graph.add("Squeeze", graph.add("Concat", context, auxiliary, axis=2), graph.constant("axis", [0]))


def _deepgru(graph: _Graph, module: nn.DeepGRU, initial_state: bool) -> None:
    """Make DeepGRU a whole model."""
    if initial_state:
        raise ValueError("initial_state: expected False, as DeepGRU takes no states, got True")
    h = graph.add("Transpose", graph.input("x", np.float32, ("B", "T", module.n_features)), perm=[1, 0, 2])
    lengths, h_last = graph.input("lengths", np.int64, ("B",)), ""
    short = graph.add("Cast", lengths, to=graph.onnx.TensorProto.INT32)
    for stack in (module.gru1, module.gru2, module.gru3):
        h, (h_last, *_) = _emit(graph, _STACKS, stack, h, short, [])
    features = _emit(graph, _ATTENTIONS, module.attention, h, h_last, lengths)
    graph.output("log_probs", _emit(graph, _ROWS, module.classifier, features), np.float32, ("B", module.n_classes))


def _labels(graph: _Graph, classes: AnyArray) -> None:
    """Add what a classifier gives besides its log-probabilities."""
    graph.output("probabilities", graph.add("Exp", "log_probs"), np.float32, ("B", len(classes)))
    label, values = graph.add("ArgMax", "log_probs", axis=1, keepdims=0), classes.tolist()
    # onnx's arrays of strings are of objects.
    kind: Any = object if all(isinstance(value, str) for value in values) else np.int64
    if kind is object or all(type(value) is int and -(2**63) <= value < 2**63 for value in values):
        label = graph.add("Gather", graph.constant("classes", np.array(values, kind)), label)
    graph.output("label", label, kind, ("B",))


# ---- Who exports what

_STACKS: dict[type, Callable[..., tuple[str, list[str]]]] = {nn.GRU: _gru, nn.LSTM: _lstm, nn.RNN: _rnn}
_ATTENTIONS: dict[type, Callable[..., str]] = {nn.Attention: _attention}
_ROWS: dict[type, Callable[..., str]] = {
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
_MODELS: dict[type, Callable[..., None]] = {nn.DeepGRU: _deepgru, **dict.fromkeys(_STACKS, _recurrent)}
