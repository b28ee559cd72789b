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


def rmsprop_step(
    data, grad, square_avg, momentum_buffer=None, grad_avg=None, *, lr, alpha, eps, weight_decay=0.0, momentum=0.0
):
    for i in range(len(data)):
        g = grad[i] + weight_decay * data[i]
        square_avg[i] = alpha * square_avg[i] + (1 - alpha) * g * g
        spread = square_avg[i]
        if grad_avg is not None:
            grad_avg[i] = alpha * grad_avg[i] + (1 - alpha) * g
            spread = max(spread - grad_avg[i] ** 2, 0.0)
        direction = g / (np.sqrt(spread) + eps)
        if momentum_buffer is not None:
            momentum_buffer[i] = momentum * momentum_buffer[i] + direction
            direction = momentum_buffer[i]
        data[i] -= lr * direction


def average_step(average, data, decay):
    for i in range(len(average)):
        average[i] = decay * average[i] + (1 - decay) * data[i]


def sum_of_squares(x):
    return float(sum(float(value) ** 2 for value in x))


def scale(x, factor):
    for i in range(len(x)):
        x[i] *= factor
