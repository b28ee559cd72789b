"""What the estimators add: an epoch of ``fit`` beside the bare loop, ``predict`` beside the kernels it calls.

python benchmarks/estimator.py [--threads 1 2] [--turns 5]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import seriatim
from seriatim import _core, nn
from seriatim.models import DeepGRUClassifier
from seriatim.optim import Adam, CosineAnnealingLR, clip_grad_norm_
from seriatim.sequences import Sequences
from seriatim.training import bucketed, collate

SIZES = {
    "full": None,
    "small": {"gru1": 64, "gru2": 48, "gru3": 32, "fc": 32},
}


def median(seconds: list[float]) -> float:
    return float(np.median(seconds))


def epochs(dims: dict[str, int] | None, turns: int) -> tuple[float, float]:
    """Seconds of an epoch in ``fit`` and in the bare loop, 1,500 recordings of 13 features, in turns."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 60, 1500)
    data = Sequences(rng.normal(size=(lengths.sum(), 13)).astype(np.float32), lengths)
    target = rng.integers(0, 10, 1500)
    model = nn.DeepGRU(13, 10, dims or {}, rng=0)
    parameters = list(model.parameters())
    optimizer, criterion = Adam(parameters), nn.NLLLoss()
    schedule = CosineAnnealingLR(optimizer, 10_000)

    def bare() -> None:
        model.train()
        for part in bucketed(lengths, 64, rng):
            x, order = collate(data, part)
            optimizer.zero_grad()
            criterion(model(x), target[order])
            model.backward(criterion.backward())
            clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()

    ours: list[float] = []
    theirs: list[float] = []
    count = 3
    for _ in range(turns):
        began = time.perf_counter()
        for _ in range(count):
            bare()
        theirs.append((time.perf_counter() - began) / count)
        classifier = DeepGRUClassifier(dims=dims, max_epochs=count, random_state=0)
        began = time.perf_counter()
        classifier.fit(data, target)
        ours.append((time.perf_counter() - began) / count)
    return median(ours), median(theirs)


def kernels(call: Callable[[], Any]) -> float:
    """Seconds that one call spends inside the compiled functions."""
    names = [n for n in dir(_core) if callable(getattr(_core, n)) and not n.startswith("_")]
    kept, spent = {n: getattr(_core, n) for n in names}, 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            nonlocal spent
            began = time.perf_counter()
            result = function(*arguments)
            spent += time.perf_counter() - began
            return result

        return run

    for name, function in kept.items():
        setattr(_core, name, timed(function))
    try:
        call()
    finally:
        for name, function in kept.items():
            setattr(_core, name, function)
    return spent


def prediction(dims: dict[str, int] | None, turns: int) -> tuple[float, float]:
    """Seconds of ``predict`` of one sequence of 50 steps, and of its kernels."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 50, 13)).astype(np.float32)
    model = DeepGRUClassifier(dims=dims, max_epochs=1, random_state=0).fit(X, np.arange(40) % 4)
    one = X[0]
    packed, _ = collate(Sequences(one, [50]), np.array([0]))
    for _ in range(20):
        model.predict(one)
    whole, inside = [], []
    for _ in range(40 * turns):
        began = time.perf_counter()
        model.predict(one)
        whole.append(time.perf_counter() - began)
        inside.append(kernels(lambda: model.module_(packed)))
    return median(whole), median(inside)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    print("| threads | network | epoch, fit | bare loop | ratio | predict, 50 steps | its kernels | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for threads in options.threads:
        seriatim.set_num_threads(threads)
        for name, dims in SIZES.items():
            ours, bare = epochs(dims, options.turns)
            whole, inside = prediction(dims, options.turns)
            print(
                f"| {threads} | {name} | {ours * 1e3:.0f} ms | {bare * 1e3:.0f} ms | {ours / bare:.3f} "
                f"| {whole * 1e6:.0f} us | {inside * 1e6:.0f} us | {whole / inside:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
