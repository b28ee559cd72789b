"""Twins of pooling: one window after another."""

from __future__ import annotations

import numpy as np


def _windows(shape, out, kernel, stride, padding, dilation):
    """Yields an output's place and the rows and columns of its window that exist, and the padded window's size."""
    for v in range(out[0]):
        for u in range(out[1]):
            spans, whole = [], 1
            for place, size, k, s, p, d in zip((v, u), shape, kernel, stride, padding, dilation, strict=True):
                start = place * s - p
                spans.append([i for i in range(start, start + k * d, d) if 0 <= i < size])
                whole *= min(start + k, size + p) - start
            yield v, u, spans, whole


def max_pool2d(x, out, kernel, stride, padding, dilation):
    x = np.array(x, np.float64)
    y, grad = np.zeros((*x.shape[:-2], *out)), []
    for v, u, (rows, columns), _ in _windows(x.shape[-2:], out, kernel, stride, padding, dilation):
        for plane in np.ndindex(x.shape[:-2]):
            window = x[plane][np.ix_(rows, columns)]
            place = np.unravel_index(np.argmax(window), window.shape)
            y[(*plane, v, u)] = window[place]
            grad.append(((*plane, v, u), (*plane, rows[place[0]], columns[place[1]])))
    return y, grad


def avg_pool2d(x, out, kernel, stride, padding, count_include_pad=True, divisor=None):
    x = np.array(x, np.float64)
    y, grad = np.zeros((*x.shape[:-2], *out)), []
    for v, u, (rows, columns), whole in _windows(x.shape[-2:], out, kernel, stride, padding, (1, 1)):
        count = divisor or (whole if count_include_pad else len(rows) * len(columns))
        y[..., v, u] = x[..., rows, :][..., columns].sum(axis=(-1, -2)) / count
        grad.append((v, u, rows, columns, 1 / count))
    return y, grad


def avg_pool2d_backward(grad_y, shape, grad):
    grad_x = np.zeros(shape)
    for v, u, rows, columns, weight in grad:
        for row in rows:
            for column in columns:
                grad_x[..., row, column] += grad_y[..., v, u] * weight
    return grad_x


def adaptive_avg_pool2d(x, out):
    x = np.array(x, np.float64)
    y, grad = np.zeros((*x.shape[:-2], *out)), []
    for v in range(out[0]):
        for u in range(out[1]):
            spans = [
                range(place * size // parts, -(-(place + 1) * size // parts))
                for place, size, parts in zip((v, u), x.shape[-2:], out, strict=True)
            ]
            weight = 1 / (len(spans[0]) * len(spans[1]))
            y[..., v, u] = x[..., list(spans[0]), :][..., list(spans[1])].sum(axis=(-1, -2)) * weight
            grad.append((v, u, spans[0], spans[1], weight))
    return y, grad
