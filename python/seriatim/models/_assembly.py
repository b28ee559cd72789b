"""A training, put together of an estimator's parameters: optimiser, schedule, checkpoint, the loop's own settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from seriatim.models._parameters import OPTIMIZERS, Parameters
from seriatim.nn import Module
from seriatim.optim import CosineAnnealingLR, OneCycleLR, Optimizer, ReduceLROnPlateau, WeightAverage
from seriatim.training import Checkpoint, Training
from seriatim.training._checkpoint import Origin


def assemble(
    estimator: Parameters,
    module: Module,
    criterion: Any,
    rng: np.random.Generator,
    settled: Mapping[str, Any],
    steps: int,
    *,
    several: bool,
    optimizer: Optimizer | None,
    history: dict[str, list[float]],
    checkpoint: Checkpoint | None,
    higher_is_better: bool = False,
    loop: Callable[..., Training] = Training,
) -> Training:
    """Return the loop.

    Parameters
    ----------
    steps : int
        Of the optimiser in all epochs.
    several : bool
        Whether there are several epochs: a schedule wants them.
    optimizer : Optimizer or None
        The last fit's, if training continues from it.
    history : dict of lists
        Added to.
    higher_is_better : bool
        Whether what the schedule may follow is a score, not a loss.
    loop : callable
        What is made.
    """
    kind: Any = OPTIMIZERS[estimator.optimizer]
    if optimizer is None or type(optimizer) is not kind:
        optimizer = kind(module.parameters())
    assert optimizer is not None
    # The rate is the estimator's, whatever a schedule of the last fit had come to.
    optimizer._scheduled = None
    for group in optimizer.param_groups:
        group.update(lr=settled["learning_rate"], weight_decay=estimator.weight_decay)
    schedule = _schedule(estimator.schedule, optimizer, settled["learning_rate"], steps, higher_is_better)
    return loop(
        module,
        criterion,
        optimizer,
        rng,
        scheduler=schedule if several else None,
        by_epoch=estimator.schedule == "plateau",
        clip_norm=estimator.clip_norm,
        average=None if estimator.weight_averaging is None else WeightAverage(module, estimator.weight_averaging),
        verbose=estimator.verbose,
        callbacks=estimator.callbacks or (),
        history=history,
        checkpoint=checkpoint,
        max_time=estimator.max_time,
        judged=getattr(estimator, "class_weight", None) is None,
    )


def _schedule(schedule: Any, optimizer: Optimizer, rate: float, steps: int, higher_is_better: bool) -> Any:
    if callable(schedule):
        return schedule(optimizer, steps)
    if schedule == "cosine":
        return CosineAnnealingLR(optimizer, steps)
    if schedule == "one_cycle":
        return OneCycleLR(optimizer, max_lr=rate, total_steps=steps + 1)
    if schedule == "plateau" and higher_is_better:
        # A score may be negative: no share of it is a step up.
        return ReduceLROnPlateau(optimizer, mode="max", threshold_mode="abs")
    return ReduceLROnPlateau(optimizer) if schedule == "plateau" else None


def has_checkpoint(estimator: Any) -> bool:
    """Return whether a fit of an estimator writes checkpoints."""
    return getattr(estimator, "checkpoint_dir", None) is not None and estimator.max_epochs != 1


def make_checkpoint(estimator: Any, data: list[Any], continues: bool) -> Checkpoint | AbstractContextManager[None]:
    """Return the checkpoint of a training, to be entered: it gives None where there is none.

    Parameters
    ----------
    data : list
        All that is trained on and validated on.
    continues : bool
        Whether training goes on from the last fit's weights, optimiser and generator, which then are a part of it.

    Raises
    ------
    TypeError
        A parameter is nothing but an address.
    """
    if not has_checkpoint(estimator):
        return nullcontext()
    parameters = estimator.get_params(deep=False)
    settings = {name: value for name, value in parameters.items() if name not in estimator._parameters_of_the_run}
    # What is drawn of the global generator, the file says.
    seeded = estimator.random_state is not None and estimator.random_state is not np.random
    settings["random_state"] = estimator.random_state if seeded else None
    begin: list[Any] = []
    if continues:
        optimizer, rng = getattr(estimator, "_optimizer", None), getattr(estimator, "_rng", None)
        begin = [estimator.module_, None if optimizer is None else optimizer.state_dict(), rng]
    origin = Origin.of(type(estimator), [data, begin], settings, seeded=seeded)
    return Checkpoint(estimator.checkpoint_dir, origin, estimator.checkpoint_every)
