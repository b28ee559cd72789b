"""What parameters may be, and that one that is given stays as it is."""

import numpy as np
import pytest
from samples import ragged

from seriatim import Sequences, nn
from seriatim.models import (
    DeepGRUClassifier,
    GRUClassifier,
    ReservoirClassifier,
)

X, Y = ragged()


DIMS = {"gru1": 16, "gru2": 12, "gru3": 8, "fc": 8}


def make(**parameters):
    given = {"dims": DIMS, "max_epochs": 25, "learning_rate": 1e-2, "batch_size": 16, "random_state": 0}
    return DeepGRUClassifier(**{**given, **parameters})


@pytest.fixture(scope="module")
def data():
    """Sequences that rise or fall, with noise: easy, ragged."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 20, 60)
    y = rng.integers(0, 2, 60)
    rows = [
        np.outer(np.linspace(-1, 1, n) * (1 if label else -1), [1.0, 0.5]) + 0.1 * rng.normal(size=(n, 2))
        for n, label in zip(lengths, y, strict=True)
    ]
    return Sequences.from_list(rows), y


def test_what_is_given_stays_as_it_is():
    settings = {"hidden_size": 8, "learning_rate": 2e-3, "batch_size": 5, "max_epochs": 4, "label_smoothing": 0.0}
    model = GRUClassifier(**settings, augmentation=None, preprocessing=None, random_state=0).fit(X, Y)
    assert {name: getattr(model, f"{name}_") for name in settings} == settings
    assert (model.n_estimators_, model.reservoir_, model.pooling_) == (1, False, ("last",))
    assert (model.scaling_, model.preprocessing_, model.augmentation_) == (None, None, None)
    assert isinstance(model.module_, nn.SequenceRNN)
    assert model.transform(X).shape == (60, 16)
    paper = DeepGRUClassifier(dims={"gru1": 8}, max_epochs=2, random_state=0).fit(X, Y)
    assert paper.dims_ == {"gru1": 8, "gru2": 256, "gru3": 128, "fc": 256}
    assert (paper.dropout_, paper.bidirectional_, paper.pooling_, paper.learning_rate_) == (0.5, False, (), 1e-3)
    assert DeepGRUClassifier(dims=None, max_epochs=1).fit(X, Y).module_.dims["gru1"] == 512


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"effort": "much"}, "effort: expected one of"),
        ({"max_time": 0}, "max_time: expected a positive number"),
        ({"n_estimators": 0}, "n_estimators: expected an integer from 1 to 1000"),
        ({"batch_size": "many"}, "batch_size: expected an integer"),
        ({"learning_rate": "high"}, "learning_rate: expected a finite number"),
        ({"label_smoothing": "some"}, "label_smoothing: expected a number"),
    ],
)
def test_values_without_a_meaning(given, words):
    with pytest.raises(ValueError, match=words):
        GRUClassifier(**given).fit(X, Y)
    for name in ("scaling", "preprocessing", "augmentation"):
        with pytest.raises(TypeError, match=f"{name}: expected a"):
            GRUClassifier(**{name: 3}).fit(X, Y)


@pytest.mark.parametrize("kind", [GRUClassifier, DeepGRUClassifier, ReservoirClassifier])
@pytest.mark.parametrize("pooling", ["mean", ("middle",)])
def test_poolings_without_a_meaning(kind, pooling):
    with pytest.raises(ValueError, match=r"expected some of .*, got (\('middle',\)|'mean')"):
        kind(pooling=pooling).fit(X, Y)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dropout", 1.5),
        ("learning_rate", -1),
        ("batch_size", 1),
        ("max_epochs", 0),
        ("clip_norm", 0),
        ("validation_fraction", 1.0),
        ("schedule", "steps"),
        ("dims", {"gru9": 3}),
    ],
)
def test_bad_parameters(data, name, value):
    with pytest.raises(ValueError, match=name):
        make(**{name: value}).fit(*data)
