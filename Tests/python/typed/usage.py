"""Plain code of users, which mypy and pyright check strictly: it is never run.

`assert_type` says what a reader of the documentation expects a name to be.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from typing_extensions import assert_type

import seriatim
from seriatim import PackedSequence, Sequences, convert, nn, optim
from seriatim.metrics import frame_accuracy
from seriatim.models import (
    CharacterModel,
    DeepGRUClassifier,
    DeepGRURegressor,
    FrameClassifier,
    GRUClassifier,
    ReservoirClassifier,
    VideoClassifier,
)
from seriatim.preprocessing import Standardize

Array = npt.NDArray[np.float32]


def recurrent(x: Array, packed: PackedSequence) -> None:
    gru = nn.GRU(13, 64, num_layers=2, batch_first=True, bidirectional=True, rng=0)
    y, h = gru(x)
    assert_type(y, Array)
    assert_type(h, Array)
    rows, h = gru(packed, h)
    assert_type(rows, PackedSequence)
    padded, lengths = seriatim.pad_packed_sequence(rows, batch_first=True)
    assert_type(padded, npt.NDArray[Any])
    assert_type(lengths, npt.NDArray[np.int64])
    grad_x, grad_h0 = gru.backward(np.ones_like(y))
    assert_type(gru.train(), nn.GRU)
    assert_type(gru.eval()(x)[0], Array)

    lstm = nn.LSTM(13, 64)
    y, (h, c) = lstm(x)
    assert_type(y, Array)
    assert_type(c, Array)
    rows, (h, c) = lstm(packed, (h, c))
    assert_type(rows, PackedSequence)

    for stack in (nn.RNN(3, 4), nn.MinGRU(3, 4), nn.IndRNN(3, 4)):
        y, h = stack(x)
        assert_type(y, Array)
    assert_type(nn.MinLSTM(3, 4)(packed)[0], PackedSequence)

    h = nn.GRUCell(13, 64)(x[0])
    assert_type(h, Array)
    h, c = nn.LSTMCell(13, 64)(x[0], (h, h))
    assert_type(c, Array)
    weights = gru.weight_ih_l0.data.mean()
    print(weights, grad_x, grad_h0)


def lists(sequences: list[Array]) -> None:
    packed = seriatim.pack_sequence(sequences, enforce_sorted=False)
    assert_type(packed, PackedSequence)
    assert_type(seriatim.pack_padded_sequence(sequences[0], [3, 2], batch_first=True), PackedSequence)
    assert_type(seriatim.unpack_sequence(packed), list[npt.NDArray[Any]])
    rows, _ = nn.GRU(3, 4)(packed)
    assert_type(rows.data, npt.NDArray[Any])
    relu = seriatim.elementwise_apply(nn.ReLU(), packed)
    assert_type(relu, PackedSequence)
    y, _ = nn.GRU(3, 4)([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert_type(y, Array)


def layers(x: Array, images: Array, tokens: npt.NDArray[np.int64]) -> None:
    assert_type(nn.Linear(3, 4)(x), Array)
    assert_type(nn.ReLU()(x), Array)
    assert_type(nn.Dropout(0.5)(x), Array)
    assert_type(nn.BatchNorm1d(3)(x), Array)
    assert_type(nn.Embedding(10, 4)(tokens), Array)
    assert_type(nn.Conv2d(3, 8, 3, padding=1)(images), Array)
    assert_type(nn.MaxPool2d(2)(images), Array)
    assert_type(nn.LogSoftmax()(x), Array)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    y = model(x)
    y = np.asarray(y) + 1
    first: nn.Module = model[0]
    assert_type(model[:2], nn.Sequential)
    for layer in model:
        assert_type(layer, nn.Module)
    assert_type(model.state_dict(), dict[str, npt.NDArray[Any]])
    model.load_state_dict(model.state_dict())
    print(first, y, [p.data.shape for p in model.parameters()])


def training(x: Array, target: npt.NDArray[np.int64]) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        loss = criterion(model(x), target)
        assert_type(loss, float)
        model.backward(criterion.backward())
        assert_type(optim.clip_grad_norm_(model.parameters(), 1.0), float)
        optimizer.step()
    assert_type(nn.MSELoss()(x, x), float)
    assert_type(nn.NLLLoss()(x, target), float)
    assert_type(nn.BCEWithLogitsLoss()(x, x), float)
    assert_type(criterion.backward(), Array)
    assert_type(nn.CrossEntropyLoss(reduction="sum")(x, target), float)
    assert_type(nn.CrossEntropyLoss(reduction="none")(x, target), Array)
    assert_type(nn.MSELoss(reduction="none")(x, x), Array)
    assert_type(nn.L1Loss()(x, x), float)
    assert_type(nn.HuberLoss(reduction="none", delta=2.0)(x, x), Array)
    assert_type(nn.CTCLoss(zero_infinity=True)(x, target, [3], [2]), float)
    assert_type(nn.CTCLoss(reduction="none")(x, target, [3], [2]), Array)
    assert_type(nn.CrossEntropyLoss(ignore_index=-1, dim=-1)(x, x), float)
    assert_type(nn.BCEWithLogitsLoss(pos_weight=[2.0], reduction="none")(x, x), Array)
    losses: list[nn.NLLLoss] = [nn.NLLLoss(), nn.CrossEntropyLoss()]
    print([loss(x, target) + 1 for loss in losses])


def models(x: Array, packed: PackedSequence, videos: Array) -> None:
    deep = nn.DeepGRU(n_features=13, n_classes=10, dims={"gru1": 64}).eval()
    assert_type(deep, nn.DeepGRU)
    assert_type(deep(x, [3, 2]), Array)
    assert_type(deep(packed), Array)
    assert_type(deep.attention_weights(x), Array)
    assert_type(nn.SequenceRNN(3, 4, 2)(packed), Array)
    cell = nn.ConvGRUCell(3, 4, 3)
    assert_type(cell(x), Array)
    net = nn.ConvGRU(3, [4, 8], [3, 5], 2)
    states = net(x)
    outputs, states = net(x)
    print(states, outputs)
    vgg = nn.VGG16(channels=(8, 8, 8, 8, 8))
    head = nn.Sequential(*list(vgg.classifier)[:-1])
    watcher = nn.VideoRNN(nn.Sequential(vgg.features, nn.Flatten(), head), 4096, 8, 2)
    assert_type(watcher(videos, [3, 2]), Array)


class Scaled(nn.Module):
    """A module of one's own."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.gain = nn.Parameter([2.0])

    def forward(self, x: Array) -> Array:
        return self.gain.data * self.linear(x)


def own(x: Array) -> None:
    model = Scaled()
    y = model(x)
    assert_type(model.train(), Scaled)
    print(y, model.linear.weight.data)


def containers(X: Array, frames: list[Array]) -> None:
    s = Sequences(X, [3, 2])
    assert_type(s[0], npt.NDArray[Any])
    assert_type(s[:1], Sequences)
    assert_type(s[[0, 1]], Sequences)
    assert_type(s[np.array([True, False])], Sequences)
    assert_type(Sequences.from_list(frames), Sequences)
    assert_type(len(s), int)
    for one in s:
        assert_type(one, npt.NDArray[Any])
    assert_type(s.lengths, npt.NDArray[np.int64])
    padded, lengths, labels = seriatim.collate_fn([(frames[0], 0), (frames[1], 1)])
    print(padded, lengths, labels)


def estimators(X: list[Array], y: list[str], lengths: list[int]) -> None:
    clf = DeepGRUClassifier(max_epochs=12, random_state=0).fit(X, y)
    assert_type(clf, DeepGRUClassifier)
    labels = DeepGRUClassifier().fit(X, y).predict(X)
    assert_type(labels, npt.NDArray[Any])
    assert_type(clf.predict_proba(X), Array)
    assert_type(clf.score(X, y), float)
    assert_type(clf.attention(X), Array)
    assert_type(clf.fit(np.concatenate(X), y, lengths=lengths).predict(np.concatenate(X), lengths), npt.NDArray[Any])
    assert_type(clf.partial_fit(X, y, classes=["a", "b"]), DeepGRUClassifier)
    assert_type(GRUClassifier(hidden_size=8).fit(X, y).transform(X), Array)
    assert_type(DeepGRURegressor().fit(X, [1.0, 2.0]).predict(X), npt.NDArray[Any])
    assert_type(ReservoirClassifier().fit(X, y), ReservoirClassifier)
    frames = FrameClassifier(convolution=3, ignore_label="?").fit(X, [["a"] * len(x) for x in X])
    assert_type(frames, FrameClassifier)
    assert_type(frame_accuracy([["a"]], frames.predict(X[:1])), float)
    # Sequences come out in the form in which they are given.
    scaled: list[Array] = Standardize().fit(X).transform(X)
    clf.predict(scaled)
    cnn = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert_type(VideoClassifier(cnn, 16).fit(X, y), VideoClassifier)
    assert_type(CharacterModel(max_epochs=1).fit("text").sample(10), str)
    print(clf.classes_.tolist(), clf.history_["loss"], clf.n_iter_)


def top_level(x: Array, packed: PackedSequence, X: list[Array], y: list[int]) -> None:
    gru = seriatim.nn.GRU(3, 4, rng=np.random.default_rng(0))
    assert_type(gru(x)[0], Array)
    assert_type(seriatim.models.GRUClassifier(class_weight={0: 2, 1: 1}).fit(X, y).predict_proba(X), Array)
    optimizer = seriatim.optim.SGD(gru.parameters(), lr=0.1, momentum=0.9)
    for name, parameter in gru.named_parameters():
        assert_type(name, str)
        print(parameter.data.shape, parameter.grad)
    named = nn.Sequential({"linear": nn.Linear(3, 4), "relu": nn.ReLU()})
    named.requires_grad_(False)
    optimizer.step()
    steps = seriatim.elementwise_apply(nn.Linear(4, 2), gru(packed)[0])
    assert_type(steps, PackedSequence)
    assert_type(nn.FrameRNN(3, 4, 2)(packed), PackedSequence)
    assert_type(nn.FrameRNN(3, 4, 2)(x, lengths=[2, 1]), Array)
    pooled = nn.SequencePool(("mean", "max"))(packed)
    print(pooled, seriatim.sequences.pad_sequence(X, batch_first=True))


def files(path: Path) -> None:
    seriatim.save(nn.GRU(3, 4), path)
    model = seriatim.load(path)
    model.eval()
    gru = nn.GRU(3, 4)
    gru.load_state_dict(convert.keras_gru({"kernel": np.zeros((3, 12)), "recurrent_kernel": np.zeros((4, 12))}))
    assert_type(seriatim.get_num_threads(), int)
    assert_type(seriatim.release_memory(), int)
    assert_type(seriatim.__version__, str)
    seriatim.set_num_threads(1)
    seriatim.show_config()
