"""What a training that goes on needs beside the model, as plain values: so a file can have it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seriatim.models._parameters import OPTIMIZERS
from seriatim.models._prediction import side_by_side, trained_members

STATE = "_training"


def training_state(estimator: Any) -> dict[str, Any]:
    """Return the optimiser's state and the generator of the last fit; nothing where no loop has trained.

    An optimiser whose parameters are others than the module's, whose parts have been replaced since, stays behind: the
    next fit begins with a fresh one.
    """
    if not hasattr(estimator, "_rng"):
        return {}
    optimizer: Any = getattr(estimator, "_optimizer", None)
    kinds = {kind: name for name, kind in OPTIMIZERS.items()}
    groups = [] if optimizer is None else optimizer.param_groups
    given = [id(parameter) for group in groups for parameter in group["params"]]
    own = len(groups) == 1 and type(optimizer) in kinds and [id(p) for p in _trained(estimator).parameters()] == given
    state = {"optimizer": kinds[type(optimizer)], "state": optimizer.state_dict()} if own else None
    return {STATE: {"optimizer": state, "rng": estimator._rng}}


def resume(estimator: Any, state: Mapping[str, Any]) -> None:
    """Give an estimator the state of :func:`training_state`.

    Raises
    ------
    ValueError
        It is another model's.
    """
    given = state["optimizer"]
    if given is not None:
        if given["optimizer"] not in OPTIMIZERS:
            raise ValueError(f"optimizer: expected one of {tuple(OPTIMIZERS)}, got {given['optimizer']!r}")
        optimizer = OPTIMIZERS[given["optimizer"]](_trained(estimator).parameters())
        optimizer.load_state_dict(given["state"])
        estimator._optimizer = optimizer
    estimator._rng = state["rng"]


def _trained(estimator: Any) -> Any:
    return side_by_side(trained_members(estimator.module_))
