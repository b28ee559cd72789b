"""Which digit is spoken at every moment: strings of digits, a label a frame.

Recordings of single digits are strung together, three to seven of one speaker, with silence between them: so the label of
every frame is known by construction, and silence is an eleventh class. A FrameClassifier learns from strings of some
recordings and is asked for strings of others, which it has never heard (with --held-out speakers: of two speakers whom it
has never heard). Beside it, in the same run and on the same frames:
a linear classifier by frame (scikit-learn's Perceptron), and a hidden Markov model whose states are the classes, Gaussians
of the labelled frames and counted transitions, decoded by Viterbi (hmmlearn; it comes with sequentia).

Run: python examples/spoken_strings.py --data fsdd_logmel.npz [--held-out speakers] [--output strings.png]

The data: the Free Spoken Digit Dataset (github.com/Jakobovski/free-spoken-digit-dataset), CC BY-SA 4.0, as log-mel bands,
one frame each 10 ms. The file holds, as NumPy arrays, all frames behind each other: X (frames, bands); and for each
recording lengths (its frames), y (the digit), speaker and index (0 to 49: those below 5 are for the test, as its authors
say).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import Perceptron
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from seriatim import Sequences
from seriatim.metrics import frame_accuracy, frame_f1, segment_edit_distance
from seriatim.models import FrameClassifier
from seriatim.preprocessing import Standardize

SILENCE = 10
NAMES = (*map(str, range(10)), "silence")


class Recordings:
    """Recordings of single digits: those of the test, or the others.

    ``held_out`` says what the test has for itself: 'recordings', or the last two 'speakers'.
    """

    def __init__(self, path: Path, held_out: str, *, test: bool) -> None:
        with np.load(path) as file:
            frames, lengths = file["X"].astype(np.float32), file["lengths"]
            digit, speaker, index = file["y"], file["speaker"], file["index"]
        is_test = index < 5 if held_out == "recordings" else np.isin(speaker, np.unique(speaker)[-2:])
        chosen = np.flatnonzero(is_test == test)
        parts = np.split(frames, np.cumsum(lengths)[:-1])
        self.frames, self.digit, self.speaker = [parts[i] for i in chosen], digit[chosen], speaker[chosen]
        # The quietest frames of each speaker: what silence sounds like in that room.
        self.rooms = {}
        for name in np.unique(self.speaker):
            own = np.concatenate([part for part, who in zip(self.frames, self.speaker, strict=True) if who == name])
            quiet = own[own.mean(axis=1) <= np.quantile(own.mean(axis=1), 0.02)]
            self.rooms[name] = quiet.mean(axis=0), quiet.std(axis=0)

    def strings(self, count: int, rng: np.random.Generator) -> tuple[Sequences, list[Any]]:
        """String recordings together: sequences, and the label of each of their frames."""
        X, y = [], []
        for number in range(count):
            speaker = np.unique(self.speaker)[number % len(self.rooms)]
            own = np.flatnonzero(self.speaker == speaker)
            parts, labels = [], []
            for place in rng.choice(own, rng.integers(3, 8)):
                pause = int(rng.integers(5, 40))
                mean, deviation = self.rooms[speaker]
                parts += [rng.normal(mean, deviation, (pause, len(mean))), self.frames[place]]
                labels += [SILENCE] * pause + [int(self.digit[place])] * len(self.frames[place])
            X.append(np.concatenate(parts, dtype=np.float32))
            y.append(np.array(labels))
        return Sequences.from_list(X), y


def by_perceptron(X: Sequences, y: list[Any], X_test: Sequences) -> list[Any]:
    """Return labels of a linear classifier that sees one frame at a time."""
    model = make_pipeline(StandardScaler(), Perceptron(random_state=0)).fit(X.X, np.concatenate(y))
    return np.split(model.predict(X_test.X), X_test.starts[1:])


def by_markov_model(X: Sequences, y: list[Any], X_test: Sequences) -> list[Any] | None:
    """Return the most probable paths through a hidden Markov model of the classes, None without hmmlearn."""
    try:
        from hmmlearn.hmm import GaussianHMM
    except ImportError:
        return None
    labels = np.concatenate(y)
    model = GaussianHMM(len(NAMES), "full", init_params="", params="")
    own = [X.X[labels == label].astype(np.float64) for label in range(len(NAMES))]
    model.means_ = np.stack([frames.mean(axis=0) for frames in own])
    model.covars_ = np.stack([np.cov(frames.T) + 1e-3 * np.eye(frames.shape[1]) for frames in own])
    moves, begins = np.ones((len(NAMES), len(NAMES))), np.ones(len(NAMES))
    for path in y:
        np.add.at(moves, (path[:-1], path[1:]), 1)
        begins[path[0]] += 1
    model.startprob_, model.transmat_ = begins / begins.sum(), moves / moves.sum(axis=1, keepdims=True)
    paths = model.predict(X_test.X.astype(np.float64), X_test.lengths)
    return np.split(paths, X_test.starts[1:])


def draw(path: Path, X: Any, true: Any, rows: dict[str, Any]) -> None:
    """Draw one string: what was heard, and strips of true and predicted labels below."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from matplotlib.colors import ListedColormap

    colours = ListedColormap([*plt.get_cmap("tab10").colors, "#e8e8e8"])
    figure, axes = plt.subplots(
        2 + len(rows), 1, figsize=(11, 2.2 + 0.5 * len(rows)), sharex=True, layout="constrained",
        gridspec_kw={"height_ratios": [4, *[1] * (1 + len(rows))]},
    )  # fmt: skip
    axes[0].imshow(X.T, aspect="auto", origin="lower", cmap="magma")
    axes[0].set(ylabel="band", yticks=[])
    for axis, (name, labels) in zip(axes[1:], {"true": true, **rows}.items(), strict=True):
        axis.imshow(labels[None], aspect="auto", cmap=colours, vmin=0, vmax=SILENCE, interpolation="nearest")
        axis.set(yticks=[])
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
        cuts = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1, [len(labels)]])
        for begin, end in zip(cuts[:-1], cuts[1:], strict=True):
            if labels[begin] != SILENCE and end - begin >= 8:
                axis.text((begin + end - 1) / 2, 0, NAMES[labels[begin]], ha="center", va="center", color="white")
    axes[-1].set_xlabel("frame (10 ms); silence is light")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def main(arguments: list[str] | None = None) -> dict[str, tuple[float, float, float]]:
    """Train, print and return accuracy and F1 by frame and the edit distance of segments of each, on held-out strings."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("fsdd_logmel.npz"))
    parser.add_argument("--strings", type=int, default=1200, help="to train on; a sixth as many are for the test")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--held-out", choices=("recordings", "speakers"), default="recordings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="a picture of one string")
    options = parser.parse_args(arguments)
    if not options.data.is_file():
        raise SystemExit(f"{options.data}: no such file.\n{__doc__.partition('The data: ')[2]}")
    rng = np.random.default_rng(options.seed)
    X, y = Recordings(options.data, options.held_out, test=False).strings(options.strings, rng)
    X_test, y_test = Recordings(options.data, options.held_out, test=True).strings(max(2, options.strings // 6), rng)
    print(f"{len(X.X):,} frames of {len(X)} strings to learn from, {len(X_test.X):,} of {len(X_test)} to be asked for")
    began, answers = time.perf_counter(), {}
    # Others' voices and rooms: each string by its own mean and deviation, which is not known before it has ended.
    own = Standardize(over="sequence") if options.held_out == "speakers" else "auto"
    for name, both, scaling in (("both directions", True, own), ("the past alone", False, "auto")):
        model = FrameClassifier(
            hidden_size=96, num_layers=2, bidirectional=both, convolution=5, max_epochs=options.epochs, scaling=scaling,
            random_state=options.seed,
        )  # fmt: skip
        answers[f"FrameClassifier, {name}"] = model.fit(X, y).predict(X_test)
        print(f"FrameClassifier, {name}: fitted in {time.perf_counter() - began:.0f} s")
        began = time.perf_counter()
    answers["perceptron by frame"] = by_perceptron(X, y, X_test)
    answers["Markov model by frame"] = by_markov_model(X, y, X_test)
    found = {}
    for name, labels in answers.items():
        if labels is None:
            print(f"{name:36s} left out: hmmlearn is not installed")
            continue
        found[name] = (
            frame_accuracy(y_test, labels),
            float(frame_f1(y_test, labels)),
            segment_edit_distance(y_test, labels),
        )
        accuracy, f1, distance = found[name]
        print(f"{name:36s} {100 * accuracy:5.1f} % of frames, F1 {f1:.3f}, edit distance of segments {distance:.2f}")
    if options.output is not None:
        shown = {name.replace(", ", ",\n"): labels[0] for name, labels in answers.items() if labels is not None}
        draw(options.output, X_test[0], y_test[0], shown)
    return found


if __name__ == "__main__":
    main()
