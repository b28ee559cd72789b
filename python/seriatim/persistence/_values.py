"""Values as plain JSON, and back: what is neither an estimator nor a module, arrays as tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from seriatim._typing import AnyArray
from seriatim.nn import Module
from seriatim.nn.base import _init
from seriatim.nn.losses._loss import Loss
from seriatim.persistence import _dates, _numpy, _plain
from seriatim.persistence._building import decode_module, decode_same
from seriatim.persistence._drafts import Drafts
from seriatim.persistence._estimators import decode_estimator, encode_estimator, holds
from seriatim.persistence._generators import Generators
from seriatim.persistence._modules import encode_module
from seriatim.persistence._registry import known, not_known, unknown_class


class Writer:
    """Makes a tree of plain values; arrays go to ``tensors``."""

    def __init__(self, left: frozenset[str] = frozenset()) -> None:
        # Names of what estimators have left of a fit and stays behind.
        self.left = left
        self.tensors: dict[str, AnyArray] = {}
        self.drafts = Drafts()
        # Whether a weight is quantised.
        self.has_narrow = False
        # What is being described.
        self._open: set[int] = set()

    def encode(self, value: Any, prefix: str, path: str, weights: bool = True) -> Any:
        """Return what JSON holds of a value; arrays go to ``tensors`` under names that begin with ``prefix``."""
        if value is None:
            return None
        if isinstance(value, (Module, Loss)):
            return encode_module(self, value, prefix, path, weights)
        for kind in (_plain, _numpy, _dates):
            node = kind.encode(self, value, prefix, path)
            if node is not None:
                return node
        if not holds(value):
            raise TypeError(not_known(value, path))
        return self.shared(value, path, lambda: encode_estimator(self, value, prefix, path))

    def shared(self, value: Any, path: str, describe: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Return the node of something that may stand at several places, or what refers to the first of them."""
        if self.drafts.knows(value):
            return self.drafts.same(value)
        if id(value) in self._open:
            raise TypeError(f"{path}: is a part of itself, which no file can hold")
        self._open.add(id(value))
        try:
            node = describe()
        finally:
            self._open.discard(id(value))
        self.drafts.note(value, node, value)
        return node

    def name(self, wanted: str) -> str:
        """Return a name for a tensor that no other has."""
        name, number = wanted, 1
        while name in self.tensors:
            number += 1
            name = f"{wanted} ({number})"
        return name


# How much more than its tensors a file's modules may have before what it changes is changed: parts that a constructor
# makes are replaced by smaller ones.
_NUMBERS, _PARTS, _TIMES = 1 << 24, 4096, 16


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
        self.generators = Generators()
        self.budget = _init.Budget(
            _NUMBERS + _TIMES * sum(array.size for array in tensors.values()), _PARTS + _TIMES * len(tensors)
        )

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
        for tag in node:
            if tag in _DECODERS:
                return _DECODERS[tag](self, node)
        if "array" in node:
            return _numpy.array_of(self.decode(node["array"]), node["dtype"])
        if "same" in node:
            return decode_same(self, node)
        cls = known(str(node["class"]))
        if cls is None:
            raise unknown_class(node["class"], node.get("home"))
        if issubclass(cls, (Module, Loss)):
            return decode_module(self, cls, node)
        return decode_estimator(self, cls, node)

    def known_as(self, node: dict[str, Any], made: Any) -> Any:
        """Return what a node has made, and keep it for those that refer to it."""
        if "id" in node:
            self.same[node["id"]] = made
        return made


_DECODERS = {**_plain.DECODERS, **_numpy.DECODERS, **_dates.DECODERS}
