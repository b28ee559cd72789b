"""Twin of batch_norm: ``y = (x - mean) / sqrt(var + eps) * weight + bias``, column by column."""

from __future__ import annotations

import numpy as np


def batch_norm(x, weight, bias, running_mean, running_var, *, training, momentum=0.1, eps=1e-5):
    x = np.array(x, np.float64)
    rows, columns = x.shape
    if training and rows == 1:
        raise ValueError("one row has no variance")
    y, normal, deviation = np.zeros(x.shape), np.zeros(x.shape), np.zeros(columns)
    gain = np.ones(columns) if weight is None else np.array(weight, np.float64)
    shift = np.zeros(columns) if bias is None else np.array(bias, np.float64)
    for column in range(columns):
        if training:
            mean, variance = x[:, column].mean(), x[:, column].var()
            if running_mean is not None:
                unbiased = variance * rows / (rows - 1)
                running_mean[column] += momentum * (mean - running_mean[column])
                running_var[column] += momentum * (unbiased - running_var[column])
        else:
            mean, variance = running_mean[column], running_var[column]
        deviation[column] = np.sqrt(variance + eps)
        normal[:, column] = (x[:, column] - mean) / deviation[column]
        y[:, column] = normal[:, column] * gain[column] + shift[column]
    return y, (normal, deviation, gain, training)


def batch_norm_backward(grad_y, cache, *, need_input=True, grad_weight=None, grad_bias=None, accumulate=False):
    normal, deviation, gain, training = cache
    grad_y = np.asarray(grad_y, np.float64)
    grad_x = np.zeros(grad_y.shape)
    for column in range(grad_y.shape[1]):
        of_y, n = grad_y[:, column], normal[:, column]
        for given, found in ((grad_weight, np.sum(of_y * n)), (grad_bias, np.sum(of_y))):
            if given is not None:
                given[column] = given[column] + found if accumulate else found
        of_normal = of_y * gain[column]
        if training:
            # The batch's mean and variance depend on x, too.
            of_normal = of_normal - of_normal.mean() - n * np.mean(of_normal * n)
        grad_x[:, column] = of_normal / deviation[column]
    return grad_x if need_input else None
