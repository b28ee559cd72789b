"""A learning rate that follows a metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import SupportsFloat

import numpy as np

from seriatim.optim._optimizer import Optimizer, _check
from seriatim.optim._schedule import LRScheduler, _one_a_group


class ReduceLROnPlateau(LRScheduler):
    """Multiplies the learning rate by ``factor`` when a metric has not improved for more than ``patience`` steps.

    Parameters
    ----------
    optimizer : Optimizer
    mode : {'min', 'max'}
        Whether a lower or a higher metric is better.
    factor : float, default 0.1
        Below 1.
    patience : int, default 10
        Steps without an improvement that change nothing.
    threshold : float, default 1e-4
        What counts as an improvement.
    threshold_mode : {'rel', 'abs'}
        Whether the best metric is to be passed by ``threshold`` times itself, or by ``threshold``.
    cooldown : int, default 0
        Steps after a reduction that do not count.
    min_lr : float, or list of float, one a group, default 0
    eps : float, default 1e-8
        A smaller change of the learning rate is left out.

    Attributes
    ----------
    best : float
        The best metric; infinite before the first.
    num_bad_epochs, cooldown_counter : int
    last_epoch : int
        Steps made.

    Raises
    ------
    ValueError
        A mode is not known, or a factor is not from 0 to below 1.

    Notes
    -----
    Torch's rules. NaN is no improvement. A learning rate that was changed between two steps is reduced as it is.
    """

    _settings = (
        "mode", "factor", "patience", "threshold", "threshold_mode", "cooldown", "min_lrs", "eps",
        "best", "num_bad_epochs", "cooldown_counter", "_last_lr",
    )  # fmt: skip

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f"mode: expected 'min' or 'max', got {mode!r}")
        if threshold_mode not in ("rel", "abs"):
            raise ValueError(f"threshold_mode: expected 'rel' or 'abs', got {threshold_mode!r}")
        if not 0 <= factor < 1:
            raise ValueError(f"factor: expected a number from 0 to below 1, got {factor!r}")
        _check(
            patience=(patience, 0, np.inf),
            threshold=(threshold, 0, np.inf),
            cooldown=(cooldown, 0, np.inf),
            eps=(eps, 0, np.inf),
        )
        self.min_lrs = [float(lr) for lr in _one_a_group("min_lr", min_lr, optimizer)]
        self._is_for_all = not isinstance(min_lr, (list, tuple))
        self.mode, self.threshold_mode, self.threshold = mode, threshold_mode, threshold
        self.factor, self.patience, self.cooldown, self.eps = factor, patience, cooldown, eps
        self.best = float("inf" if mode == "min" else "-inf")
        self.num_bad_epochs = self.cooldown_counter = 0
        super().__init__(optimizer)

    def _base_of(self, lr: float) -> float:
        if not self._is_for_all:
            raise ValueError(
                f"min_lr: expected one for each of {len(self.optimizer.param_groups)} groups, got {len(self.min_lrs)}: "
                "a group was added. Make a new ReduceLROnPlateau."
            )
        return lr

    def _take(self, base: float) -> None:
        super()._take(base)
        self.min_lrs = [*self.min_lrs, self.min_lrs[0]]

    def _lrs(self, step: int) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def _current(self) -> list[float]:
        return self._last_lr

    def step(self, metrics: SupportsFloat) -> None:  # type: ignore[override]
        """Take the metric of a step, and set the learning rates for the next one.

        Parameters
        ----------
        metrics : float
            What is watched.
        """
        metric = float(metrics)
        self._welcome()
        self.last_epoch += 1
        if self._is_better(metric):
            self.best, self.num_bad_epochs = metric, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        lrs = self._lrs(self.last_epoch)
        if self.num_bad_epochs > self.patience:
            lower = [max(lr * self.factor, least) for lr, least in zip(lrs, self.min_lrs, strict=True)]
            lrs = [new if old - new > self.eps else old for old, new in zip(lrs, lower, strict=True)]
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._set(lrs)

    def _is_better(self, metric: float) -> bool:
        sign = 1.0 if self.mode == "max" else -1.0
        if self.threshold_mode == "rel":
            wanted = self.best * (1 + sign * self.threshold)
        else:
            wanted = self.best + sign * self.threshold
        return metric > wanted if self.mode == "max" else metric < wanted
