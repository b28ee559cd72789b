"""CNN and recurrent net over ragged videos, and the CNN that torchvision's users know."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from seriatim._arrays import as_floats, as_lengths
from seriatim._typing import AnyArray, Array, ArrayLike, Integers, Seed
from seriatim.nn.base import _contexts, _init
from seriatim.nn.base._calls import SequenceModule
from seriatim.nn.base._module import Module
from seriatim.nn.base._network_stream import NetworkStream
from seriatim.nn.base._stages import one_behind_another
from seriatim.nn.base._steps import knows_of_time
from seriatim.nn.base._stream import Stream
from seriatim.nn.containers._sequential import Sequential
from seriatim.nn.images._convolution import Conv2d
from seriatim.nn.images._pooling import AdaptiveAvgPool2d, MaxPool2d
from seriatim.nn.layers._activation import ReLU
from seriatim.nn.layers._dropout import Dropout
from seriatim.nn.layers._linear import Linear
from seriatim.nn.layers._shape import Flatten
from seriatim.nn.models._foreign import caller, embeds
from seriatim.nn.models._video_stream import VideoStream
from seriatim.nn.recurrent._gru import GRU
from seriatim.nn.recurrent._lstm import LSTM
from seriatim.sequences import PackedSequence, pack_padded_sequence

# Of the frames that go through a CNN together: 64 maps of their size are 90 MB where frames have three channels.
_MOST_NUMBERS = 1 << 20


def _leaves(module: Module) -> Iterator[Module]:
    """Yield the modules that a Sequential runs one after another, with those inside of inner ones."""
    if type(module).trace is Sequential.trace:
        for _, child in module._places():
            yield from _leaves(child)
    else:
        yield module


def _learns(module: Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def _is_frozen(module: Module) -> bool:
    """Whether it has parameters, and none learns: what has none is not thereby frozen."""
    return any(True for _ in module.parameters()) and not _learns(module)


def _knows_modes(module: Module) -> bool:
    """Whether it may do in training what it does not in evaluation: it draws, or has running statistics."""
    return any(True for _ in module.buffers()) or any(True for _ in module._dropouts())


def _output(modules: list[Module]) -> Callable[[AnyArray], Array]:
    """Return what modules give one after another, and nothing that backward needs."""
    return lambda x: Sequential(*modules).trace(x)[0]


class VideoRNN(SequenceModule):
    """A network of frames, a recurrent net over their embeddings, a classifier on its last states.

    Parameters
    ----------
    embedding : Module, callable, or session of onnxruntime
        Takes frames ``(N, C, H, W)``, gives ``(N, embedding_size)``. What is no module of this package is never
        trained: a function gets NumPy arrays, a session them as its one input, and a torch module tensors, in
        evaluation mode and without gradients.
    embedding_size, hidden_size, n_classes : int
    rnn : {'lstm', 'gru'}
    num_layers : int, default 1
    bidirectional : bool, default True
    fc : int, default 256
        Width of the classifier's hidden layer.
    rng : int, Generator or None
        Of the initial values.
    frames_at_once : int or None, default None
        The most frames that go through the embedding together where nothing of it is kept for backward: in evaluation,
        and in training through what is frozen at its beginning. However many it says, they have at most a million
        numbers (6 frames of 3 x 224 x 224), or are a single one.

    Attributes
    ----------
    embedding, rnn, classifier
        Where the parameters are.
    frames_at_once : int or None

    Raises
    ------
    TypeError
        ``embedding`` is none of these.
    ValueError
        A size is not positive, or ``rnn`` is another one. From forward: x has another shape, or the embedding gives
        one. From backward: the gradient has another shape than the output.

    Notes
    -----
    ``logits (B, n_classes) = model(x, lengths=None)``; x: a PackedSequence of frames, or padded ``(B, T, C, H, W)``
    in any order of length. Padding is never computed, and results come in the caller's order. The classifier runs on
    the last layer's last states, forward and reverse side by side: Linear, ReLU, Linear.

    A part of the embedding is frozen if it has parameters and none requires a gradient (``requires_grad_(False)``). In
    training, the embedding runs in evaluation mode from its first part with parameters to the last frozen one in front
    of the first that is trained: a batch norm there keeps its running statistics, a dropout between frozen layers does
    nothing; nothing is kept, and there is no gradient. All else is in training mode, as in torch: what has no
    parameters in front of these (a ``BatchNorm2d(affine=False)`` of the input moves its statistics) and behind them (a
    dropout between frozen features and what is trained), and a frozen batch norm behind a trained layer, too. A module
    whose ``train`` calls ``super().train(False)`` is in evaluation mode anywhere. Parameters unfrozen later are trained
    by the same loop.

    ``stream()`` (with ``bidirectional=False``) gives logits behind every frame. An embedding that is no module of this
    package is called as it is by then, with the frames that come at once: the logits have the bits of whole videos if
    its outputs do not depend on how many run together.
    """

    _fixed = ("embedding_size", "n_classes", "width")

    def __init__(
        self,
        embedding: Callable[[AnyArray], ArrayLike],
        embedding_size: int,
        hidden_size: int,
        n_classes: int,
        *,
        rnn: str = "lstm",
        num_layers: int = 1,
        bidirectional: bool = True,
        fc: int = 256,
        rng: Seed = None,
        frames_at_once: int | None = None,
    ) -> None:
        super().__init__()
        sizes = {} if frames_at_once is None else {"frames_at_once": frames_at_once}
        _init.positive(embedding_size=embedding_size, hidden_size=hidden_size, n_classes=n_classes, fc=fc, **sizes)
        if not embeds(embedding):
            raise TypeError(f"embedding: expected a Module or a callable, got {type(embedding).__name__}")
        if rnn not in ("lstm", "gru"):
            raise ValueError(f"rnn: expected 'lstm' or 'gru', got {rnn!r}")
        random = _init.generator(rng)
        self.embedding, self.frames_at_once = embedding, frames_at_once
        self.embedding_size, self.n_classes = embedding_size, n_classes
        kind = LSTM if rnn == "lstm" else GRU
        self.rnn = kind(embedding_size, hidden_size, num_layers, bidirectional=bidirectional, rng=random)
        self.width = hidden_size * self.rnn.num_directions
        self.classifier = Sequential(Linear(self.width, fc, rng=random), ReLU(), Linear(fc, n_classes, rng=random))

    @staticmethod
    def _stages(embedding: Module) -> tuple[list[Module], list[Module], list[Module]]:
        """Return what comes before the embedding's frozen beginning, that, and the rest."""
        leaves = list(_leaves(embedding))
        first = next((i for i, leaf in enumerate(leaves) if _learns(leaf)), len(leaves))
        frozen = [i for i, leaf in enumerate(leaves[:first]) if _is_frozen(leaf)]
        begin, end = (frozen[0], frozen[-1] + 1) if frozen else (0, 0)
        return leaves[:begin], leaves[begin:end], leaves[end:]

    def _embed(self, frames: AnyArray) -> tuple[Array, Any]:
        """Return the embeddings, and what is trained of the embedding with its context."""
        frames = as_floats("x.data", frames)
        rest: tuple[Module, Any] | None = None
        y: Any = frames
        if not isinstance(self.embedding, Module):
            y = self._in_pieces(caller(self.embedding), frames)
        elif not self.training:
            y = self._in_pieces(_output([self.embedding]), frames)
        else:
            before, frozen, behind = self._stages(self.embedding)
            y = self._bare(before, frames)
            if frozen:
                y = _contexts.evaluated(self._in_pieces, _output(frozen), y)
            if any(map(_learns, behind)):
                trained = Sequential(*behind)
                y, context = trained.trace(y)
                rest = trained, context
            else:
                y = self._bare(behind, y)
        found = as_floats("y", y)
        if found.shape != (len(frames), self.embedding_size):
            raise ValueError(
                f"embedding: expected output of shape {(len(frames), self.embedding_size)}, got {found.shape}"
            )
        return found, rest

    def _bare(self, modules: list[Module], frames: AnyArray) -> AnyArray:
        """Return what modules without parameters give in training: of all frames at once where that may matter."""
        if not modules:
            return frames
        if any(map(_knows_modes, modules)):
            return _output(modules)(frames)
        found: Array = _contexts.evaluated(self._in_pieces, _output(modules), frames)
        return found

    def _in_pieces(self, run: Callable[[AnyArray], ArrayLike], frames: AnyArray) -> Array:
        """Return what a function gives for each frame: maps of a CNN are larger than anything else here."""
        size = max(1, _MOST_NUMBERS // max(1, int(np.prod(frames.shape[1:]))))
        size = size if self.frames_at_once is None else min(size, self.frames_at_once)
        whole: Array | None = None
        for first in range(0, max(1, len(frames)), size):
            piece = frames[first : first + size]
            part = as_floats("y", run(piece))
            if len(piece) == len(frames):
                return part
            if whole is None:
                whole = np.empty((len(frames), *part.shape[1:]), np.float32)
            if part.shape != (len(piece), *whole.shape[1:]):
                raise ValueError(f"embedding: expected output for each of {len(piece)} frames, got shape {part.shape}")
            whole[first : first + size] = part
        assert whole is not None
        return whole

    def trace(self, x: PackedSequence | ArrayLike, lengths: ArrayLike | None = None) -> tuple[Array, Any]:
        """Return logits ``(B, n_classes)`` in the caller's order."""
        features, inner = self._features(x, lengths)
        logits, of_classifier = self.classifier.trace(features)
        return logits, self.keep((inner, of_classifier))

    def embed(self, x: PackedSequence | ArrayLike, lengths: ArrayLike | None = None) -> Array:
        """Return the top layer's last states ``(B, directions * hidden_size)`` that the classifier stands on."""
        features: Array = _contexts.evaluated(self._features, x, lengths)[0]
        return features

    def _make_stream(self, batch_size: int) -> Stream:
        # A twin has the weights as they are; what is no module is called as it is.
        shared = {} if isinstance(self.embedding, Module) else {id(self.embedding): self.embedding}
        twin = copy.deepcopy(self, shared)
        if isinstance(self.embedding, Module) and knows_of_time(self.embedding):
            raise TypeError(
                f"{type(self.embedding).__name__}: expected an embedding of frames, got one that knows of time: "
                "stream a VideoSequential of it"
            )
        parts = [("rnn", twin.rnn), ("classifier", twin.classifier)]
        return VideoStream(lambda frames: twin._embed(frames)[0], NetworkStream(one_behind_another(parts), batch_size))

    def _features(self, x: PackedSequence | ArrayLike, lengths: ArrayLike | None) -> tuple[Array, Any]:
        packed = self._packed(x, lengths)
        embedded, rest = self._embed(packed.data)
        (_, states), of_rnn = self.rnn.trace(packed._replace(data=embedded))
        last = states[0] if isinstance(states, tuple) else states
        found = np.concatenate(list(last[-self.rnn.num_directions :]), axis=1)
        return found, (rest, of_rnn, last.shape)

    def pullback(self, context: Any, grad_output: ArrayLike) -> None:
        """Add to the parameters' gradients; there is none of the frames."""
        (rest, of_rnn, shape), of_classifier = self.kept(context)
        grad = self.classifier.pullback(of_classifier, grad_output)
        grad_h = np.zeros(shape, np.float32)
        count = self.rnn.num_directions
        grad_h[-count:] = np.split(grad, count, axis=1)
        rnn: Any = self.rnn
        grad_x, _ = rnn.pullback(of_rnn, None, (grad_h, None) if isinstance(self.rnn, LSTM) else grad_h)
        if rest is not None:
            trained, inner = rest
            trained.pullback(inner, grad_x.data, need_input=False)

    def _packed(self, x: PackedSequence | ArrayLike, lengths: ArrayLike | None) -> PackedSequence:
        if isinstance(x, PackedSequence):
            if lengths is not None:
                raise ValueError("lengths: expected None beside a PackedSequence, got lengths as well")
            return x
        videos = as_floats("x", x)
        if videos.ndim != 5 or 0 in videos.shape[2:]:
            raise ValueError(f"x: expected a PackedSequence or padded videos (B, T, C, H, W), got shape {videos.shape}")
        counts: Integers = np.full(len(videos), videos.shape[1]) if lengths is None else as_lengths(lengths)
        return pack_padded_sequence(videos, counts, batch_first=True, enforce_sorted=False)


class VGG16(Sequential):
    """VGG-16 (Simonyan and Zisserman 2015) in torchvision's order of layers and with its names.

    Parameters
    ----------
    num_classes : int, default 1000
    channels : sequence of 5 int, default (64, 128, 256, 512, 512)
        Of the five blocks of 2, 2, 3, 3 and 3 convolutions.
    fc : int, default 4096
        Width of the classifier's hidden layers.
    dropout : float, default 0.5
    rng : int, Generator or None
        Of the initial values.

    Raises
    ------
    ValueError
        There are not five ``channels``, or a size is not positive. From forward: x has another shape.

    Notes
    -----
    Images ``(N, 3, H, W)`` of 32 x 32 or more. ``features`` and ``classifier`` are Sequential. Weights of
    ``torchvision.models.vgg16`` load as they are:
    ``VGG16().load_state_dict("vgg16.safetensors")``.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        channels: Sequence[int] = (64, 128, 256, 512, 512),
        fc: int = 4096,
        dropout: float = 0.5,
        *,
        rng: Seed = None,
    ) -> None:
        if len(channels) != 5:
            raise ValueError(f"channels: expected 5 numbers, one a block, got {channels!r}")
        random = _init.generator(rng)
        layers: list[Module] = []
        before = 3
        for width, count in zip(channels, (2, 2, 3, 3, 3), strict=True):
            for _ in range(count):
                layers += [Conv2d(before, width, 3, padding=1, rng=random), ReLU()]
                before = width
            layers.append(MaxPool2d(2, 2))
        classifier = Sequential(
            Linear(before * 49, fc, rng=random), ReLU(), Dropout(dropout, rng=random),
            Linear(fc, fc, rng=random), ReLU(), Dropout(dropout, rng=random), Linear(fc, num_classes, rng=random),
        )  # fmt: skip
        super().__init__(
            {
                "features": Sequential(*layers),
                "avgpool": AdaptiveAvgPool2d((7, 7)),
                "flatten": Flatten(),
                "classifier": classifier,
            }
        )
