"""A CNN and a recurrent net over ragged videos as a scikit-learn classifier."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from seriatim._sklearn import Known, Reading, Rules, keep, read_videos, shortened, warn_of_frames
from seriatim._sklearn._parameters import Kind
from seriatim._typing import AnyArray, Array, ArrayLike
from seriatim.models._classifier import SequenceClassifier
from seriatim.models._continuing import has_changed
from seriatim.nn import CrossEntropyLoss, LogSoftmax, Module, NLLLoss, VideoRNN
from seriatim.nn.models._foreign import embeds


class VideoClassifier(SequenceClassifier):
    """A network of frames, a recurrent net over their embeddings, a classifier.

    Parameters
    ----------
    embedding : Module, callable, or session of onnxruntime
        Takes frames ``(N, C, H, W)``, gives ``(N, embedding_size)``. A module is copied by ``fit``. What is none of
        this package is never trained: a function gets NumPy arrays, a session them as its one input, and a torch module
        tensors, in evaluation mode and without gradients.
    embedding_size : int
    hidden_size : int, default 128
    rnn : {'lstm', 'gru'}, default 'lstm'
    num_layers : int, default 1
    bidirectional : bool, default True
    fc : int, default 256
        Width of the classifier's hidden layer.
    freeze : bool, default False
        Whether a module's parameters stay as they are. Otherwise those are trained that require a gradient. What
        frozen layers, and batch norms and dropout between them, do in training: :class:`seriatim.nn.VideoRNN`. With
        ``warm_start`` another value is followed; ``requires_grad_`` of a part of ``module_`` holds in the next fit.
    learning_rate, schedule, optimizer, batch_size, max_epochs, weight_decay, clip_norm, weight_averaging, \
augmentation, preprocessing, early_stopping, validation_fraction, n_iter_no_change, tol, label_smoothing, \
class_weight, warm_start, checkpoint_dir, checkpoint_every, random_state, verbose, callbacks, monitor
        As for :class:`DeepGRUClassifier`; mini-batches have 8 videos by default.
    predict_rows : int or 'auto', default 'auto'
        Frames of all videos together that are predicted at a time, one video at least, and the most that go through the
        embedding at a time. 'auto' is as many as a mini-batch of training's longest videos has, and no more than have
        4 million numbers; through what is not trained of the embedding they always go in pieces of a million numbers
        (:class:`seriatim.nn.VideoRNN`).
    micro_shards : int or None, default None
        Cut the training set into so many blocks, whose parts of a mini-batch run for themselves: the same bits on one
        process and on any number up to that (:mod:`seriatim.distributed`, where None means 8).

    Attributes
    ----------
    classes_, n_features_in_, history_, n_iter_, best_epoch_, predict_rows_
        As of :class:`DeepGRUClassifier`; ``n_features_in_`` is ``C * H * W``.
    module_ : seriatim.nn.VideoRNN

    Notes
    -----
    X may be given as a collection (a list, a generator, a dict, ...) of videos ``(T_i, C, H, W)``; as frames
    ``(sum T, C, H, W)`` with ``lengths``; as an array ``(n, T, C, H, W)``; or as :class:`seriatim.Sequences` of frames.
    ``predict`` takes a single video as well, and only frames of the shape ``(C, H, W)`` of training.

    Examples
    --------
    >>> cnn = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    >>> clf = VideoClassifier(cnn, 16, max_epochs=10, random_state=0).fit(videos, labels)
    """

    module_: VideoRNN
    _least_rows: ClassVar[int] = 1
    _reads_frames = True
    _parameter_rules: ClassVar[Rules] = {"embedding": [callable, Kind(embeds, "a session of onnxruntime")]}

    def __init__(
        self,
        embedding: Callable[[AnyArray], ArrayLike],
        embedding_size: int,
        *,
        hidden_size: int = 128,
        rnn: str = "lstm",
        num_layers: int = 1,
        bidirectional: bool = True,
        fc: int = 256,
        freeze: bool = False,
        learning_rate: float = 1e-3,
        schedule: str | Callable[..., Any] = "cosine",
        optimizer: str = "adam",
        batch_size: int = 8,
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
        monitor: str | Callable[..., float] = "loss",
        predict_rows: int | str = "auto",
        micro_shards: int | None = None,
    ) -> None:
        keep(self, locals())

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        # Not the whole network that it is given.
        return shortened(self, "embedding")

    def _make_module(
        self, shape: tuple[int, ...], n_classes: int, rng: np.random.Generator, settled: Mapping[str, Any]
    ) -> VideoRNN:
        # The user's module stays as it is; what is no module may not be copyable.
        own = isinstance(self.embedding, Module)
        embedding = copy.deepcopy(self.embedding) if own else self.embedding
        if self.freeze and isinstance(embedding, Module):
            embedding.requires_grad_(False)
        return VideoRNN(
            embedding, self.embedding_size, self.hidden_size, n_classes, rnn=self.rnn, num_layers=self.num_layers,
            bidirectional=self.bidirectional, fc=self.fc, frames_at_once=settled["predict_rows"], rng=rng,
        )  # fmt: skip

    @contextmanager
    def _memory(self) -> Iterator[int]:
        with super()._memory() as rows:
            # As set last, also behind the fit.
            self.module_.frames_at_once = rows
            yield rows

    def _follow(self, network: Any, settled: Mapping[str, Any]) -> None:
        if not isinstance(self.embedding, Module):
            return
        # What is set in `module_` itself between two fits stays: `freeze` and the flags of `embedding` are followed
        # where they have changed.
        then = getattr(self, "_fitted_with", {})
        anew = has_changed(self, "freeze") or "frozen" not in then
        trained = {name: given.requires_grad for name, given in self.embedding.named_parameters()}
        for name, parameter in network.embedding.named_parameters():
            if name in trained and (anew or trained[name] == (name in then["frozen"])):
                parameter.requires_grad = trained[name] and not self.freeze

    def _make_criterion(self, class_weights: Array | None, settled: Mapping[str, Any]) -> NLLLoss:
        return CrossEntropyLoss(class_weights, label_smoothing=settled["label_smoothing"])

    def _to_log_probs(self, output: Array) -> Array:
        log_probs: Array = LogSoftmax().eval()(output)
        return log_probs

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def _more_tags(self) -> dict[str, Any]:
        return {**super()._more_tags(), "X_types": ["3darray"]}

    def _read_form(
        self, X: Any, lengths: ArrayLike | None, known: Known | None = None, targets: int | None = None
    ) -> Reading:
        return read_videos(X, lengths, type(self).__name__, known=known)

    def _warn_of_form(self, reading: Reading) -> None:
        warn_of_frames(reading.sequences)
