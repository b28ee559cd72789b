"""Twin of upsampling: one output after another, each a weighted sum of inputs."""

from __future__ import annotations

import math

import numpy as np


def weights(size, out, mode, align_corners, factor):
    """The matrix (out, size) of one axis."""
    found = np.zeros((out, size))
    scale = 1 / factor if factor else size / out
    for place in range(out):
        if mode.startswith("nearest"):
            real = (place + 0.5) * scale if mode == "nearest-exact" else place * scale
            found[place, min(math.floor(real), size - 1)] = 1
            continue
        if out == size:
            real = place
        elif align_corners:
            real = place * (size - 1) / (out - 1) if out > 1 else 0
        else:
            real = max((place + 0.5) * scale - 0.5, 0)
        low = min(math.floor(real), size - 1)
        found[place, low] += 1 - min(real - low, 1)
        found[place, min(low + 1, size - 1)] += min(real - low, 1)
    return found


def upsample(x, out, mode, align_corners=False, factors=(None, None)):
    """Images of another size, and the matrices of both axes."""
    rows, columns = (
        weights(size, side, mode, align_corners, factor)
        for size, side, factor in zip(x.shape[-2:], out, factors, strict=True)
    )
    return rows @ np.asarray(x, np.float64) @ columns.T, (rows, columns)


def upsample_backward(grad_y, matrices):
    rows, columns = matrices
    return rows.T @ np.asarray(grad_y, np.float64) @ columns
