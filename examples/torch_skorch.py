"""DeepGRU in skorch: a torch module of our kernels as a scikit-learn classifier, on ragged gestures.

Made-up gestures of three kinds (circles one way, circles the other way, zigzags) of 8 to 40 points. skorch trains
`seriatim.torch.DeepGRU`, whose forward takes padded sequences and their lengths; scikit-learn cross-validates.

Run: python examples/torch_skorch.py [--gestures 90] [--epochs 15]

Needs: pip install 'seriatim[torch]' skorch
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from sklearn.model_selection import cross_val_score
from skorch import NeuralNetClassifier
from skorch.helper import SliceDict

from seriatim.torch import DeepGRU


def gestures(count: int, seed: int = 0) -> tuple[SliceDict, Any]:
    """Return padded gestures ``x (count, 40, 2)`` with their ``lengths``, and their kinds."""
    rng = np.random.default_rng(seed)
    lengths, kinds = rng.integers(8, 41, count), np.arange(count) % 3
    x = np.zeros((count, 40, 2), np.float32)
    for row, length, kind in zip(x, lengths, kinds):
        t = np.linspace(0, 1, length) + rng.random()
        turn = 2 * np.pi * t * (1, -1, 0)[kind]
        points = np.stack([np.cos(turn), np.sin(turn)], 1) if kind < 2 else np.stack([t, np.abs(4 * t % 1 - 0.5)], 1)
        row[:length] = points - points.mean(0) + rng.normal(0, 0.1, (length, 2))
    return SliceDict(x=x, lengths=lengths.astype(np.int64)), kinds.astype(np.int64)


def main(arguments: list[str] | None = None) -> float:
    """Cross-validate; returns the mean accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gestures", type=int, default=90)
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args(arguments)
    torch.manual_seed(0)
    net = NeuralNetClassifier(
        DeepGRU,
        module__n_features=2,
        module__n_classes=3,
        module__dims={"gru1": 32, "gru2": 24, "gru3": 16, "fc": 16},
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=torch.optim.Adam,
        lr=0.01,
        batch_size=16,
        max_epochs=options.epochs,
        train_split=None,
        verbose=0,
    )
    scores = cross_val_score(net, *gestures(options.gestures), cv=3)
    print(f"accuracy: {scores.mean():.2f}, of three folds: {', '.join(f'{score:.2f}' for score in scores)}")
    return float(scores.mean())


if __name__ == "__main__":
    main()
