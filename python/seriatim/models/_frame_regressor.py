"""Numbers for every frame of ragged sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from sklearn.metrics import r2_score

from seriatim._arrays import as_floats, as_numbers
from seriatim._sklearn import Reading, Rules, answers, keep
from seriatim._typing import Array, ArrayLike
from seriatim.models._data import first_bad, read_weights
from seriatim.models._documentation import documented
from seriatim.models._frame_forms import in_form, rows_of_targets
from seriatim.models._frames import FrameEstimator
from seriatim.models._regressor import SequenceRegressor
from seriatim.nn import MSELoss
from seriatim.preprocessing._frame_encoding import FrameNumbers
from seriatim.preprocessing._frame_targets import FrameTargets
from seriatim.preprocessing._targets import unit_of
from seriatim.sequences._items import reusable


@documented
class FrameRegressor(FrameEstimator, SequenceRegressor, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Recurrent layers over ragged sequences, and one number or several for every frame.

    Parameters
    ----------
    hidden_size : int or 'auto', default 'auto'
        'auto' is 64.
    num_layers : int, default 1
    bidirectional : bool, default True
        Whether a frame's numbers also depend on the frames that follow. False where they are wanted while frames
        arrive.
    dropout : float, default 0.2
        Between layers, and on the top one's outputs.
    [learning parameters]
    [preparation of frames]
    [stopping parameters]
    [run's parameters]
    [what a fit of frames costs]
    rnn : {'gru', 'lstm'}, default 'gru'
    convolution : int or None, default None
        Frames that a linear map and a ReLU in front of the layers see at once (:class:`seriatim.nn.FrameWindow`): the
        last ones, or, with ``bidirectional``, as many before a frame as behind it. Beyond the ends are zeros.
    [early stopping of frames]
    [rows of prediction]

    Attributes
    ----------
    n_features_in_ : int
    module_ : seriatim.nn.FrameRNN, or seriatim.nn.Ensemble of such
        Gives standardised targets.
    target_mean_, target_scale_ : ndarray, shape (n_outputs,)
        Of the frames that have a target.
    batch_size_, max_epochs_, learning_rate_, n_estimators_, augmentation_, predict_rows_
        What "auto" became, or what was given.
    scaling_, preprocessing_
        The fitted transformers, or None.
    hidden_size_
    [history]

    Notes
    -----
    [forms of frames]

    Mean squared error of standardised targets is minimised. A target that is NaN, or one number of several that is, has
    no part in it, nor in ``score``.

    Examples
    --------
    >>> reg = FrameRegressor(max_epochs=30, random_state=0).fit(X, y, lengths=lengths)  # y has a number a row of X
    >>> reg.predict(X_test, lengths=lengths_test)
    """

    _parameter_rules: ClassVar[Rules] = {}

    def __init__(
        self,
        *,
        hidden_size: int | str = "auto",
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.2,
        learning_rate: float | str = "auto",
        schedule: str | Callable[..., Any] = "cosine",
        optimizer: str = "adam",
        batch_size: int | str = "auto",
        max_epochs: int | str = "auto",
        weight_decay: float = 0.0,
        clip_norm: float | None = 1.0,
        weight_averaging: float | None = None,
        augmentation: Callable[..., Any] | str | None = "auto",
        preprocessing: Any = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        checkpoint_dir: Any = None,
        checkpoint_every: int = 1,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        callbacks: Sequence[Callable[[dict[str, list[float]]], Any]] | None = None,
        scaling: Any = "auto",
        effort: str = "balanced",
        max_time: float | None = None,
        n_estimators: int | str = "auto",
        rnn: str = "gru",
        convolution: int | None = None,
        monitor: str | Callable[..., float] = "loss",
        predict_rows: int | str = "auto",
    ) -> None:
        keep(self, locals())

    # ---- Training

    def _placed(self, targets: Any, reading: Reading) -> FrameTargets:
        rows = as_numbers("y", rows_of_targets(targets, reading)).astype(np.float64)
        if rows.ndim not in (1, 2) or 0 in rows.shape[1:]:
            raise ValueError(f"y: expected numbers of shape (sum T,) or (sum T, n_outputs), got {rows.shape}")
        if np.isinf(rows).any():
            where = first_bad("y", rows, np.isinf(rows))
            raise ValueError(f"y: expected finite numbers, or NaN for a frame without one, got infinity (inf){where}")
        there = ~np.isnan(rows.reshape(len(rows), -1))
        if not there.any(axis=0).all():
            some = "" if rows.ndim == 1 else " of some output"
            raise ValueError(f"y: expected a frame with a number, got NaN for all{some}")
        return FrameTargets.of(rows, reading.sequences.lengths, np.asarray(there.any(axis=1)))

    def _learn_targets(self, targets: Any, weights: Array | None, continues: bool) -> FrameNumbers:
        if continues:
            return replace(self._targets(), single=targets.rows.ndim == 1)
        return FrameNumbers.of_frames(targets, weights)

    def _targets(self) -> FrameNumbers:
        return FrameNumbers(self.target_mean_, self.target_scale_, self._one_target)

    def _make_criterion(self, class_weights: Array | None, settled: Mapping[str, Any]) -> MSELoss:
        return MSELoss(ignore_nan=True)

    # ---- Prediction

    def _answer(self, output: Array) -> Any:
        return self._targets().decode(output)

    @answers
    def predict(self, X: Any, lengths: ArrayLike | None = None) -> Any:
        """Return the numbers of each frame.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        lengths : array_like of int, shape (n,), optional

        Returns
        -------
        numbers
            Of float64, one a frame or ``n_outputs``, as y was, in the form of X: see the class's notes.

        Raises
        ------
        ValueError
            The sequences have other features than those of training, or are none.
        sklearn.exceptions.NotFittedError
        """
        reading = self._reading(X, lengths)
        return in_form(reading, self._targets().decode(self._rows_of(reading)))

    def score(self, X: Any, y: Any, lengths: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> float:
        """Return the coefficient of determination R^2 of the predictions for frames that have a target.

        Parameters
        ----------
        X, lengths
            As in :meth:`predict`.
        y : numbers of every frame, in the form of X or ``(sum T,)`` or ``(sum T, n_outputs)``
            NaN is ignored.
        sample_weight : array_like, shape (n,), optional
            A weight a sequence, of each of its frames.

        Returns
        -------
        float
            Of several outputs the mean.
        """
        reading = self._reading(reusable(X), lengths)
        targets = self._placed(self._read_targets(y), reading)
        predicted = self._targets().decode(self._rows_of(reading))
        if targets.rows.shape != predicted.shape:
            raise ValueError(f"y: expected numbers of shape {predicted.shape}, got {targets.rows.shape}")
        read_weights(sample_weight, len(targets))
        weights = None if sample_weight is None else as_floats("sample_weight", sample_weight, np.float64)
        of_rows = None if weights is None else np.repeat(weights, targets.lengths)
        scores, columns = [], (targets.rows.reshape(len(predicted), -1).T, predicted.reshape(len(predicted), -1).T)
        for wanted, found in zip(*columns, strict=True):
            there = ~np.isnan(wanted)
            # R^2 has no unit: in this one the squares of all numbers are numbers.
            unit = unit_of(np.concatenate([wanted[there], found[there]])[:, None])
            chosen = None if of_rows is None else of_rows[there]
            scores.append(r2_score(wanted[there] / unit, found[there] / unit, sample_weight=chosen))
        return float(np.mean(scores))
