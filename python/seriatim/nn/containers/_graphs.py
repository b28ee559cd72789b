"""Modules beside each other: the graphs that need no hand-written backward.

Each takes and gives arrays, or PackedSequences, whose rows it works on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from seriatim._arrays import of_shape
from seriatim._typing import AnyArray, Array
from seriatim.nn.base._layouts import check_same_batch, like, rows_of
from seriatim.nn.base._memory_stream import MemoryStream
from seriatim.nn.base._module import Module
from seriatim.nn.base._steps import Resets, Steps, knows_of_time, pull, remembers
from seriatim.nn.base._stream import Stream
from seriatim.sequences import PackedSequence


def _gradient(grad_output: Any, shape: tuple[int, ...]) -> Array:
    grad: Array = of_shape("grad_output", rows_of(grad_output, "grad_output"), shape).astype(np.float32, copy=False)
    return grad


def _sum(one: AnyArray, other: AnyArray) -> Array:
    """Return a sum as float32, whatever numbers one of them holds."""
    total: Array = np.add(one, other, dtype=np.float32, casting="unsafe")
    return total


def _added(one: Any, other: Any) -> Any:
    """Return the sum of two gradients; None is that of an input that has none."""
    if one is None or other is None:
        return one if other is None else other
    return like(one, _sum(rows_of(one), rows_of(other)))


def _part_by_part(name: str, values: Any, count: int) -> list[Any]:
    if not isinstance(values, (tuple, list)) or hasattr(values, "_fields") or len(values) != count:
        got = f"{len(values)}" if type(values) in (tuple, list) else type(values).__name__
        raise ValueError(f"{name}: expected a tuple of {count}, one for each part, got {got}")
    return list(values)


def _run(module: Module, x: Any) -> tuple[Any, Any]:
    found: tuple[Any, Any] = module.trace(x)
    return found


class _Composite(Resets, Module):
    """Modules that are run one way or another: as they are, or on sequences."""

    _streams_parts = True

    def _make_stream(self, batch_size: int) -> Stream:
        return MemoryStream(self, batch_size) if remembers(self) else super()._make_stream(batch_size)

    def _run_with(self, run: Callable[[Module, Any], tuple[Any, Any]], x: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    def trace(self, x: Any) -> tuple[Any, Any]:
        """Run all."""
        steps = Steps.inside(self, x)
        return self._run_with(_run if steps is None else steps.run, x)

    def _trace_over_time(self, x: Any, steps: Steps) -> tuple[Any, Any]:
        return self._run_with(steps.run, x)


class _Beside(_Composite):
    """Several modules that are given the same input."""

    def __init__(self, modules: Sequence[Module]) -> None:
        super().__init__()
        if not modules:
            raise ValueError("modules: expected at least one, got none")
        for index, module in enumerate(modules):
            self.add_module(str(index), module)

    def _trace_all(self, run: Any, x: Any) -> tuple[list[Any], list[Any]]:
        found = [(module, *run(module, x)) for module in self._modules.values()]
        return [y for _, y, _ in found], [(module, context) for module, _, context in found]

    def _pullback_all(self, contexts: list[Any], grads: list[Any], need_input: bool) -> Any:
        """Return the sum of all input gradients."""
        total: Any = None
        for (module, context), grad in reversed(list(zip(contexts, grads, strict=True))):
            total = _added(total, pull(module, context, grad, need_input))
        return total


class Residual(_Composite):
    """``y = module(x) + shortcut(x)``.

    Parameters
    ----------
    module : Module
    shortcut : Module, optional
        ``x`` itself by default.

    Raises
    ------
    ValueError
        From forward: the outputs have two shapes.
    """

    def __init__(self, module: Module, shortcut: Module | None = None) -> None:
        super().__init__()
        self.module = module
        self.shortcut = shortcut

    def _run_with(self, run: Any, x: Any) -> tuple[Any, Any]:
        found, inner = run(self.module, x)
        beside, of_shortcut = (x, None) if self.shortcut is None else run(self.shortcut, x)
        _check_alike("Residual", [found, beside])
        y, other = rows_of(found), rows_of(beside)
        if y.shape != other.shape:
            raise ValueError(f"Residual: expected both outputs to have one shape, got {y.shape} and {other.shape}")
        return like(found, _sum(y, other)), self.keep((y.shape, inner, of_shortcut, self.module, self.shortcut))

    def pullback(self, context: Any, grad_output: Any, need_input: bool = True) -> Any:
        """Return the sum of both input gradients."""
        shape, inner, of_shortcut, module, shortcut = self.kept(context)
        grad = like(grad_output, _gradient(grad_output, shape))
        other = grad if shortcut is None else pull(shortcut, of_shortcut, grad, need_input)
        found = pull(module, inner, grad, need_input)
        return _added(found, other) if need_input else None


class Sum(_Beside):
    """Outputs of several modules, added.

    Parameters
    ----------
    *modules : Module
        All get the same input.

    Raises
    ------
    ValueError
        No module is given; from forward: the outputs have several shapes.
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__(modules)

    def _run_with(self, run: Any, x: Any) -> tuple[Any, Any]:
        found, contexts = self._trace_all(run, x)
        _check_alike("Sum", found)
        shapes = {rows_of(y).shape for y in found}
        if len(shapes) > 1:
            raise ValueError(f"Sum: expected all outputs to have one shape, got {sorted(shapes)}")
        total = rows_of(found[0])
        for y in found[1:]:
            total = _sum(total, rows_of(y))
        return like(found[0], total), self.keep((total.shape, contexts))

    def pullback(self, context: Any, grad_output: Any, need_input: bool = True) -> Any:
        """Return the sum of all input gradients."""
        shape, contexts = self.kept(context)
        grad = like(grad_output, _gradient(grad_output, shape))
        return self._pullback_all(contexts, [grad] * len(contexts), need_input)


class Concat(_Beside):
    """Outputs of several modules side by side.

    Parameters
    ----------
    *modules : Module
        All get the same input.
    dim : int, default 1
        The axis: channels of images, features of rows. Of sequences ``(T, B, ...)``, which modules that know of time
        give (``Outputs(GRU)``, :class:`SequenceWise`, :class:`ConvRNN`), 1 is the features or channels too; further
        axes count from T.

    Raises
    ------
    ValueError
        No module is given. From forward: the outputs differ in other axes than ``dim``, which is none of theirs, or
        which is time or the batch.
    """

    def __init__(self, *modules: Module, dim: int = 1) -> None:
        super().__init__(modules)
        self.dim = dim

    def _run_with(self, run: Any, x: Any) -> tuple[Any, Any]:
        found, contexts = self._trace_all(run, x)
        dim = self.dim
        if not isinstance(found[0], PackedSequence) and self._gives_sequences(run, x, found[0]):
            axes = rows_of(found[0]).ndim
            if dim in (0, -axes, 1 - axes):
                raise ValueError(f"dim: expected the axis of channels, 1, or one behind it for sequences, got {dim}")
            dim = 2 if dim == 1 else dim
        y, widths = _joined("Concat", found, dim)
        return like(found[0], y), self.keep((y.shape, widths, dim, contexts))

    def _gives_sequences(self, run: Any, x: Any, y: Any) -> bool:
        """Whether an output is a sequence ``(T, B, ...)`` still, of modules that know of time."""
        while type(x) is tuple and x:
            x = x[0]
        if isinstance(x, PackedSequence) or np.ndim(x) < 2 or not Steps.of(x).holds(y):
            return False
        if run is not _run:
            return True
        # Of (B, C, H, W) frames alone SequenceWise and others make frames.
        own = {ndims for module in self.modules() if (ndims := getattr(module, "ndims", None)) is not None}
        return np.ndim(y) in (own or (3, 5)) and knows_of_time(self)

    def pullback(self, context: Any, grad_output: Any, need_input: bool = True) -> Any:
        """Return the sum of all input gradients."""
        shape, widths, dim, contexts = self.kept(context)
        grads = _parted(grad_output, _gradient(grad_output, shape), widths, dim)
        return self._pullback_all(contexts, grads, need_input)


class Split(Module):
    """An array taken apart: a tuple of the columns that belong together.

    Parameters
    ----------
    sizes : sequence of int
        Widths of the parts.
    dim : int, default -1
        The axis: the last one, features, by default.

    Raises
    ------
    ValueError
        There is no size or one that is not positive; from forward: the axis has another width than their sum.

    Notes
    -----
    ``Sequential(Split([6, 3]), Parallel(one, other), Join())`` has a branch for each kind of feature. ``backward``
    takes a tuple of gradients.
    """

    def __init__(self, sizes: Sequence[int], dim: int = -1) -> None:
        super().__init__()
        self.sizes, self.dim = [int(size) for size in sizes], dim
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"sizes: expected positive widths, got {list(sizes)}")

    def trace(self, x: Any) -> tuple[tuple[Any, ...], Any]:
        """Take apart."""
        rows = rows_of(x)
        if not -rows.ndim <= self.dim < rows.ndim or rows.shape[self.dim] != sum(self.sizes):
            raise ValueError(f"x: expected {sum(self.sizes)} along axis {self.dim}, got shape {rows.shape}")
        parts = _parted(x, rows, self.sizes, self.dim)
        return tuple(parts), self.keep((self.dim, [rows_of(part).shape for part in parts]))

    def pullback(self, context: Any, grad_output: Sequence[Any]) -> Any:
        """Put the gradients together."""
        dim, shapes = self.kept(context)
        grads = _part_by_part("grad_output", grad_output, len(shapes))
        rows = [_gradient(grad, shape) for grad, shape in zip(grads, shapes, strict=True)]
        return like(grads[0], np.concatenate(rows, axis=dim))

    def extra_repr(self) -> str:
        """Return the widths."""
        return f"{self.sizes}, dim={self.dim}"


class Parallel(_Composite):
    """Modules beside each other, each with an input of its own: a tuple in, a tuple out.

    Parameters
    ----------
    *modules : Module

    Raises
    ------
    ValueError
        No module is given; from forward: not one input for each.
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__()
        if not modules:
            raise ValueError("modules: expected at least one, got none")
        for index, module in enumerate(modules):
            self.add_module(str(index), module)

    def _run_with(self, run: Any, x: Any) -> tuple[tuple[Any, ...], Any]:
        parts = _part_by_part("x", x, len(self._modules))
        found = [run(module, part) for module, part in zip(self._modules.values(), parts, strict=True)]
        modules = list(self._modules.values())
        kept = [(module, _shape(y), context) for module, (y, context) in zip(modules, found, strict=True)]
        return tuple([y for y, _ in found]), self.keep(kept)

    def pullback(self, context: Any, grad_output: Sequence[Any], need_input: bool = True) -> tuple[Any, ...]:
        """Return the gradient of each input."""
        kept = self.kept(context)
        grads = _part_by_part("grad_output", grad_output, len(kept))
        for (_, shape, _), grad in zip(kept, grads, strict=True):
            if shape is not None:
                _gradient(grad, shape)
        parts = zip(kept, grads, strict=True)
        return tuple([pull(module, inner, grad, need_input) for (module, _, inner), grad in parts])


class Join(Module):
    """What a tuple holds, side by side: the opposite of :class:`Split`.

    Parameters
    ----------
    dim : int, default -1
        The axis: the last one, features, by default.

    Raises
    ------
    ValueError
        From forward: it is given no tuple, arrays that differ in other axes than ``dim``, or PackedSequences that are
        not packed alike.
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def trace(self, x: Sequence[Any]) -> tuple[Any, Any]:
        """Put together."""
        parts = _part_by_part("x", x, len(x))
        y, widths = _joined("Join", parts, self.dim)
        return like(parts[0], y), self.keep((y.shape, widths, self.dim))

    def pullback(self, context: Any, grad_output: Any) -> tuple[Any, ...]:
        """Return a tuple of the parts' gradients."""
        shape, widths, dim = self.kept(context)
        return tuple(_parted(grad_output, _gradient(grad_output, shape), widths, dim))

    def extra_repr(self) -> str:
        """Return the axis."""
        return f"dim={self.dim}"


def _shape(y: Any) -> tuple[int, ...] | None:
    """Return the shape of one array's rows; None for what is several arrays."""
    return None if type(y) in (tuple, list) else rows_of(y).shape


def _check_alike(who: str, parts: list[Any]) -> None:
    """Raise unless the parts are arrays, or PackedSequences packed alike."""
    first = parts[0]
    for place, part in enumerate(parts[1:], 1):
        if isinstance(first, PackedSequence) and isinstance(part, PackedSequence):
            check_same_batch(f"{who}: part {place}", part, first, "part 0")
        elif isinstance(first, PackedSequence) or isinstance(part, PackedSequence):
            kinds = [type(one).__name__ for one in (first, part)]
            raise TypeError(f"{who}: expected arrays, or PackedSequences, for all parts, got {' and '.join(kinds)}")


def _joined(who: str, parts: list[Any], dim: int) -> tuple[Array, list[int]]:
    """Return the parts side by side, and their widths."""
    _check_alike(who, parts)
    rows = [rows_of(part) for part in parts]
    axes = rows[0].ndim
    if not -axes <= dim < axes:
        raise ValueError(f"dim: expected an axis of shape {rows[0].shape}, from {-axes} to {axes - 1}, got {dim}")
    if isinstance(parts[0], PackedSequence) and dim in (0, -axes):
        raise ValueError(f"dim: expected an axis of features behind the rows of PackedSequences, got {dim}")
    others = {part.shape[: dim % axes] + part.shape[dim % axes + 1 :] for part in rows}
    if len(others) > 1 or any(part.ndim != axes for part in rows):
        raise ValueError(f"{who}: expected parts that differ along axis {dim} alone, got {[p.shape for p in rows]}")
    joined = np.concatenate(rows, axis=dim)
    # What is joined to floating-point numbers is float32, whatever it was.
    return joined.astype(np.float32, copy=False) if joined.dtype.kind == "f" else joined, [p.shape[dim] for p in rows]


def _parted(x: Any, rows: Array, widths: Sequence[int], dim: int) -> list[Any]:
    return [like(x, part) for part in np.split(rows, np.cumsum(widths)[:-1], axis=dim)]
