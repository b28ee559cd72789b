"""Stacks of recurrent layers over packed rows, of tensors: what both ways of ``_recurrent_operator`` compute."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch

from seriatim import functional as F
from seriatim.torch._operators import array, bounded, tensor

_CELLS: dict[str, tuple[str, tuple[str, ...]]] = {
    "GRU": ("gru", ()),
    "LSTM": ("lstm", ()),
    "RNN_TANH": ("rnn", ()),
    "RNN_RELU": ("rnn", ("relu",)),
}


class Stack(NamedTuple):
    """What a stack is, as torch's modules know it.

    Parameters
    ----------
    mode : {'GRU', 'LSTM', 'RNN_TANH', 'RNN_RELU'}
    input_size, hidden_size, proj_size, num_layers : int
    directions : {1, 2}
    bias : bool
    """

    mode: str
    input_size: int
    hidden_size: int
    proj_size: int
    num_layers: int
    directions: int
    bias: bool


def sizes_of(stack: Stack) -> tuple[int, ...]:
    """Return the sizes of h, which is also the output of a direction, and of c where there is one."""
    size = stack.proj_size or stack.hidden_size
    return (size, stack.hidden_size) if stack.mode == "LSTM" else (size,)


class Shape(NamedTuple):
    """What follows from a stack: its layers' cells, how wide outputs are, and how many weights a direction has."""

    cells: tuple[F.Cell, ...]
    width: int
    weights: int
    gates: tuple[int, ...]


@lru_cache(maxsize=256)
def shape_of(stack: Stack) -> Shape:
    """Return what follows from a stack."""
    kind, options = _CELLS[stack.mode]
    size = sizes_of(stack)[0]
    inputs = [stack.input_size] + [stack.directions * size] * (stack.num_layers - 1)
    cells = tuple(F.cell(kind, n, stack.hidden_size, stack.proj_size, options) for n in inputs)
    count = 2 + 2 * stack.bias + (stack.proj_size > 0)
    return Shape(cells, stack.directions * size, count, tuple(_gates(cell) for cell in cells))


def _gates(cell: F.Cell) -> int:
    """Return how many numbers a cell keeps of a row; 0 for none."""
    weights = [np.zeros(cell.shapes()[name], np.float32) if name in cell.shapes() else None for name in F.PARAMETERS]
    x, sizes = np.zeros((1, cell.input_size), np.float32), np.ones(1, np.int64)
    _, cache = F.recurrent(cell, x, sizes, F.recurrent_pack(cell, weights), training=True)
    return 0 if cache is None or cache.gates is None else cache.gates.shape[1]


def _named(stack: Stack, weights: Sequence[Any], place: int) -> tuple[Any, ...]:
    """Return one direction's weights in the order of ``F.PARAMETERS``, None for those it has not."""
    count = shape_of(stack).weights
    own = weights[place * count : (place + 1) * count]
    biases = tuple(own[2:4]) if stack.bias else (None, None)
    return (own[0], own[1], *biases, own[-1]) if stack.proj_size else (own[0], own[1], *biases)


def _states(states: Sequence[np.ndarray[Any, Any] | None], place: int) -> tuple[Any, Any]:
    """Return h and c of one direction, None for what there is not."""
    h, c = (*(None if state is None else state[place] for state in states), None, None)[:2]
    return h, c


@bounded
def forward(
    stack: Stack,
    x: torch.Tensor,
    batch_sizes: torch.Tensor,
    states: Sequence[torch.Tensor],
    weights: Sequence[torch.Tensor],
    masks: Sequence[torch.Tensor],
    keep: bool,
) -> list[torch.Tensor]:
    """Run a stack over packed rows.

    Parameters
    ----------
    stack : Stack
    x : Tensor of float32, shape (rows, input_size)
    batch_sizes : Tensor of int64, shape (steps,)
    states : sequence of Tensor, shape (num_layers * directions, batch, size)
        All of the kind's, or none: zeros.
    weights : sequence of Tensor
        In torch's order.
    masks : sequence of Tensor, shape (rows, directions * size)
        What the outputs of all layers but the last are multiplied by, or none.
    keep : bool
        Whether :func:`backward` will be called.

    Returns
    -------
    list of Tensor
        y, the last states, and with ``keep`` the outputs of the layers below, the same after the masks, and the gates.
    """
    shape, sizes = shape_of(stack), array(batch_sizes)
    first, arrays = [array(state) for state in states], [array(weight) for weight in weights]
    count, size = stack.num_layers * stack.directions, sizes_of(stack)[0]
    last: list[Any] = [np.empty((count, int(sizes[0]), width), np.float32) for width in sizes_of(stack)]
    outputs: list[torch.Tensor] = []
    dropped: list[torch.Tensor] = []
    gates: list[torch.Tensor] = []
    for layer, cell in enumerate(shape.cells):
        below = outputs[-1] if outputs else x
        if layer and masks:
            below = below * masks[layer - 1]
            dropped.append(below)
        rows = array(below)
        y = F.empty(len(rows), shape.width)
        for direction in range(stack.directions):
            place = layer * stack.directions + direction
            (_, finals), cache = F.recurrent(
                cell,
                rows,
                sizes,
                F.recurrent_pack(cell, _named(stack, arrays, place)),
                _states(first, place),
                reverse=direction == 1,
                training=keep,
                out=y[:, direction * size : (direction + 1) * size],
            )
            for target, final in zip(last, finals, strict=False):
                target[place] = final
            if cache is not None and cache.gates is not None:
                gates.append(tensor(cache.gates))
        outputs.append(tensor(y))
    kept = [*outputs[:-1], *dropped, *gates] if keep else []
    return [outputs[-1], *map(tensor, last), *kept]


class Needs(NamedTuple):
    """Which gradients are wanted: of x, of any state, and of each weight."""

    x: bool
    states: bool
    weights: Sequence[bool]


@bounded
def backward(
    stack: Stack,
    grad_y: torch.Tensor | None,
    grad_states: Sequence[torch.Tensor | None],
    x: torch.Tensor,
    batch_sizes: torch.Tensor,
    states: Sequence[torch.Tensor],
    weights: Sequence[torch.Tensor],
    masks: Sequence[torch.Tensor],
    y: torch.Tensor,
    kept: Sequence[torch.Tensor],
    needs: Needs,
    use_up: bool,
) -> tuple[torch.Tensor | None, list[torch.Tensor], list[torch.Tensor | None]]:
    """Back-propagate through a stack.

    Parameters
    ----------
    stack, x, batch_sizes, states, weights, masks
        Those of :func:`forward`, with what it gave: ``y`` and ``kept``.
    grad_y, grad_states : Tensor, or None for zeros
    needs : Needs
    use_up : bool
        Whether the gates may be overwritten; else they are copied.

    Returns
    -------
    grad_x : Tensor or None
    grad_states : list of Tensor
        Empty where they are not wanted.
    grad_weights : list of Tensor or None
    """
    shape, sizes, size = shape_of(stack), array(batch_sizes), sizes_of(stack)[0]
    first, arrays = [array(state) for state in states], [array(weight) for weight in weights]
    later = [None if grad is None else array(grad) for grad in grad_states]
    below, above = stack.num_layers - 1, 2 * (stack.num_layers - 1) if masks else stack.num_layers - 1
    outputs, gates = [*kept[:below], y], kept[above:]
    inputs = [x, *(kept[below:above] if masks else kept[:below])]
    gradients = [_room(w) if need else None for w, need in zip(arrays, needs.weights, strict=True)]
    found: list[Any] = [
        np.empty((len(weights) // shape.weights, int(sizes[0]), n), np.float32) for n in sizes_of(stack)
    ]
    grad = grad_y
    for layer in reversed(range(stack.num_layers)):
        cell, need_input = shape.cells[layer], needs.x or layer > 0
        over, rows, result = None if grad is None else array(grad.contiguous()), array(outputs[layer]), None
        for direction in range(stack.directions):
            place, columns = layer * stack.directions + direction, slice(direction * size, (direction + 1) * size)
            own = (gates[place] if use_up else gates[place].clone()) if shape.gates[layer] else None
            cache = F.RecurrentCache(
                cell,
                array(inputs[layer]),
                sizes,
                _states(first, place),
                direction == 1,
                F.NO_ZONEOUT,
                rows[:, columns],
                None if own is None else array(own),
            )
            result, given = F.recurrent_backward(
                cache,
                F.recurrent_pack_backward(cell, _named(stack, arrays, place), need_input),
                None if over is None else over[:, columns],
                _states(later, place),
                gradients=_named(stack, gradients, place),
                need_input=need_input,
                need_state=needs.states,
                grad_x=result,
            )
            for target, state in zip(found, given, strict=False):
                if state is not None:
                    target[place] = state
        grad = None if result is None else tensor(result)
        if layer and masks and grad is not None:
            grad = grad * masks[layer - 1]
    grad_weights = [None if g is None else tensor(g) for g in gradients]
    return grad if needs.x else None, [tensor(a) for a in found] if needs.states else [], grad_weights


def _room(weight: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return uninitialised memory of a weight's shape; large ones have been used before."""
    return F.empty(*weight.shape) if weight.ndim == 2 else np.empty(weight.shape, np.float32)
