"""Several modules side by side, each with weights of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import Any, TypeVar

import numpy as np

from seriatim import _core
from seriatim._arrays import as_floats, as_numbers, of_shape
from seriatim._typing import Array, ArrayLike
from seriatim.nn.base._contexts import pull
from seriatim.nn.base._layouts import like, rows_of
from seriatim.nn.base._module import Module
from seriatim.nn.base._together import together
from seriatim.nn.losses._loss import TargetLoss, row_weights
from seriatim.sequences import PackedSequence

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
        return iter(self._modules.values())

    def __getitem__(self, index: int) -> Module:
        module: Module = list(self._modules.values())[index]
        return module

    def trace(self, *args: Any, **kwargs: Any) -> tuple[Array, Any]:
        """Return what each module gives, ``(n_modules, ...)``, of PackedSequences the packed rows."""
        found = self.each(lambda module: module.trace(*args, **kwargs))
        y = np.stack([rows_of(output) for output, _ in found])
        return y, self.keep((y.shape, [(module, context) for module, (_, context) in zip(self, found, strict=True)]))

    def pullback(self, context: Any, grad_output: ArrayLike, need_input: bool = False) -> Any:
        """Add to the parameters' gradients; return the sum of the input's, None without ``need_input``."""
        shape, contexts = self.kept(context)
        grad = as_floats("grad_output", grad_output)
        if len(grad) != len(contexts):
            raise ValueError(f"grad_output: expected one gradient for each of {len(contexts)} modules, got {len(grad)}")
        of_shape("grad_output", grad, shape)
        each = list(zip(contexts, grad, strict=True))
        found = _side_by_side(lambda item: pull(item[0][0], item[0][1], item[1], need_input), each)
        if not need_input or found[0] is None:
            return None
        return like(found[0], np.sum([rows_of(one) for one in found], axis=0))

    def each(self, call: Callable[[Any], Item]) -> list[Item]:
        """Return what ``call`` gives of each module, side by side where threads are there."""
        return _side_by_side(call, list(self))


_workers: tuple[int, int, ThreadPoolExecutor] | None = None


def _side_by_side(call: Callable[[Any], Item], items: Sequence[Any]) -> list[Item]:
    """Return what ``call`` gives of each item; kernels that it calls run on its own thread alone."""
    threads = min(_core.get_num_threads(), len(items))
    # Micro-batches that run together meet at each batch normalisation, in one order.
    if threads == 1 or together.get() is not None:
        return [call(item) for item in items]
    global _workers
    workers = _workers
    # After a fork the threads are the parent's.
    if workers is None or workers[:2] != (os.getpid(), threads):
        made = ThreadPoolExecutor(threads, "seriatim", _core.set_runs_alone, (True,))
        _workers = workers = (os.getpid(), threads, made)
    # What holds for this thread, such as to evaluate for a while, holds for its workers.
    running = [workers[2].submit(copy_context().run, call, item) for item in items]
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


class EnsembleLoss(TargetLoss):
    """The mean of a loss over the modules of an :class:`Ensemble`; backward gives every module its own gradient.

    Parameters
    ----------
    criterion : loss of :mod:`seriatim.nn` with reduction 'mean' or 'sum'

    Notes
    -----
    The gradients are those of the sum, not the mean, of the modules' losses: each module learns as if it were alone.
    """

    def __init__(self, criterion: Any) -> None:
        super().__init__()
        self.criterion = criterion

    def trace(self, pred: Array, target: Any, sample_weight: ArrayLike | None = None) -> tuple[float, Any]:
        """Return the loss of ``pred (n_modules, batch, outputs)`` for the target of each; packed, of rows."""
        count = len(pred)
        if isinstance(target, PackedSequence):
            sample_weight = None if sample_weight is None else row_weights(sample_weight, target)
            target = target.data
        weight = None if sample_weight is None else np.tile(as_numbers("sample_weight", sample_weight), count)
        targets = as_numbers("target", target)
        repeated = np.tile(targets, (count, *[1] * (targets.ndim - 1)))
        loss, inner = self.criterion.trace(pred.reshape(-1, *pred.shape[2:]), repeated, weight)
        # A mean is over all modules' losses already.
        return float(loss) / (count if self._is_sum() else 1), (inner, pred.shape)

    def _is_sum(self) -> bool:
        return getattr(self.criterion, "reduction", "mean") == "sum"

    def _weigh(self, target: Any, sample_weight: Any) -> float:
        weight: float = self.criterion.total_weight(target, sample_weight)
        return weight

    def summed(self) -> EnsembleLoss:
        """Return the mean over the modules of the criterion with reduction 'sum'."""
        return EnsembleLoss(self.criterion.summed())

    def pullback(self, context: Any, grad_output: ArrayLike | None = None) -> Array:
        """Return the gradient of ``pred``."""
        inner, shape = context
        of_one = 1.0 if grad_output is None else float(as_numbers("grad_output", grad_output))
        grad: Array = self.criterion.pullback(inner, of_one if self._is_sum() else of_one * shape[0])
        return grad.reshape(shape)
