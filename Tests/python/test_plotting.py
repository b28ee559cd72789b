"""Pictures: they draw on the given axes and give them back."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from seriatim import plotting  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def draw(axes):
    axes.figure.canvas.draw()
    return axes


def test_training_curves():
    axes = draw(plotting.training_curves({"loss": [1.0, 0.5], "validation_loss": [1, 2], "validation_score": [0.1, 1]}))
    assert [line.get_label() for line in axes.lines] == ["training loss", "validation loss"]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [1.0, 0.5])
    _, own = plt.subplots()
    assert plotting.training_curves({"loss": [1.0]}, ax=own) is own


def test_confusion_matrix():
    axes = draw(plotting.confusion_matrix(["a", "b", "b"], ["a", "a", "b"]))
    assert {text.get_text() for text in axes.texts} == {"1"}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b"]


@pytest.mark.parametrize("shape", [(12, 5), (12,), (1, 3)])
def test_attention(shape):
    weights = np.zeros(20)
    weights[: shape[0]] = 1 / shape[0]
    axes = draw(plotting.attention(np.random.default_rng(0).normal(size=shape), weights, title="a title"))
    strip = axes.child_axes[0]
    assert [text.get_text() for text in strip.texts] == ["a title"]
