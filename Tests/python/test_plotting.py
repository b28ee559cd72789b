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


def test_attention_by_class():
    rng = np.random.default_rng(0)
    x = [rng.normal(size=(n, 3)) for n in (5, 9, 1, 30, 12)]
    weights = np.zeros((5, 30))
    for row, one in zip(weights, x, strict=True):
        row[: len(one)] = 1 / len(one)
    axes = plotting.attention_by_class(x, weights, ["a", "b", "a", "c", "b"], columns=2)
    draw(axes[0])
    assert [ax.child_axes[0].texts[0].get_text() for ax in axes] == ["a (2)", "b (2)", "c (1)"]
    assert len(axes[0].figure.axes) == 3
    with pytest.raises(ValueError, match="one row and one label for each of 5"):
        plotting.attention_by_class(x, weights, ["a"])


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("width", [2, 7])
def test_embedding(method, width):
    features = np.random.default_rng(0).normal(size=(24, width))
    axes = draw(plotting.embedding(features, np.arange(24) % 12, method=method))
    assert len(axes.collections) == 12
    looks = {(tuple(c.get_facecolor()[0]), c.get_paths()[0].vertices.tobytes()) for c in axes.collections}
    assert len(looks) == 12, "no two classes look alike"
    with pytest.raises(ValueError, match="method"):
        plotting.embedding(features, np.arange(24), method="umap")
    with pytest.raises(ValueError, match="expected"):
        plotting.embedding(features, np.arange(3))
