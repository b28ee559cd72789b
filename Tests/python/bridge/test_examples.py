"""The examples of torch run as a user runs them, smaller."""

import importlib.util
import warnings
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"
torch = pytest.importorskip("torch", "2.4", reason="seriatim.torch needs torch 2.4 or later")


def run(name, *arguments):
    # Theirs are not ours to mend.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module.main(list(arguments))


def test_skorch():
    pytest.importorskip("skorch")
    assert run("torch_skorch", "--gestures", "60", "--epochs", "12") >= 0.7


def test_lightning():
    pytest.importorskip("lightning")
    assert run("torch_lightning", "--epochs", "8") < 0.8


def test_vgg16_in_front_of_our_lstm():
    pytest.importorskip("torchvision")
    losses = run("torch_vgg_lstm", "--steps", "4")
    assert losses[-1] < losses[0]
