"""Finding a small moving target among clutter, with a convolutional GRU.

Every frame of a scene has as many bright points as the others, all alike; the clutter's are somewhere else in each frame,
the target moves along a line. One frame cannot show which point is the target: a network without memory guesses, one with
memory grows surer from step to step. After canton's drone detector: CNN, ConvGRU, a probability for every pixel.

Run: python examples/drone_detector.py [--steps 1000] [--output drone_detector.png]
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from seriatim import nn, optim

STEPS, CLUTTER = 8, 4


def make_scenes(n: int, size: int, seed: int) -> tuple[Any, Any]:
    """Return frames ``(STEPS, n, 1, size, size)`` and where the target is, of the same shape, 1 or 0."""
    rng = np.random.default_rng(seed)
    frames = 0.2 * rng.normal(size=(STEPS, n, 1, size, size)).astype(np.float32)
    truth = np.zeros_like(frames)
    scene = np.arange(n)
    way = (STEPS - 1) * rng.uniform(-1, 1, (2, n))
    start = rng.uniform(np.maximum(0, -way), size - np.maximum(0, way))
    for step in range(STEPS):
        y, x = np.floor(start + way * step / (STEPS - 1)).astype(int)
        truth[step, scene, 0, y, x] = 1
        frames[step, scene, 0, y, x] += 1
        for _ in range(CLUTTER):
            frames[step, scene, 0, rng.integers(0, size, n), rng.integers(0, size, n)] += 1
    return frames, truth


class Detector(nn.Module):
    """Convolution, memory (or, for comparison, another convolution), one logit a pixel."""

    def __init__(self, channels: int, hidden: int, recurrent: bool, rng: int) -> None:
        super().__init__()
        self.features = nn.SequenceWise(nn.ConvLayer(1, channels, activation="ELU", rng=rng))
        self.recurrent = recurrent
        if recurrent:
            self.memory: nn.Module = nn.ConvGRU(channels, hidden, 3, 1, rng=rng)
        else:
            self.memory = nn.SequenceWise(nn.Sequential(nn.Conv2d(channels, hidden, 3, padding=1, rng=rng), nn.Tanh()))
        self.head = nn.SequenceWise(nn.Conv2d(hidden, 1, 1, rng=rng))

    def forward(self, x: Any) -> Any:
        """Return logits of the shape of the frames ``(T, B, 1, H, W)``."""
        state = self.memory(self.features(x))
        return self.head(state[0] if self.recurrent else state)

    def backward(self, grad_output: Any) -> Any:
        """Return the gradient of the frames."""
        grad = self.memory.backward(self.head.backward(grad_output))
        return self.features.backward(grad[0] if self.recurrent else grad)


def train(model: Detector, size: int, steps: int, batch: int = 12) -> None:
    """Train on new scenes at every step."""
    criterion = nn.BCEWithLogitsLoss(pos_weight=10.0)
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    schedule = optim.CosineAnnealingLR(optimizer, steps)
    losses: list[float] = []
    for step in range(steps):
        frames, truth = make_scenes(batch, size, seed=step)
        optimizer.zero_grad()
        losses.append(float(criterion(model.train()(frames), truth)))
        model.backward(criterion.backward())
        optim.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1:4d}: loss {np.mean(losses[-100:]):.4f}")


def precision_by_step(model: Detector, frames: Any, truth: Any) -> tuple[list[float], Any]:
    """Return the average precision of the pixels' probabilities at every step, and the probabilities."""
    probabilities = nn.Sigmoid().eval()(model.eval()(frames))
    return [
        float(average_precision_score(t.ravel(), p.ravel())) for t, p in zip(truth, probabilities, strict=True)
    ], probabilities


def draw(frames: Any, truth: Any, probabilities: Any, scene: int, path: str) -> None:
    """Draw one scene: the input, what the network believes at each step, and the truth."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(3, STEPS, figsize=(1.35 * STEPS, 4.4), layout="constrained")
    rows = (("input", frames), ("belief", probabilities), ("truth", truth))
    for line, (name, maps) in zip(axes, rows, strict=True):
        for step, axis in enumerate(line):
            low, high = (-0.4, 1.2) if name == "input" else (0, 1)
            axis.imshow(maps[step, scene, 0], cmap="gray" if name == "input" else "cividis", vmin=low, vmax=high)
            axis.set_xticks([])
            axis.set_yticks([])
            if name == "input":
                axis.set_title(f"step {step + 1}", fontsize=9)
        line[0].set_ylabel(name)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> dict[str, list[float]]:
    """Train both networks, print their precision by step, draw a scene; returns the precisions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=16, help="of the frames, in pixels")
    parser.add_argument("--steps", type=int, default=1000, help="mini-batches of 12 scenes to train on")
    parser.add_argument("--output", default="drone_detector.png", help="the picture; empty for none")
    options = parser.parse_args(arguments)
    test_frames, test_truth = make_scenes(200, options.size, seed=10**6)
    found = {}
    for name, recurrent in (("with memory", True), ("without", False)):
        print(name)
        model = Detector(8, 16, recurrent, rng=0)
        train(model, options.size, options.steps)
        found[name], probabilities = precision_by_step(model, test_frames, test_truth)
        if recurrent and options.output:
            draw(test_frames, test_truth, probabilities, 0, options.output)
    print("average precision  " + "".join(f"  step {step + 1}" for step in range(STEPS)))
    for name, values in found.items():
        print(f"{name:18s} " + "".join(f"{value:8.3f}" for value in values))
    return found


if __name__ == "__main__":
    main()
