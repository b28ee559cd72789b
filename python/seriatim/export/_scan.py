"""Recurrences by elements as ONNX's Scan: the gates of all steps beforehand, the state in the loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from seriatim import nn
from seriatim.export._graph import Graph


def scan(
    graph: Graph, module: nn.MinGRU | nn.MinLSTM | nn.IndRNN, x: str, lengths: str, states: Sequence[str]
) -> tuple[str, list[str]]:
    """Give y and the last states of x (T, B, I), int32 lengths and states, as the functions of other stacks do.

    Steps behind a sequence's end leave the state alone, so that the reverse direction, too, is a plain scan.
    """
    if module.zoneout:
        where = graph.path or "model"
        raise ValueError(f"{where}: expected zoneout 0, as exported states are not mixed, got {module.zoneout}")
    state, directions, size = module.state_dict(), module.num_directions, module.hidden_size
    first = graph.constant("first", 0)
    shape = graph.add("Shape", x)
    steps = graph.add("Range", first, graph.add("Gather", shape, first), graph.constant("one", 1))
    ends = graph.add("Unsqueeze", graph.add("Cast", lengths, to=graph.onnx.TensorProto.INT64), graph.constant("a", [1]))
    inside = graph.add("Less", graph.add("Unsqueeze", steps, graph.constant("b", [1, 2])), ends)
    nothing = graph.constant("nothing", np.float32(0))
    count = module.num_layers * directions
    if states:
        sizes = graph.constant("sizes", np.ones(count, np.int64))
        befores = graph.add_many("Split", count, states[0], sizes, axis=0) if count > 1 else [states[0]]
        befores = [graph.add("Squeeze", before, graph.constant("axis", [0])) for before in befores]
    else:
        wanted = graph.add(
            "Concat", graph.add("Gather", shape, graph.constant("batch", [1])), graph.constant("H", [size]), axis=0
        )
        befores = [graph.add("Expand", graph.constant("zeros", np.zeros((1, 1), np.float32)), wanted)] * count
    lasts = []
    for layer in range(module.num_layers):
        outputs = []
        for direction, suffix in enumerate(("", "_reverse")[:directions]):
            gates = graph.add("MatMul", x, graph.constant("weight_ih", state[f"weight_ih_l{layer}{suffix}"].T))
            if module.bias:
                gates = graph.add("Add", gates, graph.constant("bias_ih", state[f"bias_ih_l{layer}{suffix}"]))
            carried = [befores[layer * directions + direction]]
            if isinstance(module, nn.IndRNN):
                carried.append(graph.constant("weight_hh", state[f"weight_hh_l{layer}{suffix}"].T))
            given = _factors(graph, module, gates)
            last, *_, y = graph.add_many(
                "Scan",
                len(carried) + 1,
                *carried,
                *given,
                inside,
                body=_body(graph, module),
                num_scan_inputs=len(given) + 1,
                scan_input_directions=[direction] * (len(given) + 1),
                scan_output_directions=[direction],
            )
            outputs.append(graph.add("Where", inside, y, nothing))
            lasts.append(graph.add("Unsqueeze", last, graph.constant("axis", [0])))
        x = graph.add("Concat", *outputs, axis=2)
    return x, [graph.add("Concat", *lasts, axis=0)]


def _factors(graph: Graph, module: nn.MinGRU | nn.MinLSTM | nn.IndRNN, gates: str) -> list[str]:
    """Give a and b of ``h' = a h + b`` for all steps; IndRNN's products as they are."""
    if isinstance(module, nn.IndRNN):
        return [gates]
    blocks = 2 if isinstance(module, nn.MinGRU) else 3
    sizes = graph.constant("blocks", [module.hidden_size] * blocks)
    *parts, n = graph.add_many("Split", blocks, gates, sizes, axis=2)
    opened = [graph.add("Sigmoid", part) for part in parts]
    if isinstance(module, nn.MinGRU):
        kept = graph.add("Sub", graph.constant("unit", np.float32(1)), opened[0])
        return [kept, graph.add("Mul", opened[0], n)]
    both = graph.add("Add", *opened)
    kept, new = (graph.add("Div", gate, both) for gate in opened)
    return [kept, graph.add("Mul", new, n)]


def _body(graph: Graph, module: nn.MinGRU | nn.MinLSTM | nn.IndRNN) -> Any:
    """Return one step: the state, IndRNN's u, what `_factors` gives, and whether a sequence is still there."""
    helper, floats = graph.onnx.helper, graph.onnx.TensorProto.FLOAT
    rows: list[int | str] = ["B", module.hidden_size]
    one: list[int | str] = [1, module.hidden_size]
    if isinstance(module, nn.IndRNN):
        operator = "Relu" if module.nonlinearity == "relu" else "Tanh"
        nodes = [("Mul", ["u", "h"], "uh"), ("Add", ["a", "uh"], "sum"), (operator, ["sum"], "new")]
        given = [("h", rows), ("u", one), ("a", rows)]
        kept = [("Identity", ["u"], "u_out")]
    else:
        nodes = [("Mul", ["a", "h"], "ah"), ("Add", ["ah", "b"], "new")]
        given, kept = [("h", rows), ("a", rows), ("b", rows)], []
    nodes += [("Where", ["inside", "new", "h"], "h_out"), *kept]
    nodes.append(("Identity", ["h_out"], "y"))
    outputs = [("h_out", rows), *[("u_out", one)] * len(kept), ("y", rows)]

    def value(name: str, shape: Sequence[int | str], element: int = floats) -> Any:
        return helper.make_tensor_value_info(f"step.{name}", element, shape)

    return helper.make_graph(
        # Names are the step's own: a file's must differ, those of its inner graphs too.
        [helper.make_node(kind, [f"step.{name}" for name in names], [f"step.{to}"]) for kind, names, to in nodes],
        "step",
        [*[value(*pair) for pair in given], value("inside", ["B", 1], graph.onnx.TensorProto.BOOL)],
        [value(*pair) for pair in outputs],
    )
