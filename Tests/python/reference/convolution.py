"""Twin of conv2d: every output is a sum written out."""

from __future__ import annotations

import numpy as np

ACTIVATIONS = {
    "identity": lambda x, s: x,
    "relu": lambda x, s: np.where(x > 0, x, 0),
    "leaky_relu": lambda x, s: np.where(x > 0, x, s * x),
    "elu": lambda x, s: np.where(x > 0, x, s * np.expm1(np.minimum(x, 0))),
    "sigmoid": lambda x, s: 1 / (1 + np.exp(-x)),
    "tanh": lambda x, s: np.tanh(x),
}


def _places(x, weight, stride, padding, dilation, groups):
    """Padded x, the output's size, and for every tap the output group's inputs at that tap."""
    (sy, sx), (py, px), (dy, dx) = stride, padding, dilation
    kh, kw = weight.shape[2:]
    padded = np.pad(np.array(x, np.float64), ((0, 0), (0, 0), (py, py), (px, px)))
    rows = (padded.shape[2] - dy * (kh - 1) - 1) // sy + 1
    columns = (padded.shape[3] - dx * (kw - 1) - 1) // sx + 1
    taps = []
    for i in range(kh):
        for j in range(kw):
            taps.append((i, j, np.s_[i * dy : i * dy + sy * rows : sy], np.s_[j * dx : j * dx + sx * columns : sx]))
    return padded, rows, columns, taps


def conv2d(x, weight, bias, *, stride, padding, dilation, groups, activation="identity", slope=0.0):
    weight = np.array(weight, np.float64)
    padded, rows, columns, taps = _places(x, weight, stride, padding, dilation, groups)
    outputs, inner = weight.shape[:2]
    y = np.zeros((len(padded), outputs, rows, columns))
    for k in range(outputs):
        first = k // (outputs // groups) * inner
        for c in range(inner):
            for i, j, v, u in taps:
                y[:, k] += weight[k, c, i, j] * padded[:, first + c, v, u]
        if bias is not None:
            y[:, k] += bias[k]
    return ACTIVATIONS[activation](y, slope)


def conv2d_backward(grad_y, x, weight, *, stride, padding, dilation, groups):
    weight, grad_y = np.array(weight, np.float64), np.array(grad_y, np.float64)
    padded, _, _, taps = _places(x, weight, stride, padding, dilation, groups)
    outputs, inner = weight.shape[:2]
    grad_padded, grad_weight = np.zeros(padded.shape), np.zeros(weight.shape)
    for k in range(outputs):
        first = k // (outputs // groups) * inner
        for c in range(inner):
            for i, j, v, u in taps:
                grad_padded[:, first + c, v, u] += weight[k, c, i, j] * grad_y[:, k]
                grad_weight[k, c, i, j] = np.sum(grad_y[:, k] * padded[:, first + c, v, u])
    (py, px), (height, width) = padding, x.shape[2:]
    return grad_padded[:, :, py : py + height, px : px + width], grad_weight, grad_y.sum(axis=(0, 2, 3))


def same(h, weight):
    """The convolution of a recurrence: the size is kept."""
    pad = weight.shape[2] // 2
    return conv2d(h, weight, None, stride=(1, 1), padding=(pad, pad), dilation=(1, 1), groups=1)


def same_backward(grad_y, h, weight):
    pad = weight.shape[2] // 2
    return conv2d_backward(grad_y, h, weight, stride=(1, 1), padding=(pad, pad), dilation=(1, 1), groups=1)[:2]
