"""Pictures: they draw on the given axes and give them back; texts stay within the page and off each other."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from sklearn.pipeline import Pipeline  # noqa: E402

from seriatim import plotting  # noqa: E402
from seriatim.models import GRUClassifier  # noqa: E402
from seriatim.plotting._axes import shortened  # noqa: E402


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def draw(axes):
    axes.figure.canvas.draw()
    return axes


WORDS = [f"{'word' * 2} {chr(ord('a') + i)}" for i in range(26)]


def boxes(texts):
    return [text.get_window_extent() for text in texts if text.get_visible() and text.get_text()]


def assert_apart(texts):
    found = boxes(texts)
    for one, other in itertools.combinations(found, 2):
        assert not one.overlaps(other), (one, other)
    return len(found)


def assert_within(axes):
    """Nothing is cut at the edge of the page."""
    figure = axes.figure
    box, page = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0) >= -0.01, box
    assert (box.x1, box.y1) <= (page[0] + 0.01, page[1] + 0.01), (box, page)


def test_training_curves():
    axes = draw(plotting.training_curves({"loss": [1.0, 0.5], "validation_loss": [1, 2], "validation_score": [0.1, 1]}))
    assert [line.get_label() for line in axes.lines] == ["training loss", "validation loss"]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [1.0, 0.5])
    _, own = plt.subplots()
    assert plotting.training_curves({"loss": [1.0]}, ax=own) is own


HISTORY = {"loss": [1.0, 0.05, 0.03], "validation_loss": [1.0, 0.5, 0.6], "validation_score": [0.2, 0.9, 0.8]}
FITTED = SimpleNamespace(history_=HISTORY, best_epoch_=2)


def test_training_curves_mark_the_best_epoch():
    axes = plotting.training_curves(FITTED)
    axes.set_title("a title")
    draw(axes)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["training loss", "validation loss", "validation score", "best epoch: 2"]
    assert axes.get_yscale() == "log"
    for text in (axes.title, axes.xaxis.label):
        assert not axes.get_legend().get_window_extent().overlaps(text.get_window_extent())
    assert_within(axes)
    given = plotting.training_curves({**HISTORY, "validation_recall": [0.1, 0.2, 0.3]}, best_epoch=3)
    assert given.get_legend().get_texts()[-2].get_text() == "validation recall"
    assert given.get_legend().get_texts()[-1].get_text() == "best epoch: 3"


def test_training_curves_of_a_pipeline_of_a_search_and_of_what_is_not_fitted():
    pipeline = Pipeline([("scale", "passthrough"), ("model", FITTED)])
    for model in (pipeline, SimpleNamespace(best_estimator_=pipeline)):
        names = [text.get_text() for text in plotting.training_curves(model).get_legend().get_texts()]
        assert names[-1] == "best epoch: 2"
    with pytest.raises(TypeError, match=r"a fitted estimator or its history_, got GRUClassifier\(\)"):
        plotting.training_curves(GRUClassifier())


def test_training_curves_without_epochs_or_with_gaps():
    with pytest.raises(ValueError, match="a reservoir is not trained in epochs"):
        plotting.training_curves({})
    nan = float("nan")
    draw(plotting.training_curves({"loss": [0.0, 0.5], "validation_loss": [nan, 2], "validation_score": [nan, 1]}))


def test_confusion_matrix():
    axes = draw(plotting.confusion_matrix(["a", "b", "b"], ["a", "a", "b"]))
    assert {text.get_text() for text in axes.texts} == {"1"}
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "b"]


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [(WORDS, 26), (np.arange(60), 60), (["a" * 60, "b"], 2)],
    ids=["words", "60", "long"],
)
def test_confusion_matrix_of_many_labels(labels, numbers):
    axes = draw(plotting.confusion_matrix(labels, labels))
    assert len(axes.texts) == numbers
    assert assert_apart(axes.get_yticklabels()) >= min(len(labels), 40)
    if axes.get_xticklabels()[0].get_rotation() != 45:
        assert_apart(axes.get_xticklabels())
    assert min(text.get_fontsize() for text in axes.get_yticklabels()) >= 7
    assert_within(axes)


def test_confusion_matrix_on_small_axes_thins_its_labels_out():
    _, own = plt.subplots(1, 2, figsize=(8, 3))
    axes = draw(plotting.confusion_matrix(WORDS, WORDS, ax=own[0]))
    assert axes is own[0]
    assert not axes.texts, "numbers do not fit"
    assert 5 < assert_apart(axes.get_yticklabels()) < 26


def test_a_single_mistake_is_seen_and_nothing_is_paler():
    axes = plotting.confusion_matrix(["a"] * 1000 + ["b"], ["b"] + ["a"] * 999 + ["b"])
    image = axes.images[0]
    found, right, mistake = image.cmap(image.norm(image.get_array()))[[1, 0, 0], [0, 0, 1], :3].sum(axis=1)
    assert found - mistake > 0.2
    assert mistake > right


def test_confusion_matrix_of_one_label_and_of_none():
    assert len(draw(plotting.confusion_matrix(["a"], ["a"])).texts) == 1
    with pytest.raises(ValueError, match="at least one label, got none"):
        plotting.confusion_matrix([], [])
    with pytest.raises(ValueError, match="labels of one kind, got NoneType and str"):
        plotting.confusion_matrix(["a", None], ["a", "a"])
    assert plotting.confusion_matrix([1.0, 2.0], [1, 2]).get_xticklabels()[1].get_text() == "2"


@pytest.mark.parametrize("shape", [(12, 5), (12,), (1, 3), (6, 90)])
def test_attention(shape):
    weights = np.zeros(20)
    weights[: shape[0]] = 1 / shape[0]
    axes = draw(plotting.attention(np.random.default_rng(0).normal(size=shape), weights, title="a title"))
    strip = axes.child_axes[0]
    assert [text.get_text() for text in strip.texts] == ["a title"]
    bar = axes.figure.axes[-1]
    assert bar.get_ylabel().replace("\n", " ") == "standard deviations from the feature's mean"
    assert "how much each step counted" in axes.texts[0].get_text()
    assert_within(axes)
    assert not axes.texts[0].get_window_extent().overlaps(strip.get_window_extent())
    assert_apart(axes.get_yticklabels())


def test_attention_names_features_as_far_as_they_fit():
    names = [f"joint {i}" for i in range(90)]
    axes = draw(plotting.attention(np.zeros((4, 90)), np.full(4, 0.25), feature_names=names))
    assert 20 < assert_apart(axes.get_yticklabels()) < 90
    with pytest.raises(ValueError, match="a name for each of 90"):
        plotting.attention(np.zeros((4, 90)), np.full(4, 0.25), feature_names=names[1:])


def test_attention_beside_others_is_not_explained_and_gaps_are_no_error():
    _, own = plt.subplots(1, 3, figsize=(9, 3))
    x = np.array([[0.0, np.nan], [1, np.nan], [np.nan, np.nan]])
    assert draw(plotting.attention(x, [0.2, 0.3, 0.5], ax=own[1])) is own[1]
    assert len(own[1].figure.axes) == 3
    for x, weights in ((np.zeros((0, 2)), []), (np.zeros((3, 2)), [1.0])):
        with pytest.raises(ValueError, match="at least T weights"):
            plotting.attention(x, weights)


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
    with pytest.raises(ValueError, match="at least one sequence"):
        plotting.attention_by_class([], [], [])
    _, own = plt.subplots(1, 3)
    assert list(plotting.attention_by_class(x, weights, ["a", "b", "a", "c", "b"], ax=own)) == list(own)
    with pytest.raises(ValueError, match="one for each of 3 classes, got 2"):
        plotting.attention_by_class(x, weights, ["a", "b", "a", "c", "b"], ax=own[:2])


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


def test_embedding_of_one_column_has_a_strip_a_class():
    values = np.random.default_rng(0).normal(size=(30, 1))
    axes = draw(plotting.embedding(values, np.repeat(["a", "b", "c"], 10)))
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "b", "c"]
    for index, drawn in enumerate(axes.collections):
        x, y = drawn.get_offsets().T
        np.testing.assert_array_equal(x, values[10 * index : 10 * index + 10, 0])
        assert (abs(y - index) < 0.4).all()
    assert len(draw(plotting.embedding(values[:, 0], np.arange(30.0))).collections) == 1


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_embedding_of_few_points(n, method):
    axes = draw(plotting.embedding(np.random.default_rng(0).normal(size=(n, 5)), ["a", "b", "a"][:n], method=method))
    assert sum(len(drawn.get_offsets()) for drawn in axes.collections) == n
    assert axes.get_xlabel().startswith("component 1")


def test_embedding_of_equal_vectors_of_numbers_and_of_none():
    draw(plotting.embedding(np.ones((4, 3)), ["a"] * 4))
    axes = draw(plotting.embedding(np.random.default_rng(0).normal(size=(30, 3)), np.arange(30) / 7))
    assert axes.get_legend() is None
    assert axes.figure.axes[1].get_ylabel() == "y"
    with pytest.raises(ValueError, match="at least one"):
        plotting.embedding(np.empty((0, 3)), [])
    with pytest.raises(ValueError, match="others in row 1"):
        plotting.embedding([[0.0, 1], [np.nan, 2]], ["a", "b"])


def test_long_labels_stay_different():
    for form in ("recording_of_participant_number_{:02d}", "participant_number_{:02d}_of_the_very_first_day", "a" * 30):
        labels = [form.format(i) for i in range(30)] if "{" in form else [form, form + "a", form + "ab"]
        shown = shortened([*labels, "short"])
        assert len(set(shown)) == len(labels) + 1
        assert max(map(len, shown)) <= 24
        assert shown[-1] == "short"
    several = [f"{'a' * 30}{i}{'b' * 30}{j}{'c' * 30}" for i in range(2) for j in range(2)]
    assert len(set(shortened(several))) == 4
    assert shortened([0.12345678, 0.12345679]) == ["0.12345678", "0.12345679"]


def test_embedding_of_many_classes_leaves_room_for_the_points():
    names = np.array([f"recording_of_participant_number_{i:02d}" for i in range(30)])
    axes = draw(plotting.embedding(np.random.default_rng(0).normal(size=(30, 3)), names))
    assert axes.get_window_extent().width > 3 * axes.figure.dpi
    assert_within(axes)


def test_what_does_not_belong_together_is_named():
    with pytest.raises(ValueError, match=r"as many predicted as true labels, \(n,\), got \(3,\) and \(2,\)"):
        plotting.confusion_matrix([0, 1, 1], [0, 1])
    with pytest.raises(ValueError, match=r"X: .* got shape \(\) at index 0"):
        plotting.attention_by_class([10, 10], np.ones((2, 10)), [0, 1])
    with pytest.raises(ValueError, match=r"weights: .* \(2, 5\), got \(2, 4\)"):
        plotting.attention_by_class(np.ones((2, 5, 3)), np.ones((2, 4)), [0, 1])


def test_on_a_dark_page_nothing_is_drawn_in_black():
    with plt.style.context("dark_background"):
        dark = plotting.embedding(np.random.default_rng(0).normal(size=(8, 2)), np.arange(8))
        curves = plotting.training_curves(FITTED)
    assert all(drawn.get_facecolor()[0, :3].sum() > 0.5 for drawn in dark.collections)
    assert curves.lines[-1].get_color() == "#FFFFFF"
