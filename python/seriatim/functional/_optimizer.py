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

    ``m = beta1 m + (1 - beta1) g``, ``v = beta2 v + (1 - beta2) g^2``,
    ``data -= lr / (1 - beta1^step) m / (sqrt(v / (1 - beta2^step)) + eps)``.

    Parameters
    ----------
    data : ndarray of float32, shape (n,)
        The parameters; contiguous, changed in place.
    grad : ndarray of float32, shape (n,)
    exp_avg, exp_avg_sq : ndarray of float32, shape (n,)
        m and v; contiguous, changed in place, zeros before the first step.
    lr, beta1, beta2, eps : float
    weight_decay : float
        Times ``data``, added to the gradient, or taken from ``data`` with ``decoupled``.
    decoupled : bool
    step : int
        Counts from 1.

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type, or shares memory with one that is written to; nothing was changed.
    """
    if step < 1:
        raise ValueError(f"step: expected a positive integer, got {step!r}")
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
    """One step of stochastic gradient descent, torch's rules.

    ``m = momentum m + (1 - dampening) g``, ``data -= lr m``, or ``data -= lr (g + momentum m)`` with ``nesterov``.

    Parameters
    ----------
    data : ndarray of float32, shape (n,)
        The parameters; contiguous, changed in place.
    grad : ndarray of float32, shape (n,)
    momentum_buffer : ndarray of float32, shape (n,), or None without momentum
        m; contiguous, changed in place.
    lr, momentum, dampening : float
    weight_decay : float
        Times ``data``, added to the gradient.
    nesterov : bool
    first : bool
        The momentum buffer holds nothing yet, and becomes the gradient.

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type, or shares memory with one that is written to; nothing was changed.
    """
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

    ``v = alpha v + (1 - alpha) g^2``, ``data -= lr g / (sqrt(v) + eps)``; centred ``v - a^2`` stands for v, with
    ``a = alpha a + (1 - alpha) g``.

    Parameters
    ----------
    data : ndarray of float32, shape (n,)
        The parameters; contiguous, changed in place.
    grad : ndarray of float32, shape (n,)
    square_avg : ndarray of float32, shape (n,)
        v; contiguous, changed in place, zeros before the first step.
    momentum_buffer, grad_avg : ndarray of float32, shape (n,), optional
        Contiguous, changed in place, zeros before the first step.
    lr, alpha, eps : float
    weight_decay : float, default 0
        Times ``data``, added to the gradient.
    momentum : float, default 0

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type, or shares memory with one that is written to; nothing was changed.
    """
    _core.rmsprop_step(data, square_avg, momentum_buffer, grad_avg, grad, (lr, alpha, eps, weight_decay, momentum))


def average_step(average: Array, data: Array, decay: float) -> None:
    """``average += (1 - decay) (data - average)`` in place.

    Parameters
    ----------
    average : ndarray of float32, shape (n,)
        Contiguous, changed in place.
    data : ndarray of float32, shape (n,)
    decay : float

    Raises
    ------
    ValueError, TypeError
        An array has another shape or type; nothing was changed.
    """
    _core.average_step(average, data, decay)


def sum_of_squares(x: Array) -> float:
    """Sum of the squares of all elements, the same bits for any number of threads.

    Parameters
    ----------
    x : array_like, any shape

    Returns
    -------
    float

    Raises
    ------
    TypeError
        ``x`` holds no real numbers.
    """
    return _core.sum_of_squares(x)


def scale(x: Array, factor: float) -> None:
    """``x *= factor`` in place.

    Parameters
    ----------
    x : ndarray of float32, shape (n,)
        Contiguous.
    factor : float

    Raises
    ------
    ValueError, TypeError
        ``x`` has another shape or type; nothing was changed.
    """
    _core.scale(x, factor)
