"""Plain stacks of GRU or LSTM layers as scikit-learn classifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from seriatim._sklearn import Rules, Some, keep
from seriatim.models import _policy
from seriatim.models._classifier import SequenceClassifier
from seriatim.models._documentation import documented
from seriatim.nn import SequenceRNN
from seriatim.nn.models._sequence_rnn import POOLINGS


class _StackClassifier(SequenceClassifier):
    """A recurrent stack, and a linear layer on its last states."""

    _rnn: ClassVar[str]
    _parameter_rules: ClassVar[Rules] = {"pooling": [Some(*POOLINGS)]}
    _fitted_attributes: ClassVar[tuple[str, ...]] = ("hidden_size_", "pooling_")

    module_: SequenceRNN
    hidden_size: int | str
    pooling: Sequence[str] | str
    num_layers: int
    bidirectional: bool
    dropout: float

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
        label_smoothing: float | str = "auto",
        class_weight: Mapping[Any, float] | str | None = None,
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
        reservoir: bool | str = "auto",
        pooling: Sequence[str] | str = "auto",
        monitor: str | Callable[..., float] = "loss",
        predict_rows: int | str = "auto",
        micro_shards: int | None = None,
    ) -> None:
        keep(self, locals())

    def _make_module(
        self, shape: tuple[int, ...], n_outputs: int, rng: np.random.Generator, settled: Mapping[str, Any]
    ) -> SequenceRNN:
        return SequenceRNN(
            shape[0],
            settled["hidden_size"],
            n_outputs,
            rnn=self._rnn,
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            head=settled["head"],
            pooling=settled["pooling"],
            rng=rng,
        )

    def _settle_network(self) -> dict[str, Any]:
        size, pooling, rate = self.hidden_size, self.pooling, self.learning_rate
        if self._is_auto("pooling"):
            # Whoever says how large and how long wants that network and no other.
            known = not (self._is_auto("hidden_size") or self._is_auto("max_epochs"))
            pooling = ("last",) if known else _policy.POOLING
        return {
            "hidden_size": _policy.HIDDEN_SIZE if self._is_auto("hidden_size") else size,
            "pooling": pooling if isinstance(pooling, str) else tuple(pooling),
            "learning_rate": _policy.STACK_LEARNING_RATE if self._is_auto("learning_rate") else rate,
        }


@documented
class GRUClassifier(_StackClassifier):
    """GRU layers over ragged sequences, and a linear layer on what they leave behind.

    Parameters
    ----------
    hidden_size : int or 'auto', default 'auto'
        'auto' is 64.
    num_layers : int, default 1
    bidirectional : bool, default True
    dropout : float, default 0.2
        Between layers, and on what is pooled.
    [learning parameters]
    [preparation]
    [stopping parameters]
    [classifier's parameters]
    [run's parameters]
    [what a fit costs]
    pooling : sequence out of {'last', 'mean', 'max'} or 'auto', default 'auto'
        What the linear layer stands on: the top layer's last states, the means of its outputs over the steps, their
        greatest values, of both directions each. 'auto' is all three; the last states alone where ``hidden_size`` and
        ``max_epochs`` are both given.
    [early stopping]
    [rows of prediction]
    [micro-shards]

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    module_ : seriatim.nn.SequenceRNN, or seriatim.nn.Ensemble of such
    [what auto became]
    hidden_size_, pooling_
    [history]

    Notes
    -----
    [forms of X]

    ``transform`` gives what is pooled of the top layer, forward and reverse side by side; of several networks one
    behind the other.

    Examples
    --------
    >>> clf = GRUClassifier(max_epochs=30, random_state=0).fit(X, y, lengths=lengths)
    >>> clf.predict(X_test, lengths=lengths_test)
    """

    _rnn = "gru"


@documented
class LSTMClassifier(_StackClassifier):
    """LSTM layers over ragged sequences, and a linear layer on what they leave behind.

    Parameters
    ----------
    hidden_size : int or 'auto', default 'auto'
        'auto' is 64.
    num_layers : int, default 1
    bidirectional : bool, default True
    dropout : float, default 0.2
        Between layers, and on what is pooled.
    [learning parameters]
    [preparation]
    [stopping parameters]
    [classifier's parameters]
    [run's parameters]
    [what a fit costs]
    pooling : sequence out of {'last', 'mean', 'max'} or 'auto', default 'auto'
        What the linear layer stands on: the top layer's last states, the means of its outputs over the steps, their
        greatest values, of both directions each. 'auto' is all three; the last states alone where ``hidden_size`` and
        ``max_epochs`` are both given.
    [early stopping]
    [rows of prediction]
    [micro-shards]

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    module_ : seriatim.nn.SequenceRNN, or seriatim.nn.Ensemble of such
    [what auto became]
    hidden_size_, pooling_
    [history]

    Notes
    -----
    [forms of X]

    ``transform`` gives what is pooled of the top layer, forward and reverse side by side; of several networks one
    behind the other.

    Examples
    --------
    >>> clf = LSTMClassifier(max_epochs=30, random_state=0).fit(X, y, lengths=lengths)
    >>> clf.predict(X_test, lengths=lengths_test)
    """

    _rnn = "lstm"
