"""A label for every frame of ragged sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from seriatim._arrays import are_label, as_floats
from seriatim._sklearn import Kind, Reading, Rules, answers, keep
from seriatim._typing import Array, ArrayLike
from seriatim.models import _policy
from seriatim.models._classifier import SequenceClassifier
from seriatim.models._data import read_weights
from seriatim.models._documentation import documented
from seriatim.models._frame_forms import in_form, rows_of_targets
from seriatim.models._frames import FrameEstimator
from seriatim.models._labels import read_labels
from seriatim.models._policy import Facts
from seriatim.models._warnings import warn_of_single_class
from seriatim.nn import NLLLoss
from seriatim.preprocessing._frame_encoding import IGNORED, FrameLabels
from seriatim.preprocessing._frame_targets import FrameTargets
from seriatim.sequences._items import reusable

_LABEL = Kind(lambda value: value is not None and np.ndim(value) == 0, "a label, such as -1 or 'unknown'")


@documented
class FrameClassifier(FrameEstimator, SequenceClassifier, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Recurrent layers over ragged sequences, and a label for every frame.

    Parameters
    ----------
    hidden_size : int or 'auto', default 'auto'
        'auto' is 64.
    num_layers : int, default 1
    bidirectional : bool, default True
        Whether a frame's label also depends on the frames that follow. False where labels are wanted while frames
        arrive.
    dropout : float, default 0.2
        Between layers, and on the top one's outputs.
    [learning parameters]
    [preparation of frames]
    [stopping parameters]
    label_smoothing : float or 'auto', default 'auto'
        How much of a label's probability is spread over all classes. 'auto' is 0.
    class_weight : dict, 'balanced' or None
        'balanced' goes by how many frames have a label.
    [run's parameters]
    [what a fit of frames costs]
    rnn : {'gru', 'lstm'}, default 'gru'
    convolution : int or None, default None
        Frames that a linear map and a ReLU in front of the layers see at once (:class:`seriatim.nn.FrameWindow`): the
        last ones, or, with ``bidirectional``, as many before a frame as behind it. Beyond the ends are zeros.
    ignore_label : label or None, default None
        A label of frames that have no part in the loss, nor in ``score``: those that nobody has labelled. NaN and NaT
        may be it.
    [early stopping of frames]
    [rows of prediction]

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_features_in_ : int
    module_ : seriatim.nn.FrameRNN, or seriatim.nn.Ensemble of such
    [what auto became]
    hidden_size_
    [history]

    Notes
    -----
    [forms of frames]

    Examples
    --------
    >>> clf = FrameClassifier(max_epochs=30, random_state=0).fit(X, y, lengths=lengths)  # y has a label a row of X
    >>> clf.predict(X_test, lengths=lengths_test)
    """

    _parameter_rules: ClassVar[Rules] = {"ignore_label": [_LABEL, None]}
    _stratifies = False
    _takes_several = False

    ignore_label: Any

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
        rnn: str = "gru",
        convolution: int | None = None,
        ignore_label: Any = None,
        monitor: str | Callable[..., float] = "loss",
        predict_rows: int | str = "auto",
    ) -> None:
        keep(self, locals())

    # ---- Training

    def _placed(self, targets: Any, reading: Reading) -> FrameTargets:
        rows = rows_of_targets(targets, reading)
        counts = ~are_label(rows, self.ignore_label)
        if not counts.any():
            raise ValueError(
                f"y: expected a frame that counts, but all have the label ignore_label={self.ignore_label!r}"
            )
        labels = read_labels("y", rows[counts], "frame")
        whole = np.zeros(len(rows), labels.dtype)
        whole[counts] = labels
        return FrameTargets.of(whole, reading.sequences.lengths, counts)

    def _learn_targets(self, targets: Any, weights: Array | None, continues: bool) -> FrameLabels:
        if continues:
            return self._targets()
        return FrameLabels(np.unique(targets.known if isinstance(targets, FrameTargets) else targets))

    def _targets(self) -> FrameLabels:
        return FrameLabels(self.classes_)

    def _make_criterion(self, class_weights: Array | None, settled: Mapping[str, Any]) -> NLLLoss:
        return NLLLoss(class_weights, label_smoothing=settled["label_smoothing"], ignore_index=IGNORED)

    def _advise(self, targets: Any, target: Any) -> None:
        warn_of_single_class(targets.classes)

    def _settle(self, facts: Facts, learn: Callable[[Any], Any], epochs: int | None) -> dict[str, Any]:
        smoothing = _policy.FRAME_SMOOTHING if self._is_auto("label_smoothing") else self.label_smoothing
        return {**super()._settle(facts, learn, epochs), "label_smoothing": smoothing}

    # ---- Prediction

    def _answer(self, output: Array) -> Any:
        return np.exp(output)

    @answers
    def predict(self, X: Any, lengths: ArrayLike | None = None) -> Any:
        """Return the most probable label of each frame.

        Parameters
        ----------
        X : sequences, in one of the forms of the class's notes
        lengths : array_like of int, shape (n,), optional

        Returns
        -------
        labels
            In the form of X: see the class's notes.

        Raises
        ------
        ValueError
            The sequences have other features than those of training, or are none.
        sklearn.exceptions.NotFittedError
        """
        reading = self._reading(X, lengths)
        return in_form(reading, self._targets().decode(self._rows_of(reading)))

    @answers
    def predict_proba(self, X: Any, lengths: ArrayLike | None = None) -> Any:
        """Return class probabilities of each frame.

        Parameters
        ----------
        X, lengths
            As in :meth:`predict`.

        Returns
        -------
        probabilities
            Of float32, ``n_classes`` a frame in the order of ``classes_``, in the form of X: see the class's notes.

        Raises
        ------
        ValueError, sklearn.exceptions.NotFittedError
            As of :meth:`predict`.
        """
        reading = self._reading(X, lengths)
        return in_form(reading, np.exp(self._rows_of(reading)))

    @answers
    def predict_log_proba(self, X: Any, lengths: ArrayLike | None = None) -> Any:
        """Return logarithms of class probabilities of each frame.

        Parameters
        ----------
        X, lengths
            As in :meth:`predict`.

        Returns
        -------
        logarithms
            As of :meth:`predict_proba`.

        Raises
        ------
        ValueError, sklearn.exceptions.NotFittedError
            As of :meth:`predict`.
        """
        reading = self._reading(X, lengths)
        return in_form(reading, self._rows_of(reading))

    def score(self, X: Any, y: Any, lengths: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> float:
        """Return the (weighted) share of frames whose label is predicted, of those that are not ignored.

        Parameters
        ----------
        X, lengths
            As in :meth:`predict`.
        y : labels of every frame, in the form of X or ``(sum T,)``
            A label that training did not have counts as wrong.
        sample_weight : array_like, shape (n,), optional
            A weight a sequence, of each of its frames.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            As of :meth:`predict`; or there is not a label for each frame, or text where those of training are numbers.
        """
        reading = self._reading(reusable(X), lengths)
        targets = self._placed(self._read_targets(y), reading)
        self._targets().check_kind(targets.known)
        right = self._targets().decode(self._rows_of(reading))[targets.counts] == targets.known
        read_weights(sample_weight, len(targets))
        weights = None if sample_weight is None else as_floats("sample_weight", sample_weight, np.float64)
        return float(np.average(right, weights=targets.of_frames(weights)))
