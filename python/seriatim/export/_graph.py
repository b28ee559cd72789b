"""Operators and constants on their way into a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from seriatim import nn
from seriatim._config import __version__


class Graph:
    """Operators and constants on their way into a file.

    Values are known by name. Names begin with the path of the module that :func:`emit` is at.
    """

    def __init__(self, onnx: Any, root: nn.Module, steps: Sequence[Any] = ()) -> None:
        self.onnx = onnx
        # Fitted transformers that run before the module.
        self.steps = steps
        # The type of what is prepared: float64 until nothing can be lost.
        self.real: Any = np.float32
        # Of one step: what the metadata say of each state.
        self.states: dict[str, dict[str, Any]] = {}
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

    def real_constant(self, name: str, value: Any) -> str:
        """Add numbers in the type of what is prepared."""
        return self.constant(name, np.asarray(value, self.real))

    def cast(self, value: str, kind: Any) -> str:
        """Give a value in another type."""
        return self.add("Cast", value, to=self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind)))

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


def emit(graph: Graph, table: Mapping[type, Callable[..., Any]], module: nn.Module, *values: Any) -> Any:
    """Add what the table has for a module."""
    path = graph.paths[id(module)]
    if type(module) not in table:
        names = sorted(kind.__name__ for kind in table if kind is not nn.Ensemble)
        of_such = ", or an Ensemble of such," if nn.Ensemble in table else ""
        raise TypeError(f"{path or 'model'}: expected one of {names}{of_such} to export, got {type(module).__name__}")
    outer, graph.path = graph.path, path
    result = table[type(module)](graph, module, *values)
    graph.path = outer
    return result
