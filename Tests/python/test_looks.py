"""What is printed, and what a notebook shows: short, no addresses in memory, and a way to the documentation."""

import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from samples import make, rising
from sklearn.pipeline import make_pipeline

import seriatim
from seriatim import nn, optim
from seriatim._brief import brief
from seriatim._sklearn import _looks
from seriatim.models import CharacterModel, DeepGRUClassifier, GRUClassifier, ReservoirRegressor, VideoClassifier
from seriatim.preprocessing import Compose, Deltas, Jitter, Standardize, Tempo

X, Y = rising()


def test_brief():
    def rises(x):
        return x

    assert brief(np.zeros((3, 2))) == "array of shape (3, 2)"
    assert brief(nn.Linear(3, 2)) == "Linear(8 numbers)"
    assert brief(make_pipeline(Deltas(), Standardize())) == "Deltas() + Standardize()"
    assert brief(Compose([Tempo(), Jitter(0.1)])) == "Tempo() + Jitter(deviation=0.1)"
    assert (brief(rises), brief("auto"), brief(0.5), brief(None)) == ("rises", "'auto'", "0.5", "None")
    assert len(brief({str(i): i for i in range(99)})) == 60


def test_what_auto_became_is_one_short_line(capsys):
    make(GRUClassifier, verbose=1, max_epochs=1, augmentation="auto", preprocessing="auto", scaling="auto").fit(X, Y)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "preprocessing=Deltas() + Standardize()" in out
    assert "Pipeline" not in out


ESTIMATORS = [GRUClassifier(), DeepGRUClassifier(), ReservoirRegressor(), CharacterModel(), Jitter(), Standardize()]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda e: type(e).__name__)
def test_the_link_leads_to_a_page_of_the_reference(estimator):
    link = estimator._get_doc_link()
    page = re.fullmatch(re.escape(_looks.SITE) + r"/api/generated/((?:\w+\.)+)(\w+)\.html", link)
    assert getattr(importlib.import_module(page[1].rstrip(".")), page[2]) is type(estimator)
    assert f'href="{link}"' in estimator._repr_html_()


def test_a_strangers_subclass_has_no_link_to_our_pages():
    assert type("Own", (GRUClassifier,), {"__module__": "elsewhere"})()._get_doc_link() == ""


def test_the_site_is_the_one_that_the_package_names():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert re.search(r'^Documentation = "(.*?)/?"$', text, re.M)[1] == _looks.SITE


def test_a_network_among_the_parameters_is_not_written_out():
    text = repr(VideoClassifier(nn.Sequential(nn.Flatten(), nn.Linear(3, 2)), embedding_size=2, verbose=1))
    assert text == "VideoClassifier(embedding=Sequential(8 numbers), embedding_size=2, verbose=1)"


def test_modules_are_trees_and_equal_ones_are_one_block():
    def block():
        return nn.Sequential(nn.Linear(2, 2), nn.ReLU())

    assert repr(nn.Sequential(block(), block(), nn.Tanh())).splitlines() == [
        "Sequential(",
        "  (0-1): 2 x Sequential(",
        "    (0): Linear(in_features=2, out_features=2, bias=True)",
        "    (1): ReLU()",
        "  )",
        "  (2): Tanh()",
        ")",
    ]
    assert repr(nn.DeepGRU(3, 4)).splitlines()[:3] == [
        "DeepGRU(",
        "  n_features=3, n_classes=4",
        "  (gru1): GRU(3, 512, num_layers=2)",
    ]


def things():
    module = nn.Linear(3, 2)
    optimizer = optim.SGD(module.parameters(), lr=0.5)
    groups = optim.Adam([{"params": [p]} for p in nn.Linear(3, 2).parameters()])
    return [
        (optimizer, "SGD(lr=0.5, momentum=0.0"),
        (optimizer, "; 2 parameters of 8 numbers)"),
        (groups, "\n  (1): lr=0.001"),
        (groups, "; 1 parameter of 2 numbers\n)"),
        (optim.StepLR(optimizer, 3), "StepLR(step_size=3, gamma=0.1, last_epoch=0, lr=[0.5])"),
        (optim.ReduceLROnPlateau(optimizer), "ReduceLROnPlateau(mode='min'"),
        (optim.SequentialLR(optimizer, [optim.StepLR(optimizer, 3)], []), "\n  (0): StepLR("),
        (optim.WeightAverage(module, 0.9), "WeightAverage(Linear(8 numbers), decay=0.9, updates=0)"),
        (
            nn.NLLLoss(np.ones(3)),
            "NLLLoss(weight=array of shape (3,), reduction='mean', label_smoothing=0.0, ignore_index=-100, dim=None)",
        ),
        (
            seriatim.pack_sequence([np.zeros((2, 3)), np.zeros((5, 3))], enforce_sorted=False),
            "PackedSequence(n=2, lengths 2 to 5, sorted by length, rows of shape (3,), float32)",
        ),
    ]


@pytest.mark.parametrize(("thing", "text"), things())
def test_everything_says_what_it_is(thing, text):
    assert text in repr(thing)
    assert " at 0x" not in repr(thing)
