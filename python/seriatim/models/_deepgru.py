"""DeepGRU as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from seriatim._typing import Array, ArrayLike
from seriatim.models._classifier import SequenceClassifier
from seriatim.nn import DeepGRU
from seriatim.nn._deepgru import DIMS
from seriatim.training import by_length, collate


class DeepGRUClassifier(SequenceClassifier):
    """DeepGRU: recurrent layers and attention over ragged sequences.

    Parameters
    ----------
    dims : dict or None
        Sizes ``gru1``, ``gru2``, ``gru3`` and ``fc`` of the network; 512, 256, 128, 256 where not given.
    dropout : float, default 0.5
    learning_rate : float, default 1e-3
        Of Adam.
    schedule : {'cosine', 'constant'}, default 'cosine'
        How the learning rate falls over ``max_epochs``: to 0 along half a cosine, or not at all.
    batch_size : int, default 64
        At least 2, for batch normalisation.
    max_epochs : int, default 50
    weight_decay : float, default 0
    clip_norm : float or None, default 1
        Bound of the gradients' norm.
    early_stopping : bool, default False
        Keep part of the training sequences for validation; stop when their accuracy no longer improves, and keep the
        best epoch's weights.
    validation_fraction : float, default 0.1
    n_iter_no_change : int, default 10
    tol : float, default 1e-4
        What counts as an improvement.
    class_weight : dict, 'balanced' or None
    warm_start : bool, default False
        Whether ``fit`` goes on from the weights of the last ``fit``.
    random_state : int, RandomState or None
        The same integer gives the same bits, for any number of threads.
    verbose : int, default 0
        1 shows a progress bar.
    callbacks : sequence of callables, optional
        Each is called with ``history_`` after every epoch; a true result ends the training.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    module_ : seriatim.nn.DeepGRU
    history_ : dict of lists
        One value an epoch: ``loss``, ``seconds``; with early stopping ``validation_loss``, ``validation_score``.
    n_iter_ : int
        Whole epochs trained.

    Notes
    -----
    X may be given as a list of arrays ``(T_i, D)`` or ``(T_i,)``; as observations ``(sum T, D)`` with ``lengths``; as
    an array ``(n, T, D)``; or as :class:`seriatim.Sequences`. A 2-D X without lengths is one sequence a row if y has as
    many labels, else a single sequence.

    References
    ----------
    Maghoumi and LaViola, "DeepGRU: Deep Gesture Recognition Utility", ISVC 2019.

    Examples
    --------
    >>> clf = DeepGRUClassifier(max_epochs=12, random_state=0).fit(X, y, lengths=lengths)
    >>> clf.predict(X_test, lengths=lengths_test)
    """

    module_: DeepGRU

    def __init__(
        self,
        *,
        dims: Mapping[str, int] | None = None,
        dropout: float = 0.5,
        learning_rate: float = 1e-3,
        schedule: str = "cosine",
        batch_size: int = 64,
        max_epochs: int = 50,
        weight_decay: float = 0.0,
        clip_norm: float | None = 1.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        class_weight: Mapping[Any, float] | str | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        callbacks: Sequence[Callable[[dict[str, list[float]]], Any]] | None = None,
    ) -> None:
        self.dims = dims
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.callbacks = callbacks

    def _make_module(self, shape: tuple[int, ...], n_classes: int, rng: np.random.Generator) -> DeepGRU:
        return DeepGRU(shape[0], n_classes, self.dims or DIMS, self.dropout, rng=rng)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not isinstance(self.dropout, (int, float, np.number)) or not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout: expected a number from 0 to 1, got {self.dropout!r}")

    def attention(self, X: Any, lengths: ArrayLike | None = None) -> Array:
        """Return how much each step counts: ``(n, longest)``, rows summing to 1, 0 behind a sequence's end."""
        sequences = self._read(X, lengths)
        weights = np.zeros((len(sequences), sequences.lengths.max()), np.float32)
        for index in by_length(sequences.lengths, self._predict_batch):
            x, order = collate(sequences, index)
            part = self.module_.attention_weights(x)
            weights[order, : part.shape[1]] = part
        return weights
