"""Pictures of training and of what a model looks at, in matplotlib. Every function returns its axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from seriatim._typing import ArrayLike

__all__ = ["attention", "confusion_matrix", "training_curves"]

# Of Okabe and Ito's palette, which the colour-blind can tell apart.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"


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
    ax.legend(handles, labels, frameon=False)
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
    ax = _axes(ax, (1.6 + 0.42 * len(names), 1.2 + 0.42 * len(names)))
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
