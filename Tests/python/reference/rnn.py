"""Twin of rnn: one direction of one layer: ``h' = tanh(W x + b + W' h + b')``, or relu."""

from __future__ import annotations

import numpy as np

from reference.gru import rows_of_sequences


def rnn_pack(weight_ih, weight_hh, bias_ih=None, bias_hh=None):
    none = np.zeros(len(weight_ih))
    bias = (none if bias_ih is None else np.float64(bias_ih)) + (none if bias_hh is None else np.float64(bias_hh))
    return np.float64(weight_ih), np.float64(weight_hh), bias


def rnn_pack_backward(weight_ih, weight_hh, *, need_input=True):
    return rnn_pack(weight_ih, weight_hh)


def rnn(x, batch_sizes, packed, h0=None, *, hidden_size, nonlinearity="tanh", reverse=False, training=False):
    weight_ih, weight_hh, bias = packed
    x = np.float64(x)
    y = np.zeros((len(x), hidden_size))
    h_n = np.zeros((batch_sizes[0], hidden_size))
    sequences = []
    for sequence, rows in enumerate(rows_of_sequences(batch_sizes)):
        h = np.zeros(hidden_size) if h0 is None else np.float64(h0[sequence])
        steps = []
        for row in reversed(rows) if reverse else rows:
            total = weight_ih @ x[row] + weight_hh @ h + bias
            new = np.tanh(total) if nonlinearity == "tanh" else np.maximum(total, 0)
            steps.append((row, x[row], h, 1 - new**2 if nonlinearity == "tanh" else np.float64(total > 0)))
            h = y[row] = new
        h_n[sequence] = h
        sequences.append(steps)
    return (y, h_n), (sequences, len(x))


def rnn_backward(grad_y, grad_h_n, cache, packed, *, accumulate=False, grad_x=None, **slots):
    sequences, rows = cache
    weight_ih, weight_hh, _ = packed
    found = {"grad_weight_ih": np.zeros(weight_ih.shape), "grad_weight_hh": np.zeros(weight_hh.shape)}
    found["grad_bias_ih"] = np.zeros(len(weight_ih))
    below = np.zeros((rows, weight_ih.shape[1])) if grad_x is None else np.float64(grad_x)
    grad_h0 = np.zeros((len(sequences), len(weight_hh)))
    for sequence, steps in enumerate(sequences):
        d_h = np.zeros(len(weight_hh)) if grad_h_n is None else np.float64(grad_h_n[sequence])
        for row, x, h, slope in reversed(steps):
            if grad_y is not None:
                d_h = d_h + grad_y[row]
            d_sum = d_h * slope
            found["grad_weight_ih"] += np.outer(d_sum, x)
            found["grad_weight_hh"] += np.outer(d_sum, h)
            found["grad_bias_ih"] += d_sum
            below[row] += weight_ih.T @ d_sum
            d_h = weight_hh.T @ d_sum
        grad_h0[sequence] = d_h
    found["grad_bias_hh"] = found["grad_bias_ih"]
    for name, slot in slots.items():
        if slot is not None:
            slot[...] = slot + found[name] if accumulate else found[name]
    return below, grad_h0
