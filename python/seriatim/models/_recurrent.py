"""Plain stacks of GRU or LSTM layers as scikit-learn classifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from seriatim._typing import Array
from seriatim.models._base import keep
from seriatim.models._classifier import SequenceClassifier
from seriatim.models._documentation import documented
from seriatim.nn import SequenceRNN
from seriatim.sequences import PackedSequence


class _StackClassifier(SequenceClassifier):
    """A recurrent stack, and a linear layer on its last states."""

    _rnn: ClassVar[str]

    module_: SequenceRNN
    hidden_size: int
    num_layers: int
    bidirectional: bool
    dropout: float

    def __init__(
        self,
        *,
        hidden_size: int = 128,
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.2,
        learning_rate: float = 1e-3,
        schedule: str | Callable[..., Any] = "cosine",
        optimizer: str = "adam",
        batch_size: int = 64,
        max_epochs: int = 50,
        weight_decay: float = 0.0,
        clip_norm: float | None = 1.0,
        weight_averaging: float | None = None,
        augmentation: Callable[..., Any] | None = None,
        preprocessing: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        label_smoothing: float = 0.0,
        class_weight: Mapping[Any, float] | str | None = None,
        warm_start: bool = False,
        checkpoint_dir: Any = None,
        checkpoint_every: int = 1,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        callbacks: Sequence[Callable[[dict[str, list[float]]], Any]] | None = None,
    ) -> None:
        keep(self, locals())

    def _make_module(self, shape: tuple[int, ...], n_outputs: int, rng: np.random.Generator) -> SequenceRNN:
        return SequenceRNN(
            shape[0],
            self.hidden_size,
            n_outputs,
            rnn=self._rnn,
            num_layers=self.num_layers,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
            head="log_softmax",
            rng=rng,
        )

    def _embed(self, x: PackedSequence) -> Array:
        return self.module_.embed(x)

    @property
    def _n_features_out(self) -> int:
        return self.module_.width

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not isinstance(self.dropout, (int, float, np.number)) or not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout: expected a number from 0 to 1, got {self.dropout!r}")


@documented
class GRUClassifier(_StackClassifier):
    """GRU layers over ragged sequences, and a linear layer on their last states.

    Parameters
    ----------
    hidden_size : int, default 128
    num_layers : int, default 1
    bidirectional : bool, default True
    dropout : float, default 0.2
        Between layers, and on the last states.
    [training parameters]
    [classifier's parameters]
    [run's parameters]

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    module_ : seriatim.nn.SequenceRNN
    [history]

    Notes
    -----
    [forms of X]

    ``transform`` gives the last states of the top layer, forward and reverse side by side.

    Examples
    --------
    >>> clf = GRUClassifier(max_epochs=30, random_state=0).fit(X, y, lengths=lengths)
    >>> clf.predict(X_test, lengths=lengths_test)
    """

    _rnn = "gru"


@documented
class LSTMClassifier(_StackClassifier):
    """LSTM layers over ragged sequences, and a linear layer on their last states.

    Parameters
    ----------
    hidden_size : int, default 128
    num_layers : int, default 1
    bidirectional : bool, default True
    dropout : float, default 0.2
        Between layers, and on the last states.
    [training parameters]
    [classifier's parameters]
    [run's parameters]

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    module_ : seriatim.nn.SequenceRNN
    [history]

    Notes
    -----
    [forms of X]

    ``transform`` gives the last states of the top layer, forward and reverse side by side.

    Examples
    --------
    >>> clf = LSTMClassifier(max_epochs=30, random_state=0).fit(X, y, lengths=lengths)
    >>> clf.predict(X_test, lengths=lengths_test)
    """

    _rnn = "lstm"
