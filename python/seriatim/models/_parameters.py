"""Parameters of the estimators: what they may be, and what "auto" becomes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from seriatim._brief import brief
from seriatim._sklearn import Choice, Kind, Number, Rules, check_parameters, check_value, has_method, is_auto
from seriatim._typing import Integers
from seriatim.models import _policy
from seriatim.models._monitor import LOSS, MONITORS
from seriatim.models._policy import EFFORTS, Effort, Facts
from seriatim.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from seriatim.sequences import Sequences

OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"adam": Adam, "adamw": AdamW, "sgd": SGD, "rmsprop": RMSprop}
SCHEDULES = ("cosine", "constant", "one_cycle", "plateau")

TRANSFORMER = has_method("transform", "a transformer")
# What makes numbers differ from run to run, and what a run says.
RUN: Rules = {
    # numpy.random itself is one, as in scikit-learn.
    "random_state": [
        Number(0, 2**32 - 1, whole=True), has_method("random_sample", "a numpy.random.RandomState"), None
    ],
    "verbose": [Number(0, whole=True), bool],
    "callbacks": [
        Kind(
            lambda value: isinstance(value, Sequence) and all(map(callable, value)),
            "a list of callables that take the history, as in callbacks=[print]",
        ),
        None,
    ],
}  # fmt: skip
_FOLDER = Kind(
    lambda value: isinstance(value, (str, os.PathLike)) and not Path(value).is_file(),
    "the path of a folder (which is made where there is none)",
)
_SCORER = Choice(*MONITORS, described="'loss', one of sklearn.metrics.get_scorer_names()")
_ROWS = Number(1, whole=True)
# More than there are anywhere: rows are counted in 64 bits.
_MOST_ROWS = 1 << 40


class Parameters:
    """What every estimator takes, checked and settled."""

    _parameter_rules: ClassVar[Rules] = {
        **RUN,
        **{key: [bool] for key in ("bidirectional", "early_stopping", "warm_start", "freeze")},
        **{key: [Number(1, whole=True)] for key in ("hidden_size", "num_layers", "fc", "embedding_size")},
        "rnn": [Choice("lstm", "gru")],
        "convolution": [Number(1, whole=True), None],
        "batch_size": [Number(1, whole=True)],
        "max_epochs": [Number(1, whole=True)],
        "n_iter_no_change": [Number(1, whole=True)],
        "checkpoint_every": [Number(1, whole=True)],
        "n_estimators": [Number(1, 1000, whole=True)],
        "learning_rate": [Number(0, below=np.inf)],
        "weight_decay": [Number(0, below=np.inf)],
        "schedule": [Choice(*SCHEDULES), callable],
        "optimizer": [Choice(*OPTIMIZERS)],
        "clip_norm": [Number(above=0), None],
        "weight_averaging": [Number(above=0, below=1), None],
        "augmentation": [callable, None],
        "scaling": [TRANSFORMER, None],
        "preprocessing": [TRANSFORMER, None],
        "reservoir": [bool],
        "effort": [Choice(*EFFORTS)],
        "max_time": [Number(above=0, unit="seconds"), None],
        "tol": [Number()],
        "checkpoint_dir": [_FOLDER, None],
        "monitor": [_SCORER, callable],
        "validation_fraction": [Number(above=0, below=1)],
        "dropout": [Number(0, below=1)],
        "predict_rows": [_ROWS],
        "micro_shards": [Number(1, 4096, whole=True), None],
    }
    # What "auto" became.
    _fitted_attributes: ClassVar[tuple[str, ...]] = (
        "batch_size_", "max_epochs_", "n_estimators_", "reservoir_", "learning_rate_", "augmentation_",
        "predict_rows_",
    )  # fmt: skip
    # What "auto" makes of predict_rows, at least.
    _least_rows: ClassVar[int] = _policy.LEAST_ROWS
    # What a file leaves behind, and, of a checkpoint, what does not change what is learned.
    _unsaved_parameters: ClassVar[tuple[str, ...]] = ("callbacks", "checkpoint_dir")
    _parameters_of_the_run: ClassVar[set[str]] = {
        "verbose", "callbacks", "checkpoint_dir", "checkpoint_every", "warm_start", "predict_rows"
    }  # fmt: skip

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
    monitor: str | Callable[..., float] = LOSS
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
    predict_rows: int | str = "auto"

    def _parameters_to_save(self) -> dict[str, Any]:
        """Return what a file keeps of the parameters: a scorer of one's own is code, and not wanted to predict."""
        given: dict[str, Any] = super()._parameters_to_save()  # type: ignore[misc]
        monitor = given.get("monitor")
        own = callable(monitor) and not type(monitor).__module__.startswith("sklearn.")
        return {**given, "monitor": LOSS} if own else given

    def _fitted_state(self) -> dict[str, Any]:
        """Return what a file keeps of the fit: augmentation that was taken out since is not in it."""
        state: dict[str, Any] = super()._fitted_state()  # type: ignore[misc]
        given = "augmentation_" in state and not self._is_auto("augmentation")
        return {**state, "augmentation_": self.augmentation} if given else state

    def _check_parameters(self) -> None:
        """Refuse what has no meaning, and to train what is quantised; a subclass may add to what the rules say."""
        if hasattr(self, "module_"):
            self.module_._refuse_quantized(self)
        check_parameters(self)

    # ---- What "auto" becomes

    def _is_auto(self, name: str) -> bool:
        """Whether a parameter that may be "auto" is it."""
        return is_auto(self, name)

    def _settle(self, facts: Facts, learn: Callable[[Any], Any], epochs: int | None) -> dict[str, Any]:
        """Return all parameters that may be "auto", with values.

        ``learn`` gives a fitted copy of a transformer, of the training sequences; ``epochs`` is how long is trained
        where the caller says it, as for a part of the data.
        """
        effort = EFFORTS[self.effort]
        whole = self._is_auto("max_epochs") and epochs is None
        settled = {name: getattr(self, name) for name in ("batch_size", "max_epochs", "reservoir")}
        if self._is_auto("batch_size"):
            settled["batch_size"] = _policy.batch_size(facts)
        if epochs is not None:
            settled["max_epochs"] = epochs
        elif whole:
            settled["max_epochs"] = _policy.max_epochs(facts, settled["batch_size"], effort)
        settled["n_estimators"] = self._count(whole)
        if self._is_auto("reservoir"):
            settled["reservoir"] = whole and facts.n > 1
        settled |= self._settle_network()
        settled |= self._settle_preparation(facts, learn)
        settled["augmentation"] = self.augmentation
        if self._is_auto("augmentation"):
            settled["augmentation"] = None if settled["scaling"] is None else self._own_augmentation(facts)
        return settled

    def _own_augmentation(self, facts: Facts) -> Any:
        """Return what "auto" makes of ``augmentation``, of features that are scaled."""
        return _policy.augmentation(facts)

    def _settle_rows(self, longest: Sequences, settled: Mapping[str, Any]) -> int:
        """Return ``predict_rows``, from the longest sequence as the network takes it."""
        if not self._is_auto("predict_rows"):
            return min(int(self.predict_rows), _MOST_ROWS)
        return _policy.predict_rows(longest, settled.get("batch_size", 1), self._least_rows)

    def _rows(self) -> int:
        """Return how many rows are predicted at a time: as set last, also behind the fit."""
        if self._is_auto("predict_rows"):
            return int(getattr(self, "predict_rows_", self._least_rows))
        check_value("predict_rows", self.predict_rows, _ROWS)
        return min(int(self.predict_rows), _MOST_ROWS)

    def _summary(self, lengths: Integers, settled: Mapping[str, Any]) -> str:
        """Say what is trained on, and what "auto" became."""
        some = "" if lengths.min() == lengths.max() else f"{lengths.min()} to "
        about = f"{len(lengths)} sequences of {some}{lengths.max()} steps"
        chosen = ", ".join(f"{name}={brief(value)}" for name, value in settled.items() if self._is_auto(name))
        return f"{type(self).__name__}: {about}" + (f"; auto became {chosen}" if chosen else "")

    def _settle_preparation(self, facts: Facts, learn: Callable[[Any], Any]) -> dict[str, Any]:
        """Return scaling and preprocessing, unfitted."""
        scaling, preprocessing = self.scaling, self.preprocessing
        if self._is_auto("scaling"):
            # Preprocessing that is given means what it means without scaling.
            scaling = _policy.scaling(facts, learn) if self._is_auto("preprocessing") else None
        if self._is_auto("preprocessing"):
            preprocessing = _policy.preprocessing(facts)
        return {"scaling": scaling, "preprocessing": preprocessing}

    def _settle_network(self) -> dict[str, Any]:
        """Return the network's parameters that may be "auto", and the learning rate that suits it."""
        return {"learning_rate": self.learning_rate}

    def _count(self, whole: bool) -> Any:
        """Return ``n_estimators``; of "auto" one for whoever says how long is trained: that training and no more."""
        if not self._is_auto("n_estimators"):
            return self.n_estimators
        return self._members_of(EFFORTS[self.effort]) if whole else 1

    def _members_of(self, effort: Effort) -> int:
        """Return how many networks an effort is."""
        return effort.stacks
