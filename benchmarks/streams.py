"""One step of a GRU, as a stream makes it, beside torch's GRUCell, onnxruntime's GRU and what its weights cost to read.

    python benchmarks/streams.py [--threads 1] [--turns 5]

All in one process, in turns; medians of a call in microseconds, a call of 100 steps divided by 100. ``whole`` is the
layer's own time a step in one call over many steps, without Python; ``read`` the time that the weights need to come
from the cache they fit into, by the best product that reads as many. Steps of a batch of 64 are those of 64 streams.
DeepGRU's step is timed by the frames that its attention looks back at.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
import numpy as np
from limits import bandwidth
from timing import in_turns

import seriatim
from seriatim import nn

SIZES = ((128, 1), (512, 1), (128, 64), (512, 64))
CALLS = 100


def torch_cell(hidden: int, x: Any) -> Any:
    import torch

    cell = torch.nn.GRUCell(hidden, hidden).eval()
    frame = torch.from_numpy(x)

    def run() -> None:
        with torch.inference_mode():
            h = torch.zeros(len(frame), hidden)
            for _ in range(CALLS):
                h = cell(frame, h)

    return run


def onnx_step(hidden: int, x: Any, threads: int) -> Any:
    import onnx
    import onnxruntime
    import torch

    layer = torch.nn.GRU(hidden, hidden).eval()
    h = torch.zeros(1, len(x), hidden)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "step.onnx"
        names = {"input_names": ["x", "h"], "output_names": ["y", "h_n"]}
        torch.onnx.export(layer, (torch.from_numpy(x[None]), h), path, dynamo=False, **names)
        onnx.checker.check_model(str(path))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    frame, first = x[None], h.numpy()

    def run() -> None:
        state = first
        for _ in range(CALLS):
            _, state = session.run(None, {"x": frame, "h": state})

    return run


def ours(hidden: int, x: Any) -> Any:
    stream = nn.GRU(hidden, hidden, rng=0).eval().stream(len(x))

    def run() -> None:
        for _ in range(CALLS):
            stream.step(x)

    return run


def whole(hidden: int, x: Any) -> Any:
    layer = nn.GRU(hidden, hidden, rng=0).eval()
    frames = np.repeat(x[None], CALLS, axis=0)
    return lambda: layer(frames)


def steps(threads: int, turns: int) -> None:
    print(f"{'hidden':>6} {'batch':>5} {'ours':>8} {'whole':>8} {'read':>8} {'torch':>8} {'onnx':>8}")
    for hidden, batch in SIZES:
        x = np.random.default_rng(0).standard_normal((batch, hidden)).astype(np.float32)
        jobs = {"ours": ours(hidden, x), "whole": whole(hidden, x), "torch": torch_cell(hidden, x)}
        jobs["onnx"] = onnx_step(hidden, x, threads)
        found = {name: seconds / CALLS for name, seconds in in_turns(jobs, turns).items()}
        size = 24 * hidden * hidden
        found["read"] = size / bandwidth(size / 2**20, threads)
        shown = " ".join(f"{1e6 * found[name]:8.2f}" for name in ("ours", "whole", "read", "torch", "onnx"))
        print(f"{hidden:>6} {batch:>5} {shown}")


def attention() -> None:
    model = nn.DeepGRU(13, 10, rng=0).eval()
    stream = model.stream()
    frame = np.random.default_rng(0).standard_normal(13).astype(np.float32)
    for wanted in (100, 1000, 10_000):
        stream.push(np.repeat(frame[None], wanted - int(stream.frames[0]), axis=0))
        state, times = stream.state, []
        for _ in range(50):
            began = time.perf_counter()
            stream.step(frame)
            times.append(time.perf_counter() - began)
        stream.state = state
        print(f"DeepGRU, {wanted:>6} frames seen: {1e6 * np.median(times):8.1f} us a step")


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    seriatim.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    print(machine.cpu(), f"level {seriatim.show_config()['level']}, {options.threads} thread(s)")
    steps(options.threads, options.turns)
    attention()


if __name__ == "__main__":
    main()
