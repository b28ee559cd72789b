"""What the estimators of frames share: a network that gives a row of every frame, and answers as ragged as X."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from seriatim._sklearn import Known, Reading, Rules, answers
from seriatim._sklearn._forms import SERIES
from seriatim._typing import AnyArray, Array, ArrayLike
from seriatim.models import _policy
from seriatim.models._estimator import SequenceEstimator
from seriatim.models._frame_forms import GivenTargets, in_form
from seriatim.models._policy import Effort, Facts
from seriatim.models._prediction import frames_in_batches, trained_members
from seriatim.models._preparation import Preparation
from seriatim.nn import Ensemble, FrameRNN, Module
from seriatim.nn.base._layouts import rows_of
from seriatim.nn.containers._ensemble import average
from seriatim.preprocessing._targets import Targets
from seriatim.sequences import Sequences


def _embedded(network: Any, sequences: Sequences, rows: int) -> Array:
    return frames_in_batches(lambda x: rows_of(network.embed(x)), sequences, network.width, rows)


class FrameEstimator(SequenceEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """A :class:`seriatim.nn.FrameRNN` as a scikit-learn estimator of every frame of ragged sequences."""

    _parameter_rules: ClassVar[Rules] = {}
    _fitted_attributes: ClassVar[tuple[str, ...]] = ("hidden_size_",)

    module_: Any
    hidden_size: int | str
    rnn: str
    num_layers: int
    bidirectional: bool
    dropout: float
    convolution: int | None

    # ---- Training

    def _make_module(
        self, shape: tuple[int, ...], n_outputs: int, rng: np.random.Generator, settled: Mapping[str, Any]
    ) -> FrameRNN:
        return FrameRNN(
            shape[0],
            settled["hidden_size"],
            n_outputs,
            rnn=self.rnn,
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            convolution=self.convolution,
            head=settled["head"],
            rng=rng,
        )

    def _settle_network(self) -> dict[str, Any]:
        return {
            "hidden_size": _policy.HIDDEN_SIZE if self._is_auto("hidden_size") else self.hidden_size,
            "learning_rate": (_policy.STACK_LEARNING_RATE if self._is_auto("learning_rate") else self.learning_rate),
        }

    def _members_of(self, effort: Effort) -> int:
        return effort.frames

    def _settle_preparation(self, facts: Facts, learn: Any) -> dict[str, Any]:
        found = {"scaling": self.scaling, "preprocessing": self.preprocessing}
        if self._is_auto("scaling"):
            found["scaling"] = _policy.frame_scaling(facts) if self._is_auto("preprocessing") else None
        if self._is_auto("preprocessing"):
            found["preprocessing"] = None
        return found

    def _own_augmentation(self, facts: Facts) -> Any:
        return _policy.frame_augmentation(facts)

    def _prepare(
        self, given: Sequences, ordered: Sequences, settled: Mapping[str, Any], continues: bool
    ) -> Preparation:
        found = super()._prepare(given, ordered, settled, continues)
        longest = ordered[[int(ordered.lengths.argmax())]]
        _check_frames(longest, found.unrounded(longest))
        return found

    @contextmanager
    def _team(self) -> Iterator[Any]:
        """Yield None: there is no training in shards, and who asks for it is told so."""
        known = sys.modules.get("seriatim.distributed")
        if known is not None and known.current() is not None:
            raise ValueError(
                f"{type(self).__name__}: expected to be fitted by one process, as it is not trained in shards, but "
                "processes train together here: fit it outside of seriatim.distributed"
            )
        yield None

    # ---- Targets and answers

    def _read_form(
        self, X: Any, lengths: ArrayLike | None, known: Known | None = None, targets: int | None = None
    ) -> Reading:
        # A table is one sequence, also where there is a target for each of its rows: one for each frame.
        reading = super()._read_form(X, lengths, known)
        rows = reading.sequences
        if known is None and reading.rows == SERIES and reading.form != "cube" and targets == len(rows) < len(rows.X):
            # Rows in a list with a target for each are no univariate sequences.
            return super()._read_form(np.stack(list(map(np.ravel, rows))), lengths)
        return reading

    def _warn_of_form(self, reading: Reading) -> None:
        """Say nothing: targets for every row say what a row is."""

    def _read_targets(self, y: Any) -> Any:
        return GivenTargets(y)

    def _ready(self, reading: Reading) -> Sequences:
        ready = super()._ready(reading)
        _check_frames(reading.sequences, ready)
        return ready

    def _rows_of(self, reading: Reading) -> Array:
        """Return what the network gives for each frame, ``(sum T, n_outputs)``."""
        sequences = self._ready(reading)
        with self._memory() as rows:
            return self._outputs(self._evaluated(), sequences, self._targets(), rows)

    def _outputs(self, module: Module, sequences: Sequences, targets: Targets, rows: int) -> Array:
        """Return what the module gives for each frame, one sequence behind the other; of several modules the mean."""

        def run(x: Any) -> Array:
            found = module(x)
            return average(found, self._log_probs) if isinstance(module, Ensemble) else found.data

        return frames_in_batches(run, sequences, targets.n_outputs, rows)

    @answers
    def transform(self, X: Any, lengths: ArrayLike | None = None) -> Any:
        """Return what the network makes of each frame before it decides, for another model to stand on.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        lengths : array_like of int, shape (n,), optional

        Returns
        -------
        sequences
            Of float32, ``width`` features a frame, in the form of X. Of several networks that were trained, side by
            side.

        Raises
        ------
        ValueError
            The sequences have other features than those of training, or are none.
        sklearn.exceptions.NotFittedError
        """
        reading = self._reading(X, lengths)
        sequences, networks = self._ready(reading), trained_members(self._evaluated())
        with self._memory() as rows:
            found: AnyArray = np.hstack([_embedded(network, sequences, rows) for network in networks])
        return Sequences(found, sequences.lengths) if reading.form == "sequences" else in_form(reading, found)

    def fit_transform(self, X: Any, y: Any = None, lengths: ArrayLike | None = None, **fit_parameters: Any) -> Any:
        """Fit, and transform the training sequences.

        Parameters
        ----------
        X, y, lengths, **fit_parameters
            As in :meth:`fit`.

        Returns
        -------
        sequences
            As of :meth:`transform`.
        """
        return super().fit_transform(X, y, lengths=lengths, **fit_parameters)


def _check_frames(given: Sequences, ready: Sequences) -> None:
    """Refuse transformers that change how many frames there are: each has a target, and an answer, of its own."""
    differ = np.flatnonzero(given.lengths != ready.lengths)
    if len(differ):
        i = int(differ[0])
        raise ValueError(
            f"preprocessing: expected every frame to stay, since each has a target of its own, but {given.lengths[i]} "
            f"frames became {ready.lengths[i]}: Stack, Downsample, Resample, TrimConstants and Pad do not fit. Bring "
            "sequences and targets to the rate that is wanted before fit"
        )
