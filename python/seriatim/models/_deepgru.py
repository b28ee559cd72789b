"""DeepGRU as a scikit-learn classifier and regressor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from seriatim._sklearn import Kind, Number, Rules, Some, answers, keep, known_of
from seriatim._typing import Array, ArrayLike, Integers
from seriatim.functional._sequence_pooling import KINDS
from seriatim.models import _policy
from seriatim.models._classifier import SequenceClassifier
from seriatim.models._documentation import documented
from seriatim.models._estimator import SequenceEstimator
from seriatim.models._policy import Effort
from seriatim.models._prediction import batches, trained_members
from seriatim.models._regressor import SequenceRegressor
from seriatim.nn import DeepGRU, Ensemble
from seriatim.nn.containers._ensemble import average
from seriatim.nn.models._deepgru import DIMS
from seriatim.preprocessing import Stack
from seriatim.sequences._items import reusable


class _DeepGRUEstimator(SequenceEstimator):
    """What classifier and regressor share."""

    # Batches are normalised: one sequence has no deviation.
    _least_batch = 2
    _parameter_rules: ClassVar[Rules] = {
        "batch_size": [Number(2, whole=True)],
        "dims": [Kind(lambda value: isinstance(value, Mapping), f"a dict of sizes, such as {DIMS}"), None],
        "pooling": [Some(*KINDS, least=0)],
    }
    _fitted_attributes: ClassVar[tuple[str, ...]] = ("dims_", "dropout_", "bidirectional_", "pooling_")

    module_: DeepGRU | Ensemble
    dims: Mapping[str, int] | str | None
    dropout: float | str
    bidirectional: bool | str
    pooling: Sequence[str] | str

    def _make_module(
        self, shape: tuple[int, ...], n_outputs: int, rng: np.random.Generator, settled: Mapping[str, Any]
    ) -> DeepGRU:
        return DeepGRU(
            shape[0],
            n_outputs,
            settled["dims"],
            settled["dropout"],
            head=settled["head"],
            bidirectional=settled["bidirectional"],
            pooling=settled["pooling"],
            rng=rng,
        )

    def _settle_network(self) -> dict[str, Any]:
        # Sizes that are given are those of the paper's network.
        ours = self._is_auto("dims")
        dims: Any = _policy.DIMS if ours else self.dims
        found = {
            "dims": {**DIMS, **(dims or {})},
            "dropout": _policy.DEEPGRU_DROPOUT if ours else 0.5,
            "bidirectional": ours,
            "pooling": _policy.DEEPGRU_POOLING if ours else (),
            "learning_rate": _policy.DEEPGRU_LEARNING_RATE if ours else 1e-3,
        }
        given = {name: getattr(self, name) for name in found if not self._is_auto(name) and name != "dims"}
        return {**found, **given}

    def _members_of(self, effort: Effort) -> int:
        return effort.deep

    @answers
    def attention(self, X: Any, lengths: ArrayLike | None = None) -> Array:
        """Return how much each step counts.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        lengths : array_like of int, shape (n,), optional

        Returns
        -------
        ndarray of float32, shape (n, longest)
            Rows sum to 1, with 0 behind a sequence's end. Of several networks, the mean.

        Raises
        ------
        ValueError
            The sequences have other features than those of training, or are none.
        sklearn.exceptions.NotFittedError
        """
        X = reusable(X)
        sequences = self._read(X, lengths)
        weights = np.zeros((len(sequences), sequences.lengths.max()), np.float32)
        with self._memory() as rows:
            for x, order in batches(sequences, rows):
                each = [network.attention_weights(x) for network in trained_members(self.module_)]
                part = average(np.stack(each), log_probs=False)
                weights[order, : part.shape[1]] = part
        stack = self._stack()
        return weights if stack is None else stack.spread(weights, self._given_lengths(X, lengths))

    def _stack(self) -> Stack | None:
        """Return what joins steps at the end of the preprocessing, if it does."""
        steps = getattr(self.preprocessing_, "steps", [("", self.preprocessing_)])
        last = steps[-1][1]
        return last if isinstance(last, Stack) else None

    def _given_lengths(self, X: Any, lengths: ArrayLike | None) -> Integers:
        return self._read_form(X, lengths, known_of(self)).sequences.lengths


@documented
class DeepGRUClassifier(_DeepGRUEstimator, SequenceClassifier):
    """DeepGRU: recurrent layers and attention over ragged sequences.

    Parameters
    ----------
    [sizes of DeepGRU]
    [learning parameters]
    [preparation]
    [stopping parameters]
    [classifier's parameters]
    [run's parameters]
    [what a fit costs]
    bidirectional : bool or 'auto', default 'auto'
        Whether the GRU layers run in both directions. 'auto' is True where ``dims`` is "auto".
    pooling : sequence out of {'mean', 'max'} or 'auto', default 'auto'
        What of all levels' outputs goes over the steps to the classifier, beside what attention finds. 'auto' is both
        where ``dims`` is "auto", and nothing, as in the paper, where it is given.
    [early stopping]
    [rows of prediction]
    [micro-shards]

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    module_ : seriatim.nn.DeepGRU, or seriatim.nn.Ensemble of such
    [what auto became]
    dims_, dropout_, bidirectional_, pooling_
    [history]

    Notes
    -----
    [forms of X]

    ``transform`` gives what the classifier stands on, for each network: context and auxiliary context of the attention,
    ``(n, 2 * gru3)`` in the paper's network, and what is pooled. A kNN or an SVM can stand on it.

    With ``dims="auto"`` the network is smaller than the paper's and looks in both directions; ``dims=None`` is the
    paper's.

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
        dropout: float | str = "auto",
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
        bidirectional: bool | str = "auto",
        pooling: Sequence[str] | str = "auto",
        monitor: str | Callable[..., float] = "loss",
        predict_rows: int | str = "auto",
        micro_shards: int | None = None,
    ) -> None:
        keep(self, locals())


@documented
class DeepGRURegressor(_DeepGRUEstimator, SequenceRegressor):
    """DeepGRU for numbers: one or several a sequence.

    Parameters
    ----------
    [sizes of DeepGRU]
    [learning parameters]
    [preparation]
    [stopping parameters]
    [run's parameters]
    [what a fit costs]
    bidirectional : bool or 'auto', default 'auto'
        Whether the GRU layers run in both directions. 'auto' is True where ``dims`` is "auto".
    pooling : sequence out of {'mean', 'max'} or 'auto', default 'auto'
        What of all levels' outputs goes over the steps to the classifier, beside what attention finds. 'auto' is both
        where ``dims`` is "auto", and nothing, as in the paper, where it is given.
    [early stopping]
    [rows of prediction]
    [micro-shards]

    Attributes
    ----------
    n_features_in_ : int
    module_ : seriatim.nn.DeepGRU, or seriatim.nn.Ensemble of such
        Gives standardised targets.
    [what auto became]
    dims_, dropout_, bidirectional_, pooling_
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
        dropout: float | str = "auto",
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
        reservoir: bool | str = "auto",
        bidirectional: bool | str = "auto",
        pooling: Sequence[str] | str = "auto",
        monitor: str | Callable[..., float] = "loss",
        predict_rows: int | str = "auto",
        micro_shards: int | None = None,
    ) -> None:
        keep(self, locals())
