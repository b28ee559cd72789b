"""The data of the gallery: pen strokes of three kinds."""

import numpy as np

from seriatim import Sequences


def strokes(n, seed, noise=0.3):
    """Return n strokes, points in the plane, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(["circle", "eight", "zigzag"], n)
    drawn = []
    for label in labels:
        length = rng.integers(20, 60)
        t = np.linspace(0, 2 * np.pi, length) + rng.uniform(0, 1)
        shapes = {
            "circle": (np.cos(t), np.sin(t)),
            "eight": (np.sin(t), np.sin(2 * t)),
            "zigzag": (t / 3 - 1, np.arcsin(np.sin(3 * t)) / 1.57),
        }
        size = rng.uniform(0.7, 1.3)
        drawn.append(size * np.stack(shapes[label], axis=1) + rng.normal(0, noise, (length, 2)))
    return Sequences.from_list(drawn), labels


# Of Okabe and Ito's palette.
COLOURS = {"circle": "#0072B2", "eight": "#D55E00", "zigzag": "#009E73"}
