"""Twins of every recurrent cell: one step of each in float64, and the loop over ragged sequences, with zoneout.

Gradients come from finite differences of what is here: a cell's equations are written once. A new cell is one function
``step(w, x, h, c) -> (h', c')`` in STEPS; ``w`` maps the names of its parameters to arrays, zeros for biases that are
not given.
"""

from __future__ import annotations

import numpy as np

from reference.dropout import LOW, philox
from reference.gru import rows_of_sequences, sigmoid


def lstm_peephole(w, x, h, c):
    i, f, g, o = np.split(w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"], 4)
    p_i, p_f, p_o = np.split(w["weight_ch"], 3)
    new = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * np.tanh(g)
    full = sigmoid(o + p_o * new) * np.tanh(new)
    return full if w["weight_hr"] is None else w["weight_hr"] @ full, new


def lstm(w, x, h, c):
    return lstm_peephole({**w, "weight_ch": np.zeros(3 * len(c))}, x, h, c)


def gru(w, x, h, c):
    (i_r, i_z, i_n) = np.split(w["weight_ih"] @ x + w["bias_ih"], 3)
    (h_r, h_z, h_n) = np.split(w["weight_hh"] @ h + w["bias_hh"], 3)
    z = sigmoid(i_z + h_z)
    return (1 - z) * np.tanh(i_n + sigmoid(i_r + h_r) * h_n) + z * h, None


def gru_reset_before(w, x, h, c):
    (i_r, i_z, i_n) = np.split(w["weight_ih"] @ x + w["bias_ih"], 3)
    w_r, w_z, w_n = np.split(w["weight_hh"], 3)
    b_r, b_z, b_n = np.split(w["bias_hh"], 3)
    r, z = sigmoid(i_r + w_r @ h + b_r), sigmoid(i_z + w_z @ h + b_z)
    return (1 - z) * np.tanh(i_n + w_n @ (r * h) + b_n) + z * h, None


def normalized(v):
    return (v - v.mean()) / np.sqrt(v.var() + 1e-5)


def norm_products(w, x, h):
    """a and s of the layer-normalised cells."""
    a = normalized(w["weight_ih"] @ x) * w["norm_ih"] + w["bias_ih"]
    return a, normalized(w["weight_hh"] @ h) * w["norm_hh"] + w["bias_hh"]


def gru_layer_norm(w, x, h, c):
    (a_r, a_z, a_n), (s_r, s_z, s_n) = (np.split(v, 3) for v in norm_products(w, x, h))
    z = sigmoid(a_z + s_z)
    return (1 - z) * np.tanh(a_n + sigmoid(a_r + s_r) * s_n) + z * h, None


def lstm_layer_norm(w, x, h, c):
    i, f, g, o = np.split(np.add(*norm_products(w, x, h)), 4)
    new = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(normalized(new) * w["norm_c"] + w["bias_c"]), new


def rnn(w, x, h, c):
    return np.tanh(w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"]), None


def rnn_relu(w, x, h, c):
    return np.maximum(w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"] @ h + w["bias_hh"], 0), None


def min_gru(w, x, h, c):
    z, n = np.split(w["weight_ih"] @ x + w["bias_ih"], 2)
    z = sigmoid(z)
    return (1 - z) * h + z * n, None


def min_lstm(w, x, h, c):
    f, i, n = np.split(w["weight_ih"] @ x + w["bias_ih"], 3)
    f, i = sigmoid(f), sigmoid(i)
    return f / (f + i) * h + i / (f + i) * n, None


def ind_rnn(w, x, h, c):
    return np.tanh(w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"][:, 0] * h), None


def ind_rnn_relu(w, x, h, c):
    return np.maximum(w["weight_ih"] @ x + w["bias_ih"] + w["weight_hh"][:, 0] * h, 0), None


# By the kind's name and its options.
STEPS = {
    ("gru",): gru,
    ("gru", "reset_before"): gru_reset_before,
    ("gru", "layer_norm"): gru_layer_norm,
    ("lstm",): lstm,
    ("lstm", "layer_norm"): lstm_layer_norm,
    ("lstm", "peephole"): lstm_peephole,
    ("rnn",): rnn,
    ("rnn", "relu"): rnn_relu,
    ("min_gru",): min_gru,
    ("min_lstm",): min_lstm,
    ("ind_rnn",): ind_rnn,
    ("ind_rnn", "relu"): ind_rnn_relu,
}


def zoneout_mask(row, size, zoneout, training):
    """m of ``h' = m h + (1 - m) cell(x, h)`` for the elements of a row."""
    rate, seed, offset = zoneout
    if not training:
        return np.full(size, rate)
    mask = np.zeros(size)
    for unit in range(size):
        element = int(row) * size + unit
        words = philox((element & LOW, element >> 32, offset & LOW, offset >> 32), (seed & LOW, seed >> 32))
        mask[unit] = (words[0] >> 8) / 2**24 < np.float32(rate)
    return mask


def recurrent(step, weights, x, batch_sizes, states, *, reverse=False, training=True, zoneout=(0.0, 0, 0)):
    """Outputs, and each sequence's last states: what seriatim.functional.recurrent gives."""
    h0, c0 = states
    y, last = np.zeros((len(x), h0.shape[1])), ([], [])
    for sequence, rows in enumerate(rows_of_sequences(batch_sizes)):
        h, c = h0[sequence], None if c0 is None else c0[sequence]
        for row in reversed(rows) if reverse else rows:
            new, c = step(weights, x[row], h, c)
            if zoneout[0]:
                mask = zoneout_mask(row, len(h), zoneout, training)
                new = mask * h + (1 - mask) * new
            h = y[row] = new
        last[0].append(h)
        last[1].append(c)
    return y, np.array(last[0]), None if c0 is None else np.array(last[1])
