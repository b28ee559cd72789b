"""One fit by the loop: mini-batches, validation, and what is averaged with the network and not trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seriatim._typing import Array
from seriatim.models import _policy
from seriatim.models._assembly import assemble
from seriatim.models._continuing import has_reservoir, last_fit
from seriatim.models._data import Examples
from seriatim.models._monitor import LOSS, make_measure
from seriatim.models._policy import Facts
from seriatim.models._prediction import members, side_by_side, trained_members
from seriatim.models._preparation import Preparation
from seriatim.models._warnings import warn_of_scales
from seriatim.nn import BCEWithLogitsLoss, Ensemble, Module
from seriatim.nn.containers._ensemble import EnsembleLoss
from seriatim.nn.losses._columns_loss import ColumnsLoss
from seriatim.preprocessing._frame_targets import FrameTargets
from seriatim.preprocessing._several import LabelColumns
from seriatim.preprocessing._targets import Targets, is_weightless
from seriatim.sequences import PackedSequence, Sequences
from seriatim.training import (
    Batch,
    Checkpoint,
    Measured,
    Patience,
    Training,
    bucketed,
    fit_reservoir,
    is_reservoir,
    make_reservoir,
)
from seriatim.training._loop import Validation


@dataclass(frozen=True)
class Task:
    """One fit: what is learned, from what and how.

    Attributes
    ----------
    training : Examples
        In training's own order.
    validation : Examples or None
    targets : Targets
    class_weights : ndarray or None
        Of a classifier: what each class counts in the loss.
    settled : dict
        Parameters, with values in the place of "auto".
    preparation : Preparation
    rng : Generator
    continues : bool
        Whether training goes on from the last fit's weights.
    in_pieces : bool
        Whether the sequences are a piece of all that are trained on.
    checkpoint : Checkpoint or None
    """

    training: Examples
    validation: Examples | None
    targets: Targets
    class_weights: Array | None
    settled: Mapping[str, Any]
    preparation: Preparation
    rng: np.random.Generator
    continues: bool
    in_pieces: bool
    checkpoint: Checkpoint | None = None


def train(estimator: Any, task: Task) -> dict[str, Any]:
    """Train an estimator's networks, and return module, history and what a next fit continues with."""
    settled, preparation = task.settled, task.preparation
    sequences, epochs = task.training.sequences, int(task.settled["max_epochs"])
    # What cannot be is refused before anything is warned of.
    ready = preparation.once(sequences)
    unscaled = preparation.scaling is None and preparation.preprocessing is None
    if unscaled and sequences.X.ndim == 2 and not task.continues:
        warn_of_scales(sequences)
    shape = preparation.shape(ready)
    # A training that goes on does so with copies: the last fit's answer others meanwhile, and stay after an error.
    last, optimizer, history = last_fit(estimator) if task.continues else (None, None, {})
    module = new_networks(estimator, task, shape) if last is None else side_by_side(trained_members(last))
    criterion = criterion_of(estimator, task)
    n_batches = len(bucketed(ready.lengths, settled["batch_size"], np.random.default_rng(0)))
    run = assemble(
        estimator,
        module,
        EnsembleLoss(criterion) if isinstance(module, Ensemble) else criterion,
        task.rng,
        settled,
        epochs * n_batches,
        several=epochs > 1,
        optimizer=optimizer,
        history=history,
        checkpoint=task.checkpoint if epochs > 1 else None,
        higher_is_better=task.validation is not None and estimator.monitor != LOSS,
    )
    patience = None
    if task.validation is not None and estimator.early_stopping:
        patience = Patience(module, estimator.n_iter_no_change, estimator.tol)
    if task.continues:
        for network in members(module):
            estimator._follow(network, settled)
    run.run(lambda: _batches(task, ready), n_batches, epochs, _validation(estimator, task, module), patience)
    trained = _with_reservoirs(estimator, task, module, last, shape[0])
    return learned(task, trained, run, patience)


def learned(task: Task, trained: Module, run: Training, patience: Patience | None) -> dict[str, Any]:
    """Return module, history and what a next fit continues with."""
    return {
        "module_": trained,
        "reservoir_": has_reservoir(trained),
        "history_": run.history,
        "n_iter_": len(run.history.get("loss", [])),
        "best_epoch_": None if patience is None else patience.best_epoch,
        "_optimizer": run.optimizer,
        "_rng": task.rng,
    }


def criterion_of(estimator: Any, task: Task) -> Any:
    """Return the loss of the networks."""
    form, targets = getattr(task.targets, "form", "single"), task.targets
    if isinstance(targets, LabelColumns):
        return ColumnsLoss(targets.sizes, task.settled["label_smoothing"])
    return BCEWithLogitsLoss() if form == "sets" else estimator._make_criterion(task.class_weights, task.settled)


def new_networks(estimator: Any, task: Task, shape: tuple[int, ...]) -> Module:
    """Return the networks that are trained as one module."""
    count, n_outputs = task.settled["n_estimators"], task.targets.n_outputs
    # Logits of several labels are made into probabilities by the loss.
    several = getattr(task.targets, "form", "single") != "single"
    settled = {**task.settled, "head": "log_softmax" if estimator._log_probs and not several else "linear"}
    return side_by_side([estimator._make_module(shape, n_outputs, task.rng, settled) for _ in range(count)])


def _batches(task: Task, ready: Sequences) -> Iterator[Batch]:
    """Yield an epoch's mini-batches of sequences that are ready for augmentation."""
    target, weights = task.training.target, task.training.weights
    for part in bucketed(ready.lengths, task.settled["batch_size"], task.rng):
        x, order = task.preparation.batch(ready, part, target, task.rng)
        weight = None if weights is None else weights[order]
        if is_weightless(target[order], weight, task.class_weights):
            # Of classes that count nothing, too, there is no mean.
            weight = np.zeros(len(order), np.float32)
        wanted = target[order]
        yield Batch(x, order, _of_frames(wanted, x) if isinstance(wanted, FrameTargets) else wanted, weight)


def _of_frames(target: FrameTargets, x: PackedSequence) -> PackedSequence:
    """Return a target a frame, packed as the frames are."""
    try:
        return target.packed_as(x)
    except ValueError as error:
        raise ValueError(
            f"augmentation: {error}. Each frame has a target of its own: what changes how many there are (Tempo, Crop) "
            "does not fit; Jitter, Scale, Shift, MaskTime and others do"
        ) from None


def _validation(estimator: Any, task: Task, module: Module) -> Validation | None:
    """Return what says loss and score of the validation part, None if there is none."""
    if task.validation is None:
        return None
    measure = make_measure(estimator.monitor, task.targets, task.validation, task.class_weights)
    sequences = task.preparation.whole(task.validation.sequences)

    def validate() -> Measured:
        return measure(estimator._outputs(module, sequences, task.targets, task.settled["predict_rows"]))

    return validate


def _with_reservoirs(estimator: Any, task: Task, module: Module, last: Module | None, features: int) -> Module:
    """Return a trained module with what is averaged with it and not trained."""
    found, training = members(module), task.training
    # A readout is solved for all sequences at once, not for a piece of them.
    if task.settled["reservoir"] and not task.in_pieces:
        size, n_outputs = _policy.reservoir_size(Facts.of(training.sequences)), task.targets.n_outputs
        both = estimator._is_bidirectional(task.settled)
        made = make_reservoir(
            features, size, n_outputs, log_probs=estimator._log_probs, bidirectional=both, rng=task.rng
        )
        whole = task.preparation.whole(training.sequences)
        rows = task.settled["predict_rows"]
        fit_reservoir(made, whole, training.target, training.weights, task.class_weights, rows)
        found.append(made)
    else:
        found += untrained(estimator, last)
    return side_by_side(found)


def untrained(estimator: Any, last: Module | None) -> list[Any]:
    """Return what of the last fit's networks is not trained and stays."""
    stays = last is not None and (estimator._is_auto("reservoir") or estimator.reservoir)
    return [member for member in members(last) if is_reservoir(member)] if stays and last is not None else []
