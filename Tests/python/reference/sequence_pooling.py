"""Twin of pooling over time: mean, greatest value and share of values above 0 of each sequence's own steps."""

from __future__ import annotations

import numpy as np

from reference.gru import rows_of_sequences

KINDS = ("mean", "max", "positive")


def sequence_pool(h, batch_sizes, kinds=("mean", "max")):
    h = np.array(h, np.float64)
    found = []
    for rows in rows_of_sequences(batch_sizes):
        own = h[list(rows)]
        parts = {"mean": own.sum(axis=0) / len(own), "max": own.max(axis=0), "positive": (own > 0).mean(axis=0)}
        found.append(np.concatenate([parts[kind] for kind in KINDS if kind in kinds]))
    return np.array(found), (h, batch_sizes, kinds)


def sequence_pool_backward(grad_pooled, cache):
    h, batch_sizes, kinds = cache
    grad_h, size = np.zeros(h.shape), h.shape[1]
    for grad, rows in zip(np.asarray(grad_pooled, np.float64), rows_of_sequences(batch_sizes), strict=True):
        parts = dict(zip([kind for kind in KINDS if kind in kinds], np.split(grad, len(kinds)), strict=True))
        rows = list(rows)
        for row in rows:
            grad_h[row] += parts.get("mean", np.zeros(size)) / len(rows)
        if "max" in parts:
            first = h[rows].argmax(axis=0)
            for column in range(size):
                grad_h[rows[first[column]], column] += parts["max"][column]
    return grad_h
