"""Update rules over flat float32 buffers, in place."""

from __future__ import annotations

from seriatim import _core
from seriatim._typing import Array


def adam_step(
    data: Array,
    grad: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    decoupled: bool,
    step: int,
) -> None:
    """One step of Adam (Kingma and Ba 2015), or AdamW (Loshchilov and Hutter 2019) with ``decoupled`` decay.

    All arrays are 1-D, contiguous and equally long; ``step`` counts from 1.
    """
    numbers = (
        lr / (1 - beta1**step),
        (1 - beta2**step) ** -0.5,
        beta1,
        beta2,
        eps,
        0.0 if decoupled else weight_decay,
        1 - lr * weight_decay if decoupled else 1.0,
    )
    _core.adam_step(data, exp_avg, exp_avg_sq, grad, numbers)


def sgd_step(
    data: Array,
    grad: Array,
    momentum_buffer: Array | None,
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    first: bool,
) -> None:
    """One step of stochastic gradient descent, torch's rules; ``first``: the momentum buffer holds nothing yet."""
    _core.sgd_step(data, momentum_buffer, grad, (lr, momentum, dampening, weight_decay), nesterov, first)


def rmsprop_step(
    data: Array,
    grad: Array,
    square_avg: Array,
    momentum_buffer: Array | None = None,
    grad_avg: Array | None = None,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
) -> None:
    """One step of RMSprop (Tieleman and Hinton 2012), torch's rules; centred with ``grad_avg``.

    All arrays are 1-D, contiguous and equally long; those of the state are zeros before the first step.
    """
    _core.rmsprop_step(data, square_avg, momentum_buffer, grad_avg, grad, (lr, alpha, eps, weight_decay, momentum))


def average_step(average: Array, data: Array, decay: float) -> None:
    """``average += (1 - decay) (data - average)`` in place; both 1-D, contiguous and equally long."""
    _core.average_step(average, data, decay)


def sum_of_squares(x: Array) -> float:
    """Sum of the squares, the same bits for any number of threads."""
    return _core.sum_of_squares(x)


def scale(x: Array, factor: float) -> None:
    """``x *= factor`` in place; 1-D, contiguous."""
    _core.scale(x, factor)
