"""Plain stacks of GRU or LSTM layers as scikit-learn classifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from seriatim._typing import Array
from seriatim.models._base import keep
from seriatim.models._classifier import SequenceClassifier
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


class GRUClassifier(_StackClassifier):
    """GRU layers over ragged sequences, and a linear layer on their last states.

    Parameters
    ----------
    hidden_size : int, default 128
    num_layers : int, default 1
    bidirectional : bool, default True
    dropout : float, default 0.2
        Between layers, and on the last states.
    learning_rate : float, default 1e-3
    schedule : {'cosine', 'constant', 'one_cycle', 'plateau'} or callable, default 'cosine'
        How the learning rate goes over ``max_epochs``: to 0 along half a cosine; not at all; up and down
        (:class:`seriatim.optim.OneCycleLR`); down by 10 when the validation's (or training's) loss no longer falls
        (:class:`seriatim.optim.ReduceLROnPlateau`). A callable gets the optimiser and the number of steps, and returns
        a schedule.
    optimizer : {'adam', 'adamw', 'sgd', 'rmsprop'}, default 'adam'
    batch_size : int, default 64
        At least 2, for batch normalisation.
    max_epochs : int, default 50
    weight_decay : float, default 0
    clip_norm : float or None, default 1
        Bound of the gradients' norm.
    weight_averaging : float or None, default None
        Decay of an exponential moving average of the weights over steps, such as 0.99; the averaged weights are
        validated and kept.
    augmentation : callable, default None
        Changes mini-batches in training: see :mod:`seriatim.preprocessing`.
    preprocessing : transformer, default None
        Fitted on the training sequences, and applied to sequences after augmentation, in training and prediction alike.
        (A step before the model in a pipeline comes before augmentation.)
    early_stopping : bool, default False
        Stop when the validation score no longer improves, and keep the best epoch's weights. Validates on
        ``validation_data``, or else keeps part of the training sequences back.
    validation_fraction : float, default 0.1
    n_iter_no_change : int, default 10
    tol : float, default 1e-4
        What counts as an improvement.
    label_smoothing : float, default 0
        How much of a label's probability is spread over all classes.
    class_weight : dict, 'balanced' or None
    warm_start : bool, default False
        Whether ``fit`` goes on from the weights of the last ``fit``.
    checkpoint_dir : path or None, default None
        A folder for checkpoints. A ``fit`` that was killed goes on where its last checkpoint was, with the same bits as
        if it had not been, when the same ``fit`` (the same data, labels and settings, an integer ``random_state``) is
        called again. Complete trainings leave nothing; searches with ``n_jobs`` may share a folder.
    checkpoint_every : int, default 1
        Epochs from checkpoint to checkpoint.
    random_state : int, RandomState or None
        The same integer gives the same bits, for any number of threads.
    verbose : int, default 0
        1 shows a progress bar. The logger ``seriatim`` tells of every epoch at level INFO.
    callbacks : sequence of callables, optional
        Each is called with ``history_`` after every epoch; a true result ends the training.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    module_ : seriatim.nn.SequenceRNN
    history_ : dict of lists
        One value an epoch: ``loss``, ``seconds``; with validation ``validation_loss``, ``validation_score``.
        ``pandas.DataFrame(history_)`` has a row an epoch.
    n_iter_ : int
        Whole epochs trained.

    Notes
    -----
    X may be given as a list of arrays ``(T_i, D)`` or ``(T_i,)``; as observations ``(sum T, D)`` with ``lengths``; as
    an array ``(n, T, D)``; or as :class:`seriatim.Sequences`. A 2-D X without lengths is one sequence a row if y has as
    many labels, else a single sequence.

    ``transform`` gives the last states of the top layer, forward and reverse side by side.

    Examples
    --------
    >>> clf = GRUClassifier(max_epochs=30, random_state=0).fit(X, y, lengths=lengths)
    >>> clf.predict(X_test, lengths=lengths_test)
    """

    _rnn = "gru"


class LSTMClassifier(_StackClassifier):
    """LSTM layers over ragged sequences, and a linear layer on their last states.

    Parameters
    ----------
    hidden_size : int, default 128
    num_layers : int, default 1
    bidirectional : bool, default True
    dropout : float, default 0.2
        Between layers, and on the last states.
    learning_rate : float, default 1e-3
    schedule : {'cosine', 'constant', 'one_cycle', 'plateau'} or callable, default 'cosine'
        How the learning rate goes over ``max_epochs``: to 0 along half a cosine; not at all; up and down
        (:class:`seriatim.optim.OneCycleLR`); down by 10 when the validation's (or training's) loss no longer falls
        (:class:`seriatim.optim.ReduceLROnPlateau`). A callable gets the optimiser and the number of steps, and returns
        a schedule.
    optimizer : {'adam', 'adamw', 'sgd', 'rmsprop'}, default 'adam'
    batch_size : int, default 64
        At least 2, for batch normalisation.
    max_epochs : int, default 50
    weight_decay : float, default 0
    clip_norm : float or None, default 1
        Bound of the gradients' norm.
    weight_averaging : float or None, default None
        Decay of an exponential moving average of the weights over steps, such as 0.99; the averaged weights are
        validated and kept.
    augmentation : callable, default None
        Changes mini-batches in training: see :mod:`seriatim.preprocessing`.
    preprocessing : transformer, default None
        Fitted on the training sequences, and applied to sequences after augmentation, in training and prediction alike.
        (A step before the model in a pipeline comes before augmentation.)
    early_stopping : bool, default False
        Stop when the validation score no longer improves, and keep the best epoch's weights. Validates on
        ``validation_data``, or else keeps part of the training sequences back.
    validation_fraction : float, default 0.1
    n_iter_no_change : int, default 10
    tol : float, default 1e-4
        What counts as an improvement.
    label_smoothing : float, default 0
        How much of a label's probability is spread over all classes.
    class_weight : dict, 'balanced' or None
    warm_start : bool, default False
        Whether ``fit`` goes on from the weights of the last ``fit``.
    checkpoint_dir : path or None, default None
        A folder for checkpoints. A ``fit`` that was killed goes on where its last checkpoint was, with the same bits as
        if it had not been, when the same ``fit`` (the same data, labels and settings, an integer ``random_state``) is
        called again. Complete trainings leave nothing; searches with ``n_jobs`` may share a folder.
    checkpoint_every : int, default 1
        Epochs from checkpoint to checkpoint.
    random_state : int, RandomState or None
        The same integer gives the same bits, for any number of threads.
    verbose : int, default 0
        1 shows a progress bar. The logger ``seriatim`` tells of every epoch at level INFO.
    callbacks : sequence of callables, optional
        Each is called with ``history_`` after every epoch; a true result ends the training.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    module_ : seriatim.nn.SequenceRNN
    history_ : dict of lists
        One value an epoch: ``loss``, ``seconds``; with validation ``validation_loss``, ``validation_score``.
        ``pandas.DataFrame(history_)`` has a row an epoch.
    n_iter_ : int
        Whole epochs trained.

    Notes
    -----
    X may be given as a list of arrays ``(T_i, D)`` or ``(T_i,)``; as observations ``(sum T, D)`` with ``lengths``; as
    an array ``(n, T, D)``; or as :class:`seriatim.Sequences`. A 2-D X without lengths is one sequence a row if y has as
    many labels, else a single sequence.

    ``transform`` gives the last states of the top layer, forward and reverse side by side.

    Examples
    --------
    >>> clf = LSTMClassifier(max_epochs=30, random_state=0).fit(X, y, lengths=lengths)
    >>> clf.predict(X_test, lengths=lengths_test)
    """

    _rnn = "lstm"
