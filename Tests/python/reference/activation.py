"""Twins of the activations."""

from __future__ import annotations

import numpy as np


def relu(x):
    y = np.maximum(np.asarray(x, np.float64), 0.0)
    return y, y


def relu_backward(grad_y, cache):
    return np.where(cache > 0, np.asarray(grad_y, np.float64), 0.0)


def softmax(x):
    x = np.asarray(x, np.float64)
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    y = powers / powers.sum(axis=-1, keepdims=True)
    return y, y


def softmax_backward(grad_y, cache):
    y, grad_y = cache, np.asarray(grad_y, np.float64)
    return y * (grad_y - np.sum(grad_y * y, axis=-1, keepdims=True))


def log_softmax(x):
    x = np.asarray(x, np.float64)
    shifted = x - x.max(axis=-1, keepdims=True)
    y = shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))
    return y, y


def log_softmax_backward(grad_y, cache):
    y, grad_y = cache, np.asarray(grad_y, np.float64)
    return grad_y - np.exp(y) * np.sum(grad_y, axis=-1, keepdims=True)
