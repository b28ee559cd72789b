"""Digests of the outputs and gradients of every operator; run as a program it prints them as JSON.

``python Tests/python/bits.py LEVEL... > Tests/fixtures/bits.json`` writes the fixture that test_bits.py reads. Do that
only when numbers are meant to change, and say why in the commit. Inputs come from integer arithmetic alone, so that no
version of NumPy changes them; each number of the kernels follows from the instruction-set level alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np


def numbers(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    """Float32 numbers between -scale and scale: SplitMix64 of their index."""
    with np.errstate(over="ignore"):
        x = (np.arange(int(np.prod(shape)), dtype=np.uint64) + np.uint64(1 + seed * 1_000_003)) * np.uint64(
            0x9E3779B97F4A7C15
        )
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x = x ^ (x >> np.uint64(31))
    unit = (x >> np.uint64(40)).astype(np.float32) / np.float32(2**23) - np.float32(1)
    return (unit * np.float32(scale)).reshape(shape)


def digest(*parts: object) -> str:
    """A short hash of the bits of arrays, numbers, and nested tuples of them; None counts too."""
    found = hashlib.sha256()

    def add(part: object) -> None:
        if part is None:
            found.update(b"none")
        elif hasattr(part, "batch_sizes"):
            add(part.data)
        elif isinstance(part, (tuple, list)):
            for inner in part:
                add(inner)
        else:
            array = np.ascontiguousarray(part)
            found.update(str((array.dtype.str, array.shape)).encode())
            found.update(array.tobytes())

    add(parts)
    return found.hexdigest()[:16]


def _fill(module, seed: int, scale: float = 0.4):
    state = {}
    for place, (name, value) in enumerate(module.state_dict().items()):
        if value.dtype.kind != "f":
            state[name] = value
        elif name.endswith("running_var"):
            state[name] = np.abs(numbers(*value.shape, seed=seed + place)) + np.float32(0.5)
        else:
            state[name] = numbers(*value.shape, seed=seed + place, scale=scale)
    module.load_state_dict(state)
    return module


def _gradients(module) -> list[np.ndarray | None]:
    return [p.grad for p in module.parameters()]


def _both(module, *inputs, grad_seed: int = 90, **options):
    """Output, gradients of the input and parameters of one call, and the output in evaluation."""
    y = module(*inputs)
    first = y[0] if isinstance(y, tuple) else y
    data = first.data if hasattr(first, "batch_sizes") else first
    grad = numbers(*np.shape(data), seed=grad_seed)
    if hasattr(first, "batch_sizes"):
        grad = first._replace(data=grad)
    below = module.backward(grad, **options)
    gradients = _gradients(module)
    return digest(y, below, gradients, module.eval()(*inputs))


RAGGED = {
    "one": [7],
    "equal": [5, 5, 5, 5],
    "ragged": [9, 4, 4, 1, 12, 3, 6, 6, 2, 8, 5],
    "wide": [3, 5, 2, 4, 6, 1] * 7,
}

SIZES = {"small": (3, 7), "odd": (13, 33), "lanes": (16, 48), "large": (40, 130)}


def _packed(features: int, lengths: list[int], seed: int):
    import seriatim

    return seriatim.pack_sequence(
        [numbers(n, features, seed=seed + i) for i, n in enumerate(lengths)], enforce_sorted=False
    )


def recurrent() -> Iterator[tuple[str, Callable[[], str]]]:
    """Stacks and cells of every kind."""
    from seriatim import nn

    kinds = {
        "gru": (nn.GRU, {}),
        "gru_before": (nn.GRU, {"reset_after": False}),
        "lstm": (nn.LSTM, {}),
        "lstm_proj": (nn.LSTM, {"proj_size": 5}),
        "rnn": (nn.RNN, {}),
        "rnn_relu": (nn.RNN, {"nonlinearity": "relu"}),
        "lstm_peephole": (nn.LSTM, {"peephole": True}),
        "gru_norm": (nn.GRU, {"norm": "layer"}),
        "lstm_norm": (nn.LSTM, {"norm": "layer"}),
        "gru_zoneout": (nn.GRU, {"zoneout": 0.3, "rng": 5}),
        "min_gru": (nn.MinGRU, {}),
        "min_lstm": (nn.MinLSTM, {}),
        "ind_rnn": (nn.IndRNN, {}),
    }
    for name, (cls, extra) in kinds.items():
        for sizes, (inputs, hidden) in {
            "small": (3, 7),
            "odd": (13, 33),
            "lanes": (16, 48),
            "large": (40, 130),
        }.items():
            for batch, lengths in RAGGED.items():
                for direction in (False, True):
                    if sizes == "large" and batch == "equal":
                        continue

                    def run(
                        cls=cls, extra=extra, inputs=inputs, hidden=hidden, lengths=lengths, direction=direction
                    ) -> str:
                        options = {**extra, "bidirectional": direction, "num_layers": 2 if hidden < 40 else 1}
                        module = _fill(cls(inputs, hidden, **options), 7)
                        return _both(module, _packed(inputs, lengths, 3))

                    yield f"{name}-{sizes}-{batch}-{'both' if direction else 'forward'}", run

        def states(cls=cls, extra=extra) -> str:
            module = _fill(cls(6, 19, bias=False, batch_first=True, **extra), 11)
            sizes = [extra.get("proj_size", 19), 19] if cls is nn.LSTM else [19]
            given = tuple(numbers(1, 5, size, seed=40 + i) for i, size in enumerate(sizes))
            y, last = module(numbers(5, 8, 6, seed=2), given if cls is nn.LSTM else given[0])
            grads = tuple(numbers(1, 5, size, seed=50 + i) for i, size in enumerate(sizes))
            below = module.backward(numbers(*y.shape, seed=60), grads if cls is nn.LSTM else grads[0])
            return digest(y, last, below, _gradients(module))

        yield f"{name}-states", states
    for name, cls in {"gru": nn.GRUCell, "lstm": nn.LSTMCell, "rnn": nn.RNNCell}.items():
        for batch in (1, 5):

            def cell(cls=cls, batch=batch) -> str:
                module = _fill(cls(9, 21), 5)
                y = module(numbers(batch, 9, seed=1))
                states = y if isinstance(y, tuple) else (y,)
                below = module.backward(*[numbers(*s.shape, seed=8) for s in states])
                return digest(y, below, _gradients(module))

            yield f"{name}_cell-{batch}", cell


def convolutional() -> Iterator[tuple[str, Callable[[], str]]]:
    """Convolutions, pooling and the recurrences made of them."""
    from seriatim import nn

    shapes = {
        "3x3": (nn.Conv2d, (5, 9, 3), {"padding": 1}),
        "3x3-wide": (nn.Conv2d, (16, 32, 3), {"padding": 1}),
        "5x5": (nn.Conv2d, (4, 6, 5), {"padding": 2}),
        "stride": (nn.Conv2d, (3, 8, 3), {"stride": 2, "padding": 1}),
        "1x1": (nn.Conv2d, (7, 5, 1), {}),
        "dilated": (nn.Conv2d, (4, 4, 3), {"dilation": 2}),
        "groups": (nn.Conv2d, (6, 9, 3), {"groups": 3}),
        "depthwise": (nn.Conv2d, (8, 8, 3), {"groups": 8, "padding": 1}),
        "max": (nn.MaxPool2d, (3,), {"stride": 2, "padding": 1}),
        "average": (nn.AvgPool2d, (2,), {}),
        "adaptive": (nn.AdaptiveAvgPool2d, (3,), {}),
        "norm": (nn.BatchNorm2d, (4,), {}),
        "upsample": (nn.Upsample, (None, 1.7), {"mode": "bilinear"}),
        "nearest": (nn.Upsample, ((17, 5),), {}),
    }
    for name, (cls, sizes, options) in shapes.items():
        for batch, side in ((1, 9), (3, 14)):

            def run(cls=cls, sizes=sizes, options=options, batch=batch, side=side) -> str:
                module = _fill(cls(*sizes, **options), 3)
                channels = sizes[0] if cls in (nn.Conv2d, nn.BatchNorm2d) else 5
                return _both(module, numbers(batch, channels, side, side + 3, seed=9))

            yield f"{name}-{batch}x{side}", run

    recurrences = {
        "conv_gru": lambda: nn.ConvGRU(3, [5, 6], [3, 5], 2),
        "conv_lstm": lambda: nn.ConvLSTM(3, [5, 6], [3, 3], 2),
    }
    for name, make in recurrences.items():
        for batch in (1, 3):

            def run(make=make, batch=batch) -> str:
                module = _fill(make(), 21)
                y, last = module(numbers(4, batch, 3, 7, 6, seed=2))
                below = module.backward(numbers(*y.shape, seed=4))
                return digest(y, last, below, _gradients(module))

            yield f"{name}-{batch}", run
    for cell in ("lstm", "gru", "rnn"):

        def run(cell=cell) -> str:
            module = _fill(nn.ConvRNN(3, 5, cell=cell), 22)
            y = module(numbers(4, 2, 3, 8, 8, seed=2))
            below = module.backward(numbers(*y.shape, seed=4))
            return digest(y, below, _gradients(module))

        yield f"conv_rnn-{cell}", run


def pointwise() -> Iterator[tuple[str, Callable[[], str]]]:
    """Linear layers, activations, norms, losses, attention, pooling over steps, dropout, embeddings."""
    import seriatim
    from seriatim import functional as F
    from seriatim import nn

    for rows, inputs, outputs in ((1, 5, 3), (9, 33, 50), (64, 100, 97)):
        yield (
            f"linear-{rows}",
            lambda r=rows, i=inputs, o=outputs: _both(_fill(nn.Linear(i, o), 1), numbers(r, i, seed=2)),
        )
    for cls in (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Sigmoid, nn.Tanh, nn.Softmax, nn.LogSoftmax):
        yield f"{cls.__name__}", lambda cls=cls: _both(cls(), numbers(7, 37, seed=3, scale=5))
    for rows in (2, 33):
        yield f"batch_norm-{rows}", lambda r=rows: _both(_fill(nn.BatchNorm1d(19), 4), numbers(r, 19, seed=5))
    yield "dropout", lambda: _both(nn.Dropout(0.3, rng=3), numbers(11, 29, seed=6))

    def embedding() -> str:
        module = _fill(nn.Embedding(13, 6), 2)
        y = module(np.arange(20).reshape(4, 5) % 13)
        module.backward(numbers(*y.shape, seed=3))
        return digest(y, _gradients(module))

    yield "embedding", embedding

    def attention() -> str:
        packed = _packed(18, RAGGED["ragged"], 4)
        query = numbers(11, 18, seed=70)
        (context, weights), cache = F.attention(query, packed.data, packed.batch_sizes)
        return digest(context, weights, F.attention_backward(numbers(11, 18, seed=71), cache))

    yield "attention", attention

    def pooling() -> str:
        packed = _packed(18, RAGGED["ragged"], 4)
        pooled, cache = F.sequence_pool(packed.data, packed.batch_sizes)
        return digest(pooled, F.sequence_pool_backward(numbers(*pooled.shape, seed=72), cache))

    yield "sequence_pool", pooling

    losses = {
        "nll": (nn.NLLLoss(label_smoothing=0.1), True),
        "cross_entropy": (nn.CrossEntropyLoss(weight=np.abs(numbers(6, seed=3))), True),
        "mse": (nn.MSELoss(), False),
        "bce": (nn.BCEWithLogitsLoss(), False),
    }
    for name, (criterion, labels) in losses.items():

        def loss(criterion=criterion, labels=labels) -> str:
            pred = numbers(15, 6, seed=1, scale=3)
            target = np.arange(15) % 6 if labels else np.abs(numbers(15, 6, seed=2))
            value = criterion(pred, target)
            return digest(value, criterion.backward())

        yield name, loss

    def collation() -> str:
        sequences = [numbers(n, 5, seed=n) for n in RAGGED["ragged"]]
        padded, lengths, labels = seriatim.collate_fn([(s, i) for i, s in enumerate(sequences)])
        packed = seriatim.pack_padded_sequence(padded, lengths, batch_first=True)
        return digest(padded, lengths, labels, packed.data, packed.batch_sizes, seriatim.pad_packed_sequence(packed))

    yield "collation", collation

    def ragged() -> str:
        x = numbers(50, 6, seed=5, scale=10)
        offsets = np.cumsum([0, *RAGGED["ragged"][:6]])
        x = x[: offsets[-1]]
        shift, scale = numbers(6, 6, seed=1), numbers(6, 6, seed=2)
        matrices = numbers(6, 3, 3, seed=4)
        return digest(
            F.ragged_moments(x, offsets),
            F.ragged_extrema(x, offsets),
            F.ragged_scale(x, offsets, shift, scale),
            F.ragged_filter(x, offsets, 3),
            F.ragged_filter(x, offsets, 5, "median"),
            F.ragged_deltas(x, offsets),
            F.rotate_points(x, offsets, matrices),
        )

    yield "ragged", ragged

    def ragged_double() -> str:
        offsets = np.cumsum([0, *RAGGED["ragged"][:6]])
        x = 1.7e9 + numbers(50, 9, seed=5).astype(np.float64)[: offsets[-1]]
        shift, scale = 1.7e9 + numbers(6, 9, seed=1).astype(np.float64), numbers(6, 9, seed=2)
        return digest(F.ragged_moments(x, offsets), F.ragged_scale(x, offsets, shift, scale))

    yield "ragged-double", ragged_double


def models() -> Iterator[tuple[str, Callable[[], str]]]:
    """Whole networks, and steps of every optimiser."""
    from seriatim import nn, optim

    def deepgru(both: bool) -> str:
        dims = {"gru1": 20, "gru2": 18, "gru3": 17, "fc": 9}
        extra = {"bidirectional": True, "pooling": ("mean", "max")} if both else {}
        model = _fill(nn.DeepGRU(5, 4, dims=dims, rng=3, **extra), 31)
        y = model(_packed(5, RAGGED["ragged"], 8))
        model.backward(numbers(*y.shape, seed=2))
        parts = [y, _gradients(model)]
        model.eval()
        x = _packed(5, RAGGED["ragged"], 8)
        return digest(parts, model(x), model.embed(x), model.attention_weights(x))

    yield "deepgru", lambda: deepgru(False)
    yield "deepgru-both", lambda: deepgru(True)

    def video() -> str:
        embedding = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten())
        model = _fill(nn.VideoRNN(embedding, 4 * 6 * 6, 7, 3, rng=2), 33)
        lengths = np.array([5, 2, 4])
        x = numbers(3, 5, 2, 8, 8, seed=1)
        y = model(x, lengths)
        model.backward(numbers(*y.shape, seed=5))
        return digest(y, _gradients(model), model.eval()(x, lengths))

    yield "video", video

    makers = {
        "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        "adam": lambda p: optim.Adam(p, lr=0.01, weight_decay=0.01),
        "adamw": lambda p: optim.AdamW(p, lr=0.01),
        "rmsprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    }
    for name, make in makers.items():

        def steps(make=make) -> str:
            model = _fill(nn.Sequential(nn.Linear(7, 19), nn.Tanh(), nn.Linear(19, 5)), 41)
            optimizer = make(model.parameters())
            norms = []
            for step in range(4):
                y = model(numbers(6, 7, seed=step))
                optimizer.zero_grad()
                model.backward(numbers(*y.shape, seed=80 + step))
                norms.append(optim.clip_grad_norm_(model.parameters(), 1.0))
                optimizer.step()
            return digest(norms, list(model.state_dict().values()))

        yield name, steps


def all_digests() -> dict[str, str]:
    """The digests of all cases at the level of this process; with one thread and with two they must be the same."""
    import seriatim

    found = {}
    for group in (recurrent, convolutional, pointwise, models):
        for name, run in group():
            results = []
            for threads in (1, 2):
                seriatim.set_num_threads(threads)
                results.append(run())
            found[name] = results[0] if results[0] == results[1] else f"1 thread {results[0]}, 2 threads {results[1]}"
    return found


def digests_at(level: str) -> dict[str, str]:
    """The digests at a level, from a process of its own."""
    env = {**os.environ, "SERIATIM_LEVEL": level}
    done = subprocess.run([sys.executable, __file__, "-"], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, str] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    if sys.argv[1:] == ["-"]:
        print(json.dumps(all_digests()))
    else:
        print(json.dumps({level: digests_at(level) for level in sys.argv[1:]}, indent=1))
