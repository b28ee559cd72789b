"""What denormal numbers cost: calls on values that are or become denormal, beside the same calls on normal ones.

python benchmarks/denormals.py [--threads 1 2] [--rounds 400]

Kernels take denormal numbers for zero; the ratio is wanted to be at most 1.05.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import seriatim
from seriatim import _core, nn
from seriatim import functional as F
from seriatim.optim import Adam

Array = np.ndarray
Job = Callable[[], object]
# What is measured, on normal values, on denormal ones.
Case = tuple[str, Job, Job]

BATCH, STEPS, SOUND, INPUTS, HIDDEN = 16, 300, 20, 32, 64


def normal(*shape: int, scale: float = 1.0) -> Array:
    return (np.random.default_rng(0).normal(size=shape) * scale).astype(np.float32)


def fading(module: Any) -> Any:
    """Make states and gradients fade by a third or more a step, so that T=300 is enough to reach denormal numbers."""
    for name, parameter in module.named_parameters():
        values = np.array(parameter.data)
        if "weight_hh" in name:
            values *= 0.25
        if "bias" in name:
            values[...] = 0
        if "bias_hh" in name:
            # The update gate of a GRU, the forget gate of an LSTM: 0.62.
            values[HIDDEN : 2 * HIDDEN] = 0.5
        parameter.data = values
    return module


def training(module: Any, x: Array, grad_y: Array) -> Job:
    def job() -> None:
        module.train()
        module.zero_grad()
        module(x)
        module.backward(grad_y)

    return job


def prediction(module: Any, x: Array) -> Job:
    def job() -> None:
        module.eval()
        module(x)

    return job


def over_time() -> Iterator[Case]:
    """Normal values that fade."""
    x = normal(STEPS, BATCH, INPUTS)
    silent, every = x.copy(), normal(STEPS, BATCH, HIDDEN)
    silent[SOUND:] = 0
    last = np.zeros_like(every)
    last[-1] = every[-1]
    for kind in (nn.GRU, nn.LSTM):
        name, module = kind.__name__, fading(kind(INPUTS, HIDDEN, rng=0))
        yield f"{name}, gradients that fade", training(module, x, every), training(module, x, last)
        yield f"{name}, prediction after silence", prediction(module, x), prediction(module, silent)


def at_once() -> Iterator[Case]:
    """Inputs and gradients times 1e-40, forward and backward."""
    images = (8, 16, 32, 32)
    modules: dict[str, tuple[Any, tuple[int, ...], tuple[int, ...]]] = {
        "GRU": (nn.GRU(INPUTS, HIDDEN, rng=0), (STEPS, BATCH, INPUTS), (STEPS, BATCH, HIDDEN)),
        "LSTM": (nn.LSTM(INPUTS, HIDDEN, rng=0), (STEPS, BATCH, INPUTS), (STEPS, BATCH, HIDDEN)),
        "ConvGRU": (nn.ConvGRU(8, 16, 3, 1, rng=0), (8, 2, 8, 32, 32), (8, 2, 16, 32, 32)),
        "Linear": (nn.Linear(256, 256, rng=0), (512, 256), (512, 256)),
        "Conv2d": (nn.Conv2d(16, 16, 3, padding=1, rng=0), images, images),
        "BatchNorm2d": (nn.BatchNorm2d(16), (32, *images[1:]), (32, *images[1:])),
    }
    for name, (module, shape, out) in modules.items():
        jobs = [training(module, normal(*shape, scale=s), normal(*out, scale=s)) for s in (1, 1e-40)]
        yield f"{name}, denormal inputs", jobs[0], jobs[1]
    yield "attention, denormal inputs", attention(1), attention(1e-40)
    yield "Adam, denormal gradients", adam(1), adam(1e-40)


def attention(scale: float) -> Job:
    steps, batch, size = 100, 64, 128
    query, h = normal(batch, size, scale=scale), normal(steps * batch, size, scale=scale)
    grad, batch_sizes = normal(batch, size, scale=scale), np.full(steps, batch)

    def job() -> None:
        _, cache = F.attention(query, h, batch_sizes)
        F.attention_backward(grad, cache)

    return job


def adam(scale: float) -> Job:
    parameter = nn.Parameter(normal(500, 1000))
    optimizer = Adam([parameter])
    parameter.grad = normal(500, 1000, scale=scale)
    return optimizer.step


def in_turns(jobs: Sequence[Job], rounds: int) -> list[float]:
    """Return each one's median time on the CPU in seconds, all threads together; call by call in turns.

    Other programs do not count in it, and denormal numbers cost nothing else.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for job in jobs:
        job()
    for turn in range(rounds):
        # Who goes second finds the caches as the first has left them.
        for which in (0, 1) if turn % 2 else (1, 0):
            began = time.process_time()
            jobs[which]()
            times[which].append(time.process_time() - began)
    return [float(np.median(found)) for found in times]


def cpu() -> str:
    """Return the CPU's name."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=400)
    options = parser.parse_args()
    print(f"{cpu()}, level {_core.level()}; medians of the time on the CPU, all threads together\n")
    print("| job | threads | normal values | denormal values | ratio |")
    print("|---|---|---|---|---|")
    for cases in (over_time, at_once):
        for name, *jobs in cases():
            for threads in options.threads:
                seriatim.set_num_threads(threads)
                usual, denormal = in_turns(jobs, options.rounds)
                times = f"{usual * 1e3:.3f} ms | {denormal * 1e3:.3f} ms"
                print(f"| {name} | {threads} | {times} | {denormal / usual:.2f} |", flush=True)


if __name__ == "__main__":
    main()
