"""What a model looked at."""

from __future__ import annotations

from typing import Any

import numpy as np

from seriatim._arrays import as_floats, as_labels
from seriatim._typing import AnyArray, ArrayLike
from seriatim.plotting._axes import BLUE, GREY, different, every, make_axes, points, shortened

# The strip of weights lies this far above the features, and is a part of their height, within bounds; in inches. In
# inches, not in parts, because layouts make room for what lies above before they say how high the axes become.
_GAP, _STRIP, _LOWEST, _TALLEST = 0.07, 0.27, 0.4, 1.0
# Narrower axes have no room for explanations.
_WIDE = 4.5
# Features from which on the picture grows, by so many inches each, to so many in all.
_GROWS, _ROW, _HIGHEST = 20, 0.035, 7.0
_EXPLANATION = "Bars: how much each step counted for the answer; they sum to 1. Below: the features of each step."
_UNIT = "standard deviations from the feature's mean"


def attention(
    x: ArrayLike,
    weights: ArrayLike,
    ax: Any = None,
    title: str | None = None,
    *,
    feature_names: ArrayLike | None = None,
    explained: bool | None = None,
) -> Any:
    """Draw one sequence's features over time and, above them, how much each step counted.

    Parameters
    ----------
    x : array_like, shape (T, D)
        However many features there are, each is a row of the map of colours.
    weights : array_like, shape (T,) or longer
        A row of ``attention()``; what lies behind T is left out.
    ax : matplotlib Axes, optional
        Of the features; the weights get a strip of their own on top of it.
    title : str, optional
    feature_names : array_like of str, shape (D,), optional
        What is written beside the rows, as far as it fits; numbers by default.
    explained : bool, optional
        Whether a line above says what is seen, and a bar beside which number a colour is; by default where axes are
        wide enough.

    Returns
    -------
    matplotlib Axes
        Of the features.

    Raises
    ------
    ValueError
        There is no step, there are fewer weights than steps, or not a name for each feature.
    """
    features = as_floats("x", x, float)
    features = features[:, None] if features.ndim == 1 else features
    shares = as_floats("weights", weights, float)
    if features.ndim != 2 or not features.size or shares.ndim != 1 or len(shares) < len(features):
        raise ValueError(
            f"x, weights: expected (T, D) and at least T weights, T at least 1, got {features.shape} and {shares.shape}"
        )
    shares = shares[: len(features)]
    grown = max(0, features.shape[1] - _GROWS) * _ROW
    ax = make_axes(ax, (6.4, min(3.8 + grown, _HIGHEST)))
    wide, high = points(ax)
    explained = wide >= 72 * _WIDE if explained is None else explained
    image = _draw_features(ax, features)
    _name_features(ax, features.shape[1], feature_names)
    room = float(np.clip(_STRIP * high / 72, _LOWEST, _TALLEST))
    above = _above(ax)
    strip = _draw_strip(shares, ax.inset_axes((0, _GAP, 1, room), transform=above, sharex=ax))
    if title is not None:
        # Inside: layouts do not make room for the title of an inset.
        strip.text(0.02, 0.94, title, transform=strip.transAxes, va="top", fontsize=9)
    # Nor for the inset: a text, though empty, marks how high it reaches.
    text = _wrapped(_EXPLANATION, 0.85 * wide) if explained else " "
    ax.text(0, 1.5 * _GAP + room, text, transform=above, va="bottom", fontsize="small", color=GREY)
    if explained:
        bar = ax.figure.colorbar(image, ax=ax, pad=0.02, fraction=0.04, extend="both")
        bar.set_label(_wrapped(_UNIT, 0.6 * high), fontsize="small")
    return ax


def _above(ax: Any) -> Any:
    """Return the transform of parts of the axes' width, and of inches above their upper edge."""
    from matplotlib.transforms import ScaledTranslation, blended_transform_factory

    inches = ax.figure.dpi_scale_trans + ScaledTranslation(0, 1, ax.transAxes)
    return blended_transform_factory(ax.transAxes, inches)


def _draw_features(ax: Any, features: AnyArray) -> Any:
    from matplotlib.ticker import MaxNLocator

    known = np.where(np.isfinite(features), features, np.nan)
    count = np.maximum(np.isfinite(known).sum(axis=0), 1)
    mean = np.nansum(known, axis=0) / count
    spread = np.sqrt(np.nansum((known - mean) ** 2, axis=0) / count)
    standard = (known - mean) / np.where(spread > 0, spread, 1)
    seen = np.abs(standard[np.isfinite(standard)])
    limit = max(1.0, float(np.percentile(seen, 98))) if seen.size else 1.0
    # What is missing is grey.
    ax.set_facecolor("#BBBBBB")
    image = ax.imshow(
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
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    ax.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    return image


def _name_features(ax: Any, count: int, names: ArrayLike | None) -> None:
    if names is None:
        return
    texts = shortened(np.asarray(names))
    if len(texts) != count:
        raise ValueError(f"feature_names: expected a name for each of {count} features, got {len(texts)}")
    shown = np.arange(0, count, every(count, points(ax)[1] * (1 - _STRIP)))
    ax.set_yticks(shown, [texts[i] for i in shown], fontsize="small" if count <= _GROWS else 7)
    ax.set_ylabel("")


def _draw_strip(shares: AnyArray, strip: Any) -> Any:
    from matplotlib.ticker import MaxNLocator

    strip.stairs(shares, np.arange(len(shares) + 1) - 0.5, fill=True, color=BLUE, lw=0)
    strip.set_ylim(0, max(1e-9, float(np.nanmax(shares))) * 1.5)
    strip.tick_params(labelbottom=False)
    strip.set_ylabel("attention", fontsize="small")
    strip.yaxis.set_major_locator(MaxNLocator(2))
    strip.spines[["top", "right"]].set_visible(False)
    return strip


def _wrapped(text: str, room: float) -> str:
    """Return lines of small text that fit into so many points."""
    import textwrap

    # A small letter of ordinary text is half as wide as it is high.
    return "\n".join(textwrap.wrap(text, max(16, int(room / 4.3))))


def attention_by_class(
    X: Any, weights: ArrayLike, y: ArrayLike, steps: int = 40, columns: int = 4, ax: Any = None
) -> Any:
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
    ax : array of matplotlib Axes, optional
        One for each class.

    Returns
    -------
    ndarray of matplotlib Axes, shape (n_classes,)

    Raises
    ------
    ValueError
        There is no sequence, not one row and one label for each, or not one of the axes for each class.
    """
    sequences = [as_floats(f"X[{i}]", x, float) for i, x in enumerate(X)]
    sequences = [x[:, None] if x.ndim == 1 else x for x in sequences]
    shares, labels = as_floats("weights", weights, float), as_labels("y", y)
    if not len(sequences) == len(shares) == len(labels):
        raise ValueError(
            f"weights, y: expected one row and one label for each of {len(sequences)} sequences, got {len(shares)} and "
            f"{len(labels)}"
        )
    if not sequences:
        raise ValueError("X: expected at least one sequence, got none")
    if any(x.ndim != 2 or not x.size for x in sequences) or len({x.shape[1] for x in sequences}) > 1:
        width = sequences[0].shape[1:]
        wrong = next(i for i, x in enumerate(sequences) if x.ndim != 2 or not x.size or x.shape[1:] != width)
        raise ValueError(
            f"X: expected sequences (T_i, D) of the same features, got shape {sequences[wrong].shape} at index {wrong}"
            + ("; a table has to be cut at its lengths: Sequences(X, lengths)" if sequences[wrong].ndim == 0 else "")
        )
    longest = max(map(len, sequences))
    if shares.ndim != 2 or shares.shape[1] < longest:
        raise ValueError(
            f"weights: expected what attention() gives, (n, longest), here ({len(sequences)}, {longest}), got "
            f"{shares.shape}"
        )
    if steps < 1 or columns < 1:
        raise ValueError(f"steps, columns: expected at least 1, got {steps} and {columns}")
    features = np.stack([_stretched(x, steps) for x in sequences])
    looks = np.stack([_stretched(w[: len(x), None], steps)[:, 0] for w, x in zip(shares, sequences, strict=True)])
    looks /= np.maximum(looks.sum(axis=1, keepdims=True), 1e-12)
    classes = different("y", labels)
    axes = _grid(len(classes), columns, features.shape[2]) if ax is None else np.asarray(ax, dtype=object).ravel()
    if len(axes) != len(classes):
        raise ValueError(f"ax: expected one for each of {len(classes)} classes, got {len(axes)}")
    for one, label, name in zip(axes, classes, shortened(classes), strict=True):
        own = labels == label
        title = f"{name} ({own.sum()})"
        attention(features[own].mean(axis=0), looks[own].mean(axis=0), ax=one, title=title, explained=False)
        one.set_xlabel("relative time")
        one.set_xticks([0, (steps - 1) / 2, steps - 1], ["0", "0.5", "1"])
    return axes


def _grid(count: int, columns: int, features: int) -> AnyArray:
    """Return axes of a new figure, with a line on top that says what is seen."""
    import matplotlib.pyplot as plt

    rows, wide = -(-count // columns), min(columns, count)
    high = min(2.6 + max(0, features - _GROWS) * _ROW, _HIGHEST)
    size = (max(3.4 * wide, 5.0), high * rows + 0.4)
    figure, grid = plt.subplots(rows, wide, figsize=size, layout="constrained", squeeze=False)
    for ax in grid.flat[count:]:
        ax.remove()
    text = "Bars: the average attention of each class. Below: its average features, from low (brown) to high (violet)."
    figure.suptitle(_wrapped(text, 72 * size[0]), fontsize="small", color=GREY)
    axes: AnyArray = grid.flat[:count]
    return axes


def _stretched(x: Any, steps: int) -> Any:
    at = np.linspace(0, len(x) - 1, steps)
    return np.stack([np.interp(at, np.arange(len(x)), column) for column in x.T], axis=1)
