"""Parameters of the estimators: what they may be, and what "auto" becomes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from seriatim.models import _policy
from seriatim.models._policy import AUTO, EFFORTS, Effort, Facts
from seriatim.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from seriatim.sequences import Sequences

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"adam": Adam, "adamw": AdamW, "sgd": SGD, "rmsprop": RMSprop}
SCHEDULES = ("cosine", "constant", "one_cycle", "plateau")


class Parameters:
    """What every estimator takes, checked and settled."""

    learning_rate: float | str
    schedule: str | Callable[[Optimizer, int], Any]
    optimizer: str
    batch_size: int | str
    max_epochs: int | str = 1
    weight_decay: float
    clip_norm: float | None
    weight_averaging: float | None
    augmentation: Callable[[Sequences, np.random.Generator, Any], Sequences] | str | None = None
    preprocessing: Any
    early_stopping: bool = False
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    warm_start: bool = False
    checkpoint_dir: Any
    checkpoint_every: int
    random_state: int | np.random.RandomState | None
    verbose: int = 0
    callbacks: Sequence[Callable[[dict[str, list[float]]], Any]] | None
    max_time: float | None = None
    # What has no network of its own choice does without.
    scaling: Any = None
    effort: str = "balanced"
    n_estimators: int | str = 1
    reservoir: bool | str = False

    # ---- What they may be

    def _check_parameters(self) -> None:
        for name, least in (
            ("batch_size", 2),
            ("max_epochs", 1),
            ("n_iter_no_change", 1),
            ("checkpoint_every", 1),
            ("n_estimators", 1),
        ):
            value = getattr(self, name)
            if self._is_auto(name):
                continue
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
                raise ValueError(f"{name}: expected an integer of at least {least}, got {value!r}")
        for name in ("learning_rate", "weight_decay"):
            value = getattr(self, name)
            if self._is_auto(name):
                continue
            if not isinstance(value, (int, float, np.number)) or not 0 <= value < np.inf:
                raise ValueError(f"{name}: expected a finite number of at least 0, got {value!r}")
        if not callable(self.schedule) and self.schedule not in SCHEDULES:
            raise ValueError(f"schedule: expected one of {SCHEDULES} or a callable, got {self.schedule!r}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer: expected one of {tuple(OPTIMIZERS)}, got {self.optimizer!r}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm: expected a positive number or None, got {self.clip_norm!r}")
        if self.weight_averaging is not None and not 0 < self.weight_averaging < 1:
            raise ValueError(
                f"weight_averaging: expected a number between 0 and 1, or None, got {self.weight_averaging!r}"
            )
        if not (self.augmentation is None or callable(self.augmentation) or self._is_auto("augmentation")):
            raise TypeError(f"augmentation: expected a callable, None or 'auto', got {self.augmentation!r}")
        self._check_transformers()
        if self.effort not in EFFORTS:
            raise ValueError(f"effort: expected one of {tuple(EFFORTS)}, got {self.effort!r}")
        if self.max_time is not None and not self.max_time > 0:
            raise ValueError(f"max_time: expected a positive number of seconds or None, got {self.max_time!r}")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(
                f"validation_fraction: expected a number between 0 and 1, got {self.validation_fraction!r}"
            )

    def _check_transformers(self) -> None:
        for name in ("scaling", "preprocessing"):
            value = getattr(self, name)
            if not (value is None or self._is_auto(name) or hasattr(value, "transform")):
                raise TypeError(f"{name}: expected a transformer, None or 'auto', got {value!r}")

    def _is_auto(self, name: str) -> bool:
        """Whether a parameter that may be "auto" is it."""
        default = inspect.signature(type(self).__init__).parameters.get(name)
        value = getattr(self, name, None)
        return default is not None and default.default == AUTO and isinstance(value, str) and value == AUTO

    # ---- What "auto" becomes

    def _settle(self, sequences: Sequences, epochs: int | None) -> dict[str, Any]:
        """Return all parameters that may be "auto", with values.

        ``epochs`` is how long is trained where the caller says it, as for a part of the data.
        """
        facts, effort = Facts.of(sequences), EFFORTS[self.effort]
        whole = self._is_auto("max_epochs") and epochs is None
        settled = {name: getattr(self, name) for name in ("batch_size", "max_epochs", "n_estimators", "reservoir")}
        if self._is_auto("batch_size"):
            settled["batch_size"] = _policy.batch_size(facts)
        if epochs is not None:
            settled["max_epochs"] = epochs
        elif whole:
            settled["max_epochs"] = _policy.max_epochs(facts, settled["batch_size"], effort)
        if self._is_auto("n_estimators"):
            # Whoever says how long is trained wants that training and no more.
            settled["n_estimators"] = self._members_of(effort) if whole else 1
        if self._is_auto("reservoir"):
            settled["reservoir"] = whole
        settled |= self._settle_network()
        settled |= self._settle_preparation(facts, sequences)
        settled["augmentation"] = self.augmentation
        if self._is_auto("augmentation"):
            settled["augmentation"] = None if settled["scaling"] is None else _policy.augmentation(facts)
        return settled

    def _settle_preparation(self, facts: Facts, sequences: Sequences) -> dict[str, Any]:
        """Return scaling and preprocessing, unfitted."""
        scaling, preprocessing = self.scaling, self.preprocessing
        if self._is_auto("scaling"):
            # Preprocessing that is given means what it means without scaling.
            scaling = _policy.scaling(facts, sequences) if self._is_auto("preprocessing") else None
        if self._is_auto("preprocessing"):
            preprocessing = _policy.preprocessing(facts)
        return {"scaling": scaling, "preprocessing": preprocessing}

    def _settle_network(self) -> dict[str, Any]:
        """Return the network's parameters that may be "auto", and the learning rate that suits it."""
        return {"learning_rate": self.learning_rate}

    def _members_of(self, effort: Effort) -> int:
        """Return how many networks an effort is."""
        return effort.stacks
