"""Twins of losses of labels. The negative log-likelihood:

``l_i = -w_i p[i, target_i]``, ``w_i = class_weight[target_i] sample_weight_i``.

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


def label_loss(log_probs, target, weight=None, reduction="mean", smoothing=0.0, ignore_index=-100):
    """Loss and gradient of ``(rows, classes)`` for labels or for rows of probabilities; zero times infinity is zero."""
    log_probs = np.asarray(log_probs, np.float64)
    n, classes = log_probs.shape
    weight = np.ones(classes) if weight is None else np.asarray(weight, np.float64)
    soft = np.ndim(target) == 2
    losses, amounts, grad = np.zeros(n), np.zeros(n), np.zeros((n, classes))
    for row in range(n):
        if soft:
            wanted, amounts[row] = np.asarray(target[row], np.float64), 1
        elif target[row] == ignore_index:
            continue
        else:
            wanted, amounts[row] = np.eye(classes)[target[row]], weight[target[row]]
        share = weight * ((1 - smoothing) * wanted + smoothing / classes)
        losses[row] = -sum(s * p for s, p in zip(share, log_probs[row], strict=True) if s)
        grad[row] = -share
    if reduction == "none":
        return losses, grad
    if reduction == "sum":
        return losses.sum(), grad
    total = amounts.sum()
    return (losses.sum() / total, grad / total) if total else (np.nan, grad)


def ctc_loss(log_probs, labels, blank=0):
    """Loss of ``log_probs (frames, classes)`` for labels, by the recurrence on probabilities."""
    log_probs = np.asarray(log_probs, np.float64)
    path = [blank]
    for label in labels:
        path += [int(label), blank]
    before = None
    for frame in log_probs:
        now = np.zeros(len(path))
        for state, label in enumerate(path):
            if before is None:
                total = float(state < 2)
            else:
                total = before[max(state - 1, 0) : state + 1].sum()
                if state > 1 and label not in (blank, path[state - 2]):
                    total += before[state - 2]
            now[state] = total * np.exp(frame[label])
        before = now
    if before is None:
        return np.inf if len(labels) else 0.0
    with np.errstate(divide="ignore"):
        return -np.log(before[-2:].sum())
