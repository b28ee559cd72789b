"""One fit of a training set that lies in shards: on one process, or on the processes of a team, with the same bits.

What is learned of the sequences themselves (scalers, orders within a shard) is learned of each shard, and combined in
one order; what is drawn, and what is decided by a clock or by a user's own code, the first process tells the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import Any

import numpy as np

from seriatim._config import level
from seriatim._typing import Array, Integers
from seriatim._warnings import muted
from seriatim.distributed import Team
from seriatim.models._assembly import assemble, has_checkpoint, make_checkpoint
from seriatim.models._continuing import kept, last_fit, record
from seriatim.models._data import Examples
from seriatim.models._monitor import LOSS, make_measure
from seriatim.models._policy import Facts, reservoir_size
from seriatim.models._prediction import members, side_by_side, trained_members
from seriatim.models._preparation import Preparation, fitted, prepared
from seriatim.models._shards import Elsewhere, Sharded, joined, of_all, or_none, within
from seriatim.models._training import Task, criterion_of, learned, new_networks, untrained
from seriatim.models._validation import choose
from seriatim.models._warnings import warn_of_scales
from seriatim.nn import Ensemble, Module
from seriatim.nn.containers._ensemble import EnsembleLoss
from seriatim.preprocessing._parts import fitted_in_parts, whole_only
from seriatim.preprocessing._targets import Targets, is_weightless, weights_in_loss
from seriatim.sequences import PackedSequence, Sequences
from seriatim.training import Batch, Checkpoint, Measured, Patience, bucketed_by_shard, make_reservoir
from seriatim.training._identity import identity
from seriatim.training._loop import Validation
from seriatim.training._micro import MicroBatches
from seriatim.training._progress import say
from seriatim.training._reservoir import reservoir_features, solve_reservoir
from seriatim.training._together import TeamCheckpoint, TeamTraining


def learn_in_shards(
    estimator: Any,
    team: Team,
    data: Sharded,
    targets: Targets,
    class_weights: Array | None,
    *,
    validation: Examples | None = None,
    holds_out: bool = False,
    epochs: int | None = None,
    continues: bool = False,
    last: np.random.Generator | None = None,
) -> dict[str, Any]:
    """Train an estimator's networks, new or the last ones, and return the fitted state, the same in every process.

    Parameters
    ----------
    data : Sharded
        In the order in which it was given.
    validation : Examples or None
        What was given to validate on, whole in every process.
    holds_out : bool
        Whether a part is kept to validate on.
    epochs, continues, last
        As of an estimator's ``_learn``.
    """
    _refuse_other_parameters(team, estimator)
    with muted() if team.rank else nullcontext():
        run = _Run(estimator, team, targets, class_weights, continues, epochs)
        data = data.in_order(team)
        with run.checkpoint(data, validation) as own:
            checkpoint = None if not run.has_checkpoint else TeamCheckpoint(team, own, estimator.checkpoint_every)
            held: Sharded | None = None
            if validation is not None:
                held = Sharded.cut(validation, team, len(data.target))
            elif holds_out:
                data, held = run.hold_out(data, checkpoint)
            return run.learn(data, held, checkpoint, last)


class _Run:
    """One fit: who learns what."""

    def __init__(
        self,
        estimator: Any,
        team: Team,
        targets: Targets,
        class_weights: Array | None,
        continues: bool,
        epochs: int | None,
    ) -> None:
        self.estimator, self.team, self.targets, self.class_weights = estimator, team, targets, class_weights
        self.continues, self.epochs = continues, epochs

    @property
    def has_checkpoint(self) -> bool:
        return self.epochs is None and has_checkpoint(self.estimator)

    def checkpoint(self, data: Sharded, validation: Examples | None) -> AbstractContextManager[Checkpoint | None]:
        """Return the checkpoint, which the first process has."""
        if not self.has_checkpoint:
            return nullcontext()
        own = {number: identity([part.X, part.lengths], "the data") for number, part in data.own.items() if len(part)}
        said = of_all(self.team, own, data.sizes)
        if self.team.rank:
            return nullcontext()
        what = [said, joined(data.target), or_none(data.weights), None if validation is None else validation.parts()]
        what += [getattr(self.targets, "classes", None), or_none(data.groups)]
        return make_checkpoint(self.estimator, what, self.continues)

    def hold_out(self, data: Sharded, checkpoint: Any) -> tuple[Sharded, Sharded]:
        """Part what is trained on and what is validated on."""
        target = joined(data.target)
        weights = weights_in_loss(target, or_none(data.weights), self.class_weights)
        parts = None
        if self.team.rank == 0:
            parts = choose(self.estimator, target, weights, or_none(data.groups), self.targets, checkpoint)
        chosen, held = self.team.broadcast(parts)
        bounds = [0, *accumulate(data.sizes)]
        return data.take(within(chosen, bounds)), data.take(within(held, bounds))

    def learn(
        self, given: Sharded, held: Sharded | None, checkpoint: TeamCheckpoint | None, last: np.random.Generator | None
    ) -> dict[str, Any]:
        estimator, team = self.estimator, self.team
        fresh = estimator._generator(checkpoint) if team.rank == 0 else None
        rng: np.random.Generator = team.broadcast(fresh) if last is None else last
        data = given.repeated()
        facts, lengths = self._facts(data)
        settled = estimator._settle(facts, lambda transformer: self._fitted(transformer, data), self.epochs)
        if self.continues:
            settled = kept(estimator, settled, facts)
        settled = estimator._settle_targets(settled, self.targets)
        preparation = self._prepare(given, data, settled)
        if estimator.verbose > 0 and team.rank == 0:
            say(estimator._summary(np.concatenate(lengths), settled))
        settled["predict_rows"] = self._rows(data, preparation, settled)
        task = Task(
            Examples(Elsewhere(facts.n), joined(data.target), None, None),  # type: ignore[arg-type]
            None, self.targets, self.class_weights, settled, preparation, rng, self.continues, self.epochs is not None,
        )  # fmt: skip
        shown = {f"{name}_": value for name, value in settled.items() if name not in ("scaling", "preprocessing")}
        return {
            **shown,
            "n_features_in_": facts.features,
            "scaling_": preparation.scaling,
            "preprocessing_": preparation.preprocessing,
            **self._train(task, data, held, checkpoint),
            "_fitted_with": record(estimator),
            **estimator._targets_state(self.targets),
        }

    # ---- What all know of all

    def _facts(self, data: Sharded) -> tuple[Facts, list[Integers]]:
        """Return what the rule of "auto" looks at, and the lengths of the sequences of each shard."""
        own = {number: (Facts.of(part), part.lengths) for number, part in data.own.items() if len(part)}
        found = [one for one in of_all(self.team, own, data.sizes) if len(one)]
        lengths = [one[1] for one in found]
        filled = iter(lengths)
        each = [next(filled) if size else np.zeros(0, np.int64) for size in data.sizes]
        features, symbols = found[0][0].features, all(one[0].symbols for one in found)
        return Facts(sum(data.sizes), float(np.median(np.concatenate(lengths))), features, symbols), each

    def _fitted(self, transformer: Any, data: Sharded) -> Any:
        """Return a fitted copy of a transformer, None of None."""
        if transformer is None:
            return None
        if whole_only(transformer) is None:
            parts = {number: part for number, part in data.own.items() if len(part)}
            return fitted_in_parts(transformer, parts, len(data.sizes), self.team.fold)
        # Every process is sent all: what another's code learns has no parts.
        own = {number: (part.X, part.lengths) for number, part in data.own.items() if len(part)}
        found = [one for one in of_all(self.team, own, data.sizes) if len(one)]
        whole = Sequences(joined([one[0] for one in found]), joined([one[1] for one in found]))
        return fitted(transformer, whole)

    def _prepare(self, given: Sharded, data: Sharded, settled: Mapping[str, Any]) -> Preparation:
        estimator = self.estimator
        if self.continues:
            scaling, preprocessing = estimator._transformers()
        else:
            scaling = self._fitted(settled["scaling"], data if estimator._is_auto("scaling") else given)
            seen = data if estimator._is_auto("preprocessing") else given
            own = {number: prepared(part, scaling) if len(part) else part for number, part in seen.own.items()}
            preprocessing = self._fitted(settled["preprocessing"], replace(seen, own=own))
        return Preparation(scaling, preprocessing, settled.get("augmentation"), estimator._is_auto("augmentation"))

    def _rows(self, data: Sharded, preparation: Preparation, settled: Mapping[str, Any]) -> int:
        """Return ``predict_rows``, which the longest sequence says."""
        own = []
        for number, part in data.own.items():
            if len(part):
                longest = part[[int(part.lengths.argmax())]]
                rows = self.estimator._settle_rows(preparation.unrounded(longest), settled)
                own.append((-int(longest.lengths[0]), number, rows))
        return int(min(one for some in self.team.gather(own) for one in some)[2])

    # ---- Training

    def _train(
        self, task: Task, data: Sharded, held: Sharded | None, checkpoint: TeamCheckpoint | None
    ) -> dict[str, Any]:
        estimator, team, settled = self.estimator, self.team, task.settled
        ready = {number: task.preparation.once(part) for number, part in data.own.items() if len(part)}
        unscaled = task.preparation.scaling is None and task.preparation.preprocessing is None
        if unscaled and not task.continues:
            for part in list(data.own.values())[:1]:
                if len(part) and part.X.ndim == 2:
                    warn_of_scales(part)
        own = {number: (part.lengths, task.preparation.shape(part)) for number, part in ready.items()}
        known = of_all(team, own, data.sizes)
        lengths = [one[0] if len(one) else np.zeros(0, np.int64) for one in known]
        shape = next(one[1] for one in known if len(one))
        last, optimizer, history = last_fit(estimator) if task.continues else (None, None, {})
        module = new_networks(estimator, task, shape) if last is None else side_by_side(trained_members(last))
        _be_alike(team, module)
        criterion = criterion_of(estimator, task).summed()
        if isinstance(module, Ensemble):
            criterion = EnsembleLoss(criterion)
        epochs = int(settled["max_epochs"])
        n_batches = len(bucketed_by_shard(lengths, settled["batch_size"], np.random.default_rng(0)))
        run = assemble(
            estimator, module, criterion, task.rng, settled, epochs * n_batches,
            several=epochs > 1, optimizer=optimizer, history=history,
            checkpoint=checkpoint if epochs > 1 else None,  # type: ignore[arg-type]
            higher_is_better=held is not None and estimator.monitor != LOSS,
            loop=partial(TeamTraining, team=team, n_shards=len(data.target)),
        )  # fmt: skip
        run.verbose = run.verbose if team.rank == 0 else 0
        patience = None
        if held is not None and estimator.early_stopping:
            patience = Patience(module, estimator.n_iter_no_change, estimator.tol)
        if task.continues:
            for network in members(module):
                estimator._follow(network, settled)
        batches = _Batches(task, data, ready, lengths, shape, criterion)
        run.run(lambda: batches.epoch(), n_batches, epochs, self._validation(task, module, held), patience)
        trained = self._with_reservoirs(task, module, last, shape[0], data)
        return learned(task, trained, run, patience)

    def _validation(self, task: Task, module: Module, held: Sharded | None) -> Validation | None:
        """Return what says loss and score of the validation part, None if there is none."""
        if held is None:
            return None
        target = joined(held.target)
        examples = Examples(Elsewhere(len(target)), target, or_none(held.weights), joined(held.given))  # type: ignore[arg-type]
        measure = make_measure(self.estimator.monitor, self.targets, examples, task.class_weights)
        ready = {number: task.preparation.whole(part) for number, part in held.own.items() if len(part)}
        targets, rows = self.targets, task.settled["predict_rows"]

        def validate() -> Measured:
            own = {n: self.estimator._outputs(module, part, targets, rows) for n, part in ready.items()}
            found = [one for one in of_all(self.team, own, held.sizes) if len(one)]
            return measure(np.concatenate(found))

        return validate

    def _with_reservoirs(self, task: Task, module: Module, last: Module | None, features: int, data: Sharded) -> Module:
        """Return a trained module with what is averaged with it and not trained."""
        found, estimator = members(module), self.estimator
        if task.settled["reservoir"] and not task.in_pieces:
            found.append(self._reservoir(task, features, data))
        else:
            found += untrained(estimator, last)
        return side_by_side(found)

    def _reservoir(self, task: Task, features: int, data: Sharded) -> Module:
        facts = Facts(sum(data.sizes), 1.0, features, False)
        size, n_outputs = reservoir_size(facts), self.targets.n_outputs
        both = self.estimator._is_bidirectional(task.settled)
        made = make_reservoir(
            features, size, n_outputs, log_probs=self.estimator._log_probs, bidirectional=both, rng=task.rng
        )
        rows = task.settled["predict_rows"]
        own = {
            number: reservoir_features(made, task.preparation.whole(part), rows)
            for number, part in data.own.items()
            if len(part)
        }
        found = [one for one in of_all(self.team, own, data.sizes) if len(one)]
        if self.team.rank == 0:
            solve_reservoir(made, joined(found), joined(data.target), or_none(data.weights), task.class_weights)
        # What solves is not ours, and may round in another way elsewhere.
        made.load_state_dict(self.team.broadcast(made.state_dict() if self.team.rank == 0 else None))
        made.eval().requires_grad_(False)
        return made


class _Batches:
    """An epoch's mini-batches, of which this process makes the micro-batches of its shards."""

    def __init__(
        self,
        task: Task,
        data: Sharded,
        ready: Mapping[int, Sequences],
        lengths: Sequence[Integers],
        shape: tuple[int, ...],
        criterion: Any,
    ) -> None:
        self.task, self.data, self.ready, self.lengths, self.criterion = task, data, ready, lengths, criterion
        self._none = PackedSequence(np.zeros((0, *shape), np.float32), np.zeros(0, np.int64))

    def epoch(self) -> Iterator[MicroBatches]:
        """Yield mini-batches."""
        cut = bucketed_by_shard(self.lengths, self.task.settled["batch_size"], self.task.rng)
        # What augmentation draws depends on the place of a micro-batch, not on who makes it.
        key = int(self.task.rng.integers(2**63))
        for number, parts in enumerate(cut):
            make = partial(self._make, parts, (key, number))
            yield MicroBatches(make, [len(part) for part in parts], self._weight(parts))

    def _weight(self, parts: Sequence[Integers]) -> float:
        data = self.data
        target = np.concatenate([some[part] for some, part in zip(data.target, parts, strict=True)])
        weights = None
        if data.weights is not None:
            weights = np.concatenate([some[part] for some, part in zip(data.weights, parts, strict=True)])
        if is_weightless(target, weights, self.task.class_weights):
            return 0.0
        return float(self.criterion.total_weight(target, weights))

    def _make(self, parts: Sequence[Integers], place: tuple[int, int], shard: int) -> Batch:
        index = parts[shard]
        target, weights = self.data.target[shard], None if self.data.weights is None else self.data.weights[shard]
        if not len(index):
            return Batch(self._none, index, target[:0], None if weights is None else weights[:0])
        x, order = self.task.preparation.batch(self.ready[shard], index, target, np.random.default_rng((*place, shard)))
        return Batch(x, order, target[order], None if weights is None else weights[order])


def _refuse_other_parameters(team: Team, estimator: Any) -> None:
    """Raise ValueError if a process was given other parameters than the first; of plain values, but for seeds."""
    if team.size == 1:
        return
    plain = (int, float, str, bool, tuple, list, type(None))
    ours = {
        name: repr(value)
        for name, value in estimator.get_params(deep=False).items()
        if isinstance(value, plain) and name not in {"random_state", *estimator._parameters_of_the_run}
    }
    found = team.gather(ours)
    for rank, theirs in enumerate(found):
        for name in sorted({*found[0], *theirs}):
            if found[0].get(name) != theirs.get(name):
                raise ValueError(
                    f"{name}: expected the same in every process, got {found[0].get(name)} in process 0 and "
                    f"{theirs.get(name)} in process {rank}"
                )


def _be_alike(team: Team, module: Module) -> None:
    """Let all processes begin from the first one's weights: what a user has made may be drawn in each."""
    if team.size == 1:
        return
    levels = team.gather(level())
    if len(set(levels)) > 1:
        raise ValueError(
            f"expected processes whose processors have one instruction set, got {', '.join(levels)}: their kernels do "
            f"not round alike. SERIATIM_LEVEL in the environment of all, set to the least of these, is the way on."
        )
    draws = {name: (one.seed, one.calls) for name, one in module._dropouts()}
    state, draws = team.broadcast((module.state_dict(), draws) if team.rank == 0 else None)
    if team.rank:
        module.load_state_dict(state)
        for name, one in module._dropouts():
            one.seed, one.calls = draws[name]
