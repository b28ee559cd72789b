"""Random recurrent networks that are never trained, read out by ridge regression."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from seriatim._sklearn import Number, Rules, Some, keep
from seriatim.models import _policy
from seriatim.models._classifier import SequenceClassifier
from seriatim.models._documentation import documented
from seriatim.models._estimator import SequenceEstimator
from seriatim.models._policy import Facts
from seriatim.models._regressor import SequenceRegressor
from seriatim.models._training import Task
from seriatim.nn import SequenceRNN
from seriatim.nn.models._sequence_rnn import POOLINGS
from seriatim.training import fit_reservoir, make_reservoir


class _ReservoirEstimator(SequenceEstimator):
    """What classifier and regressor share."""

    _parameter_rules: ClassVar[Rules] = {
        "spectral_radius": [Number(0)],
        "input_scale": [Number(0)],
        "connections": [Number(1, whole=True)],
        "pooling": [Some(*POOLINGS)],
    }
    _fitted_attributes: ClassVar[tuple[str, ...]] = ("hidden_size_",)

    module_: SequenceRNN
    hidden_size: int | str
    spectral_radius: float
    input_scale: float
    connections: int
    bidirectional: bool
    pooling: Sequence[str]

    def _make_module(
        self, shape: tuple[int, ...], n_outputs: int, rng: np.random.Generator, settled: Mapping[str, Any]
    ) -> SequenceRNN:
        return make_reservoir(
            shape[0],
            settled["hidden_size"],
            n_outputs,
            log_probs=self._log_probs,
            bidirectional=self.bidirectional,
            pooling=self.pooling,
            spectral_radius=self.spectral_radius,
            input_scale=self.input_scale,
            connections=self.connections,
            rng=rng,
        )

    def _settle(self, facts: Facts, learn: Callable[[Any], Any], epochs: int | None) -> dict[str, Any]:
        size = _policy.reservoir_size(facts) if self._is_auto("hidden_size") else self.hidden_size
        return {"hidden_size": size, **self._settle_preparation(facts, learn)}

    def _find_weights(self, task: Task) -> dict[str, Any]:
        """Make a reservoir and solve for its readout; there is no loop, and nothing to continue with."""
        training = task.training
        sequences = task.preparation.whole(training.sequences)
        module = self._make_module(sequences.X.shape[1:], task.targets.n_outputs, task.rng, task.settled)
        rows = task.settled["predict_rows"]
        fit_reservoir(module, sequences, training.target, training.weights, task.class_weights, rows)
        return {"module_": module, "history_": {}, "n_iter_": 1}


@documented
class ReservoirClassifier(_ReservoirEstimator, SequenceClassifier):
    """An echo-state network: random recurrent units that are never trained, and a linear readout.

    Fits hundreds of sequences in a second or two: what to try first, and what to compare with.

    Parameters
    ----------
    hidden_size : int or 'auto', default 'auto'
        Units in each direction; 'auto' is 1,024, 512 for more than 1,000 sequences, 256 for more than 4,000.
    [reservoir's parameters]
    [reservoir's preparation]
    class_weight : dict, 'balanced' or None
    random_state : int, RandomState or None
    verbose : int, default 0
        1 says what "auto" became.
    [rows of prediction]

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    module_ : seriatim.nn.SequenceRNN
    hidden_size_, predict_rows_, scaling_, preprocessing_
        What "auto" became; the fitted transformers, or None.

    Notes
    -----
    [forms of X]

    [how a reservoir works]
    Scores are sharpened so that the softmax of left-out sequences is the most likely.

    References
    ----------
    Jaeger, "The echo state approach to analysing and training recurrent neural networks", GMD report 148, 2001.
    Dempster, Schmidt and Webb, "MiniRocket", KDD 2021: the shares of positive values.

    Examples
    --------
    >>> clf = ReservoirClassifier(random_state=0).fit(X, y, lengths=lengths)
    >>> clf.predict(X_test, lengths=lengths_test)
    """

    # Its readout is solved for with one label a sequence.
    _takes_several = False

    def __init__(
        self,
        *,
        hidden_size: int | str = "auto",
        spectral_radius: float = 0.9,
        input_scale: float = 0.5,
        connections: int = 10,
        bidirectional: bool = True,
        pooling: Sequence[str] = ("mean", "max", "positive"),
        scaling: Any = "auto",
        preprocessing: Any = "auto",
        class_weight: Mapping[Any, float] | str | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        predict_rows: int | str = "auto",
    ) -> None:
        keep(self, locals())

    @property
    def partial_fit(self) -> Any:
        """Not there: a readout is solved for all sequences at once."""
        raise AttributeError("ReservoirClassifier has no partial_fit: its readout is solved for all sequences at once")


@documented
class ReservoirRegressor(_ReservoirEstimator, SequenceRegressor):
    """An echo-state network for numbers: random recurrent units that are never trained, and a linear readout.

    Parameters
    ----------
    hidden_size : int or 'auto', default 'auto'
        Units in each direction; 'auto' is 1,024, 512 for more than 1,000 sequences, 256 for more than 4,000.
    [reservoir's parameters]
    [reservoir's preparation]
    random_state : int, RandomState or None
    verbose : int, default 0
        1 says what "auto" became.
    [rows of prediction]

    Attributes
    ----------
    n_features_in_ : int
    module_ : seriatim.nn.SequenceRNN
        Gives standardised targets.
    target_mean_, target_scale_ : ndarray, shape (n_outputs,)
    hidden_size_, predict_rows_, scaling_, preprocessing_
        What "auto" became; the fitted transformers, or None.

    Notes
    -----
    [forms of X]

    [how a reservoir works]

    References
    ----------
    Jaeger, "The echo state approach to analysing and training recurrent neural networks", GMD report 148, 2001.

    Examples
    --------
    >>> model = ReservoirRegressor(random_state=0).fit(X, y, lengths=lengths)
    >>> model.predict(X_test, lengths=lengths_test)
    """

    def __init__(
        self,
        *,
        hidden_size: int | str = "auto",
        spectral_radius: float = 0.9,
        input_scale: float = 0.5,
        connections: int = 10,
        bidirectional: bool = True,
        pooling: Sequence[str] = ("mean", "max", "positive"),
        scaling: Any = "auto",
        preprocessing: Any = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        predict_rows: int | str = "auto",
    ) -> None:
        keep(self, locals())
