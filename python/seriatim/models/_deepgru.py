"""DeepGRU as a scikit-learn classifier and regressor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from seriatim._typing import Array, ArrayLike
from seriatim.models._base import SequenceEstimator, keep
from seriatim.models._classifier import SequenceClassifier
from seriatim.models._documentation import documented
from seriatim.models._regressor import SequenceRegressor
from seriatim.nn import DeepGRU
from seriatim.nn._deepgru import DIMS
from seriatim.sequences import PackedSequence
from seriatim.training import by_length, collate


class _DeepGRUEstimator(SequenceEstimator):
    """What classifier and regressor share."""

    module_: DeepGRU
    dims: Mapping[str, int] | None
    dropout: float

    def _make_module(self, shape: tuple[int, ...], n_outputs: int, rng: np.random.Generator) -> DeepGRU:
        head = "log_softmax" if isinstance(self, SequenceClassifier) else "linear"
        return DeepGRU(shape[0], n_outputs, self.dims or DIMS, self.dropout, head=head, rng=rng)

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

    def _embed(self, x: PackedSequence) -> Array:
        return self.module_.embed(x)

    @property
    def _n_features_out(self) -> int:
        return 2 * self.module_.dims["gru3"]


@documented
class DeepGRUClassifier(_DeepGRUEstimator, SequenceClassifier):
    """DeepGRU: recurrent layers and attention over ragged sequences.

    Parameters
    ----------
    [sizes of DeepGRU]
    [training parameters]
    [classifier's parameters]
    [run's parameters]

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    module_ : seriatim.nn.DeepGRU
    [history]

    Notes
    -----
    [forms of X]

    ``transform`` gives the attention vector, ``(n, 2 * gru3)``: context and auxiliary context, on which a kNN or an SVM
    can stand.

    References
    ----------
    Maghoumi and LaViola, "DeepGRU: Deep Gesture Recognition Utility", ISVC 2019.

    Examples
    --------
    >>> clf = DeepGRUClassifier(max_epochs=12, random_state=0).fit(X, y, lengths=lengths)
    >>> clf.predict(X_test, lengths=lengths_test)
    """

    def __init__(
        self,
        *,
        dims: Mapping[str, int] | None = None,
        dropout: float = 0.5,
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


@documented
class DeepGRURegressor(_DeepGRUEstimator, SequenceRegressor):
    """DeepGRU for numbers: one or several a sequence.

    Parameters
    ----------
    [sizes of DeepGRU]
    [training parameters]
    [run's parameters]

    Attributes
    ----------
    n_features_in_ : int
    module_ : seriatim.nn.DeepGRU
        Gives standardised targets.
    target_mean_, target_scale_ : ndarray, shape (n_outputs,)
    [history]

    Notes
    -----
    [forms of X]

    Mean squared error of standardised targets is minimised; ``validation_score`` is 1 minus that of the validation
    part.

    References
    ----------
    Maghoumi and LaViola, "DeepGRU: Deep Gesture Recognition Utility", ISVC 2019.

    Examples
    --------
    >>> model = DeepGRURegressor(max_epochs=30, random_state=0).fit(X, y, lengths=lengths)
    >>> model.predict(X_test, lengths=lengths_test)
    """

    def __init__(
        self,
        *,
        dims: Mapping[str, int] | None = None,
        dropout: float = 0.5,
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
        warm_start: bool = False,
        checkpoint_dir: Any = None,
        checkpoint_every: int = 1,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        callbacks: Sequence[Callable[[dict[str, list[float]]], Any]] | None = None,
    ) -> None:
        keep(self, locals())
