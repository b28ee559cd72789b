"""Convolutional recurrences against their float64 twins."""

from __future__ import annotations

import numpy as np
import pytest
from reference import conv_recurrent as twin
from support import close, normal, same, with_threads

from seriatim import functional as F

# steps, batch, hidden, height, width, kernel: below, at and above the tiles, Winograd's method and the other
SIZES = [(1, 1, 1, 3, 3, 3), (3, 2, 3, 5, 4, 1), (2, 1, 8, 6, 17, 3), (4, 3, 9, 5, 5, 5), (3, 2, 16, 9, 7, 3)]


def fresh(*arrays):
    return [np.array(array) for array in arrays]


def weights(gates, size):
    hidden, kernel = size[2], size[5]
    scale = (hidden * kernel**2) ** -0.5
    return normal(gates * hidden, hidden, kernel, kernel, seed=1) * np.float32(scale), normal(gates * hidden, seed=2)


def arrays(gates, size):
    steps, batch, hidden, height, width, _ = size
    state = (batch, hidden, height, width)
    return (
        normal(steps, batch, gates * hidden, height, width), normal(*state, seed=3), normal(*state, seed=4),
        normal(steps, *state, seed=5), normal(*state, seed=6), normal(*state, seed=7),
    )  # fmt: skip


def compare(names, found, wanted):
    for name, ours, right in zip(names, found, wanted, strict=True):
        close(ours, right, 2e-5, name)


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_conv_gru(size, hard):
    weight, bias = weights(3, size)
    x, h0, _, grad_y, grad_h, _ = arrays(3, size)
    kernel = {"kernel_size": size[5], "hard": hard}

    def run():
        y, cache = F.conv_gru(np.array(x), F.conv_gru_pack(weight), h0, bias, **kernel)
        slots = np.empty_like(weight), np.empty_like(bias)
        grads = F.conv_gru_backward(
            grad_y, grad_h, cache, F.conv_gru_pack_backward(weight), grad_weight=slots[0], grad_bias=slots[1]
        )
        return (y, *grads, *slots)

    with_threads(run)
    y, kept = twin.conv_gru(x, weight, h0, bias, hard)
    names = ("y", "grad_gates", "grad_h0", "grad_weight", "grad_bias")
    compare(names, run(), (y, *twin.conv_gru_backward(grad_y, grad_h, kept, weight, hard)))


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_conv_lstm(size, hard):
    weight, bias = weights(4, size)
    x, h0, c0, grad_y, grad_h, grad_c = arrays(4, size)
    kernel = {"kernel_size": size[5], "hard": hard}

    def run():
        y, cells, cache = F.conv_lstm(np.array(x), F.conv_lstm_pack(weight), h0, c0, bias, **kernel)
        slots = np.empty_like(weight), np.empty_like(bias)
        grads = F.conv_lstm_backward(
            grad_y, grad_h, grad_c, cache, F.conv_lstm_pack_backward(weight), grad_weight=slots[0], grad_bias=slots[1]
        )
        return (y, cells, *grads, *slots)

    with_threads(run)
    y, cells, kept = twin.conv_lstm(x, weight, h0, c0, bias, hard)
    names = ("y", "cells", "grad_gates", "grad_h0", "grad_c0", "grad_weight", "grad_bias")
    compare(names, run(), (y, cells, *twin.conv_lstm_backward(grad_y, grad_h, grad_c, kept, weight, hard)))


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "identity"])
@pytest.mark.parametrize("size", SIZES)
def test_conv_rnn(size, activation):
    weight, bias = weights(1, size)
    x, h0, _, grad_y, grad_h, _ = arrays(1, size)
    kernel = {"kernel_size": size[5], "activation": activation}

    def run():
        y, cache = F.conv_rnn(np.array(x), F.conv_rnn_pack(weight), h0, bias, **kernel)
        slots = np.empty_like(weight), np.empty_like(bias)
        grads = F.conv_rnn_backward(
            grad_y, grad_h, cache, F.conv_rnn_pack_backward(weight), grad_weight=slots[0], grad_bias=slots[1]
        )
        return (y, *grads, *slots)

    with_threads(run)
    y = twin.conv_rnn(x, weight, h0, bias, activation)
    names = ("y", "grad_x", "grad_h0", "grad_weight", "grad_bias")
    compare(names, run(), (y, *twin.conv_rnn_backward(grad_y, grad_h, y, weight, h0, activation)))


@pytest.mark.parametrize("size", SIZES)
def test_no_state_is_a_state_of_zeros(size):
    for gates, name in ((3, "gru"), (4, "lstm"), (1, "rnn")):
        weight, bias = weights(gates, size)
        x, h0, _, grad_y, *_ = arrays(gates, size)
        run, pack = getattr(F, f"conv_{name}"), getattr(F, f"conv_{name}_pack")
        back, pack_back = getattr(F, f"conv_{name}_backward"), getattr(F, f"conv_{name}_pack_backward")
        results = []
        for zeros in (False, True):
            states = [np.zeros_like(h0) if zeros else None] * (2 if name == "lstm" else 1)
            *found, cache = run(np.array(x), pack(weight), *states, bias, kernel_size=size[5])
            slots = np.empty_like(weight), np.empty_like(bias)
            grads = back(
                grad_y, *[None] * len(states), cache, pack_back(weight), grad_weight=slots[0], grad_bias=slots[1]
            )
            assert (grads[1] is None) is not zeros
            results.append((*found, grads[0], *slots))
        same(*results) if name != "gru" else [close(a, b) for a, b in zip(*results, strict=True)]


def test_errors():
    packed = F.conv_gru_pack(np.zeros((6, 2, 3, 3)))
    with pytest.raises(ValueError, match="weight: expected 3 kernels of odd size"):
        F.conv_gru_pack(np.zeros((6, 2, 2, 2)))
    with pytest.raises(ValueError, match="gates: expected 3 maps for each hidden one"):
        F.conv_gru(np.zeros((1, 1, 7, 4, 4), np.float32), packed, kernel_size=3)
    with pytest.raises(ValueError, match="gates: expected a writeable float32 array"):
        F.conv_gru(np.zeros((1, 1, 6, 4, 4)), packed, kernel_size=3)
    with pytest.raises(ValueError, match="h0: expected"):
        F.conv_gru(np.zeros((1, 1, 6, 4, 4), np.float32), packed, np.zeros((1, 3, 4, 4)), kernel_size=3)
    with pytest.raises(ValueError, match="activation: expected one of"):
        F.conv_rnn(np.zeros((1, 1, 6, 4, 4), np.float32), packed, kernel_size=3, activation="swish")
