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
    """Return labels as texts, the long ones cut where it shows least; what is different stays so."""
    values = list(labels)
    texts = [f"{label:g}" if isinstance(label, (float, np.floating)) else str(label) for label in values]
    if len(set(texts)) < len(set(map(str, values))):
        texts = list(map(str, values))
    shown = {text: text for text in texts if len(text) <= _LONGEST_LABEL}
    groups: dict[str, list[str]] = {}
    for text in dict.fromkeys(texts):
        if text not in shown:
            groups.setdefault(_around(text, 0, _LONGEST_LABEL // 2), []).append(text)
    for short, group in groups.items():
        shown.update(_apart(group) if len(group) > 1 else {group[0]: short})
    if len(set(shown.values())) < len(shown):
        # Differences in many places: a number tells what they are not told by.
        shown = {
            text: text if text == short else f"{text[: _LONGEST_LABEL - 6]}… {i}"
            for i, (text, short) in enumerate(shown.items())
        }
    return [shown[text] for text in texts]


def _apart(texts: list[str]) -> dict[str, str]:
    """Cut texts on both sides of where they differ; numbers stay whole."""
    first = _alike(texts)
    last = _alike([text[first:][::-1] for text in texts])
    while first and texts[0][first - 1].isdigit():
        first -= 1
    while last and texts[0][-last].isdigit():
        last -= 1
    return {text: _around(text, first, len(text) - last) for text in texts}


def _alike(texts: list[str]) -> int:
    """Return how many characters all begin with."""
    low, high = min(texts), max(texts)
    return next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))


def _around(text: str, first: int, last: int) -> str:
    """Return the beginning, the characters from first to last, and the end of a text, within a label's length."""
    core = text[first : min(last, first + _LONGEST_LABEL - 8)]
    room = _LONGEST_LABEL - 2 - len(core)
    head = text[: min(first, room // 2)]
    tail = text[max(last, len(text) - (room - len(head))) :]
    # No mark where nothing is left out, and one where both sides are next to each other.
    before = "…" if len(head) < first else ""
    behind = "…" if first + len(core) < len(text) - len(tail) and (core or not before) else ""
    return head + before + core + behind + tail


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
