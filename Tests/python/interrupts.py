"""How soon a long call of each kernel ends when a signal's handler raises: Ctrl-C, or a timer.

    python Tests/python/interrupts.py [NAME ...] [--threads N] [--most MILLISECONDS]

Prints for every function of `_core` that can be long how many milliseconds after the signal the exception is there, the
worst of a few tries at different times; ends with 1 if one is above the bound, or changed what it may not.
`test_interrupts.py` runs some of them.
"""

import argparse
import signal
import sys
import time

import numpy as np

from seriatim import _core
from seriatim import functional as F

KINDS, OPTIONS, _ = _core.recurrent_names()


def floats(*shape):
    """Ordinary numbers without waiting for random ones."""
    count = int(np.prod(shape, dtype=np.int64))
    return np.resize(np.random.default_rng(0).standard_normal(4099).astype(np.float32), count).reshape(shape)


def integers(*values):
    return np.array(values, np.int64)


def ones(n, value=1):
    return np.full(n, value, np.int64)


def recurrent(kind, options, steps, batch, width, backward=False):
    cell = (KINDS[kind], options, width, width, 0)
    shapes = F.Cell(*cell).shapes()
    weights = tuple(floats(*shapes[n]) / 16 if n in shapes else None for n in F.PARAMETERS)
    x, sizes = floats(steps * batch, width), ones(steps, batch)
    packed = _core.recurrent_pack(cell, weights, (None, None, None))
    batch_, zoneout = (x, sizes, None, None, False), (0.0, 0, 0)
    if not backward:
        return lambda: _core.recurrent_forward(cell, batch_, zoneout, packed, False, None)
    y, _, _, cache = _core.recurrent_forward(cell, batch_, zoneout, packed, True, None)
    back = _core.recurrent_pack_backward(cell, weights, True)
    gradients = tuple(np.zeros_like(w) if w is not None else None for w in weights)
    grad = floats(*y.shape)
    return lambda: _core.recurrent_backward(
        cell, batch_, zoneout, back, (y, cache), (grad, None, None), (*gradients, False), (True, False, None)
    )


def convolution(x, weight, stride=1, groups=1, backward=False, dilation=1):
    geometry = (
        x[1], *weight[2:], stride, stride, weight[2] // 2, weight[3] // 2, dilation, dilation, groups,
    )  # fmt: skip
    x, weight = floats(*x), floats(*weight)
    # The numbers of a geometry are those of the tests' arguments: out channels first.
    geometry = (len(weight), *geometry[1:])
    packed = _core.convolution_pack(weight, geometry, False)
    bias = floats(len(weight))
    if not backward:
        return lambda: _core.convolution_forward(x, packed, bias, geometry, 1, 0.0)
    grad = _core.convolution_forward(x, packed, bias, geometry, 0, 0.0)
    back = _core.convolution_pack(weight, geometry, True)
    return lambda: _core.convolution_backward(
        grad, x, back, geometry, (np.zeros_like(weight), np.zeros_like(bias), False)
    )


def conv_recurrent(kind, steps, size, backward=False):
    gates, hidden = {0: 3, 1: 4, 2: 1}[kind], 16
    weight = floats(gates * hidden, hidden, 3, 3) / 16
    bias, cell = floats(len(weight)), (kind, 3, 0, 1 if kind == 2 else 4)
    given = floats(steps, 2, gates * hidden, size, size)
    state = floats(2, hidden, size, size)
    c0 = state if kind == 1 else None
    packed = _core.conv_recurrent_pack(weight, kind, False)
    if not backward:
        return lambda: _core.conv_recurrent_forward(given, state, c0, packed, bias, cell)
    states = floats(steps, 2, hidden, size, size)
    back = _core.conv_recurrent_pack(weight, kind, True)
    more = states if kind == 1 else None
    kept = (None if kind == 2 else given, states, more, state, c0)
    return lambda: _core.conv_recurrent_backward(
        (states, state, c0), kept, back, cell, (np.zeros_like(weight), np.zeros_like(bias), False)
    )


def norm(name, *shape, backward=False):
    x, channels = floats(*shape), shape[1]
    w, b, mean, var = (floats(channels) ** 2 for _ in range(4))
    before = mean.copy(), var.copy()
    forward = getattr(_core, name + "_forward")
    if backward:
        _, m, inverse = forward(x, w, b, (mean, var), True, 0.1, 1e-5)
        call = getattr(_core, name + "_backward")
        return lambda: call(x, (x, m, inverse, w, True), True, (w.copy(), b, False))

    after = before[0].copy(), before[1].copy()
    forward(x, w, b, after, True, 0.1, 1e-5)

    def run():
        mean[:], var[:] = before
        try:
            forward(x, w, b, (mean, var), True, 0.1, 1e-5)
        except BaseException:
            # The signal may have come when all was done.
            assert any(all(map(np.array_equal, (mean, var), whole)) for whole in (before, after)), "half changed"
            raise

    return run


def flat(name, *more, count=1, size=1 << 26):
    arrays = [floats(size) for _ in range(count)]
    call = getattr(_core, name)
    return lambda: call(*arrays, *more)


def pool(name, *shape, windows=(0, 0, 3, 3, 1, 1, 1, 1, 1, 1), backward=False):
    x = floats(*shape)
    windows = (*shape[1:], *windows[2:])
    more = {"max": (True,), "average": (-1.0,)}[name]
    forward, back = getattr(_core, name + "_pool_forward"), getattr(_core, name + "_pool_backward")
    if not backward:
        return lambda: forward(x, windows, *more)
    if name == "max":
        index = forward(x, windows, True)[1]
        return lambda: back(x, *shape[1:], windows, index)
    return lambda: back(x, *shape[1:], windows, -1.0)


def attention(steps, batch, size, backward=False):
    q, h, sizes = floats(batch, size), floats(steps * batch, size), ones(steps, batch)
    context, weights = _core.attention_forward(q, h, sizes) if backward else (None, None)
    if backward:
        return lambda: _core.attention_backward(context, q, h, weights, sizes)
    return lambda: _core.attention_forward(q, h, sizes)


def sequence_pool(steps, batch, size, backward=False):
    h, sizes, kinds = floats(steps * batch, size), ones(steps, batch), (True, True, False)
    if not backward:
        return lambda: _core.sequence_pool_forward(h, sizes, kinds)
    pooled = _core.sequence_pool_forward(h, sizes, kinds)
    return lambda: _core.sequence_pool_backward(pooled, pooled, h, sizes, kinds)


def resize(planes, size, backward=False):
    rows = np.minimum(np.arange(2 * size) // 2, size - 1).astype(np.int32)
    part = np.full(2 * size, 0.25, np.float32)
    if backward:
        g = floats(planes, 2 * size, 2 * size)
        return lambda: _core.upsample_backward(g, size, size, rows, rows, part, part)
    x = floats(planes, size, size)
    return lambda: _core.upsample_forward(x, rows, rows, part, part)


def ragged(name, rows, features, *more, sequences=1, dtype=np.float32):
    x = floats(rows, features).astype(dtype)
    offsets = np.linspace(0, rows, sequences + 1).astype(np.int64)
    call = getattr(_core, name)
    more = [m((sequences, features)).astype(dtype) if callable(m) else m for m in more]
    return lambda: call(x, offsets, *more)


def ctc(steps, batch, classes, labels):
    logs = floats(steps * batch, classes) - 5
    targets = np.resize(np.arange(1, classes), batch * labels).astype(np.int64)
    starts = np.arange(batch, dtype=np.int64) * labels
    sizes, lengths = ones(steps, batch), ones(batch, steps)
    return lambda: _core.ctc_loss(logs, sizes, lengths, targets, starts, ones(batch, labels), 0, labels)


def nll(rows, classes, backward=False):
    logs, labels, scale = floats(rows, classes), np.arange(rows) % classes, floats(1)
    weights = floats(rows)
    if backward:
        return lambda: _core.nll_backward(weights, labels, None, None, None, 0.1, -9.0, scale, classes)
    return lambda: _core.nll_forward(logs, labels, None, None, None, 0.1, -9.0)


def linear(rows, depth, columns, backward=False, form=0):
    x, weight = floats(rows, depth), floats(columns, depth)
    packed = _core.linear_pack(weight, None, form)
    if not backward:
        return lambda: _core.linear_forward(x, packed, None, columns, form)
    grad, back = floats(rows, columns), _core.linear_pack_backward(weight)
    return lambda: _core.linear_backward(grad, x, back, (weight, floats(columns), False))


def collate(packed, length, batch, features):
    some = [floats(length, features) for _ in range(min(batch, 8))]
    sequences = [some[i % len(some)] for i in range(batch)]
    order = np.arange(batch, dtype=np.int64)
    return lambda: _core.collate(sequences, order, packed)


def rows_of(name, batch, length, features):
    lengths, order = ones(batch, length), np.arange(batch, dtype=np.int64)
    if name == "pack_rows":
        x = floats(batch, length, features)
        return lambda: _core.pack_rows(x, lengths, order, True)
    if name == "unpack_rows":
        x, sizes = floats(batch * length, features), ones(length, batch)
        return lambda: _core.unpack_rows(x, sizes, order, length, 0.0, True)
    x, starts = floats(batch * length, features), np.arange(batch, dtype=np.int64) * length
    return lambda: _core.collate_concatenated(x, starts, lengths, True)


def interpolation(by_rows, rows, features):
    x = floats(rows, features)
    if by_rows:
        index, weight = np.minimum(np.arange(rows), rows - 2), np.full(rows, 0.5, np.float32)
        return lambda: _core.interpolate_rows(x, index, weight)
    index = np.minimum(np.arange(features), features - 2)[None]
    return lambda: _core.interpolate_columns(x, integers(0, rows), index, np.full((1, features), 0.5, np.float32))


def packing(name, *shape):
    weight = floats(*shape)
    more = {"linear_pack": (None, 0), "linear_pack_backward": ()}[name]
    return lambda: getattr(_core, name)(weight, *more)


def recurrent_packing(kind, width, backward=False):
    cell = (KINDS[kind], 0, width, width, 0)
    shapes = F.Cell(*cell).shapes()
    weights = tuple(floats(*shapes[n]) if n in shapes else None for n in F.PARAMETERS)
    if backward:
        return lambda: _core.recurrent_pack_backward(cell, weights, True)
    return lambda: _core.recurrent_pack(cell, weights, (None, None, None))


def convolution_packing(channels, kernel):
    weight = floats(channels, channels, kernel, kernel)
    geometry = (channels, kernel, kernel, 1, 1, 1, 1, 1, 1, 1)
    return lambda: _core.convolution_pack(weight, geometry, False)


def deltas(rows, features, reach):
    x, y = floats(rows, features), floats(rows, features)
    return lambda: _core.ragged_deltas(y, x, integers(0, rows), reach)


M = 1 << 20
# Long calls, made with their arguments; in_place: what is done wholly, and short.
CASES = {
    "recurrent_forward": lambda: recurrent("gru", 0, 400_000, 1, 64),
    "recurrent_forward wide": lambda: recurrent("lstm", 0, 60, 64, 1536),
    "recurrent_forward few steps": lambda: recurrent("gru", 0, 3, 2048, 1536),
    "recurrent_forward rnn": lambda: recurrent("rnn", 0, 400_000, 2, 64),
    "recurrent_forward min_gru": lambda: recurrent("min_gru", 0, 200_000, 4, 96),
    "recurrent_forward layer_norm": lambda: recurrent("gru", OPTIONS["layer_norm"], 100_000, 2, 64),
    "recurrent_backward": lambda: recurrent("gru", 0, 200_000, 1, 64, backward=True),
    "recurrent_backward lstm": lambda: recurrent("lstm", 0, 100, 64, 768, backward=True),
    "recurrent_backward peephole": lambda: recurrent("lstm", OPTIONS["peephole"], 100_000, 1, 64, backward=True),
    "recurrent_backward layer_norm": lambda: recurrent("lstm", OPTIONS["layer_norm"], 60_000, 1, 64, backward=True),
    "recurrent_backward ind_rnn": lambda: recurrent("ind_rnn", 0, 200_000, 4, 64, backward=True),
    "recurrent_pack": lambda: recurrent_packing("gru", 5000),
    "recurrent_pack_backward": lambda: recurrent_packing("lstm", 5000, backward=True),
    "linear_forward": lambda: linear(60_000, 512, 1024),
    "linear_forward one row": lambda: linear(1, 16_384, 8192),
    "linear_backward": lambda: linear(30_000, 512, 1024, backward=True),
    "linear_pack": lambda: packing("linear_pack", 8192, 16_384),
    "linear_pack_backward": lambda: packing("linear_pack_backward", 8192, 16_384),
    "attention_forward": lambda: attention(M, 2, 64),
    "attention_backward": lambda: attention(M, 1, 64, backward=True),
    "sequence_pool_forward": lambda: sequence_pool(M, 1, 128),
    "sequence_pool_backward": lambda: sequence_pool(M, 1, 64, backward=True),
    "batch_norm_forward": lambda: norm("batch_norm", 2 * M, 48),
    "batch_norm_backward": lambda: norm("batch_norm", 2 * M, 32, backward=True),
    "image_norm_forward": lambda: norm("image_norm", 64, 32, 60_000),
    "image_norm_backward": lambda: norm("image_norm", 32, 32, 60_000, backward=True),
    "dropout": lambda: flat("dropout", 0.5, 1, 2, size=128 * M),
    "activation_forward": lambda: flat("activation_forward", 3, 0.5, size=128 * M),
    "activation_backward": lambda: flat("activation_backward", 3, 0.5, count=3, size=64 * M),
    "softmax_forward": lambda: (lambda x: lambda: _core.softmax_forward(x, True))(floats(M, 64)),
    "softmax_forward long rows": lambda: (lambda x: lambda: _core.softmax_forward(x, True))(floats(2, 64 * M)),
    "softmax_backward": lambda: (lambda x: lambda: _core.softmax_backward(x, x, True))(floats(M, 64)),
    "nll_forward": lambda: nll(4 * M, 24),
    "nll_backward": lambda: nll(4 * M, 24, backward=True),
    "point_loss": lambda: flat("point_loss", None, 0.5, 1, count=2, size=64 * M),
    "ctc_loss": lambda: ctc(6000, 4, 32, 400),
    "ctc_loss long": lambda: ctc(200_000, 1, 16, 100),
    "sum_of_squares": lambda: flat("sum_of_squares", size=256 * M),
    "collate": lambda: collate(True, 100_000, 64, 24),
    "collate padded": lambda: collate(False, 100_000, 64, 24),
    "collate_concatenated": lambda: rows_of("collate_concatenated", 64, 100_000, 24),
    "pack_rows": lambda: rows_of("pack_rows", 64, 100_000, 24),
    "unpack_rows": lambda: rows_of("unpack_rows", 64, 100_000, 24),
    "convolution_forward": lambda: convolution((64, 64, 96, 96), (64, 64, 3, 3)),
    "convolution_forward gathered": lambda: convolution((32, 32, 96, 96), (64, 32, 3, 3), stride=2),
    "convolution_forward one plane": lambda: convolution((1, 3, 3000, 3000), (16, 3, 7, 7)),
    "convolution_forward wide": lambda: convolution((2, 1024, 28, 28), (1024, 1024, 3, 3)),
    "convolution_forward depthwise": lambda: convolution((32, 64, 128, 128), (64, 1, 5, 5), groups=64),
    "convolution_forward pointwise": lambda: convolution((64, 256, 48, 48), (256, 256, 1, 1)),
    "convolution_backward": lambda: convolution((32, 64, 96, 96), (64, 64, 3, 3), backward=True),
    "convolution_backward gathered": lambda: convolution((32, 32, 96, 96), (64, 32, 3, 3), stride=2, backward=True),
    "convolution_backward depthwise": lambda: convolution((32, 64, 96, 96), (64, 1, 5, 5), groups=64, backward=True),
    "convolution_pack": lambda: convolution_packing(1500, 3),
    "conv_recurrent_forward": lambda: conv_recurrent(0, 400, 48),
    "conv_recurrent_forward lstm": lambda: conv_recurrent(1, 300, 48),
    "conv_recurrent_forward rnn": lambda: conv_recurrent(2, 1000, 48),
    "conv_recurrent_forward small": lambda: conv_recurrent(0, 40_000, 4),
    "conv_recurrent_backward": lambda: conv_recurrent(0, 200, 48, backward=True),
    "conv_recurrent_backward lstm": lambda: conv_recurrent(1, 200, 48, backward=True),
    "max_pool_forward": lambda: pool("max", 256, 400, 400),
    "max_pool_forward one plane": lambda: pool("max", 1, 5000, 5000),
    "max_pool_backward": lambda: pool("max", 512, 400, 400, backward=True),
    "average_pool_forward": lambda: pool("average", 256, 400, 400),
    "average_pool_backward": lambda: pool("average", 256, 400, 400, backward=True),
    "adaptive_pool_forward": lambda: (lambda x: lambda: _core.adaptive_pool_forward(x, 7, 7))(floats(512, 512, 512)),
    "adaptive_pool_backward": lambda: (lambda x: lambda: _core.adaptive_pool_backward(x, 512, 512))(floats(512, 7, 7)),
    "upsample_forward": lambda: resize(128, 400),
    "upsample_backward": lambda: resize(128, 400, backward=True),
    "ragged_moments": lambda: ragged("ragged_moments", 4 * M, 32, True),
    "ragged_moments columns": lambda: ragged("ragged_moments", 32 * M, 2, True),
    "ragged_extrema": lambda: ragged("ragged_extrema", 4 * M, 32),
    "ragged_scale": lambda: ragged("ragged_scale", 4 * M, 32, np.ones, np.ones, sequences=3),
    "ragged_moments_double": lambda: ragged("ragged_moments_double", 2 * M, 24, True, dtype=np.float64),
    "ragged_scale_double": lambda: ragged("ragged_scale_double", 2 * M, 32, np.ones, np.ones, dtype=np.float64),
    "ragged_filter": lambda: ragged("ragged_filter", M, 16, 15, False, sequences=9),
    "ragged_filter median": lambda: ragged("ragged_filter", M // 2, 16, 15, True),
    "ragged_deltas": lambda: deltas(M, 24, 9),
    "rotate_points": lambda: (lambda x: lambda: _core.rotate_points(x, integers(0, 4 * M), floats(1, 3, 3)))(
        floats(4 * M, 24)
    ),
    "interpolate_columns": lambda: interpolation(False, 4 * M, 24),
    "interpolate_rows": lambda: interpolation(True, 4 * M, 24),
}
# What changes arrays in place is done wholly: these are not asked.
WHOLE = {"adam_step", "sgd_step", "rmsprop_step", "average_step", "scale"}


class Stop(Exception):
    """What the handler raises."""


def stop(number, frame):
    raise Stop


def latency(run, delay):
    """Milliseconds from a signal, `delay` seconds from now, to its exception; None if the call was over before."""
    signal.setitimer(signal.ITIMER_REAL, delay)
    began = time.perf_counter()
    try:
        run()
    except Stop:
        return 1e3 * (time.perf_counter() - began - delay)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def measure(name, tries, whole=True):
    """The worst latency of a case, how often it was measured, and how long it takes by itself."""
    run = CASES[name]()
    began = time.perf_counter()
    if whole:
        run()
    whole = time.perf_counter() - began
    found = [latency(run, delay) for delay in tries]
    measured = [f for f in found if f is not None]
    return max(measured, default=None), len(measured), whole


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--brief", action="store_true", help="do not measure how long the calls are")
    parser.add_argument("--most", type=float, default=100.0)
    parser.add_argument("--tries", type=float, nargs="*", default=[0.03, 0.06, 0.11, 0.17])
    given = parser.parse_args()
    if given.threads:
        _core.set_num_threads(given.threads)
    signal.signal(signal.SIGALRM, stop)
    failed = []
    for name in given.names or CASES:
        worst, count, whole = measure(name, given.tries, not given.brief)
        text = "too short" if worst is None else f"{worst:6.1f} ms, {count} of {len(given.tries)}"
        print(f"{name:32} {text}   (whole {whole:.2f} s)", flush=True)
        if worst is not None and worst > given.most:
            failed.append(name)
    lacking = {t["name"] for t in _core.signatures()} - {n.split()[0] for n in CASES} - WHOLE
    print("not long:", ", ".join(sorted(lacking)))
    if failed:
        sys.exit(f"above {given.most:.0f} ms: {', '.join(failed)}")


if __name__ == "__main__":
    main()
