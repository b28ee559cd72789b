"""Pictures of training and of what a model looks at, in matplotlib. Every function returns its axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seriatim._typing import ArrayLike

__all__ = ["attention", "attention_by_class", "confusion_matrix", "embedding", "training_curves"]

# Of Okabe and Ito's palette, which the colour-blind can tell apart.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"
COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "os^Dv<>PX*"


def _axes(ax: Any, size: tuple[float, float]) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def training_curves(history: Mapping[str, Sequence[float]], ax: Any = None) -> Any:
    """Draw the loss of every epoch and, where there is one, the validation score on a second axis.

    Parameters
    ----------
    history : mapping
        ``history_`` of an estimator.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    ax = _axes(ax, (6, 3.6))
    epochs = np.arange(1, len(history["loss"]) + 1)
    ax.plot(epochs, history["loss"], color=BLUE, marker="o", ms=4, label="training loss")
    if "validation_loss" in history:
        ax.plot(epochs, history["validation_loss"], color=ORANGE, marker="s", ms=4, label="validation loss")
    ax.set(xlabel="epoch", ylabel="loss", yscale="log")
    ax.xaxis.get_major_locator().set_params(integer=True)
    handles, labels = ax.get_legend_handles_labels()
    if "validation_score" in history:
        other = ax.twinx()
        other.plot(epochs, history["validation_score"], color=GREY, ls="--", label="validation score")
        other.set_ylabel("validation score")
        more = other.get_legend_handles_labels()
        handles, labels = handles + more[0], labels + more[1]
    # Above: 'best' does not see the lines of the second axis.
    ax.legend(handles, labels, frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8)
    ax.spines[["top"]].set_visible(False)
    return ax


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, labels: ArrayLike | None = None, ax: Any = None) -> Any:
    """Draw how often each label was taken for each other; the diagonal is what was right.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,)
    labels : array_like, optional
        Order of the rows and columns; all labels by default.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes
    """
    from sklearn.metrics import confusion_matrix as count

    names = (
        np.unique(np.concatenate([np.asarray(y_true), np.asarray(y_pred)])) if labels is None else np.asarray(labels)
    )
    counts = count(y_true, y_pred, labels=names)
    side = max(3.0, 0.42 * len(names))
    ax = _axes(ax, (1.6 + side, 1.2 + side))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts > 0):
        colour = "white" if shares[row, column] > 0.5 else "black"
        ax.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)
    ticks = np.arange(len(names))
    ax.set(xticks=ticks, yticks=ticks, xticklabels=names, yticklabels=names, xlabel="predicted", ylabel="true")
    ax.figure.colorbar(image, ax=ax, label="share of the true label", fraction=0.046)
    return ax


def attention(x: ArrayLike, weights: ArrayLike, ax: Any = None, title: str | None = None) -> Any:
    """Draw one sequence's features over time and, above them, how much each step counted.

    Parameters
    ----------
    x : array_like, shape (T, D)
    weights : array_like, shape (T,) or longer
        A row of ``attention()``; what lies behind T is left out.
    ax : matplotlib Axes, optional
        Of the features; the weights get a strip of their own on top of it.
    title : str, optional

    Returns
    -------
    matplotlib Axes
        Of the features.
    """
    from matplotlib.ticker import MaxNLocator

    features = np.asarray(x, dtype=float)
    features = features[:, None] if features.ndim == 1 else features
    shares = np.asarray(weights, dtype=float)[: len(features)]
    ax = _axes(ax, (5, 3.4))
    spread = features.std(axis=0)
    standard = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    limit = max(1.0, float(np.percentile(np.abs(standard), 98)))
    ax.imshow(
        standard.T,
        aspect="auto",
        origin="lower",
        cmap="PuOr",
        vmin=-limit,
        vmax=limit,
        interpolation="nearest",
        extent=(-0.5, len(features) - 0.5, -0.5, features.shape[1] - 0.5),
    )
    ax.set(xlabel="step", ylabel="feature")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    # Layouts make room for an axes' texts, not for its insets: an empty one marks how high the strip reaches.
    ax.text(0, 1.4, " ", transform=ax.transAxes, va="bottom", fontsize=2)
    strip = ax.inset_axes((0, 1.03, 1, 0.35), sharex=ax)
    strip.fill_between(np.arange(len(shares)), shares, step="mid", color=BLUE, alpha=0.85, lw=0)
    strip.set_ylim(0, max(1e-9, float(shares.max())) * 1.5)
    strip.tick_params(labelbottom=False)
    strip.set_ylabel("attention", fontsize=8)
    strip.yaxis.set_major_locator(MaxNLocator(2))
    strip.spines[["top", "right"]].set_visible(False)
    if title is not None:
        # Inside: layouts do not make room for the title of an inset.
        strip.text(0.02, 0.94, title, transform=strip.transAxes, va="top", fontsize=9)
    return ax


def attention_by_class(X: Any, weights: ArrayLike, y: ArrayLike, steps: int = 40, columns: int = 4) -> Any:
    """Draw each class's average features over relative time and, above them, its average attention.

    Parameters
    ----------
    X : iterable of n arrays, shapes (T_i, D)
        A :class:`seriatim.Sequences`, or a list.
    weights : array_like, shape (n, longest)
        What ``attention()`` of the sequences gives.
    y : array_like, shape (n,)
        Labels, true or predicted.
    steps : int, default 40
        Every sequence is brought to so many steps; its weights sum to 1 as before.
    columns : int, default 4
        Pictures beside each other.

    Returns
    -------
    ndarray of matplotlib Axes, shape (n_classes,)
    """
    import matplotlib.pyplot as plt

    sequences = [np.asarray(x, dtype=float) for x in X]
    sequences = [x[:, None] if x.ndim == 1 else x for x in sequences]
    shares, labels = np.asarray(weights, dtype=float), np.asarray(y)
    if not len(sequences) == len(shares) == len(labels):
        raise ValueError(
            f"weights, y: expected one row and one label for each of {len(sequences)} sequences, got {len(shares)} and "
            f"{len(labels)}"
        )
    features = np.stack([_stretched(x, steps) for x in sequences])
    looks = np.stack([_stretched(w[: len(x), None], steps)[:, 0] for w, x in zip(shares, sequences, strict=True)])
    looks /= np.maximum(looks.sum(axis=1, keepdims=True), 1e-12)
    classes = np.unique(labels)
    rows = -(-len(classes) // columns)
    wide = min(columns, len(classes))
    _, grid = plt.subplots(rows, wide, figsize=(3.4 * wide, 2.6 * rows), layout="constrained", squeeze=False)
    for ax, label in zip(grid.flat, classes, strict=False):
        own = labels == label
        attention(features[own].mean(axis=0), looks[own].mean(axis=0), ax=ax, title=f"{label} ({own.sum()})")
        ax.set_xlabel("relative time")
        ax.set_xticks([0, (steps - 1) / 2, steps - 1], ["0", "0.5", "1"])
    for ax in grid.flat[len(classes) :]:
        ax.remove()
    return grid.flat[: len(classes)]


def _stretched(x: Any, steps: int) -> Any:
    at = np.linspace(0, len(x) - 1, steps)
    return np.stack([np.interp(at, np.arange(len(x)), column) for column in x.T], axis=1)


def embedding(features: ArrayLike, y: ArrayLike, ax: Any = None, method: str = "pca", random_state: int = 0) -> Any:
    """Draw vectors, such as ``transform()`` gives, as points in the plane; a colour and a mark a class.

    Parameters
    ----------
    features : array_like, shape (n, width)
        Two columns are drawn as they are.
    y : array_like, shape (n,)
        Labels.
    ax : matplotlib Axes, optional
    method : {'pca', 'tsne'}, default 'pca'
        How more than two columns become two: scikit-learn's ``PCA``, or its ``TSNE`` (slower; neighbourhoods count,
        distances do not).
    random_state : int, default 0

    Returns
    -------
    matplotlib Axes
    """
    points, labels = np.asarray(features, dtype=float), np.asarray(y)
    if points.ndim != 2 or len(points) != len(labels):
        raise ValueError(f"features, y: expected (n, width) and n labels, got {points.shape} and {labels.shape}")
    if method not in ("pca", "tsne"):
        raise ValueError(f"method: expected 'pca' or 'tsne', got {method!r}")
    names: tuple[str, ...] = ("feature 0", "feature 1")
    if points.shape[1] > 2 and method == "pca":
        from sklearn.decomposition import PCA

        found = PCA(2, random_state=random_state).fit(points)
        points = found.transform(points)
        names = tuple(f"component {i + 1} ({share:.0%})" for i, share in enumerate(found.explained_variance_ratio_))
    elif points.shape[1] > 2:
        from sklearn.manifold import TSNE

        near = min(30.0, (len(points) - 1) / 3)
        points = TSNE(2, perplexity=near, random_state=random_state).fit_transform(points)
        names = ("t-SNE 1", "t-SNE 2")
    ax = _axes(ax, (5.6, 4.2))
    for index, label in enumerate(np.unique(labels)):
        own = points[labels == label]
        ax.scatter(
            own[:, 0], own[:, 1], s=22, color=COLOURS[index % len(COLOURS)], marker=MARKERS[index % len(MARKERS)],
            alpha=0.8, lw=0, label=str(label),
        )  # fmt: skip
    ax.set(xlabel=names[0], ylabel=names[1])
    ax.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), ncols=1 + len(np.unique(labels)) // 16)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
