"""Digits seen by an event camera (N-MNIST), with a convolutional recurrent net.

An event camera reports when a pixel grows brighter or darker, not frames. Events are counted in 12 slices of time, two
maps each (brighter, darker); a network of Metavision's layers reads the slices one after another, and a linear layer reads
its last state.

Run: python examples/event_digits.py --data nmnist_small.npz [--epochs 20]

The data: N-MNIST by Orchard et al. (2015), CC BY-SA 4.0. The subset of 1,000 + 100 recordings is the one of the SLAYER
repository (github.com/bamsumit/slayerPytorch, test/test_files/NMNISTsmall). The file holds, as NumPy arrays, all events
behind each other: x, y_pix, p (0 or 1), t_us; and for each recording lengths (its number of events), y (the digit) and
is_test.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from seriatim import nn, optim

SIDE, SLICES = 34, 12


def read(path: Path) -> tuple[Any, Any, Any]:
    """Return slices ``(n, SLICES, 2, SIDE, SIDE)`` of logarithms of counts, labels, and which are for the test."""
    with np.load(path) as file:
        data = {name: file[name] for name in ("x", "y_pix", "p", "t_us", "lengths", "y", "is_test")}
    owner = np.repeat(np.arange(len(data["lengths"])), data["lengths"])
    ends = np.cumsum(data["lengths"])
    times = data["t_us"].astype(np.float64)
    spans = np.array([times[end - 1] + 1 for end in ends])
    step = np.minimum((times / spans[owner] * SLICES).astype(int), SLICES - 1)
    counts = np.zeros((len(ends), SLICES, 2, SIDE, SIDE), np.float32)
    np.add.at(counts, (owner, step, data["p"].astype(int), data["y_pix"].astype(int), data["x"].astype(int)), 1)
    return np.log1p(counts), data["y"].astype(np.int64), data["is_test"].astype(bool)


class EventNet(nn.Module):
    """Convolutions, ConvRNN, pooling, a linear layer on the last step."""

    def __init__(self, rng: int) -> None:
        super().__init__()
        self.body = nn.VideoSequential(
            nn.ConvLayer(2, 16, 5, stride=2, padding=2, rng=rng),
            nn.ConvRNN(16, 32, stride=2, rng=rng),
        )
        self.head = nn.Sequential(
            nn.MaxPool2d(3, 3), nn.Flatten(), nn.Dropout(0.5, rng=rng), nn.Linear(32 * 9, 10, rng=rng)
        )

    def trace(self, x: Any) -> Any:
        """Return logits ``(B, 10)`` of slices ``(T, B, 2, H, W)``, and the context; every call begins without memory."""
        self.body.reset_all()
        y, of_body = self.body.trace(x)
        logits, of_head = self.head.trace(y[-1])
        return logits, self.keep((y.shape, of_body, of_head))

    def pullback(self, context: Any, grad_output: Any) -> Any:
        """Return the gradient of the slices."""
        shape, of_body, of_head = self.kept(context)
        grad = np.zeros(shape, np.float32)
        grad[-1] = self.head.pullback(of_head, grad_output)
        return self.body.pullback(of_body, grad)


def shifted(x: Any, rng: np.random.Generator) -> Any:
    """Move each recording by up to two pixels: for training only."""
    moved = np.empty_like(x)
    for i, (dy, dx) in enumerate(rng.integers(-2, 3, (x.shape[1], 2))):
        moved[:, i] = np.roll(x[:, i], (dy, dx), axis=(-2, -1))
    return moved


def main(arguments: list[str] | None = None) -> float:
    """Train, print the accuracy on the test recordings after the last epoch and return it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("nmnist_small.npz"))
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if not options.data.is_file():
        raise SystemExit(f"{options.data}: no such file.\n{__doc__.partition('The data: ')[2]}")
    x, y, is_test = read(options.data)
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    model, criterion = EventNet(options.seed), nn.CrossEntropyLoss()
    optimizer = optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    batch, rng = 20, np.random.default_rng(options.seed)
    schedule = optim.CosineAnnealingLR(optimizer, options.epochs * (len(train) // batch))
    for epoch in range(options.epochs):
        losses = []
        for part in np.array_split(rng.permutation(train), len(train) // batch):
            slices = shifted(np.ascontiguousarray(x[part].swapaxes(0, 1)), rng)
            optimizer.zero_grad()
            losses.append(criterion(model.train()(slices), y[part]))
            model.backward(criterion.backward())
            optim.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1:2d}: loss {np.mean(losses):.4f}")
    right = model.eval()(np.ascontiguousarray(x[test].swapaxes(0, 1))).argmax(axis=1) == y[test]
    print(f"{100 * right.mean():.1f} % of {len(test)} test recordings")
    return float(right.mean())


if __name__ == "__main__":
    main()
