"""Twin of attention: ``w = softmax_t(query . h_t)`` over each sequence's own steps, ``context = sum_t w_t h_t``."""

from __future__ import annotations

import numpy as np

from reference.gru import rows_of_sequences


def attention(query, h, batch_sizes):
    query, h = np.array(query, np.float64), np.array(h, np.float64)
    context, weights = np.zeros(query.shape), np.zeros(h.shape[0])
    for sequence, rows in enumerate(rows_of_sequences(batch_sizes)):
        scores = np.array([np.sum(query[sequence] * h[row]) for row in rows])
        powers = np.exp(scores - scores.max())
        for row, power in zip(rows, powers, strict=True):
            weights[row] = power / powers.sum()
            context[sequence] += weights[row] * h[row]
    return (context, weights), (query, h, weights, batch_sizes)


def attention_backward(grad_context, cache):
    query, h, weights, batch_sizes = cache
    grad_context = np.asarray(grad_context, np.float64)
    grad_query, grad_h = np.zeros(query.shape), np.zeros(h.shape)
    for sequence, rows in enumerate(rows_of_sequences(batch_sizes)):
        of_weights = {row: np.sum(grad_context[sequence] * h[row]) for row in rows}
        mean = sum(weights[row] * of_weights[row] for row in rows)
        for row in rows:
            of_score = weights[row] * (of_weights[row] - mean)
            grad_query[sequence] += of_score * h[row]
            grad_h[row] = weights[row] * grad_context[sequence] + of_score * query[sequence]
    return grad_query, grad_h
