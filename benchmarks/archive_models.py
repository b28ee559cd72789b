"""What is compared: classifiers by their defaults, and peers behind the preparation that each needs."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline

from seriatim import models
from seriatim.preprocessing import Deltas, Resample, Standardize
from seriatim.sequences import Sequences


class Entry(NamedTuple):
    """A model made of a seed and a number of threads."""

    make: Callable[[int, int], Any]
    missing: Callable[[], str]
    peer: bool
    # Whether a seed changes anything.
    seeded: bool
    # Whether a first call is slower than others.
    compiles: bool


class Resampled(BaseEstimator):  # type: ignore[misc]
    """aeon's classifiers on sequences: all of the median length of the training part."""

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Sequences, y: np.ndarray) -> Resampled:
        # The ROCKETs want nine observations.
        self.resample_ = Resample(max(9, int(np.median(X.lengths)))).fit(X)
        self.estimator.fit(self._cube(X), y)
        return self

    def predict(self, X: Sequences) -> np.ndarray:
        return self.estimator.predict(self._cube(X))

    def _cube(self, X: Sequences) -> np.ndarray:
        even = self.resample_.transform(X)
        return np.ascontiguousarray(even.X.reshape(len(even), -1, even.X.shape[1]).transpose(0, 2, 1))


def ours(name: str, effort: str | None) -> Entry:
    cls = getattr(models, name)

    def make(seed: int, threads: int) -> Any:
        return cls(random_state=seed) if effort is None else cls(effort=effort, random_state=seed)

    def missing() -> str:
        return "" if effort is None or "effort" in inspect.signature(cls).parameters else "a seriatim with effort"

    return Entry(make, missing, peer=False, seeded=True, compiles=False)


def knn(seed: int, threads: int) -> Any:
    from sequentia.models import KNNClassifier

    from seriatim.compat.sequentia import OnSequences

    return OnSequences(KNNClassifier(k=1, window=0.3, n_jobs=threads, random_state=seed))


def minirocket(seed: int, threads: int) -> Any:
    from aeon.classification.convolution_based import MiniRocketClassifier

    return Resampled(MiniRocketClassifier(n_jobs=threads, random_state=seed))


def multirocket_hydra(seed: int, threads: int) -> Any:
    from aeon.classification.convolution_based import MultiRocketHydraClassifier

    return Resampled(MultiRocketHydraClassifier(n_jobs=threads, random_state=seed))


def peer(classifier: Callable[[int, int], Any], needs: tuple[str, ...], slopes: bool) -> Entry:
    def make(seed: int, threads: int) -> Any:
        steps = [Standardize(), Deltas(), Standardize()] if slopes else [Standardize()]
        return make_pipeline(*steps, classifier(seed, threads))

    def missing() -> str:
        return " and ".join(package for package in needs if importlib.util.find_spec(package) is None)

    return Entry(make, missing, peer=True, seeded=classifier is not knn, compiles=True)


OURS = ("GRUClassifier", "LSTMClassifier", "DeepGRUClassifier", "ReservoirClassifier")
PEERS: dict[str, tuple[Callable[[int, int], Any], tuple[str, ...]]] = {
    "kNN-DTW": (knn, ("sequentia",)),
    "MiniRocket": (minirocket, ("aeon",)),
    "MultiRocket-Hydra": (multirocket_hydra, ("aeon", "torch")),
}
ENTRIES: dict[str, Entry] = {
    **{name: ours(name, None) for name in OURS},
    **{f"{name} {effort}": ours(name, effort) for name in OURS[:3] for effort in ("best", "fast")},
    **{name: peer(*found, slopes=False) for name, found in PEERS.items()},
    **{f"{name} with slopes": peer(*found, slopes=True) for name, found in PEERS.items()},
}
USUAL = [*OURS, *PEERS]
