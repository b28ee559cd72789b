"""Which label was taken for which."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from seriatim._arrays import as_labels
from seriatim._typing import AnyArray, ArrayLike
from seriatim.plotting._axes import CHARACTER, LINE, SMALL, different, every, make_axes, points, shortened

# Inches: of a cell, of the least and the greatest matrix.
_CELL, _LEAST, _GREATEST = 0.4, 3.0, 11.0
# The palest colour of a count; what is zero is paler.
_PALEST, _ZERO = 0.2, "#F6F6F6"


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, labels: ArrayLike | None = None, ax: Any = None) -> Any:
    """Draw how often each label was taken for each other; the diagonal is what was right.

    Parameters
    ----------
    y_true, y_pred : array_like, shape (n,)
    labels : array_like, optional
        Order of the rows and columns; what has another label is not counted. All labels by default.
    ax : matplotlib Axes, optional

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        There is no label, there are not as many predicted as true ones, or labels do not belong together.

    Notes
    -----
    Numbers are counts, colours the share of the true label; a cell without any is nearly white, and one of a single
    sequence is not. The figure grows with the number of labels. Where cells are too small for numbers these are left
    out, and where they are too small for all labels every second or third is written.
    """
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap
    from sklearn.metrics import confusion_matrix as count

    true, predicted = as_labels("y_true", y_true), as_labels("y_pred", y_pred)
    if true.ndim != 1 or true.shape != predicted.shape:
        raise ValueError(
            f"y_true, y_pred: expected as many predicted as true labels, (n,), got {true.shape} and {predicted.shape}"
        )
    if labels is None:
        names = different("y_true, y_pred", np.concatenate([true, predicted]))
    else:
        names = as_labels("labels", labels)
    if not len(names):
        raise ValueError("y_true: expected at least one label, got none")
    with warnings.catch_warnings():
        # One label alone is little to see, and nothing wrong.
        warnings.filterwarnings("ignore", "A single label was found")
        counts = count(true, predicted, labels=names)
    side = float(np.clip(_CELL * len(names), _LEAST, _GREATEST))
    texts = shortened(names)
    ax = make_axes(ax, (side + 1.5 + _inches(texts), side + 0.6 + _inches(texts)), "compressed")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    blues = ListedColormap(mpl.colormaps["Blues"](np.linspace(_PALEST, 1, 256))).with_extremes(bad=_ZERO)
    image = ax.imshow(np.ma.masked_equal(shares, 0), cmap=blues, vmin=0, vmax=1)
    cell = min(min(points(ax)) / len(names), 72 * _CELL * 1.5)
    _write_counts(ax, counts, shares, cell)
    _write_labels(ax, texts, cell)
    ax.set(xlabel="predicted", ylabel="true")
    ax.spines[:].set_visible(False)
    if len(names) <= 40:
        edges = np.arange(1, len(names)) - 0.5
        ax.set_xticks(edges, minor=True)
        ax.set_yticks(edges, minor=True)
        ax.grid(which="minor", color="white", lw=1)
        ax.tick_params(which="minor", length=0)
    ax.figure.colorbar(
        image, ax=ax, label="share of the true label", fraction=0.046, pad=0.03, aspect=30 if len(names) > 10 else 20
    )
    return ax


def _inches(texts: list[str]) -> float:
    """Return about how long the longest label is."""
    return max(map(len, texts)) * CHARACTER * 9 / 72


def _write_counts(ax: Any, counts: AnyArray, shares: AnyArray, cell: float) -> None:
    digits = len(str(counts.max()))
    size = min(9.0, 0.85 * cell / (CHARACTER * digits), cell / LINE)
    if size < SMALL - 1:
        return
    for row, column in np.argwhere(counts > 0):
        colour = "white" if shares[row, column] > 0.5 else "black"
        ax.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=size)


def _write_labels(ax: Any, texts: list[str], cell: float) -> None:
    size = float(np.clip(cell / LINE, SMALL, 9))
    step = every(len(texts), cell * len(texts), size)
    shown = np.arange(0, len(texts), step)
    labels = [texts[i] for i in shown]
    ax.set_xticks(shown, labels, fontsize=size)
    ax.set_yticks(shown, labels, fontsize=size)
    if max(map(len, labels)) * CHARACTER * size > 0.95 * cell * step:
        # Slanted where the lines have room beside each other, else upright.
        look: dict[str, Any] = {"rotation": 90}
        if cell * step > 1.8 * size:
            look = {"rotation": 45, "ha": "right", "va": "center", "rotation_mode": "anchor"}
        for label in ax.get_xticklabels():
            label.set(**look)
    if cell < 12:
        ax.tick_params(length=2, pad=2)
