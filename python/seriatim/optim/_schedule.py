"""Schedules of the learning rate.

Each gives the learning rates as a function of the number of steps, torch's closed forms, and overwrites what stands in
the groups. Torch's multiply what they find there: the numbers are the same but for rounding, as long as nothing else
changes them. So two schedules of one optimiser do not combine; one after the other is ``SequentialLR``.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np

from seriatim._brief import brief
from seriatim.optim._optimizer import Optimizer, _check

Self = TypeVar("Self", bound="LRScheduler")


def _positive(**counts: Any) -> None:
    for name, count in counts.items():
        if not isinstance(count, (int, np.integer)) or count < 1:
            raise ValueError(f"{name}: expected a positive number of steps, got {count!r}")


def _known(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer: expected an Optimizer, got {type(optimizer).__name__}")


def _one_a_group(name: str, values: Any, optimizer: Optimizer) -> list[Any]:
    """Return a value for each group, from one for all or a list."""
    _known(optimizer)
    groups = len(optimizer.param_groups)
    given = list(values) if isinstance(values, (list, tuple)) else [values] * groups
    if len(given) != groups:
        raise ValueError(f"{name}: expected one, or one for each of {groups} groups, got {len(given)}")
    return given


class LRScheduler:
    """What all schedules share.

    Parameters
    ----------
    optimizer : Optimizer
        Each group's ``lr`` is where it starts from, and is kept in the group as ``initial_lr``; where the ``lr`` is
        what another schedule has set, it starts from where that one did.
    last_epoch : int, default -1
        Of a run that goes on: the number of steps that had been made, less one. The groups then say in ``initial_lr``
        where it started from.

    Attributes
    ----------
    base_lrs : list of float
        Where each group starts from; of one that was added to the optimiser later, where it would have started from.
    last_epoch : int
        Steps made. A step may be an epoch or a mini-batch: it is what lies between two calls of :meth:`step`.

    Raises
    ------
    TypeError
        ``optimizer`` is none.
    ValueError
        ``last_epoch`` is below -1.

    Notes
    -----
    Making a schedule already sets the learning rates of the first step.
    """

    # The attributes that are the state besides last_epoch and base_lrs.
    _settings: ClassVar[tuple[str, ...]] = ()

    optimizer: Optimizer
    base_lrs: list[float]
    last_epoch: int
    _last_lr: list[float]

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        _known(optimizer)
        groups = optimizer.param_groups
        if last_epoch != -1 and any("initial_lr" not in group for group in groups):
            raise ValueError(
                f"last_epoch: expected -1, or groups with the 'initial_lr' of the run that goes on, got {last_epoch}"
            )
        # What another schedule has set says nothing about where this one is to start.
        scheduled: Sequence[float | None] = optimizer._scheduled or [None] * len(groups)
        own = [last_epoch == -1 and group["lr"] != lr for group, lr in zip(groups, scheduled, strict=True)]
        starts = [group["lr" if new else "initial_lr"] for group, new in zip(groups, own, strict=True)]
        self._begin(optimizer, [float(lr) for lr in starts], last_epoch)

    def _begin(self, optimizer: Optimizer, base_lrs: list[float], last_epoch: int) -> None:
        if not isinstance(last_epoch, (int, np.integer)) or last_epoch < -1:
            raise ValueError(f"last_epoch: expected -1 or more, got {last_epoch!r}")
        self.optimizer, self.base_lrs, self.last_epoch = optimizer, list(base_lrs), int(last_epoch) + 1
        lrs = self._lrs(self.last_epoch)
        for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
            group["initial_lr"] = lr
        self._set(lrs)

    def __repr__(self) -> str:
        own = "".join(
            f"{name}={brief(getattr(self, name))}, "
            for name in self._settings
            if not name.startswith("_") and name != "last_epoch"
        )
        return f"{type(self).__name__}({own}last_epoch={self.last_epoch}, lr={brief(self._last_lr)})"

    def _lrs(self, step: int) -> list[float]:
        """Return the learning rates after so many steps."""
        raise NotImplementedError(f"{type(self).__name__} defines no _lrs()")

    def _set(self, lrs: list[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr
        self._last_lr = list(lrs)
        self.optimizer._scheduled = list(lrs)

    def _welcome(self) -> None:
        """Let groups that were added later start so that their learning rates are now what stands in them."""
        for group in self.optimizer.param_groups[len(self.base_lrs) :]:
            base = self._base_of(float(group["lr"]))
            group["initial_lr"] = base
            self._take(base)

    def _base_of(self, lr: float) -> float:
        """Return where a group would have started that has come to a learning rate: rates are linear in that."""
        probe = copy.copy(self)
        probe.base_lrs = [0.0, 1.0]
        zero, one = probe._lrs(self.last_epoch)
        return (lr - zero) / (one - zero) if one != zero else lr

    def _take(self, base: float) -> None:
        self.base_lrs = [*self.base_lrs, base]

    def step(self) -> None:
        """Set the learning rates for the next step."""
        self._welcome()
        lrs = self._lrs(self.last_epoch + 1)
        self.last_epoch += 1
        self._set(lrs)

    def get_last_lr(self) -> list[float]:
        """Return the learning rates that were set last, one a group.

        Returns
        -------
        list of float
        """
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the state and the numbers, for :meth:`load_state_dict` of a schedule of the same kind.

        Returns
        -------
        dict
        """
        return {name: copy.copy(getattr(self, name)) for name in ("last_epoch", "base_lrs", *self._settings)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Copy state and numbers in, and set the learning rates that belong to them.

        Raises ValueError, changing nothing, when they are of another kind of schedule or number of groups.

        Parameters
        ----------
        state_dict : mapping
            Of :meth:`state_dict`.

        Raises
        ------
        ValueError
            It is another schedule's. This one is then as it was.
        """
        filled = self._filled(state_dict)
        lrs = filled._current()
        self.__dict__.update(filled.__dict__)
        self._set(lrs)

    def _filled(self: Self, state_dict: Mapping[str, Any]) -> Self:
        """Return a copy of the schedule with another state."""
        wanted = self.state_dict()
        if set(state_dict) != set(wanted):
            raise ValueError(f"state_dict: expected the keys {sorted(wanted)}, got {sorted(state_dict)}")
        for name, value in wanted.items():
            given = state_dict[name]
            if isinstance(value, list) and not (isinstance(given, list) and len(given) == len(value)):
                raise ValueError(f"state_dict: expected {name} with {len(value)} entries, got {given!r}")
        filled = copy.copy(self)
        filled.__dict__.update({name: copy.copy(value) for name, value in state_dict.items()})
        return filled

    def _current(self) -> list[float]:
        """Return the learning rates that belong to the state."""
        return self._lrs(self.last_epoch)


class StepLR(LRScheduler):
    """Multiplies by ``gamma`` at every ``step_size``-th step: ``lr gamma^floor(t / step_size)``.

    Parameters
    ----------
    optimizer : Optimizer
    step_size : int
    gamma : float, default 0.1
    last_epoch : int, default -1

    Raises
    ------
    ValueError, TypeError
        ``step_size`` or ``gamma`` is out of its range, or ``optimizer`` is none.
    """

    _settings = ("step_size", "gamma")

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1) -> None:
        _positive(step_size=step_size)
        _check(gamma=(gamma, 0, np.inf))
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def _lrs(self, step: int) -> list[float]:
        return [lr * self.gamma ** (step // self.step_size) for lr in self.base_lrs]


class ExponentialLR(LRScheduler):
    """Multiplies by ``gamma`` at every step: ``lr gamma^t``.

    Parameters
    ----------
    optimizer : Optimizer
    gamma : float
    last_epoch : int, default -1

    Raises
    ------
    ValueError, TypeError
        ``gamma`` is negative or no number, or ``optimizer`` is none.
    """

    _settings = ("gamma",)

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        _check(gamma=(gamma, 0, np.inf))
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def _lrs(self, step: int) -> list[float]:
        return [lr * self.gamma**step for lr in self.base_lrs]


class LinearLR(LRScheduler):
    """Goes from ``start_factor lr`` to ``end_factor lr`` in ``total_iters`` equal steps, and stays there: a warm-up.

    Parameters
    ----------
    optimizer : Optimizer
    start_factor : float, default 1/3
        Above 0, at most 1.
    end_factor : float, default 1
        From 0 to 1.
    total_iters : int, default 5
    last_epoch : int, default -1

    Raises
    ------
    ValueError
        ``start_factor`` is not above 0 and at most 1, or the number of steps not positive.
    """

    _settings = ("start_factor", "end_factor", "total_iters")

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        if not 0 < start_factor <= 1:
            raise ValueError(f"start_factor: expected a number above 0 and at most 1, got {start_factor!r}")
        _check(end_factor=(end_factor, 0, 1))
        _positive(total_iters=total_iters)
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def _lrs(self, step: int) -> list[float]:
        way = self.end_factor - self.start_factor
        factor = self.start_factor + way * min(self.total_iters, step) / self.total_iters
        return [lr * factor for lr in self.base_lrs]


class LambdaLR(LRScheduler):
    """Multiplies where it started from by a function of the number of steps: ``lr lr_lambda(t)``.

    Parameters
    ----------
    optimizer : Optimizer
    lr_lambda : callable, or list of callables, one a group
        Takes the number of steps, gives the factor. Functions are not part of ``state_dict()``.
    last_epoch : int, default -1

    Raises
    ------
    TypeError
        ``lr_lambda`` is not callable.
    ValueError
        There is not one for each group.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self.lr_lambdas = _one_a_group("lr_lambda", lr_lambda, optimizer)
        self._is_for_all = callable(lr_lambda)
        for function in self.lr_lambdas:
            if not callable(function):
                raise TypeError(f"lr_lambda: expected callables, got {type(function).__name__}")
        super().__init__(optimizer, last_epoch)

    def _base_of(self, lr: float) -> float:
        if not self._is_for_all:
            raise ValueError(
                f"lr_lambda: expected one for each of {len(self.optimizer.param_groups)} groups, got "
                f"{len(self.lr_lambdas)}: a group was added. Make a new LambdaLR."
            )
        factor = float(self.lr_lambdas[0](self.last_epoch))
        return lr / factor if factor else lr

    def _take(self, base: float) -> None:
        super()._take(base)
        self.lr_lambdas = [*self.lr_lambdas, self.lr_lambdas[0]]

    def _lrs(self, step: int) -> list[float]:
        return [lr * float(function(step)) for lr, function in zip(self.base_lrs, self.lr_lambdas, strict=True)]


class CosineAnnealingLR(LRScheduler):
    """Lets the learning rate fall along half a cosine: ``eta_min + (lr - eta_min) (1 + cos(pi t / T_max)) / 2``.

    Parameters
    ----------
    optimizer : Optimizer
    T_max : int
        Steps until ``eta_min`` is reached. Behind it the cosine rises again, as in torch: end there.
    eta_min : float, default 0
    last_epoch : int, default -1

    Raises
    ------
    ValueError, TypeError
        ``T_max`` is not positive, or ``optimizer`` is none.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017.
    """

    _settings = ("T_max", "eta_min")

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1) -> None:
        _positive(T_max=T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def _lrs(self, step: int) -> list[float]:
        left = (1 + math.cos(math.pi * step / self.T_max)) / 2
        return [self.eta_min + (lr - self.eta_min) * left for lr in self.base_lrs]


class OneCycleLR(LRScheduler):
    """One cycle: up from ``max_lr / div_factor`` to ``max_lr``, then far down, along half cosines.

    Parameters
    ----------
    optimizer : Optimizer
        Its groups' ``lr`` is not looked at.
    max_lr : float, or list of float, one a group
    total_steps : int, optional
        Of the cycle; ``epochs * steps_per_epoch`` if not given. One more step than these is an error.
    epochs, steps_per_epoch : int, optional
    pct_start : float, default 0.3
        The share of the steps that go up.
    div_factor : float, default 25
    final_div_factor : float, default 1e4
        The end is the beginning divided by this.
    three_phase : bool, default False
        Go down to the beginning in as many steps as up, and in the rest to the end.
    last_epoch : int, default -1

    Raises
    ------
    ValueError
        Neither the number of steps nor epochs and steps of each are given, or a factor is not positive; by ``step``:
        there are more steps than were said.

    Notes
    -----
    Torch's with ``anneal_strategy='cos'`` and ``cycle_momentum=False``.

    References
    ----------
    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2019.
    """

    _settings = ("max_lrs", "total_steps", "pct_start", "div_factor", "final_div_factor", "three_phase")

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        *,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("total_steps: expected a number, or both epochs and steps_per_epoch, got none")
            _positive(epochs=epochs, steps_per_epoch=steps_per_epoch)
            total_steps = epochs * steps_per_epoch
        _positive(total_steps=total_steps)
        _check(pct_start=(pct_start, 0, 1))
        for name, factor in (("div_factor", div_factor), ("final_div_factor", final_div_factor)):
            if not factor > 0:
                raise ValueError(f"{name}: expected a positive number, got {factor!r}")
        self.max_lrs = [float(lr) for lr in _one_a_group("max_lr", max_lr, optimizer)]
        self.total_steps, self.pct_start, self.three_phase = total_steps, pct_start, three_phase
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        self._begin(optimizer, [lr / div_factor for lr in self.max_lrs], last_epoch)

    def _base_of(self, lr: float) -> float:
        raise ValueError(
            f"max_lr: expected one for each of {len(self.optimizer.param_groups)} groups, got {len(self.max_lrs)}: a "
            "group was added. Make a new OneCycleLR."
        )

    def _lrs(self, step: int) -> list[float]:
        if step > self.total_steps:
            raise ValueError(f"step: expected at most the {self.total_steps} of total_steps, got one more")
        up = self.pct_start * self.total_steps
        ends = [up - 1, *([2 * up - 2] if self.three_phase else []), self.total_steps - 1]
        phase = next((index for index, end in enumerate(ends) if step <= end), len(ends) - 1)
        begin = ends[phase - 1] if phase else 0.0
        length = ends[phase] - begin
        left = (1 + math.cos(math.pi * (step - begin) / length)) / 2 if length else 0.0
        lrs = []
        for top in self.max_lrs:
            low = top / self.div_factor
            heights = [low, top, *([low] if self.three_phase else []), low / self.final_div_factor]
            lrs.append(heights[phase + 1] + (heights[phase] - heights[phase + 1]) * left)
        return lrs
