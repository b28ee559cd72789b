"""A stack of recurrent layers as one differentiable function of torch, on both ways that ``_operators`` describes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from seriatim.torch import _layers
from seriatim.torch._layers import Needs, Stack, sizes_of
from seriatim.torch._operators import is_eager, is_kept, once, operator, refuse_twice


def recurrent(
    stack: Stack,
    x: torch.Tensor,
    batch_sizes: torch.Tensor,
    states: Sequence[torch.Tensor],
    weights: Sequence[torch.Tensor],
    masks: Sequence[torch.Tensor],
    batch: int,
) -> tuple[torch.Tensor, ...]:
    """Run a stack over packed rows: y and the last states, with gradients for all but the masks.

    Parameters
    ----------
    stack, x, batch_sizes, states, weights, masks
        As :func:`seriatim.torch._layers.forward` takes them.
    batch : int
        Sequences.
    """
    keep = torch.is_grad_enabled() and any([t.requires_grad for t in (x, *states, *weights)])
    sizes = sizes_of(stack)
    count = 1 + len(sizes)
    if not is_eager(x, *states, *weights):
        # How many sequences there are is a number in batch_sizes; fake tensors have none, but shapes.
        layers = stack.num_layers * stack.directions
        states = states or [x.new_zeros(layers, batch, size) for size in sizes]
        found = _operator(x, batch_sizes, states, weights, masks, keep, stack.mode, _numbers(stack))
        return tuple(found[:count])
    if not keep:
        return tuple(_layers.forward(stack, x, batch_sizes, states, weights, masks, keep)[:count])
    counts = len(states), len(weights), len(masks)
    return tuple(_Recurrent.apply(stack, counts, count, x, batch_sizes, *states, *weights, *masks))


# ---- The short way


class _Recurrent(torch.autograd.Function):  # type: ignore[misc]
    """The stack as eager autograd calls it."""

    @staticmethod
    def forward(
        ctx: Any,
        stack: Stack,
        counts: tuple[int, int, int],
        count: int,
        x: torch.Tensor,
        batch_sizes: torch.Tensor,
        *tensors: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Run the stack, and save what backward needs."""
        found = _layers.forward(stack, x, batch_sizes, *_parts(tensors, counts), True)
        ctx.stack, ctx.counts, ctx.count = stack, counts, count
        ctx.save_for_backward(x, batch_sizes, *tensors, found[0], *found[count:])
        ctx.set_materialize_grads(False)
        return tuple(found[:count])

    @staticmethod
    def backward(ctx: Any, grad_y: torch.Tensor | None, *grad_states: torch.Tensor | None) -> tuple[Any, ...]:
        """Return the gradients of those that want one."""
        x, batch_sizes, *rest = ctx.saved_tensors
        n_states, n_weights, n_masks = ctx.counts
        end = n_states + n_weights + n_masks
        states, weights, masks = _parts(rest[:end], ctx.counts)
        needed = ctx.needs_input_grad[3:]
        in_states, in_weights = needed[2 : 2 + n_states], needed[2 + n_states : 2 + n_states + n_weights]
        grads = _layers.backward(
            ctx.stack,
            grad_y,
            grad_states,
            x,
            batch_sizes,
            states,
            weights,
            masks,
            rest[end],
            rest[end + 1 :],
            Needs(needed[0], any(in_states), in_weights),
            not is_kept(),
        )
        grad_x, first, grad_weights = grads
        found = once((grad_x, *(first or [None] * n_states), *grad_weights))
        return (None, None, None, found[0], None, *found[1:], *([None] * n_masks))


def _parts(
    tensors: Sequence[torch.Tensor], counts: tuple[int, int, int]
) -> tuple[Sequence[torch.Tensor], Sequence[torch.Tensor], Sequence[torch.Tensor]]:
    first, second = counts[0], counts[0] + counts[1]
    return tensors[:first], tensors[first:second], tensors[second : second + counts[2]]


# ---- The way of torch.compile


def _numbers(stack: Stack) -> list[int]:
    return [int(number) for number in stack[1:]]


def _stack(mode: str, numbers: Sequence[int]) -> Stack:
    inputs, hidden, projection, layers, directions, bias = numbers
    return Stack(mode, inputs, hidden, projection, layers, directions, bool(bias))


def _forward(
    x: torch.Tensor,
    batch_sizes: torch.Tensor,
    states: Sequence[torch.Tensor],
    weights: Sequence[torch.Tensor],
    masks: Sequence[torch.Tensor],
    keep: bool,
    mode: str,
    numbers: Sequence[int],
) -> list[torch.Tensor]:
    stack = _stack(mode, numbers)
    found = _layers.forward(stack, x, batch_sizes, states, weights, masks, keep)
    # What is given must be the same each time: kernels leave the register behind a row as it is.
    for gates in found[1 + len(sizes_of(stack)) + stack.num_layers - 1 + len(masks) :] if keep else ():
        gates[:, -16:] = 0
    return found


def _forward_fake(
    x: torch.Tensor,
    batch_sizes: torch.Tensor,
    states: Sequence[torch.Tensor],
    weights: Sequence[torch.Tensor],
    masks: Sequence[torch.Tensor],
    keep: bool,
    mode: str,
    numbers: Sequence[int],
) -> list[torch.Tensor]:
    stack = _stack(mode, numbers)
    shape, rows = _layers.shape_of(stack), x.shape[0]
    batch = states[0].shape[1]
    count = stack.num_layers * stack.directions
    found = [x.new_empty(rows, shape.width), *(x.new_empty(count, batch, n) for n in sizes_of(stack))]
    if keep:
        found += [x.new_empty(rows, shape.width) for _ in range(stack.num_layers - 1 + len(masks))]
        found += [x.new_empty(rows, n) for n in shape.gates if n for _ in range(stack.directions)]
    return found


def _backward(
    grad_y: torch.Tensor | None,
    grad_states: Sequence[torch.Tensor | None],
    x: torch.Tensor,
    batch_sizes: torch.Tensor,
    states: Sequence[torch.Tensor],
    weights: Sequence[torch.Tensor],
    masks: Sequence[torch.Tensor],
    y: torch.Tensor,
    kept: Sequence[torch.Tensor],
    need_x: bool,
    need_states: bool,
    need_weights: Sequence[bool],
    mode: str,
    numbers: Sequence[int],
) -> list[torch.Tensor]:
    stack, needs = _stack(mode, numbers), Needs(need_x, need_states, need_weights)
    batch = x, batch_sizes, states, weights, masks
    grad_x, first, grad_weights = _layers.backward(stack, grad_y, grad_states, *batch, y, kept, needs, False)
    return [g for g in (grad_x, *first, *grad_weights) if g is not None]


def _backward_fake(
    grad_y: torch.Tensor | None,
    grad_states: Sequence[torch.Tensor | None],
    x: torch.Tensor,
    batch_sizes: torch.Tensor,
    states: Sequence[torch.Tensor],
    weights: Sequence[torch.Tensor],
    masks: Sequence[torch.Tensor],
    y: torch.Tensor,
    kept: Sequence[torch.Tensor],
    need_x: bool,
    need_states: bool,
    need_weights: Sequence[bool],
    mode: str,
    numbers: Sequence[int],
) -> list[torch.Tensor]:
    wanted = [x] * need_x + [*states] * need_states + [w for w, need in zip(weights, need_weights, strict=True) if need]
    return [w.new_empty(w.shape) for w in wanted]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: list[torch.Tensor]) -> None:
    x, batch_sizes, states, weights, masks, _, mode, numbers = inputs
    count = 1 + len(states)
    ctx.counts, ctx.mode, ctx.numbers = (len(states), len(weights), len(masks)), mode, numbers
    ctx.save_for_backward(x, batch_sizes, *states, *weights, *masks, output[0], *output[count:])
    ctx.mark_non_differentiable(*output[count:])
    ctx.set_materialize_grads(False)


def _differentiate(ctx: Any, grads: list[torch.Tensor | None]) -> tuple[Any, ...]:
    x, batch_sizes, *rest = ctx.saved_tensors
    n_states, n_weights, n_masks = ctx.counts
    end = n_states + n_weights + n_masks
    states, weights, masks = _parts(rest[:end], ctx.counts)
    need_x, _, in_states, in_weights, *_ = ctx.needs_input_grad
    needs = bool(need_x), any(in_states), [bool(need) for need in in_weights]
    batch = x, batch_sizes, states, weights, masks
    made = iter(
        _backward_operator(
            grads[0], grads[1 : 1 + n_states], *batch, rest[end], rest[end + 1 :], *needs, ctx.mode, ctx.numbers
        )
    )
    grad_x = next(made) if needs[0] else None
    first = [next(made) for _ in states] if needs[1] else [None] * n_states
    return grad_x, None, first, [next(made) if need else None for need in needs[2]], [None] * n_masks, None, None, None


_operator = operator("recurrent", _forward, _forward_fake)
_backward_operator = operator("recurrent_backward", _backward, _backward_fake)
_operator.register_autograd(_differentiate, setup_context=_setup)
_backward_operator.register_autograd(refuse_twice)
