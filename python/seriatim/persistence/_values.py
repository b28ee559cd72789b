"""Values as plain JSON, and back: what is neither an estimator nor a module is written here, arrays as tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._arrays import as_labels
from seriatim._typing import AnyArray
from seriatim.persistence._building import decode_module, decode_same
from seriatim.persistence._drafts import Drafts
from seriatim.persistence._estimators import decode_estimator, decode_pipeline, encode_estimator
from seriatim.persistence._modules import encode_module
from seriatim.persistence._registry import known, name_of, not_known, unknown_class


class Writer:
    """Makes a tree of plain values; arrays go to ``tensors``."""

    def __init__(self) -> None:
        self.tensors: dict[str, AnyArray] = {}
        self.drafts = Drafts()

    def encode(self, value: Any, prefix: str, path: str, weights: bool = True, fitted: bool = True) -> Any:
        """Return what JSON holds of a value; arrays go to ``tensors`` under names that begin with ``prefix``."""
        from sklearn.base import BaseEstimator

        from seriatim.nn import Module
        from seriatim.nn.losses._loss import Loss

        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, list):
            return [self.encode(v, f"{prefix}{i}.", f"{path}[{i}]", weights) for i, v in enumerate(value)]
        if isinstance(value, tuple):
            return {"tuple": self.encode(list(value), prefix, path, weights)}
        if hasattr(value, "items") and not isinstance(value, (Module, BaseEstimator)):
            pairs = [
                [self.encode(k, prefix, path), self.encode(v, f"{prefix}{k}.", f"{path}[{k!r}]", weights)]
                for k, v in value.items()
            ]
            return {"dict": pairs}
        if isinstance(value, np.ndarray):
            return self._encode_array(value, prefix, path)
        if isinstance(value, (Module, Loss)):
            return encode_module(self, value, prefix, path, weights)
        if name_of(type(value)) is None or not isinstance(value, BaseEstimator):
            raise TypeError(not_known(value, path))
        return encode_estimator(self, value, prefix, path, fitted)

    def _encode_array(self, value: AnyArray, prefix: str, path: str) -> Any:
        value = as_labels(path, value)
        if value.dtype.kind not in "fiub":
            return {"array": self.encode(value.tolist(), prefix, path), "dtype": value.dtype.str}
        self.tensors[prefix.rstrip(".")] = np.asarray(value, order="C")
        return {"tensor": prefix.rstrip(".")}


class _Tensors(dict[str, AnyArray]):
    """The tensors of a file; knows which have been asked for."""

    def __init__(self, tensors: dict[str, AnyArray]) -> None:
        super().__init__(tensors)
        self.used: set[str] = set()

    def __getitem__(self, name: str) -> AnyArray:
        if name not in self:
            raise ValueError(f"has no tensor {name!r}, which its model names")
        self.used.add(name)
        return super().__getitem__(name)


class Reader:
    """Makes values of a tree and of the tensors beside it."""

    def __init__(self, tensors: dict[str, AnyArray]) -> None:
        self.tensors = _Tensors(tensors)
        # What a node with an id has made, for those that refer to it.
        self.same: dict[int, Any] = {}

    def whole(self, tree: Any) -> Any:
        """Return the model of a whole tree."""
        model = self.decode(tree)
        unused = sorted(set(self.tensors) - self.tensors.used)
        if unused:
            raise ValueError(f"has tensors that nothing in its model names: {', '.join(unused)}")
        return model

    def decode(self, node: Any) -> Any:
        """Return the value that a node of the tree stands for."""
        if isinstance(node, list):
            return [self.decode(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "tuple" in node:
            return tuple(self.decode(node["tuple"]))
        if "dict" in node:
            return {self.decode(k): self.decode(v) for k, v in node["dict"]}
        if "tensor" in node:
            return self.tensors[node["tensor"]]
        if "array" in node:
            kind = np.dtype(object) if node["dtype"] == "|O" else np.dtype(node["dtype"])
            return np.array(self.decode(node["array"]), dtype=kind)
        if "same" in node:
            return decode_same(self, node)
        cls = known(node["class"])
        if cls is None:
            raise unknown_class(node["class"], node.get("home"))
        if "steps" in node:
            return decode_pipeline(self, cls, node)
        if "config" in node:
            return decode_module(self, cls, node)
        return decode_estimator(self, cls, node)
