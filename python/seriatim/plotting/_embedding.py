"""Vectors in the plane."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._arrays import as_floats, as_labels
from seriatim._typing import AnyArray, ArrayLike
from seriatim.plotting._axes import CHARACTER, LINE, MARKERS, colours, different, make_axes, shortened

# More different numbers than this are no classes; fewer vectors than this have no neighbourhoods.
_CLASSES, _NEIGHBOURS = 20, 4
# Entries of one column of a legend.
_COLUMN = 18
# Inches.
_HIGHEST = 7.6
_SPREAD, _ROUNDING = 0.3, 1e-12


def embedding(features: ArrayLike, y: ArrayLike, ax: Any = None, method: str = "pca", random_state: int = 0) -> Any:
    """Draw vectors, such as ``transform()`` gives, as points in the plane; a colour and a mark a class.

    Parameters
    ----------
    features : array_like, shape (n, width)
        Two columns are drawn as they are; of one column each class has a strip of its own.
    y : array_like, shape (n,)
        Labels, or a regressor's targets: many different numbers are a scale of colours.
    ax : matplotlib Axes, optional
    method : {'pca', 'tsne'}, default 'pca'
        How more than two columns become two: scikit-learn's ``PCA``, or its ``TSNE`` (slower; neighbourhoods count,
        distances do not; fewer than four vectors have none, and are drawn by ``PCA``).
    random_state : int, default 0

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    ValueError
        There is not one label for each vector, there is no vector, one of them is not finite, or the method is none of
        these.
    """
    vectors, labels = as_floats("features", features, float), as_labels("y", y)
    if vectors.ndim == 1:
        vectors = vectors[:, None]
    if vectors.ndim != 2 or labels.shape != vectors.shape[:1] or not vectors.size:
        raise ValueError(
            f"features, y: expected (n, width) and n labels, at least one, got {vectors.shape} and {labels.shape}"
        )
    if not np.isfinite(vectors).all():
        raise ValueError(f"features: expected finite numbers, got others in row {_first_broken(vectors)}")
    if method not in ("pca", "tsne"):
        raise ValueError(f"method: expected 'pca' or 'tsne', got {method!r}")
    classes = None if _is_scale(labels) else different("y", labels)
    texts = [] if classes is None else shortened(classes)
    ax = make_axes(ax, _size(texts, vectors.shape[1] == 1))
    if vectors.shape[1] == 1:
        _draw_strips(ax, vectors[:, 0], labels, random_state)
        return ax
    places, names = _plane(vectors, method, random_state)
    ax.set(xlabel=names[0], ylabel=names[1])
    ax.spines[["top", "right"]].set_visible(False)
    if classes is None:
        drawn = ax.scatter(*places.T, c=labels.astype(float), cmap="cividis", s=22, alpha=0.9, lw=0)
        ax.figure.colorbar(drawn, ax=ax, label="y")
        return ax
    for index, (label, name) in enumerate(zip(classes, texts, strict=True)):
        own = places[labels == label]
        ax.scatter(own[:, 0], own[:, 1], label=name, **_look(ax, index))
    ax.legend(
        frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), ncols=_columns(len(classes)),
        fontsize="medium" if len(classes) <= _COLUMN else "small", handletextpad=0.2, columnspacing=1,
    )  # fmt: skip
    return ax


def _columns(classes: int) -> int:
    """Return the columns of a legend: two, and of the many classes in a higher picture as many as they need."""
    return -(-classes // (_COLUMN if classes <= 2 * _COLUMN else 2 * _COLUMN))


def _size(texts: list[str], strips: bool) -> tuple[float, float]:
    """Return inches of a figure in which the legend of these classes, or their strips, leave room for points."""
    many = len(texts)
    if strips:
        return 5.6, float(np.clip(0.9 + many * LINE * 10 / 72, 4.2, _HIGHEST))
    small = 0.83 if many > _COLUMN else 1.0
    column = (max(map(len, texts), default=0) * CHARACTER + 3) * 10 * small / 72
    return max(5.6, 4.4 + _columns(many) * column), 4.2 if many <= 2 * _COLUMN else _HIGHEST


def _first_broken(vectors: AnyArray) -> int:
    return int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])


def _is_scale(labels: AnyArray) -> bool:
    return labels.dtype.kind == "f" and len(np.unique(labels)) > _CLASSES


def _look(ax: Any, index: int) -> dict[str, Any]:
    palette = colours(ax)
    return {
        "s": 22, "color": palette[index % len(palette)], "marker": MARKERS[index % len(MARKERS)], "alpha": 0.8, "lw": 0,
    }  # fmt: skip


def _plane(vectors: AnyArray, method: str, random_state: int) -> tuple[AnyArray, tuple[str, str]]:
    """Return points ``(n, 2)`` and the names of their axes."""
    if vectors.shape[1] == 2:
        return vectors, ("feature 0", "feature 1")
    if method == "tsne" and len(vectors) >= _NEIGHBOURS:
        from sklearn.manifold import TSNE

        near = min(30.0, (len(vectors) - 1) / 3)
        return TSNE(2, perplexity=near, random_state=random_state).fit_transform(vectors), ("t-SNE 1", "t-SNE 2")
    varying = np.ptp(vectors, axis=0) > 0
    if not varying.any():
        return np.zeros((len(vectors), 2)), ("component 1 (all alike)", "component 2 (all alike)")
    from sklearn.decomposition import PCA

    found = PCA(min(2, len(vectors)), random_state=random_state).fit(vectors)
    shares = found.explained_variance_ratio_
    names = [f"component {i + 1} ({share:.0%})" for i, share in enumerate(shares)]
    # What is left of two vectors beside the line through them is rounding.
    return found.transform(vectors) * (shares > _ROUNDING), (names[0], names[1])


def _draw_strips(ax: Any, values: AnyArray, labels: AnyArray, random_state: int) -> None:
    """Draw each class's values beside each other, scattered a little in height so that they are seen apart."""
    ax.set_xlabel("feature 0")
    ax.spines[["top", "right", "left"]].set_visible(False)
    heights = np.random.default_rng(random_state).uniform(-_SPREAD, _SPREAD, len(values))
    if _is_scale(labels):
        ax.scatter(values, labels.astype(float), s=22, alpha=0.8, lw=0, color=colours(ax)[0])
        ax.set_ylabel("y")
        return
    classes = different("y", labels)
    for index, label in enumerate(classes):
        own = labels == label
        ax.scatter(values[own], index + heights[own], **_look(ax, index))
    ax.set_yticks(np.arange(len(classes)), shortened(classes))
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(len(classes) - 0.5, -0.5)
    ax.set_ylabel("class")
