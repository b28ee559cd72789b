"""One schedule of the learning rate after another."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from seriatim.optim._optimizer import Optimizer
from seriatim.optim._plateau import ReduceLROnPlateau
from seriatim.optim._schedule import LRScheduler

Self = TypeVar("Self", bound="SequentialLR")


class SequentialLR(LRScheduler):
    """Runs schedules one after another, each from its own first step: a warm-up and what follows it.

    Parameters
    ----------
    optimizer : Optimizer
    schedulers : sequence of LRScheduler
        Of this optimiser. They are stepped by this one alone.
    milestones : sequence of int
        After how many steps in all the second, third, ... begins: one less than there are schedules.
    last_epoch : int, default -1

    Raises
    ------
    ValueError
        There is no schedule, one is of another optimiser, or the milestones do not grow or are not one less.
    TypeError
        A schedule is no function of the step.

    Examples
    --------
    >>> warm_up, fall = LinearLR(optimizer, 0.1, total_iters=5), CosineAnnealingLR(optimizer, 95)
    >>> schedule = SequentialLR(optimizer, [warm_up, fall], [5])
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        given, places = list(schedulers), [int(place) for place in milestones]
        if not given:
            raise ValueError("schedulers: expected at least one, got none")
        for scheduler in given:
            if not isinstance(scheduler, LRScheduler) or isinstance(scheduler, ReduceLROnPlateau):
                raise TypeError(f"schedulers: expected functions of the step, got {type(scheduler).__name__}")
            if scheduler.optimizer is not optimizer:
                raise ValueError("schedulers: expected all to be of this optimizer, got one of another")
        if len(places) != len(given) - 1 or any(b <= a for a, b in pairwise([0, *places])):
            raise ValueError(f"milestones: expected {len(given) - 1} growing numbers of steps, got {places}")
        self.schedulers, self.milestones = given, places
        super().__init__(optimizer, last_epoch)

    def __repr__(self) -> str:
        lines = "".join(f"\n  ({index}): {part!r}" for index, part in enumerate(self.schedulers))
        return f"SequentialLR(milestones={self.milestones}, last_epoch={self.last_epoch}, lr={self._last_lr}{lines}\n)"

    def _base_of(self, lr: float) -> float:
        place = bisect_right(self.milestones, self.last_epoch)
        part = copy.copy(self.schedulers[place])
        part.last_epoch = self.last_epoch - (self.milestones[place - 1] if place else 0)
        return part._base_of(lr)

    def _take(self, base: float) -> None:
        super()._take(base)
        for part in self.schedulers:
            part._take(base)

    def _lrs(self, step: int) -> list[float]:
        place = bisect_right(self.milestones, step)
        return self.schedulers[place]._lrs(step - (self.milestones[place - 1] if place else 0))

    def state_dict(self) -> dict[str, Any]:
        """Return copies of the state and of all schedules' states, for :meth:`load_state_dict` of one made alike.

        Returns
        -------
        dict
        """
        inner = [scheduler.state_dict() for scheduler in self.schedulers]
        return {**super().state_dict(), "milestones": list(self.milestones), "schedulers": inner}

    def _filled(self: Self, state_dict: Mapping[str, Any]) -> Self:
        filled = super()._filled(state_dict)
        states = zip(self.schedulers, state_dict["schedulers"], strict=True)
        filled.schedulers = [scheduler._filled(state) for scheduler, state in states]
        return filled
