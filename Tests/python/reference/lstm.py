"""Twin of lstm: one direction of one layer, sequence after sequence, step after step.

Gates in torch's order i, f, g, o of ``W x + b + W' h + b'``; ``c' = f * c + i * g``; ``h' = o * tanh(c')``, times
W_hr with a projection.
"""

from __future__ import annotations

import numpy as np

from reference.gru import rows_of_sequences, sigmoid


def lstm_pack(weight_ih, weight_hh, bias_ih=None, bias_hh=None, weight_hr=None):
    none = np.zeros(np.shape(weight_ih)[0])
    return {
        "weight_ih": np.array(weight_ih, np.float64),
        "weight_hh": np.array(weight_hh, np.float64),
        "bias": (none if bias_ih is None else np.float64(bias_ih)) + (none if bias_hh is None else np.float64(bias_hh)),
        "weight_hr": None if weight_hr is None else np.array(weight_hr, np.float64),
    }


def lstm_pack_backward(weight_ih, weight_hh, weight_hr=None, *, need_input=True):
    return lstm_pack(weight_ih, weight_hh, weight_hr=weight_hr)


def lstm(x, batch_sizes, packed, hx=None, *, hidden_size, proj_size=0, reverse=False, training=False):
    x = np.array(x, np.float64)
    weight_hr = packed["weight_hr"]
    state = proj_size or hidden_size
    batch = batch_sizes[0]
    h0, c0 = (np.zeros((batch, state)), np.zeros((batch, hidden_size))) if hx is None else map(np.float64, hx)
    y, h_n, c_n, sequences = np.zeros((len(x), state)), np.array(h0), np.array(c0), []
    for sequence, rows in enumerate(rows_of_sequences(batch_sizes)):
        h, c, steps = h0[sequence], c0[sequence], []
        for row in reversed(rows) if reverse else rows:
            sums = packed["weight_ih"] @ x[row] + packed["bias"] + packed["weight_hh"] @ h
            i, f, g, o = np.split(sums, 4)
            i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            new = f * c + i * g
            full = o * np.tanh(new)
            steps.append((row, x[row], h, c, i, f, g, o, new, full))
            h, c = full if weight_hr is None else weight_hr @ full, new
            y[row] = h
        h_n[sequence], c_n[sequence] = h, c
        sequences.append(steps)
    return (y, h_n, c_n), (sequences, len(x))


def lstm_backward(grad_y, grad_h_n, grad_c_n, cache, packed, *, accumulate=False, grad_x=None, **slots):
    sequences, rows = cache
    weight_ih, weight_hh, weight_hr = packed["weight_ih"], packed["weight_hh"], packed["weight_hr"]
    hidden, state = len(weight_hh) // 4, weight_hh.shape[1]
    batch = len(sequences)
    found = {"grad_weight_ih": np.zeros(weight_ih.shape), "grad_weight_hh": np.zeros(weight_hh.shape)}
    found["grad_bias_ih"] = np.zeros(4 * hidden)
    if weight_hr is not None:
        found["grad_weight_hr"] = np.zeros(weight_hr.shape)
    below = np.zeros((rows, weight_ih.shape[1])) if grad_x is None else np.float64(grad_x)
    grad_h0, grad_c0 = np.zeros((batch, state)), np.zeros((batch, hidden))
    for sequence, steps in enumerate(sequences):
        d_state = np.zeros(state) if grad_h_n is None else np.float64(grad_h_n[sequence])
        d_c = np.zeros(hidden) if grad_c_n is None else np.float64(grad_c_n[sequence])
        for row, x, h, c, i, f, g, o, new, full in reversed(steps):
            if grad_y is not None:
                d_state = d_state + grad_y[row]
            d_full = d_state
            if weight_hr is not None:
                found["grad_weight_hr"] += np.outer(d_state, full)
                d_full = weight_hr.T @ d_state
            squashed = np.tanh(new)
            d_c = d_c + d_full * o * (1 - squashed**2)
            d_i, d_f, d_g = d_c * g * i * (1 - i), d_c * c * f * (1 - f), d_c * i * (1 - g * g)
            d_sums = np.concatenate([d_i, d_f, d_g, d_full * squashed * o * (1 - o)])
            found["grad_weight_ih"] += np.outer(d_sums, x)
            found["grad_weight_hh"] += np.outer(d_sums, h)
            found["grad_bias_ih"] += d_sums
            below[row] += weight_ih.T @ d_sums
            d_state, d_c = weight_hh.T @ d_sums, d_c * f
        grad_h0[sequence], grad_c0[sequence] = d_state, d_c
    found["grad_bias_hh"] = found["grad_bias_ih"]
    for name, slot in slots.items():
        if slot is not None:
            slot[...] = slot + found[name] if accumulate else found[name]
    return below, grad_h0, grad_c0
