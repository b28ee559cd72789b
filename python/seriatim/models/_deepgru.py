"""DeepGRU as a scikit-learn classifier and regressor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from seriatim._typing import Array, ArrayLike
from seriatim.models import _policy
from seriatim.models._base import SequenceEstimator, keep
from seriatim.models._classifier import SequenceClassifier
from seriatim.models._documentation import documented
from seriatim.models._regressor import SequenceRegressor
from seriatim.nn import DeepGRU, Ensemble
from seriatim.nn._deepgru import DIMS
from seriatim.training import by_length, collate


class _DeepGRUEstimator(SequenceEstimator):
    """What classifier and regressor share."""

    module_: DeepGRU | Ensemble
    dims: Mapping[str, int] | str | None
    dropout: float

    def _make_module(
        self, shape: tuple[int, ...], n_outputs: int, rng: np.random.Generator, settled: Mapping[str, Any]
    ) -> DeepGRU:
        head = "log_softmax" if self._log_probs else "linear"
        return DeepGRU(shape[0], n_outputs, settled["dims"], self.dropout, head=head, rng=rng)

    def _settle_network(self) -> dict[str, Any]:
        dims = _policy.DIMS if self._is_auto("dims") else self.dims
        rate = _policy.DEEPGRU_LEARNING_RATE if self._is_auto("learning_rate") else self.learning_rate
        return {"dims": {**DIMS, **(dims or {})}, "learning_rate": rate}

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not isinstance(self.dropout, (int, float, np.number)) or not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout: expected a number from 0 to 1, got {self.dropout!r}")

    def attention(self, X: Any, lengths: ArrayLike | None = None) -> Array:
        """Return how much each step counts: ``(n, longest)``, rows summing to 1, 0 behind a sequence's end.

        Of several networks, the mean.
        """
        sequences = self._read(X, lengths)
        members = self.module_ if isinstance(self.module_, Ensemble) else [self.module_]
        weights = np.zeros((len(sequences), sequences.lengths.max()), np.float32)
        for index in by_length(sequences.lengths, self._predict_batch):
            x, order = collate(sequences, index)
            part = np.mean([member.attention_weights(x) for member in members], axis=0, dtype=np.float64)
            weights[order, : part.shape[1]] = part
        return weights


@documented
class DeepGRUClassifier(_DeepGRUEstimator, SequenceClassifier):
    """DeepGRU: recurrent layers and attention over ragged sequences.

    Parameters
    ----------
    [sizes of DeepGRU]
    [training parameters]
    [classifier's parameters]
    [run's parameters]
    [what a fit costs]

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    module_ : seriatim.nn.DeepGRU, or seriatim.nn.Ensemble of such
    [what auto became]
    dims_
    [history]

    Notes
    -----
    [forms of X]

    ``transform`` gives the attention vector, ``(n, 2 * gru3)`` for each network: context and auxiliary context, on which a kNN or an SVM
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
        dims: Mapping[str, int] | str | None = "auto",
        dropout: float = 0.5,
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
    [what a fit costs]

    Attributes
    ----------
    n_features_in_ : int
    module_ : seriatim.nn.DeepGRU, or seriatim.nn.Ensemble of such
        Gives standardised targets.
    [what auto became]
    dims_
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
        dims: Mapping[str, int] | str | None = "auto",
        dropout: float = 0.5,
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
    ) -> None:
        keep(self, locals())
