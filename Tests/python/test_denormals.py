"""Denormal numbers are zero inside kernels, in caller and workers; afterwards the caller has its own again."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from support import normal, same, threads, with_threads

from seriatim import _core, nn

OTHERS = [level for level in _core.levels() if level != _core.level()]
TINY = np.finfo(np.float32).tiny
DENORMAL = np.float32(1e-40)

# Modules and the shapes of their inputs, large enough for two workers.
CASES = {
    "GRU": (lambda: nn.GRU(20, 96, rng=0), (40, 32, 20)),
    "LSTM": (lambda: nn.LSTM(20, 96, rng=0), (40, 32, 20)),
    "RNN": (lambda: nn.RNN(20, 96, rng=0), (40, 32, 20)),
    "MinGRU": (lambda: nn.MinGRU(20, 96, rng=0), (40, 32, 20)),
    "MinLSTM": (lambda: nn.MinLSTM(20, 96, rng=0), (40, 32, 20)),
    "IndRNN": (lambda: nn.IndRNN(20, 96, rng=0), (40, 32, 20)),
    "ConvGRU": (lambda: nn.ConvGRU(8, 16, 3, 1, rng=0), (6, 4, 8, 24, 24)),
    "Linear": (lambda: nn.Linear(64, 96, rng=0), (512, 64)),
    "Conv2d": (lambda: nn.Conv2d(16, 32, 3, padding=1, rng=0), (4, 16, 24, 24)),
}
FADING = {
    "GRU": (lambda: nn.GRU(20, 96, rng=0), (400, 32, 20)),
    "LSTM": (lambda: nn.LSTM(20, 96, rng=0), (400, 32, 20)),
    "ConvGRU": (lambda: nn.ConvGRU(8, 16, 3, 1, rng=0), (400, 4, 8, 8, 8)),
}


def first(result):
    """The output without states, or the gradient of the input."""
    return result[0] if isinstance(result, tuple) else result


def without_biases(module, recurrent=1.0):
    """Biases would hide what a denormal input does; small recurrent weights make states fade."""
    for name, parameter in module.named_parameters():
        values = np.array(parameter.data)
        if "bias" in name:
            values[...] = 0
        elif "weight_hh" in name:
            values *= recurrent
        elif "ConvGRUCell" in name:
            values[:, module.input_size :] *= recurrent
        parameter.data = values
    return module


def has_denormals(array):
    return bool(((array != 0) & (np.abs(array) < TINY)).any())


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_denormal_inputs_are_zeros(name, number):
    make, shape = CASES[name]
    module = without_biases(make()).eval()
    with threads(number):
        for seed in range(3):
            x = DENORMAL * normal(*shape, seed=seed)
            assert has_denormals(x)
            same([first(module(x))], [first(module(np.zeros_like(x)))])


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("name", CASES)
def test_denormal_gradients_are_zeros(name, number):
    make, shape = CASES[name]
    module = make()
    with threads(number):
        for seed in range(3):
            y = first(module(normal(*shape, seed=seed)))
            grad_y = DENORMAL * normal(*y.shape, seed=seed)
            assert has_denormals(grad_y)
            for grad in (first(module.backward(grad_y)), *(p.grad for p in module.parameters())):
                assert not grad.any()


@pytest.mark.parametrize("name", FADING)
def test_same_bits_for_one_and_two_threads_where_numbers_fade(name):
    make, shape = FADING[name]
    x = normal(*shape)
    x[20:] = 0

    def run():
        module = without_biases(make(), recurrent=0.25)
        y = first(module(x))
        grad_y = np.zeros_like(y)
        # The last step's gradient fades on its way back; the other one meets states that have not.
        grad_y[[19, -1]] = normal(2, *y.shape[1:])
        grad_x = first(module.backward(grad_y))
        results = [y, grad_x, *(p.grad for p in module.parameters())]
        # Both about halve with every step of silence: they reach the denormal numbers. Without fused multiply-adds
        # h + z (n - h) stays where its second term is less than the least normal number.
        assert np.abs(y[120]).max() > 4 * TINY > np.abs(y[200]).max()
        assert np.abs(grad_x[300]).max() > 4 * TINY > np.abs(grad_x[200]).max()
        assert not any(has_denormals(a) for a in results)
        return results

    with_threads(run)


def keeps_denormals():
    """Whether the calling thread computes with them."""
    return bool(DENORMAL * np.float32(1) > 0)


def call():
    module = nn.GRU(20, 96, rng=0)
    module.backward(module(normal(40, 32, 20))[0])


def wrong_call():
    with pytest.raises(ValueError, match="x: expected"):
        nn.Sequential(nn.Linear(20, 96), nn.Linear(95, 7))(normal(32, 20))


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("run", [call, wrong_call])
def test_the_caller_keeps_its_denormals(run, number):
    def kept():
        before = keeps_denormals()
        run()
        return before, keeps_denormals()

    with threads(number):
        assert kept() == (True, True)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(kept).result() == (True, True)


@pytest.mark.parametrize("level", OTHERS)
def test_at_level(level):
    """All of the above, as it runs at this level in this process."""
    env = {**os.environ, "SERIATIM_LEVEL": level}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "not at_level", __file__]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout[-3000:]
