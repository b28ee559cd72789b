"""Stacks of a user's own inside the networks of this package.

These run a stack on packed rows, past ``trace`` and ``pullback``, which only read and give back layouts. A subclass
that defines one of the two means it to be called, so it is: with a PackedSequence, as anybody would.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from seriatim._typing import Array, Integers
from seriatim.sequences import PackedSequence

if TYPE_CHECKING:
    from seriatim.nn.recurrent._stack import RecurrentStack, States


def _given(states: States | None) -> Any:
    return None if states is None else states if len(states) > 1 else states[0]


def _taken(states: Any) -> States:
    return states if isinstance(states, tuple) else (states,)


def trace_packed(
    self: RecurrentStack, data: Array, batch_sizes: Integers, states: States | None = None, batch: int | None = None
) -> tuple[tuple[Array, States], Any]:
    """Do by ``trace`` what the stack's method of this name does."""
    stack: Any = self
    # Those behind the first step's have no step; the order alone counts them.
    order = None if batch is None else np.arange(batch)
    (y, last), inner = stack.trace(PackedSequence(data, batch_sizes, order), _given(states))
    return (y.data, _taken(last)), self.keep([inner, batch_sizes, order])


def pullback_packed(
    self: RecurrentStack,
    context: Any,
    grad: Array | None,
    grad_states: States | None,
    need_input: bool = True,
    need_state: bool = True,
) -> tuple[Array | None, States | None]:
    """Do by ``pullback`` what the stack's method of this name does."""
    stack: Any = self
    inner, batch_sizes, order = self.kept(context)
    grad_y = None if grad is None else PackedSequence(grad, batch_sizes, order)
    grad_x, first = stack.pullback(inner, grad_y, _given(grad_states))
    return grad_x.data, _taken(first)
