"""Twin of the negative log-likelihood: ``l_i = -w_i p[i, target_i]``, ``w_i = class_weight[target_i] sample_weight_i``.

The mean is ``sum l_i / sum w_i``.
"""

from __future__ import annotations

import numpy as np


def nll_loss(log_probs, target, class_weight=None, sample_weight=None, reduction="mean"):
    log_probs = np.asarray(log_probs, np.float64)
    losses, weights = np.zeros(len(target)), np.ones(len(target))
    for row, label in enumerate(target):
        if class_weight is not None:
            weights[row] *= class_weight[label]
        if sample_weight is not None:
            weights[row] *= sample_weight[row]
        losses[row] = -weights[row] * log_probs[row, label]
    cache = (log_probs.shape, np.array(target), weights, reduction)
    if reduction == "none":
        return losses, cache
    total = float(losses.sum())
    if reduction == "sum":
        return total, cache
    return (total / float(weights.sum()) if weights.sum() else float("nan")), cache


def nll_loss_backward(cache, grad_output=None):
    shape, target, weights, reduction = cache
    of_loss = np.broadcast_to(1.0 if grad_output is None else grad_output, (len(target),))
    grad = np.zeros(shape)
    for row, label in enumerate(target):
        grad[row, label] = -weights[row] * of_loss[row]
        if reduction == "mean":
            grad[row, label] = grad[row, label] / weights.sum() if weights.sum() else np.nan
    return grad
