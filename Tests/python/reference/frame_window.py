"""Twin of a window of frames: the frames of each sequence side by side, zeros beyond its ends, a linear map, a ReLU."""

from __future__ import annotations

import numpy as np

from reference.gru import rows_of_sequences


def frame_window(x, batch_sizes, weight, bias, frames, centred=False):
    x, weight, bias = (np.array(a, np.float64) for a in (x, weight, bias))
    last = (frames - 1) // 2 if centred else 0
    y, seen = np.zeros((len(x), len(weight))), np.zeros((len(x), frames * x.shape[1]))
    for rows in map(list, rows_of_sequences(batch_sizes)):
        for t, row in enumerate(rows):
            parts = []
            for place in range(t + last - frames + 1, t + last + 1):
                parts.append(x[rows[place]] if 0 <= place < len(rows) else np.zeros(x.shape[1]))
            seen[row] = np.concatenate(parts)
            y[row] = np.maximum(weight @ seen[row] + bias, 0)
    return y, (x, batch_sizes, weight, frames, last, seen, y)


def frame_window_backward(grad_y, cache):
    x, batch_sizes, weight, frames, last, seen, y = cache
    grad = np.array(grad_y, np.float64) * (y > 0)
    grad_x = np.zeros(x.shape)
    for rows in map(list, rows_of_sequences(batch_sizes)):
        for t, row in enumerate(rows):
            blocks = np.split(weight.T @ grad[row], frames)
            for place, block in zip(range(t + last - frames + 1, t + last + 1), blocks, strict=True):
                if 0 <= place < len(rows):
                    grad_x[rows[place]] += block
    return grad_x, grad.T @ seen, grad.sum(axis=0)
