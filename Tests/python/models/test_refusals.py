"""Estimators and transformers drop no mask and no imaginary part, and refuse sequences without a step."""

import warnings

import numpy as np
import pytest

from seriatim import models as M
from seriatim import preprocessing as P

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 5, 2)).astype(np.float32)
Y = np.arange(8) % 2
SMALL = {"max_epochs": 1, "batch_size": 4, "random_state": 0}
DIMS = {"gru1": 4, "gru2": 3, "gru3": 2, "fc": 4}

ESTIMATORS = {
    "DeepGRUClassifier": lambda: M.DeepGRUClassifier(dims=DIMS, **SMALL),
    "DeepGRURegressor": lambda: M.DeepGRURegressor(dims=DIMS, **SMALL),
    "GRUClassifier": lambda: M.GRUClassifier(hidden_size=2, **SMALL),
    "ReservoirClassifier": lambda: M.ReservoirClassifier(hidden_size=4, random_state=0),
    "ReservoirRegressor": lambda: M.ReservoirRegressor(hidden_size=4, random_state=0),
}
TRANSFORMERS = {
    name: getattr(P, name)
    for name in ("Center", "Standardize", "MinMaxScale", "Filter", "Deltas", "Downsample", "Pad", "TrimConstants")
}


def spoilt(array, way):
    if way == "complex":
        return array * (1 + 1j)
    mask = np.zeros(array.shape, bool)
    mask.reshape(-1)[-1] = True
    return np.ma.masked_array(array, mask)


def forms(way):
    """Sequences of which the last is spoilt, in every form of X, with its lengths."""
    yield [*X[:-1], spoilt(X[-1], way)], {}
    yield spoilt(X, way), {}
    yield spoilt(X.reshape(-1, 2), way), {"lengths": [5] * 8}


def refused(call, *arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error", np.exceptions.ComplexWarning if hasattr(np, "exceptions") else Warning)
        with pytest.raises((TypeError, ValueError), match=r"mask|omplex"):
            call(*arguments, **options)


@pytest.mark.parametrize("way", ["masked", "complex"])
@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name, way):
    make = ESTIMATORS[name]
    fitted = make().fit(X, Y)
    for given, options in forms(way):
        refused(make().fit, given, Y, **options)
        refused(fitted.predict, given, **options)
    refused(make().fit, X, spoilt(Y, way))
    refused(make().fit, X, Y, sample_weight=spoilt(np.ones(8), way))
    refused(make().fit, X.reshape(-1, 2), Y, lengths=spoilt(np.full(8, 5), way))


@pytest.mark.parametrize("way", ["masked", "complex"])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers(name, way):
    transformer = TRANSFORMERS[name]()
    fitted = TRANSFORMERS[name]().fit(X)
    for given, options in forms(way):
        refused(transformer.fit, given, **options)
        refused(fitted.transform, given, **options)


@pytest.mark.parametrize("way", ["masked", "complex"])
def test_videos(way):
    videos = RNG.normal(size=(4, 2, 1, 3, 3)).astype(np.float32)
    model = M.VideoClassifier(lambda frames: frames.reshape(len(frames), -1), 9, hidden_size=2, fc=2, **SMALL)
    refused(model.fit, spoilt(videos, way), [0, 1, 0, 1])
    refused(model.fit, [*videos[:-1], spoilt(videos[-1], way)], [0, 1, 0, 1])


def test_what_is_whole_is_taken():
    nothing = np.ma.masked_array(X, np.zeros(X.shape, bool))
    wanted = ESTIMATORS["GRUClassifier"]().fit(X, Y).predict_proba(X)
    for given in (nothing, list(nothing)):
        found = ESTIMATORS["GRUClassifier"]().fit(given, Y).predict_proba(given)
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", [*ESTIMATORS, *TRANSFORMERS])
def test_sequences_without_a_step(name):
    """Are refused by fit and by what follows it, and named."""
    make = {**ESTIMATORS, **TRANSFORMERS}[name]
    fitted = make().fit(X, Y)
    given, lengths = [*X[:2], X[2, :0], *X[3:]], [5, 5, 0, *[5] * 5]
    rows = np.concatenate(given)
    use = fitted.predict if name in ESTIMATORS else fitted.transform
    for call in (lambda x, **options: make().fit(x, Y, **options), use):
        with pytest.raises(ValueError, match=r"X\[2\]: expected a sequence .* with T >= 1, got \(0, 2\)"):
            call(given)
        with pytest.raises(ValueError, match="lengths: expected lengths of at least 1, got 0 for sequence 2"):
            call(rows, lengths=lengths)
