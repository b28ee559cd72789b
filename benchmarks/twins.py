"""seriatim.torch's recurrent twins beside torch's own modules, in torch, and what the bridge costs a call.

``python benchmarks/twins.py --threads 2 --kinds GRU LSTM`` prints two tables: the shapes of ``recurrent.py``, and the
time of a tiny call as a twin, and as a module of seriatim.nn that NumPy arrays go through.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from machine import cpu
from recurrent import Shape, shapes
from timing import in_turns
from torch.nn.utils.rnn import pack_padded_sequence

import seriatim
import seriatim.torch as twins
from seriatim import nn

Jobs = dict[str, Callable[[], object]]


def pair(shape: Shape) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Our twin and torch's module, with the same weights."""
    args = shape.inputs, shape.hidden, shape.layers
    ours = getattr(twins, shape.kind)(*args, bidirectional=shape.bidirectional)
    theirs = getattr(torch.nn, shape.kind)(*args, bidirectional=shape.bidirectional)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def jobs(shape: Shape) -> tuple[Jobs, Jobs, float]:
    """Forward calls, training steps, and how far apart the outputs are."""
    torch.manual_seed(0)
    padded = torch.randn(shape.steps, shape.batch, shape.inputs)
    grad = torch.randn(shape.frames, shape.hidden * (2 if shape.bidirectional else 1))
    ours, theirs = pair(shape)
    forward: Jobs = {}
    training: Jobs = {}

    def call(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        if shape.lengths is None:
            return module(x)[0].flatten(0, 1)
        packed = pack_padded_sequence(x, torch.tensor(shape.lengths))
        return module(packed)[0].data

    def infer(module: torch.nn.Module) -> torch.Tensor:
        with torch.inference_mode():
            return call(module, padded)

    def step(module: torch.nn.Module) -> None:
        module.zero_grad()
        # As an optimiser's step would, so that nothing packed before is right.
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.0)
        call(module, padded.detach().requires_grad_()).backward(grad)

    for name, module in (("seriatim", ours), ("torch", theirs)):
        forward[name] = lambda module=module: infer(module)
        training[name] = lambda module=module: step(module)
    return forward, training, float((infer(ours) - infer(theirs)).abs().max())


def bridge(kind: str) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """A tiny call as a twin, and as a module of seriatim.nn."""
    ours, plain = getattr(twins, kind)(4, 8), getattr(nn, kind)(4, 8)
    x, grad = torch.randn(5, 2, 4), torch.randn(5, 2, 8)
    learned, array, grad_array = x.clone().requires_grad_(), x.numpy(), grad.numpy()

    def infer() -> None:
        with torch.no_grad():
            ours(x)

    def step_plain() -> None:
        plain.train()(array)
        plain.backward(grad_array)
        for parameter in plain.parameters():
            parameter._touch()

    return {
        "inference": (infer, lambda: plain.eval()(array)),
        "forward in training": (lambda: ours(learned), lambda: plain.train().trace(array)),
        "forward and backward": (lambda: ours(learned)[0].backward(grad), step_plain),
    }


def quick(job: Callable[[], object]) -> float:
    """Microseconds of a call when nothing is in its way: the end of its fastest twentieth."""
    times = []
    for _ in range(2000):
        began = time.perf_counter()
        job()
        times.append(time.perf_counter() - began)
    return 1e6 * sorted(times)[len(times) // 20]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", default=["GRU", "LSTM", "RNN"])
    parser.add_argument("--shapes", type=int, nargs="*", help="which of the shapes, from 0 on; none: the bridge alone")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seriatim.set_num_threads(options.threads)
    print(f"{cpu()}, {options.threads} thread(s), seriatim {seriatim.__version__}, torch {torch.__version__}\n")
    print("| shape | forward, ms | x torch | training, ms | x torch | apart |\n|---|---|---|---|---|---|")
    for kind in options.kinds:
        all_shapes = shapes(kind)
        for shape in all_shapes if options.shapes is None else [all_shapes[i] for i in options.shapes]:
            forward, training, apart = jobs(shape)
            cells = []
            for found in (in_turns(forward), in_turns(training)):
                cells += [f"{1e3 * found['seriatim']:.3g}", f"{found['seriatim'] / found['torch']:.2f}"]
            print(f"| {shape.name} | {' | '.join(cells)} | {apart:.1e} |", flush=True)
    print("\n| tiny call, us | twin | nn | the bridge |\n|---|---|---|---|")
    for kind in options.kinds:
        for name, (ours, plain) in bridge(kind).items():
            twin, module = quick(ours), quick(plain)
            print(f"| {kind} {name} | {twin:.0f} | {module:.0f} | {twin - module:.0f} |")


if __name__ == "__main__":
    main()
