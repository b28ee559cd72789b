"""Twin of gru: one direction of one layer, sequence after sequence, step after step.

Gates in torch's order r, z, n; ``r, z = sigmoid(W x + b + W' h + b')`` and

- ``reset_after``: ``n = tanh(W_n x + b_n + r * (W'_n h + b'_n))``
- else: ``n = tanh(W_n x + b_n + W'_n (r * h) + b'_n)``

``h' = (1 - z) * n + z * h``. A sequence's rows in the packed data are ``offsets[t] + position``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Weights(NamedTuple):
    """What the twin packs: the parameters themselves, in float64, zeros for biases that are not there."""

    weight_ih: np.ndarray
    weight_hh: np.ndarray
    bias_ih: np.ndarray
    bias_hh: np.ndarray


class Step(NamedTuple):
    """What one step of one sequence leaves for backward."""

    row: int
    x: np.ndarray
    h: np.ndarray
    r: np.ndarray
    z: np.ndarray
    n: np.ndarray
    hidden_part: np.ndarray  # W'_n h + b'_n, or W'_n (r * h) + b'_n


class Cache(NamedTuple):
    sequences: list  # of lists of Step, in the order they ran
    batch: int
    rows: int
    reset_after: bool


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def rows_of_sequences(batch_sizes):
    """For each sequence of the packed batch, the rows of its steps from first to last."""
    rows = [[] for _ in range(batch_sizes[0])]
    offset = 0
    for size in batch_sizes:
        for position in range(size):
            rows[position].append(offset + position)
        offset += size
    return rows


def gru_pack(weight_ih, weight_hh, bias_ih, bias_hh, *, reset_after=True):
    none = np.zeros(np.shape(weight_ih)[0])
    return Weights(
        np.array(weight_ih, np.float64),
        np.array(weight_hh, np.float64),
        none if bias_ih is None else np.array(bias_ih, np.float64),
        none if bias_hh is None else np.array(bias_hh, np.float64),
    )


def gru_pack_backward(weight_ih, weight_hh, *, reset_after=True, need_input=True):
    return gru_pack(weight_ih, weight_hh, None, None, reset_after=reset_after)


def gru(
    x,
    batch_sizes,
    packed,
    h0=None,
    *,
    hidden_size,
    reverse=False,
    reset_after=True,
    training=False,
    out=None,
):
    x = np.array(x, np.float64)
    size = hidden_size
    y = np.zeros((x.shape[0], size)) if out is None else out
    h_n = np.zeros((batch_sizes[0], size))
    sequences = []
    for sequence, rows in enumerate(rows_of_sequences(batch_sizes)):
        h = np.zeros(size) if h0 is None else np.array(h0[sequence], np.float64)
        steps = []
        for row in reversed(rows) if reverse else rows:
            a = packed.weight_ih @ x[row] + packed.bias_ih
            c = packed.weight_hh @ h + packed.bias_hh
            r = sigmoid(a[:size] + c[:size])
            z = sigmoid(a[size : 2 * size] + c[size : 2 * size])
            if reset_after:
                hidden_part = c[2 * size :]
                n = np.tanh(a[2 * size :] + r * hidden_part)
            else:
                hidden_part = packed.weight_hh[2 * size :] @ (r * h) + packed.bias_hh[2 * size :]
                n = np.tanh(a[2 * size :] + hidden_part)
            steps.append(Step(row, x[row], h, r, z, n, hidden_part))
            h = (1 - z) * n + z * h
            y[row] = h
        h_n[sequence] = h
        sequences.append(steps)
    cache = Cache(sequences, int(batch_sizes[0]), x.shape[0], reset_after) if training else None
    return (y, h_n), cache


def gru_backward(
    grad_y,
    grad_h_n,
    cache,
    packed,
    *,
    grad_weight_ih=None,
    grad_weight_hh=None,
    grad_bias_ih=None,
    grad_bias_hh=None,
    need_input=True,
    need_state=True,
    accumulate=False,
):
    gates, size = packed.weight_hh.shape
    weight_n = packed.weight_hh[2 * size :]
    grad_x = np.zeros((cache.rows, packed.weight_ih.shape[1]))
    grad_h0 = np.zeros((cache.batch, size))
    for_ih, for_hh = np.zeros(packed.weight_ih.shape), np.zeros(packed.weight_hh.shape)
    for_bias_ih, for_bias_hh = np.zeros(gates), np.zeros(gates)
    for sequence, steps in enumerate(cache.sequences):
        grad_h = np.zeros(size) if grad_h_n is None else np.array(grad_h_n[sequence], np.float64)
        for row, x, h, r, z, n, hidden_part in reversed(steps):
            if grad_y is not None:
                grad_h = grad_h + grad_y[row]
            # Through h' = (1 - z) n + z h, the activations of n and z.
            d_z = grad_h * (h - n) * z * (1 - z)
            d_n = grad_h * (1 - z) * (1 - n * n)
            d_h = grad_h * z
            if cache.reset_after:
                d_r = d_n * hidden_part * r * (1 - r)
                d_hidden = np.concatenate([d_r, d_z, d_n * r])
                d_h = d_h + packed.weight_hh.T @ d_hidden
                for_hh += np.outer(d_hidden, h)
            else:
                d_reset_h = weight_n.T @ d_n
                d_r = d_reset_h * h * r * (1 - r)
                d_hidden = np.concatenate([d_r, d_z, d_n])
                d_h = d_h + d_reset_h * r + packed.weight_hh[: 2 * size].T @ d_hidden[: 2 * size]
                for_hh[: 2 * size] += np.outer(d_hidden[: 2 * size], h)
                for_hh[2 * size :] += np.outer(d_n, r * h)
            d_input = np.concatenate([d_r, d_z, d_n])
            for_ih += np.outer(d_input, x)
            for_bias_ih += d_input
            for_bias_hh += d_hidden
            grad_x[row] = packed.weight_ih.T @ d_input
            grad_h = d_h
        grad_h0[sequence] = grad_h
    for given, found in (
        (grad_weight_ih, for_ih),
        (grad_weight_hh, for_hh),
        (grad_bias_ih, for_bias_ih),
        (grad_bias_hh, for_bias_hh),
    ):
        if given is not None:
            given[...] = given + found if accumulate else found
    return (grad_x if need_input else None), (grad_h0 if need_state else None)
