"""lstm against its float64 twin: sizes around the register and the tile, ragged, both ways, with projections."""

import numpy as np
import pytest
from reference import lstm as twin
from support import close, same, sizes_of, threads

from seriatim import functional as F

RAGGED = [40, 17, 17, 9, 3, 3, 3, 1, 1, 1, 1, 1]
NAMES = ["y", "h_n", "c_n", "grad_x", "grad_h0", "grad_c0", "W_ih", "W_hh", "b_ih", "b_hh", "W_hr"]


def case(lengths, input_size, hidden, proj=0, seed=0):
    rng = np.random.default_rng(seed)
    rows, batch, state = sum(lengths), len(lengths), proj or hidden
    shapes = [(4 * hidden, input_size), (4 * hidden, state), (4 * hidden,), (4 * hidden,)]
    scale = min(0.5, 1.5 / np.sqrt(hidden))
    weights = [rng.uniform(-scale, scale, s).astype(np.float32) for s in shapes]
    if proj:
        weights.append(rng.uniform(-scale, scale, (proj, hidden)).astype(np.float32))
    return {
        "weights": weights,
        "x": rng.normal(size=(rows, input_size)).astype(np.float32),
        "states": [rng.normal(size=(batch, n)).astype(np.float32) for n in (state, hidden)],
        "grad_y": rng.normal(size=(rows, state)).astype(np.float32),
        "grad_states": [rng.normal(size=(batch, n)).astype(np.float32) for n in (state, hidden)],
        "sizes": sizes_of(lengths),
        "sizes_of_state": {"hidden_size": hidden, "proj_size": proj},
    }


def run(library, given, *, reverse=False, with_state=True, grad_x=None):
    """Outputs and all gradients of one library."""
    weights = given["weights"]
    outputs, cache = library.lstm(
        given["x"],
        given["sizes"],
        library.lstm_pack(*weights),
        given["states"] if with_state else None,
        reverse=reverse,
        training=True,
        **given["sizes_of_state"],
    )
    outputs = [np.array(a) for a in outputs]
    slots = [np.full(w.shape, 2, np.float32 if library is F else np.float64) for w in weights]
    names = ("grad_weight_ih", "grad_weight_hh", "grad_bias_ih", "grad_bias_hh", "grad_weight_hr")
    back = library.lstm_pack_backward(weights[0], weights[1], *weights[4:])
    grads = library.lstm_backward(
        given["grad_y"],
        *given["grad_states"],
        cache,
        back,
        accumulate=True,
        grad_x=None if grad_x is None else grad_x.copy(),
        **dict(zip(names, slots, strict=False)),
    )
    return [*outputs, *[np.array(a) for a in (*grads, *slots)]]


def compare(given, **options):
    found, right = run(F, given, **options), run(twin, given, **options)
    # Without a projection there is no W_hr.
    names = NAMES if given["sizes_of_state"]["proj_size"] else NAMES[:-1]
    for name, ours, wanted in zip(names, found, right, strict=True):
        close(ours, wanted, what=name)


@pytest.mark.parametrize("hidden", [1, 7, 15, 16, 17, 32, 33, 48, 49])
def test_hidden_sizes(hidden):
    compare(case([4, 4, 2, 1], 3, hidden))


@pytest.mark.parametrize(("hidden", "proj"), [(2, 1), (17, 1), (17, 16), (50, 17), (50, 48), (60, 49)])
@pytest.mark.parametrize("reverse", [False, True])
def test_projections(hidden, proj, reverse):
    compare(case([7, 4, 2, 2, 1], 3, hidden, proj), reverse=reverse)


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 17])
def test_batches(batch):
    compare(case([3] * batch, 5, 9))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("proj", [0, 3])
def test_ragged(reverse, with_state, proj):
    compare(case(RAGGED, 4, 10, proj), reverse=reverse, with_state=with_state)


@pytest.mark.parametrize("proj", [0, 70])
@pytest.mark.parametrize("reverse", [False, True])
def test_same_bits_with_any_threads(proj, reverse):
    given = case(sorted([20] * 20 + RAGGED, reverse=True), 24, 100, proj)
    results = []
    for number in (1, 2, 3):
        with threads(number):
            results.append(run(F, given, reverse=reverse))
    same(results[0], results[1])
    same(results[0], results[2])


def test_a_sequence_has_the_same_bits_alone():
    given = case([9] * 13 + [4, 1], 6, 117)
    (y, h_n, c_n), _ = F.lstm(given["x"], given["sizes"], F.lstm_pack(*given["weights"]), hidden_size=117)
    offsets = np.concatenate([[0], np.cumsum(given["sizes"])])
    for i, length in enumerate([9] * 13 + [4, 1]):
        rows = offsets[:length] + i
        alone, _ = F.lstm(given["x"][rows], np.ones(length, np.int64), F.lstm_pack(*given["weights"]), hidden_size=117)
        same(alone, (y[rows], h_n[[i]], c_n[[i]]))


def test_the_gradient_can_be_added():
    given = case([5, 5, 2], 4, 9)
    before = np.random.default_rng(1).normal(size=(12, 4)).astype(np.float32)
    compare(given, grad_x=before)


def test_training_and_inference_give_the_same_bits():
    given = case(RAGGED, 4, 33, 5)
    packed = F.lstm_pack(*given["weights"])
    results = [
        F.lstm(given["x"], given["sizes"], packed, given["states"], training=t, **given["sizes_of_state"])[0]
        for t in (True, False)
    ]
    same(*results)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": np.zeros((6, 6))}, "batch_sizes: expected sizes that sum up to the 6 rows"),
        (
            {"states": (np.zeros((3, 5)), None)},
            r"h0: expected a float32 array of shape \(2, 5\), got float32 of shape \(3, 5\)",
        ),
        ({"states": (None, np.zeros((2, 4)))}, r"c0: expected a float32 array of shape \(2, 5\)"),
    ],
)
def test_wrong_arguments_are_named(change, words):
    given = {**case([4, 3], 6, 5), **change}
    with pytest.raises(ValueError, match=words):
        F.lstm(given["x"], given["sizes"], F.lstm_pack(*given["weights"]), given["states"], hidden_size=5)


def test_wrong_weights_are_named():
    with pytest.raises(ValueError, match="weight_hh"):
        F.lstm_pack(np.zeros((20, 3)), np.zeros((21, 5)), None, None)
    with pytest.raises(ValueError, match="weight_hr"):
        F.lstm_pack(np.zeros((20, 3)), np.zeros((20, 2)), None, None, np.zeros((2, 6)))
