"""Twin of linear: ``y_i = sum_j x_j W_ij + b_i``."""

from __future__ import annotations

import numpy as np


def linear_pack(weight):
    """The twin has no layout of its own: the packed weight is the weight."""
    return np.array(weight, np.float64)


def linear_pack_backward(weight):
    return np.array(weight, np.float64)


def linear(x, weight, bias=None, *, packed=None):
    x = np.array(x, np.float64)
    weight = np.asarray(weight, np.float64)
    y = np.zeros((x.shape[0], weight.shape[0]))
    for row in range(x.shape[0]):
        for out in range(weight.shape[0]):
            y[row, out] = np.sum(x[row] * weight[out])
            if bias is not None:
                y[row, out] += bias[out]
    return y, x


def linear_backward(
    grad_y,
    cache,
    weight,
    *,
    packed=None,
    need_input=True,
    grad_weight=None,
    grad_bias=None,
    accumulate=False,
    need_parameters=True,
):
    x = cache
    grad_y = np.asarray(grad_y, np.float64)
    weight = np.asarray(weight, np.float64)
    if need_parameters and grad_weight is None:
        grad_weight = np.zeros(weight.shape)
        grad_bias = np.zeros(weight.shape[0])
    grad_x = np.zeros(x.shape)
    for_weight = np.zeros(weight.shape)
    for_bias = np.zeros(weight.shape[0])
    for row in range(x.shape[0]):
        for out in range(weight.shape[0]):
            grad_x[row] += grad_y[row, out] * weight[out]
            for_weight[out] += grad_y[row, out] * x[row]
            for_bias[out] += grad_y[row, out]
    for given, found in ((grad_weight, for_weight), (grad_bias, for_bias)):
        if given is not None:
            given[...] = given + found if accumulate else found
    return (grad_x if need_input else None), grad_weight, grad_bias
