"""Which digit is being spoken, before the word has ended.

An EarlyClassifier hears recordings of single digits frame by frame and decides as soon as it is sure; how sure it has to be
it learns from recordings that its network was not trained on. It is asked for others still. Beside it: how often the same
network is right when it has to decide after the first 10, 20, ... 100 % of a word.

Run: python examples/early_digits.py --data fsdd_logmel.npz [--output early_digits.png]

The data: the Free Spoken Digit Dataset (github.com/Jakobovski/free-spoken-digit-dataset), CC BY-SA 4.0, as log-mel bands,
one frame each 10 ms. The file holds, as NumPy arrays, all frames behind each other: X (frames, bands); and for each
recording lengths (its frames), y (the digit), and index (0 to 49: those below 5 are for the test, as its authors say).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from seriatim.models import EarlyClassifier, GRUClassifier

SHARES = np.arange(1, 11) / 10


def read(path: Path) -> tuple[list[Any], Any, list[Any], Any]:
    """Return recordings and digits to learn from, and those of the test."""
    with np.load(path) as file:
        frames, lengths, digit, index = file["X"].astype(np.float32), file["lengths"], file["y"], file["index"]
    parts = np.split(frames, np.cumsum(lengths)[:-1])
    known, asked = np.flatnonzero(index >= 5), np.flatnonzero(index < 5)
    return [parts[i] for i in known], digit[known], [parts[i] for i in asked], digit[asked]


def draw(path: Path, curves: Any, earliness: Any, accuracy: Any) -> None:
    """Draw accuracy by the share of the word that was heard, and where the rule decides."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
    for curve in curves:
        axis.plot(100 * SHARES, 100 * curve, color="tab:blue", alpha=0.35, lw=1)
    axis.plot(
        100 * SHARES, 100 * curves.mean(axis=0), "o-", color="tab:blue", label="decides after a share of each word"
    )
    axis.plot(100 * earliness, 100 * accuracy, "*", ms=13, color="tab:red", label="EarlyClassifier, each seed")
    axis.set(xlabel="heard of the word, %", ylabel="right, %", xlim=(5, 103), xticks=100 * SHARES)
    axis.grid(alpha=0.3)
    axis.legend(loc="lower right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Train, print and return of each seed: accuracy by shares, and the rule's threshold, earliness and accuracy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("fsdd_logmel.npz"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--output", type=Path, help="a picture")
    options = parser.parse_args(arguments)
    if not options.data.is_file():
        raise SystemExit(f"{options.data}: no such file.\n{__doc__.partition('The data: ')[2]}")
    X, y, X_test, y_test = read(options.data)
    rows, curves = [], []
    for seed in range(options.seeds):
        network = GRUClassifier(
            hidden_size=64, bidirectional=False, preprocessing=None, n_estimators=1, max_epochs=options.epochs,
            random_state=seed,
        )  # fmt: skip
        early = EarlyClassifier(network, max_loss=0.01, random_state=seed).fit(X, y)
        begun = [[word[: int(np.ceil(share * len(word)))] for word in X_test] for share in SHARES]
        curves.append([float(np.mean(early.estimator_.predict(words) == y_test)) for words in begun])
        labels, frames = early.decide(X_test)
        seen = float(np.mean(frames / [len(word) for word in X_test]))
        rows.append((early.threshold_, seen, float(np.mean(labels == y_test))))
        print(
            f"seed {seed}: surer than {early.threshold_:.3f}, after {100 * rows[-1][1]:.1f} % of the word, "
            f"{100 * rows[-1][2]:.1f} % right; at the end {100 * curves[-1][-1]:.1f} %",
            flush=True,
        )
    by_share, (threshold, earliness, accuracy) = np.array(curves), np.array(rows).T
    for share, column in zip(SHARES, 100 * by_share.T, strict=True):
        print(f"{100 * share:4.0f} % heard: {column.mean():5.1f} % right ({column.min():.1f} to {column.max():.1f})")
    for name, values in (("heard", 100 * earliness), ("right", 100 * accuracy)):
        print(f"EarlyClassifier, % {name}: {values.mean():.1f} ({values.min():.1f} to {values.max():.1f})")
    if options.output is not None:
        draw(options.output, by_share, earliness, accuracy)
    return {"by_share": by_share, "threshold": threshold, "earliness": earliness, "accuracy": accuracy}


if __name__ == "__main__":
    main()
