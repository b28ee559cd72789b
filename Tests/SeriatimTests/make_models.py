"""Writes the models that the tests of the Swift library read, and what Python makes of a few sequences with them.

``python Tests/SeriatimTests/make_models.py`` writes ``Models/`` anew: after a change to the format of files, or to what
a network computes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import seriatim
from seriatim.models import (
    DeepGRUClassifier,
    DeepGRURegressor,
    FrameClassifier,
    GRUClassifier,
    LSTMClassifier,
    ReservoirClassifier,
)
from seriatim.preprocessing import Standardize

HERE = Path(__file__).parent / "Models"
DIMS = {"gru1": 6, "gru2": 5, "gru3": 4, "fc": 7}
TRAINED: dict[str, Any] = {"max_epochs": 3, "random_state": 0}
CAUSAL: dict[str, Any] = {"scaling": Standardize(), "preprocessing": None, "bidirectional": False}


def main() -> None:
    """Train, save, and write what is expected."""
    rng = np.random.default_rng(0)
    X = [(rng.normal(size=(rng.integers(4, 12), 3)) * [1, 2, 30] + 5).astype(np.float32) for _ in range(24)]
    words = np.array(["left", "right", "über"])[np.arange(24) % 3]
    numbers = np.stack([np.arange(24.0), 100 - np.arange(24.0) ** 2], axis=1)
    models = {
        "gru": GRUClassifier(hidden_size=7, num_layers=2, pooling=["last", "mean", "max"], **CAUSAL, **TRAINED),
        "lstm": LSTMClassifier(hidden_size=5, n_estimators=2, **TRAINED),
        "deepgru": DeepGRUClassifier(dims=DIMS, **CAUSAL, **TRAINED),
        "regressor": DeepGRURegressor(dims=DIMS, pooling=["mean", "max"], **CAUSAL, **TRAINED),
        "reservoir": ReservoirClassifier(hidden_size=12, random_state=0),
        "frames": FrameClassifier(hidden_size=6, convolution=3, **CAUSAL, **TRAINED),
    }
    by_frame = [np.where(x[:, 0] > 5, "high", "low") for x in X]
    targets = {
        "frames": by_frame,
        "regressor": numbers,
        "deepgru": np.arange(24) % 3 - 1,
        "reservoir": np.arange(24) % 2 == 0,
    }
    HERE.mkdir(exist_ok=True)
    shown = X[:3]
    expected: dict[str, Any] = {"sequences": [x.tolist() for x in shown]}
    for name, model in models.items():
        model.fit(X, targets.get(name, words))
        seriatim.save(model, HERE / f"{name}.safetensors", training=False)
        if name == "regressor":
            expected[name] = {"numbers": model.predict(shown).tolist()}
        elif name == "frames":
            expected[name] = {
                "labels": np.concatenate(model.predict(shown)).tolist(),
                "log_probs": np.concatenate(model.predict_log_proba(shown)).tolist(),
            }
        else:
            expected[name] = {
                "labels": [str(label) for label in model.predict(shown)],
                "log_probs": model.predict_log_proba(shown).tolist(),
            }
    (HERE / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
