"""Functions of tensors and whole numbers that have a gradient, on both ways that ``_operators`` describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from seriatim.torch._operators import bounded, is_eager, is_kept, once, operator, refuse_twice

Tensors = Sequence["torch.Tensor | None"]


class Differentiable:
    """A function of tensors with a gradient for each.

    Parameters
    ----------
    name : str
        The operators are ``seriatim::name`` and ``seriatim::name_backward``.
    forward : callable
        ``forward(tensors, numbers, keep)`` returns the outputs and behind them, with ``keep``, what else backward
        needs; all new tensors.
    backward : callable
        ``backward(grads, tensors, kept, numbers, needs, use_up)`` returns a gradient, or None, for each tensor;
        ``grads`` are those of the outputs, None for zeros; ``kept`` what forward kept, the outputs of ``saved`` first;
        with ``use_up`` these may be written to.
    shapes : callable
        ``shapes(tensors, numbers, keep)`` returns the shapes of what forward returns.
    outputs : int
        How many outputs there are.
    saved : tuple of int
        Which outputs backward needs.
    """

    def __init__(
        self,
        name: str,
        forward: Callable[..., list[torch.Tensor]],
        backward: Callable[..., list[torch.Tensor | None]],
        shapes: Callable[..., list[tuple[int, ...]]],
        outputs: int = 1,
        saved: tuple[int, ...] = (),
    ) -> None:
        self.forward, self.backward, self.shapes = bounded(forward), bounded(backward), shapes
        self.outputs, self.saved = outputs, saved
        self._operator, self._backward_operator = self._register(name)

    def __call__(self, tensors: Tensors, numbers: Sequence[int]) -> tuple[torch.Tensor, ...]:
        """Return the outputs."""
        there = [t for t in tensors if t is not None]
        keep = torch.is_grad_enabled() and any([t.requires_grad for t in there])
        if not is_eager(*there):
            given = [t is not None for t in tensors]
            # Autograd takes an empty list for one of tensors.
            return tuple(self._operator(there, given, list(numbers) or [0], keep)[: self.outputs])
        if keep:
            return _Eager.apply(self, numbers, *tensors)  # type: ignore[no-any-return]
        return tuple(self.forward(tensors, numbers, False)[: self.outputs])

    def _kept(self, found: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return [*[found[place] for place in self.saved], *found[self.outputs :]]

    def _register(self, name: str) -> tuple[Any, Any]:
        """Define the operators for the way of ``torch.compile``."""

        # Autograd sees no tensors in a list in which one may be missing: those that are there come with their places.
        def forward(
            tensors: Sequence[torch.Tensor], given: Sequence[bool], numbers: Sequence[int], keep: bool
        ) -> list[torch.Tensor]:
            return self.forward(_placed(tensors, given), numbers, keep)

        def fake(tensors: Tensors, given: Sequence[bool], numbers: Sequence[int], keep: bool) -> list[torch.Tensor]:
            shapes = self.shapes(_placed(tensors, given), numbers, keep)
            return [_new(tensors[0], shape) for shape in shapes]

        def backward(
            grads: Sequence[torch.Tensor | None],
            tensors: Sequence[torch.Tensor],
            given: Sequence[bool],
            kept: Sequence[torch.Tensor],
            numbers: Sequence[int],
            needs: Sequence[bool],
        ) -> list[torch.Tensor]:
            placed = _placed(tensors, given)
            found = self.backward(grads, placed, kept, numbers, _placed(needs, given), False)
            there = [_made(grad, t) for grad, t in zip(found, placed, strict=True) if t is not None]
            return [grad for grad, need in zip(there, needs, strict=True) if need]

        def fake_backward(
            grads: Tensors,
            tensors: Tensors,
            given: Sequence[bool],
            kept: Tensors,
            numbers: Sequence[int],
            needs: Sequence[bool],
        ) -> list[torch.Tensor]:
            return [_new(t, t.shape) for t, need in zip(tensors, needs, strict=True) if need and t is not None]

        there, back = operator(name, forward, fake), operator(f"{name}_backward", backward, fake_backward)

        def setup(ctx: Any, inputs: tuple[Any, ...], output: list[torch.Tensor]) -> None:
            tensors, ctx.given, ctx.numbers, _ = inputs
            ctx.count = len(tensors)
            ctx.save_for_backward(*tensors, *self._kept(output))
            ctx.set_materialize_grads(False)
            ctx.mark_non_differentiable(*output[self.outputs :])

        def differentiate(ctx: Any, grads: list[torch.Tensor | None]) -> tuple[Any, ...]:
            saved = ctx.saved_tensors  # Once: checkpointing computes them anew.
            tensors, kept = saved[: ctx.count], saved[ctx.count :]
            needs = [bool(need) for need in ctx.needs_input_grad[0]]
            made = iter(back(grads[: self.outputs], tensors, ctx.given, kept, ctx.numbers, needs))
            return [next(made) if need else None for need in needs], None, None, None

        there.register_autograd(differentiate, setup_context=setup)
        back.register_autograd(refuse_twice)
        return there, back


def _placed(values: Sequence[Any], given: Sequence[bool]) -> list[Any]:
    """Return values at the places where one is given, None at the others."""
    each = iter(values)
    return [next(each) if there else None for there in given]


def _new(like: torch.Tensor | None, shape: Sequence[int]) -> torch.Tensor:
    assert like is not None
    return like.new_empty(shape)


def _made(grad: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(like) if grad is None else grad


class _Eager(torch.autograd.Function):  # type: ignore[misc]
    """The short way."""

    @staticmethod
    def forward(ctx: Any, function: Differentiable, numbers: Sequence[int], *tensors: Any) -> tuple[torch.Tensor, ...]:
        found = function.forward(tensors, numbers, True)
        ctx.function, ctx.numbers, ctx.count = function, numbers, len(tensors)
        ctx.save_for_backward(*tensors, *function._kept(found))
        ctx.set_materialize_grads(False)
        return tuple(found[: function.outputs])

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor | None) -> tuple[Any, ...]:
        saved = ctx.saved_tensors
        tensors, kept = saved[: ctx.count], saved[ctx.count :]
        needs = ctx.needs_input_grad[2:]
        with torch.no_grad():
            found: Any = ctx.function.backward(grads, tensors, kept, ctx.numbers, needs, not is_kept())
        return (None, None, *once(found))
