"""Calls convolutions and their like while the system gives no memory and no threads; run by test_memory_refused.py.

Each call is made once, so that its blocks are kept; then all of the heap is taken, and it is made again: it gives the
same bits or raises MemoryError. Prints what does neither, and how many gave a result.
"""

import copy
import ctypes
import resource
import sys

import numpy as np
from core_arguments import GOOD, grouped

from seriatim import _core, nn, optim

LIBC = ctypes.CDLL(None)
LIBC.malloc.restype = ctypes.c_void_p
LIBC.malloc.argtypes = [ctypes.c_size_t]
LIBC.free.argtypes = [ctypes.c_void_p]


class NoMemory:
    """Within it malloc, mmap and so new threads fail."""

    def __enter__(self):
        self.before = resource.getrlimit(resource.RLIMIT_AS)
        self.taken, count = (ctypes.c_void_p * 2**18)(), 0
        with open("/proc/self/statm") as file:
            size = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size, self.before[1]))
        for power in range(24, 3, -1):
            while count < len(self.taken) and (place := LIBC.malloc(2**power)):
                self.taken[count] = place
                count += 1

    def __exit__(self, *error):
        resource.setrlimit(resource.RLIMIT_AS, self.before)
        for place in self.taken:
            LIBC.free(place)


def floats(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def convolution(channels, targets, kernel, stride, dilation, groups):
    """Forward and backward with results and scratch that are large enough to be kept."""
    padding = kernel // 2
    geometry = (targets, kernel, kernel, stride, stride, padding, padding, dilation, dilation, groups)
    x, weight = floats(4, channels, 41, 39), floats(targets, channels // groups, kernel, kernel)
    packed, turned = (_core.convolution_pack(weight, geometry, transposed) for transposed in (False, True))
    grad = _core.convolution_forward(x, packed, None, geometry, 0, 0.0)
    grads = [np.zeros_like(weight), np.zeros(targets, np.float32), False]
    yield lambda: _core.convolution_forward(x, packed, None, geometry, 1, 0.0)
    yield lambda: _core.convolution_backward(grad, x, turned, geometry, tuple(grads))


def recurrent(kind, gates):
    """A convolutional recurrence, forward and backward."""
    hidden, cell = 12, (kind, 3, 0, 4)
    weight, state, y = floats(gates * hidden, hidden, 3, 3), floats(3, hidden, 21, 23), floats(4, 3, hidden, 21, 23)
    maps = floats(4, 3, gates * hidden, 21, 23)
    c, cells = (state, y) if kind == 1 else (None, None)
    packed, turned = (_core.conv_recurrent_pack(weight, kind, backward) for backward in (False, True))
    yield lambda: _core.conv_recurrent_forward(maps.copy(), state, c, packed, None, cell)
    grads = [weight.copy(), floats(gates * hidden), False]
    yield lambda: _core.conv_recurrent_backward(
        *grouped(
            "conv_recurrent_backward",
            [y, state, c, None if kind == 2 else maps.copy(), y, cells, state, c, turned, cell, *grads],
        )
    )


def training():
    """A step of a small network of images over time, from the same parameters each time."""
    layers = [nn.Conv2d(2, 12, 3, padding=1, rng=0), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 8, 3, padding=1, rng=0)]
    embedding = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = nn.VideoRNN(embedding, 8, 5, 3, rng=0)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    still = copy.deepcopy(model).eval()
    x = floats(6, 4, 2, 32, 32)
    start = [p.data.copy() for p in model.parameters()]

    def step():
        for p, data in zip(model.parameters(), start, strict=True):
            p.data[...] = data
        # What a step that failed has left.
        optimizer = optim.Adam(model.eval().train().parameters())
        optimizer.zero_grad()
        y = model.forward(x)
        model.backward(np.ones_like(y))
        optimizer.step()
        return [y, *[p.data.copy() for p in model.parameters()]]

    yield step
    yield lambda: still(x)


def jobs():
    for sizes in (
        (16, 16, 3, 1, 1, 1),
        (16, 20, 5, 1, 1, 1),
        (6, 9, 3, 2, 1, 3),
        (16, 16, 3, 1, 2, 16),
        (16, 40, 1, 1, 1, 1),
    ):
        yield from convolution(*sizes)
    for kind, gates in ((0, 3), (1, 4), (2, 1)):
        yield from recurrent(kind, gates)
    yield from training()
    for name, makers in GOOD.items():
        if name.startswith(("conv", "max", "average_pool", "adaptive", "upsample", "image", "batch", "linear")):
            for make in makers:
                # Anew for each call: some are written to.
                yield lambda name=name, make=make: getattr(_core, name)(*grouped(name, make()))


def plain(results):
    return [r.tobytes() for r in (results if isinstance(results, (tuple, list)) else [results]) if r is not None]


def main(threads):
    _core.set_num_threads(threads)
    calls = list(jobs())
    wants = [plain(call()) for call in calls]
    results = 0
    with NoMemory():
        _core.set_num_threads(threads + 1)
        for place, (call, want) in enumerate(zip(calls, wants, strict=True)):
            try:
                got = plain(call())
            except MemoryError:
                continue
            results += 1
            if got != want:
                print("another result:", place, flush=True)
    for place, (call, want) in enumerate(zip(calls, wants, strict=True)):
        if plain(call()) != want:
            print("another result afterwards:", place, flush=True)
    print("results", results, "of", len(calls))


if __name__ == "__main__":
    main(int(sys.argv[1]))
