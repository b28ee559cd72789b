"""Twins of conv_gru, conv_lstm and conv_rnn, step by step."""

from __future__ import annotations

import numpy as np

from reference.convolution import same, same_backward


def _gate(x, hard):
    return np.clip(0.5 * x + 0.5, 0, 1) if hard else 1 / (1 + np.exp(-x))


def _candidate(x, hard):
    return np.clip(x, -1, 1) if hard else np.tanh(x)


def _gate_slope(y, hard):
    return np.where((y > 0) & (y < 1), 0.5, 0) if hard else y * (1 - y)


def _candidate_slope(y, hard):
    return np.where((y > -1) & (y < 1), 1.0, 0) if hard else 1 - y**2


def _slope(kind, y):
    return {"sigmoid": y * (1 - y), "tanh": 1 - y**2, "relu": (y > 0) * 1.0, "identity": np.ones(y.shape)}[kind]


def conv_gru(gates, weight, h0, bias, hard=False):
    gates = np.array(gates, np.float64) + bias[:, None, None]
    hidden = weight.shape[1]
    h, y, kept = h0, [], []
    for x in gates:
        both = same(h, weight[: 2 * hidden])
        r = _gate(x[:, :hidden] + both[:, :hidden], hard)
        z = _gate(x[:, hidden : 2 * hidden] + both[:, hidden:], hard)
        n = _candidate(x[:, 2 * hidden :] + same(r * h, weight[2 * hidden :]), hard)
        kept.append((r, z, n, h))
        h = (1 - z) * h + z * n
        y.append(h)
    return np.stack(y), kept


def conv_gru_backward(grad_y, grad_last, kept, weight, hard=False):
    hidden = weight.shape[1]
    grad_gates, grad_weight, grad = [], np.zeros(weight.shape), grad_last
    for dy, (r, z, n, h) in zip(grad_y[::-1], kept[::-1], strict=True):
        grad = grad + dy
        dz, dn = grad * (n - h) * _gate_slope(z, hard), grad * z * _candidate_slope(n, hard)
        flow, found = same_backward(dn, r * h, weight[2 * hidden :])
        grad_weight[2 * hidden :] += found
        dr = flow * h * _gate_slope(r, hard)
        back, found = same_backward(np.concatenate([dr, dz], axis=1), h, weight[: 2 * hidden])
        grad_weight[: 2 * hidden] += found
        grad = grad * (1 - z) + flow * r + back
        grad_gates.append(np.concatenate([dr, dz, dn], axis=1))
    grad_gates = np.stack(grad_gates[::-1])
    return grad_gates, grad, grad_weight, grad_gates.sum(axis=(0, 1, 3, 4))


def conv_lstm(gates, weight, h0, c0, bias, hard=False):
    gates = np.array(gates, np.float64) + bias[:, None, None]
    h, c, y, cells, kept = h0, c0, [], [], []
    for x in gates:
        i, f, o, g = np.split(x + same(h, weight), 4, axis=1)
        i, f, o, g = _gate(i, hard), _gate(f, hard), _gate(o, hard), _candidate(g, hard)
        kept.append((i, f, o, g, h, c))
        c = f * c + i * g
        h = o * _candidate(c, hard)
        y.append(h)
        cells.append(c)
    return np.stack(y), np.stack(cells), kept


def conv_lstm_backward(grad_y, grad_h, grad_c, kept, weight, hard=False):
    grad_gates, grad_weight = [], np.zeros(weight.shape)
    for dy, (i, f, o, g, h, c) in zip(grad_y[::-1], kept[::-1], strict=True):
        grad_h = grad_h + dy
        shown = _candidate(f * c + i * g, hard)
        grad_c = grad_c + grad_h * o * _candidate_slope(shown, hard)
        found = [
            grad_c * g * _gate_slope(i, hard),
            grad_c * c * _gate_slope(f, hard),
            grad_h * shown * _gate_slope(o, hard),
            grad_c * i * _candidate_slope(g, hard),
        ]
        grad_gates.append(np.concatenate(found, axis=1))
        grad_h, of_weight = same_backward(grad_gates[-1], h, weight)
        grad_weight += of_weight
        grad_c = grad_c * f
    grad_gates = np.stack(grad_gates[::-1])
    return grad_gates, grad_h, grad_c, grad_weight, grad_gates.sum(axis=(0, 1, 3, 4))


def conv_rnn(x, weight, h0, bias, activation):
    from reference.convolution import ACTIVATIONS

    h, y = h0, []
    for step in np.array(x, np.float64) + bias[:, None, None]:
        h = ACTIVATIONS[activation](step + same(h, weight), 0)
        y.append(h)
    return np.stack(y)


def conv_rnn_backward(grad_y, grad_last, y, weight, h0, activation):
    grad, grads, grad_weight = grad_last, [], np.zeros(weight.shape)
    before = [h0, *y[:-1]]
    for dy, now, h in zip(grad_y[::-1], y[::-1], before[::-1], strict=True):
        grads.append((grad + dy) * _slope(activation, now))
        grad, found = same_backward(grads[-1], h, weight)
        grad_weight += found
    grads = np.stack(grads[::-1])
    return grads, grad, grad_weight, grads.sum(axis=(0, 1, 3, 4))
