"""Several modules side by side, each with weights of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, TypeVar

import numpy as np

from seriatim import _core
from seriatim._typing import Array, ArrayLike
from seriatim.nn._module import Module

Item = TypeVar("Item")


class Ensemble(Module):
    """Several modules that are given the same input.

    Parameters
    ----------
    *modules : Module
        Each gives an array of the same shape.

    Notes
    -----
    ``y (n_modules, ...) = model(...)``: what each module gives. With more than one thread the modules run side by side,
    each on one, which small modules use better than a common split of every product; results are the same bits.

    Raises
    ------
    TypeError
        What is given is not a Module.
    ValueError
        No module is given.

    Examples
    --------
    >>> model = Ensemble(*(nn.SequenceRNN(13, 64, 10, rng=seed) for seed in range(4))).eval()
    >>> log_probs = model(x)  # (4, B, 10)
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__()
        if not modules:
            raise ValueError("modules: expected at least one module, got none")
        for number, module in enumerate(modules):
            self.add_module(str(number), module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Any:
        return iter(self.children())

    def __getitem__(self, index: int) -> Module:
        return list(self.children())[index]

    def forward(self, *args: Any, **kwargs: Any) -> Array:
        """Return what each module gives, ``(n_modules, ...)``."""
        y = np.stack(self.each(lambda module: module(*args, **kwargs)))
        self._push(None)
        return y

    def backward(self, grad_output: ArrayLike) -> None:
        """Add to the parameters' gradients; ``grad_output`` has the shape of what forward gave."""
        grad = np.asarray(grad_output, dtype=np.float32)
        self._peek()
        if len(grad) != len(self):
            raise ValueError(f"grad_output: expected one gradient for each of {len(self)} modules, got {len(grad)}")
        each = list(enumerate(self.children()))
        _side_by_side(lambda item: item[1].backward(grad[item[0]]), each)
        self._pop()

    def each(self, call: Callable[[Any], Item]) -> list[Item]:
        """Return what ``call`` gives of each module, side by side where threads are there."""
        return _side_by_side(call, list(self.children()))


_workers: tuple[int, int, ThreadPoolExecutor] | None = None


def _side_by_side(call: Callable[[Any], Item], items: Sequence[Any]) -> list[Item]:
    """Return what ``call`` gives of each item; kernels that it calls run on its own thread alone."""
    threads = min(_core.get_num_threads(), len(items))
    if threads == 1:
        return [call(item) for item in items]
    global _workers
    # After a fork the threads are the parent's.
    if _workers is None or _workers[:2] != (os.getpid(), threads):
        made = ThreadPoolExecutor(threads, "seriatim", _core.set_runs_alone, (True,))
        _workers = (os.getpid(), threads, made)
    running = [_workers[2].submit(call, item) for item in items]
    try:
        return [one.result() for one in running]
    finally:
        # Nothing runs on behind an error or an interrupt.
        wait(running)


def average(outputs: Array, log_probs: bool) -> Array:
    """Return the mean over modules ``(n_modules, ...)``, of probabilities if these are logarithms of such.

    ``log(1 / M sum_m exp(y_m))`` or ``1 / M sum_m y_m``.
    """
    if not log_probs:
        mean: Array = outputs.mean(axis=0, dtype=np.float64).astype(np.float32)
        return mean
    found: Array = np.logaddexp.reduce(outputs, axis=0) - np.float32(np.log(len(outputs)))
    return found


class EnsembleLoss:
    """The mean of a loss over the modules of an :class:`Ensemble`; backward gives every module its own gradient.

    Parameters
    ----------
    criterion : loss of :mod:`seriatim.nn` with reduction 'mean'

    Notes
    -----
    The gradients are those of the sum, not the mean, of the modules' losses: each module learns as if it were alone.
    """

    def __init__(self, criterion: Any) -> None:
        self.criterion = criterion
        self._shape: tuple[int, ...] = ()

    def __call__(self, pred: Array, target: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the loss of ``pred (n_modules, batch, outputs)`` for the target of each."""
        self._shape = pred.shape
        count = len(pred)
        weight = None if sample_weight is None else np.tile(np.asarray(sample_weight), count)
        targets = np.asarray(target)
        repeated = np.tile(targets, (count, *[1] * (targets.ndim - 1)))
        return float(self.criterion(pred.reshape(-1, *pred.shape[2:]), repeated, weight))

    def backward(self) -> Array:
        """Return the gradient of ``pred`` for the last call."""
        grad: Array = self.criterion.backward(float(self._shape[0]))
        return grad.reshape(self._shape)
