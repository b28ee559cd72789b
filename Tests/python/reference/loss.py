"""Twin of the negative log-likelihood: ``l_i = -w_i p[i, target_i]``, ``w_i = class_weight[target_i] sample_weight_i``.

The mean is ``sum l_i / sum w_i``. Label smoothing e:
``(1 - e) l_i - e / C sum_c class_weight[c] sample_weight_i p[i, c]``.
"""

from __future__ import annotations

import numpy as np


def nll_loss(log_probs, target, class_weight=None, sample_weight=None, reduction="mean", smoothing=0.0):
    log_probs = np.asarray(log_probs, np.float64)
    losses, weights = np.zeros(len(target)), np.ones(len(target))
    for row, label in enumerate(target):
        if class_weight is not None:
            weights[row] *= class_weight[label]
        if sample_weight is not None:
            weights[row] *= sample_weight[row]
        losses[row] = -weights[row] * log_probs[row, label]
    spread = smoothing / log_probs.shape[1] * np.ones(log_probs.shape)
    spread *= 1 if class_weight is None else np.asarray(class_weight)
    spread *= 1 if sample_weight is None else np.asarray(sample_weight)[:, None]
    losses = (1 - smoothing) * losses - (spread * log_probs).sum(axis=1)
    cache = (spread, np.array(target), (1 - smoothing) * weights, weights.sum(), reduction)
    if reduction == "none":
        return losses, cache
    total = float(losses.sum())
    if reduction == "sum":
        return total, cache
    return (total / float(weights.sum()) if weights.sum() else float("nan")), cache


def nll_loss_backward(cache, grad_output=None):
    spread, target, weights, total, reduction = cache
    of_loss = np.broadcast_to(1.0 if grad_output is None else grad_output, (len(target),))
    grad = -spread
    for row, label in enumerate(target):
        grad[row, label] -= weights[row]
    grad *= of_loss[:, None]
    return grad / total if reduction == "mean" else grad
