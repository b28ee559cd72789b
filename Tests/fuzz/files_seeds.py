"""Writes the seeds of ``files_corpus``: small files of every kind of node.

python Tests/fuzz/files_seeds.py
"""

import datetime
import sys
from pathlib import Path

import numpy as np
import scipy.sparse
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import seriatim
from seriatim import nn
from seriatim import preprocessing as prep
from seriatim.models import GRUClassifier

X = [np.random.default_rng(i).normal(size=(4 + i % 3, 2)) for i in range(6)]
FLAT, Y = np.random.default_rng(0).normal(size=(8, 2)), np.arange(8) % 2


def with_values():
    """A transformer of every kind of value."""
    model = prep.Center()
    model.one = [1, 2.5, "a", None, True, (1, 2), {"a": {1, 2}}, frozenset((3,)), b"ab", 1 + 2j, range(3), slice(1, 2)]
    model.two = [datetime.date(2020, 1, 2), datetime.datetime(2020, 1, 2, 3), datetime.timedelta(1), Path("a")]
    model.three = [np.arange(3), np.array(["ab", "c"]), np.array([1, "x", None], object), np.float32(1), np.dtype("f4")]
    model.four = [np.random.default_rng(0), np.random.RandomState(0), np.ma.MaskedArray([1, 2], [0, 1]), np.log]
    model.five = [
        scipy.sparse.csr_matrix(np.eye(2)),
        np.datetime64("2020", "s"),
        np.ones((2, 3)).T,
        np.str_("a"),
        float,
    ]
    return model


def models():
    """Yield names and models."""
    tied = nn.Sequential(nn.Linear(2, 2, rng=0), nn.ReLU(), nn.Linear(2, 2, rng=1))
    tied[2].weight = tied[0].weight
    tied.note, tied[0].bias.requires_grad = "tied", False
    yield "tied", tied
    yield "stack", nn.Sequential({"a": nn.Outputs(nn.GRU(1, 2, 2, bidirectional=True, dropout=0.1, rng=0))})
    yield "images", nn.VideoSequential(nn.Conv2d(1, 1, 1, rng=0), nn.BatchNorm2d(1), nn.ConvRNN(1, 1, rng=0))
    yield "quantised", seriatim.quantize(nn.Linear(2, 2, rng=0).eval())
    yield "values", with_values()
    yield "unfitted", GRUClassifier(schedule="cosine", augmentation=prep.Jitter(0.1))
    yield "scikit", make_pipeline(StandardScaler(), FunctionTransformer(np.log1p), LogisticRegression()).fit(FLAT**2, Y)
    yield "neighbours", KNeighborsClassifier(2).fit(FLAT, Y)
    small = GRUClassifier(hidden_size=1, max_epochs=1, random_state=0, n_estimators=1, scaling=None, augmentation=None)
    yield "classifier", make_pipeline(prep.Standardize(), small).fit(X, [0, 1] * 3)


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "files_corpus")
    folder.mkdir(exist_ok=True)
    for name, model in models():
        seriatim.save(model, folder / name, training=name == "classifier")
        print(name, (folder / name).stat().st_size)
