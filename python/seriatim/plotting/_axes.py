"""What all pictures share: axes, colours, and texts that fit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from seriatim._typing import AnyArray

# Of Okabe and Ito's palette, which the colour-blind can tell apart.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#808080"
_OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "os^Dv<>PX*"
# Of a text, in points: below the first it is not read; a line of it, and a character of it, as parts of its size.
SMALL, LINE, CHARACTER = 7.0, 1.25, 0.62
_LONGEST_LABEL = 24


def make_axes(ax: Any, size: tuple[float, float], layout: str = "constrained") -> Any:
    """Return the axes that are given, or those of a new figure of a size in inches."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout=layout)[1]


def is_dark(ax: Any) -> bool:
    """Return whether axes are darker than what is written on them."""
    from matplotlib.colors import to_rgb

    return sum(to_rgb(ax.get_facecolor())) < 1.5


def colours(ax: Any) -> tuple[str, ...]:
    """Return colours for lines and points: the last one is black, or white on a dark page."""
    return (BLUE, ORANGE, *_OTHERS, "#FFFFFF" if is_dark(ax) else "#000000")


def points(ax: Any) -> tuple[float, float]:
    """Return width and height of axes, in points; of a new figure before its layout they are somewhat less."""
    box = ax.get_window_extent()
    return 72 * box.width / ax.figure.dpi, 72 * box.height / ax.figure.dpi


def shortened(labels: Iterable[Any]) -> list[str]:
    """Return labels as texts, the long ones cut."""
    texts = [f"{label:g}" if isinstance(label, (float, np.floating)) else str(label) for label in labels]
    return [text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…" for text in texts]


def every(count: int, room: float, size: float = SMALL) -> int:
    """Return n for which every n-th of so many labels, each of one line, has room within so many points."""
    return max(1, -int(-count * size * LINE // max(room, 1.0)))


def different(name: str, labels: AnyArray) -> AnyArray:
    """Return the labels that there are, in order."""
    try:
        return np.unique(labels)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in labels.tolist()})
        raise ValueError(f"{name}: expected labels of one kind, got {' and '.join(kinds)}") from None
