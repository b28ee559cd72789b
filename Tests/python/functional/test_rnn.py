"""rnn against its float64 twin: sizes around the register and the tile, ragged, both ways, both nonlinearities."""

import numpy as np
import pytest
from reference import rnn as twin
from support import close, same, sizes_of, threads

from seriatim import functional as F

RAGGED = [40, 17, 17, 9, 3, 3, 3, 1, 1, 1, 1, 1]
NAMES = ["y", "h_n", "grad_x", "grad_h0", "W_ih", "W_hh", "b_ih", "b_hh"]


def case(lengths, input_size, hidden, seed=0):
    rng = np.random.default_rng(seed)
    rows, batch = sum(lengths), len(lengths)
    shapes = [(hidden, input_size), (hidden, hidden), (hidden,), (hidden,)]
    scale = min(0.5, 1.5 / np.sqrt(hidden))
    return {
        "weights": [rng.uniform(-scale, scale, s).astype(np.float32) for s in shapes],
        "x": rng.normal(size=(rows, input_size)).astype(np.float32),
        "h0": rng.normal(size=(batch, hidden)).astype(np.float32),
        "grad_y": rng.normal(size=(rows, hidden)).astype(np.float32),
        "grad_h": rng.normal(size=(batch, hidden)).astype(np.float32),
        "sizes": sizes_of(lengths),
    }


def run(library, given, *, nonlinearity="tanh", reverse=False, with_state=True, grad_x=None):
    """Outputs and all gradients of one library."""
    weights = given["weights"]
    outputs, cache = library.rnn(
        given["x"],
        given["sizes"],
        library.rnn_pack(*weights),
        given["h0"] if with_state else None,
        hidden_size=weights[0].shape[0],
        nonlinearity=nonlinearity,
        reverse=reverse,
        training=True,
    )
    slots = [np.full(w.shape, 2, np.float32 if library is F else np.float64) for w in weights]
    names = ("grad_weight_ih", "grad_weight_hh", "grad_bias_ih", "grad_bias_hh")
    back = library.rnn_pack_backward(weights[0], weights[1])
    grads = library.rnn_backward(
        given["grad_y"],
        given["grad_h"],
        cache,
        back,
        accumulate=True,
        grad_x=None if grad_x is None else grad_x.copy(),
        **dict(zip(names, slots, strict=True)),
    )
    return [np.array(a) for a in (*outputs, *grads, *slots)]


def compare(given, **options):
    for name, ours, wanted in zip(NAMES, run(F, given, **options), run(twin, given, **options), strict=True):
        close(ours, wanted, what=name)


@pytest.mark.parametrize("hidden", [1, 7, 15, 16, 17, 32, 33, 48, 49, 65])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_hidden_sizes(hidden, nonlinearity):
    compare(case([4, 4, 2, 1], 3, hidden), nonlinearity=nonlinearity)


@pytest.mark.parametrize("batch", [1, 2, 3, 7, 8, 9, 17])
def test_batches(batch):
    compare(case([3] * batch, 5, 9))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_ragged(reverse, with_state, nonlinearity):
    compare(case(RAGGED, 4, 10), reverse=reverse, with_state=with_state, nonlinearity=nonlinearity)


def test_the_gradient_can_be_added():
    compare(case([5, 5, 2], 4, 9), grad_x=np.random.default_rng(1).normal(size=(12, 4)).astype(np.float32))


@pytest.mark.parametrize("reverse", [False, True])
def test_same_bits_with_any_threads(reverse):
    given = case(sorted([20] * 20 + RAGGED, reverse=True), 24, 200)
    results = []
    for number in (1, 2, 3):
        with threads(number):
            results.append(run(F, given, reverse=reverse))
    same(results[0], results[1])
    same(results[0], results[2])


def test_a_sequence_has_the_same_bits_alone():
    lengths = [9] * 13 + [4, 1]
    given = case(lengths, 6, 170)
    packed = F.rnn_pack(*given["weights"])
    (y, h_n), _ = F.rnn(given["x"], given["sizes"], packed, hidden_size=170)
    offsets = np.concatenate([[0], np.cumsum(given["sizes"])])
    for i, length in enumerate(lengths):
        rows = offsets[:length] + i
        same(F.rnn(given["x"][rows], np.ones(length, np.int64), packed, hidden_size=170)[0], (y[rows], h_n[[i]]))


def test_an_unknown_nonlinearity_is_named():
    given = case([4, 3], 6, 5)
    with pytest.raises(ValueError, match="nonlinearity: expected 'tanh' or 'relu', got 'gelu'"):
        F.rnn(given["x"], given["sizes"], F.rnn_pack(*given["weights"]), hidden_size=5, nonlinearity="gelu")
