"""Twins of the update rules, in place on float64 arrays: torch's."""

from __future__ import annotations

import numpy as np


def adam_step(data, grad, exp_avg, exp_avg_sq, *, lr, beta1, beta2, eps, weight_decay, decoupled, step):
    for i in range(len(data)):
        g = grad[i]
        if decoupled:
            data[i] -= lr * weight_decay * data[i]
        else:
            g = g + weight_decay * data[i]
        exp_avg[i] = beta1 * exp_avg[i] + (1 - beta1) * g
        exp_avg_sq[i] = beta2 * exp_avg_sq[i] + (1 - beta2) * g * g
        mean = exp_avg[i] / (1 - beta1**step)
        mean_of_squares = exp_avg_sq[i] / (1 - beta2**step)
        data[i] -= lr * mean / (np.sqrt(mean_of_squares) + eps)


def sgd_step(data, grad, momentum_buffer, *, lr, momentum, dampening, weight_decay, nesterov, first):
    for i in range(len(data)):
        g = grad[i] + weight_decay * data[i]
        if momentum_buffer is not None:
            if first:
                momentum_buffer[i] = g
            else:
                momentum_buffer[i] = momentum * momentum_buffer[i] + (1 - dampening) * g
            g = g + momentum * momentum_buffer[i] if nesterov else momentum_buffer[i]
        data[i] -= lr * g


def sum_of_squares(x):
    return float(sum(float(value) ** 2 for value in x))


def scale(x, factor):
    for i in range(len(x)):
        x[i] *= factor
