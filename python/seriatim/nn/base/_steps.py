"""Modules of frames and modules of whole sequences, run one after another on sequences.

The rule: a module that knows of time (recurrent layers, those with a memory, ``SequenceWise``) is given sequences
``(T, B, ...)``; a container that has one inside runs its own modules by this rule; every other module is given the
frames of all steps as one batch ``(T * B, ...)``. Of a recurrent layer that returns outputs and states the outputs go
on. What is no sequence any more (``LastState``) goes on as it is. A PackedSequence of frames is treated alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from seriatim._arrays import as_numbers, of_shape
from seriatim._typing import ArrayLike
from seriatim.nn.base import _contexts, _undo
from seriatim.nn.base._calls import SequenceModule
from seriatim.nn.base._layouts import check_same_batch, rows_of
from seriatim.nn.base._module import Module
from seriatim.sequences import PackedSequence


def remembers(module: Module) -> bool:
    """Whether a module has a memory of images, here or inside."""
    return any(one._remembers for one in module.modules())


def knows_of_time(module: Module) -> bool:
    """Whether a module is given sequences, not frames."""
    if module._over_time or module._trace_over_time is None:
        return module._over_time or remembers(module)
    return any(knows_of_time(child) for child in module.children())


def runs_over_rows(module: Module) -> bool:
    """Whether a module has a recurrent layer, as it is or in a container, that takes rows for the steps of one."""
    if module._gives_states or module._trace_over_time is not None:
        return module._gives_states or any(runs_over_rows(child) for child in module.children())
    return module._over_time and any(child._gives_states for child in module.children())


class Resets:
    """A container that clears the memories inside of it."""

    def _memories(self: Any) -> Iterator[Any]:
        for module in self.modules():
            if module._remembers:
                yield module

    @_undo.whole
    def reset(self, mask: ArrayLike) -> None:
        """Clear every memory inside of the sequences whose mask, ``(B,)`` or ``(B, 1, 1, 1)``, is 0."""
        for module in self._memories():
            module.reset(mask)

    def reset_all(self) -> None:
        """Clear every memory inside."""
        for module in self._memories():
            module.reset_all()


class Steps(NamedTuple):
    """How the frames of a batch of sequences lie: ``(T, B, ...)``, or packed.

    Attributes
    ----------
    time, batch : int
        Of an array.
    packed : PackedSequence or None
    """

    time: int
    batch: int
    packed: PackedSequence | None = None

    @classmethod
    def of(cls, x: Any) -> Steps:
        """Return how a sequence's frames lie."""
        return cls(0, 0, x) if isinstance(x, PackedSequence) else cls(*np.shape(x)[:2])

    @classmethod
    def inside(cls, module: Module, x: Any) -> Steps | None:
        """Return the steps of videos that are given to a plain container with a memory inside; else None."""
        while type(x) is tuple and x:
            x = x[0]
        packed = isinstance(x, PackedSequence)
        array = x.data if packed else x
        if getattr(array, "ndim", 5) != 5 - packed or not remembers(module):
            return None
        return cls.of(x) if np.ndim(array) == 5 - packed else None

    @property
    def frames(self) -> int:
        """The number of frames."""
        return self.time * self.batch if self.packed is None else len(self.packed.data)

    def holds(self, y: Any) -> bool:
        """Whether something is a sequence of these steps."""
        if type(y) in (tuple, list):
            return all(self.holds(part) for part in y)
        if self.packed is not None or isinstance(y, PackedSequence):
            return isinstance(y, PackedSequence) and self.packed is not None and len(y.data) == self.frames
        return np.ndim(y) >= 3 and np.shape(y)[:2] == (self.time, self.batch)

    def merge(self, value: Any, name: str = "x") -> Any:
        """Return sequences as frames ``(N, ...)``."""
        if value is None:
            return None
        if type(value) in (tuple, list):
            return type(value)(self.merge(part, name) for part in value)
        if self.packed is not None:
            if isinstance(value, PackedSequence):
                check_same_batch(name, value, self.packed, "x")
            rows = rows_of(value, name)
            if len(rows) != self.frames:
                raise ValueError(f"{name}: expected {self.frames} packed frames, got shape {rows.shape}")
            return rows
        array = as_numbers(name, value)
        if array.shape[:2] != (self.time, self.batch):
            raise ValueError(f"{name}: expected shape ({self.time}, {self.batch}, ...), got {array.shape}")
        return array.reshape(self.frames, *array.shape[2:])

    def split(self, value: Any, module: Module | None = None) -> Any:
        """Return frames as sequences again; the module is whose they are."""
        if value is None:
            return None
        if type(value) in (tuple, list):
            return type(value)(self.split(part, module) for part in value)
        rows = as_numbers("y", value)
        if rows.ndim == 0 or len(rows) != self.frames:
            raise ValueError(
                f"{type(module).__name__}: expected a row for each of {self.frames} frames, got shape {rows.shape}; "
                "what joins frames stands behind the sequence's layers, or takes PackedSequences"
            )
        return (
            rows.reshape(self.time, self.batch, *rows.shape[1:])
            if self.packed is None
            else self.packed._replace(data=rows)
        )

    def run(self, module: Module, x: Any) -> tuple[Any, OverTime]:
        """Run a module on sequences by the rule; returns the output and what its pullback takes."""
        if not knows_of_time(module):
            if isinstance(module, SequenceModule):
                raise ValueError(
                    f"{type(module).__name__}: expected a module of frames or one that knows of time, got one of "
                    "whole sequences, padded (B, T, features) with lengths, or packed: call it behind the container"
                )
            rows, inner = module.trace(self.merge(x))
            return self.split(rows, module), OverTime(inner, self, "frames")
        if module._trace_over_time is not None and not module._over_time:
            y, inner = module._trace_over_time(x, self)
            return y, OverTime(inner, self, "sequences")
        if self.packed is None:
            for one in module.modules():
                if getattr(one, "batch_first", False):
                    raise ValueError(
                        f"{type(one).__name__}: expected batch_first=False among modules of sequences (T, B, ...), got "
                        "True"
                    )
        y, inner = module.trace(x)
        if module._gives_states:
            return y[0], OverTime(inner, self, "states")
        return y, OverTime(inner, self, "sequences")


class OverTime(NamedTuple):
    """The context of a module that ran on sequences."""

    inner: Any
    steps: Steps
    how: str


def pull(module: Module, context: Any, grad_output: Any, need_input: bool = True) -> Any:
    """Return the pullback of a module, whichever way it ran."""
    if type(context) is not OverTime:
        return _contexts.pull(module, context, grad_output, need_input)
    inner, steps, how = context
    if how == "frames":
        found = _contexts.pull(module, inner, steps.merge(grad_output, "grad_output"), need_input)
        return steps.split(found, module)
    found = _contexts.pull(module, inner, grad_output, need_input)
    return found[0] if how == "states" else found


def shapes_of(y: Any) -> Any:
    """Return the shape of an array or of a PackedSequence's data, or a list of those of a tuple's parts."""
    if type(y) in (tuple, list):
        return [shapes_of(part) for part in y]
    return np.shape(y.data if isinstance(y, PackedSequence) else y)


def read_gradient(grad: Any, shapes: Any) -> Any:
    """Return a gradient as its output is: arrays in tuples; raise unless it has the output's shapes.

    A part of several may be None.
    """
    if type(shapes) is list:
        if type(grad) not in (tuple, list) or len(grad) != len(shapes):
            got = type(grad).__name__
            raise ValueError(f"grad_output: expected a tuple of {len(shapes)}, as the output is, got {got}")
        parts = zip(grad, shapes, strict=True)
        return tuple([None if part is None else read_gradient(part, shape) for part, shape in parts])
    rows = of_shape("grad_output", grad.data if isinstance(grad, PackedSequence) else grad, shapes)
    return grad if isinstance(grad, PackedSequence) else rows
