"""gru against its float64 twin: sizes around the register and the tile, ragged, both ways, both conventions."""

import numpy as np
import pytest
from reference import gru as twin
from support import sizes_of, with_threads

from seriatim import functional as F

RAGGED = [40, 17, 17, 9, 3, 3, 3, 1, 1, 1, 1, 1]


def case(lengths, input_size, hidden, seed=0):
    rng = np.random.default_rng(seed)
    rows, batch = sum(lengths), len(lengths)
    shapes = [(3 * hidden, input_size), (3 * hidden, hidden), (3 * hidden,), (3 * hidden,)]
    return {
        "weights": [rng.uniform(-0.5, 0.5, s).astype(np.float32) for s in shapes],
        "x": rng.normal(size=(rows, input_size)).astype(np.float32),
        "h0": rng.normal(size=(batch, hidden)).astype(np.float32),
        "grad_y": rng.normal(size=(rows, hidden)).astype(np.float32),
        "grad_h": rng.normal(size=(batch, hidden)).astype(np.float32),
        "sizes": sizes_of(lengths),
    }


def run(library, given, hidden, *, reverse=False, after=True, with_state=True, grads=None):
    """Outputs and all gradients of one library."""
    weights = given["weights"]
    packed = library.gru_pack(*weights, reset_after=after)
    h0 = given["h0"] if with_state else None
    (y, h_n), cache = library.gru(
        given["x"], given["sizes"], packed, h0, hidden_size=hidden, reverse=reverse, reset_after=after, training=True
    )
    kind = np.float32 if library is F else np.float64
    slots = [np.full(w.shape, 2, kind) for w in weights]
    names = ("grad_weight_ih", "grad_weight_hh", "grad_bias_ih", "grad_bias_hh")
    back = library.gru_pack_backward(weights[0], weights[1], reset_after=after)
    grad_x, grad_h0 = library.gru_backward(
        given["grad_y"], given["grad_h"], cache, back, accumulate=True, **dict(zip(names, slots, strict=True))
    )
    return [np.array(a) for a in (y, h_n, grad_x, grad_h0, *slots)]


def compare(given, hidden, **options):
    names = ["y", "h_n", "grad_x", "grad_h0", "W_ih", "W_hh", "b_ih", "b_hh"]
    for name, ours, wanted in zip(
        names, run(F, given, hidden, **options), run(twin, given, hidden, **options), strict=True
    ):
        np.testing.assert_allclose(ours, wanted, rtol=0, atol=1e-5 * (1 + np.abs(wanted).max()), err_msg=name)


@pytest.mark.parametrize("hidden", [1, 7, 15, 16, 17, 32, 33, 48, 49])
@pytest.mark.parametrize("after", [True, False])
def test_hidden_sizes(hidden, after):
    compare(case([4, 4, 2, 1], 3, hidden), hidden, after=after)


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 17])
def test_batches(batch):
    compare(case([3] * batch, 5, 9), 9)


@pytest.mark.parametrize("input_size", [1, 13, 48, 65])
def test_input_sizes(input_size):
    compare(case([5, 2], input_size, 6), 6)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("with_state", [False, True])
def test_ragged(reverse, after, with_state):
    compare(case(RAGGED, 4, 10), 10, reverse=reverse, after=after, with_state=with_state)


def test_same_bits_with_one_and_two_threads():
    given = case([30] * 20 + RAGGED, 24, 64)
    given["sizes"] = sizes_of(sorted([30] * 20 + RAGGED, reverse=True))
    with_threads(lambda: run(F, given, 64))


def forms(array):
    """The same values in forms that must be converted once, and left as they are."""
    wide = np.repeat(array, 2, axis=1)
    frozen = array.copy()
    frozen.setflags(write=False)
    return {
        "float64": array.astype(np.float64),
        "byte-swapped": array.astype(array.dtype.newbyteorder()),
        "strided": wide[:, ::2],
        "Fortran": np.asfortranarray(array),
        "read-only": frozen,
        "negative strides": array[::-1].copy()[::-1],
        "list": array.tolist(),
    }


@pytest.mark.parametrize("form", list(forms(np.zeros((1, 1), np.float32))))
def test_forms_of_input(form):
    given = case([4, 3], 6, 5)
    wanted = run(F, given, 5)
    before = np.array(given["x"])
    given["x"] = forms(given["x"])[form]
    for a, b in zip(run(F, given, 5), wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(np.array(given["x"], np.float32), before)


def test_output_into_a_column_slice():
    given = case([4, 3], 6, 5)
    packed = F.gru_pack(*given["weights"])
    (wanted, _), _ = F.gru(given["x"], given["sizes"], packed, hidden_size=5)
    wide = np.full((7, 12), -1, np.float32)
    F.gru(given["x"], given["sizes"], packed, hidden_size=5, out=wide[:, 4:9])
    np.testing.assert_array_equal(wide[:, 4:9], wanted)
    assert np.all(wide[:, :4] == -1)
    assert np.all(wide[:, 9:] == -1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": np.zeros((6, 6))}, "batch_sizes: expected sizes that sum up to the 6 rows"),
        ({"x": np.zeros((7, 4))}, r"packed: expected a float32 array of shape"),
        ({"h0": np.zeros((3, 5))}, r"h0: expected a float32 array of shape \(2, 5\), got float32 of shape \(3, 5\)"),
        ({"sizes": np.array([1, 2, 2, 2])}, "positive sizes that never grow, got 2 at step 1"),
        ({"sizes": np.array([], np.int64)}, "at least one step"),
    ],
)
def test_wrong_arguments_are_named(change, words):
    given = {**case([4, 3], 6, 5), **change}
    packed = F.gru_pack(*given["weights"])
    with pytest.raises(ValueError, match=words):
        F.gru(given["x"], given["sizes"], packed, given["h0"], hidden_size=5)


@pytest.mark.parametrize("wrong", [np.zeros((7, 6), complex), np.full((7, 6), "a"), np.full((7, 6), object())])
def test_wrong_types_are_named(wrong):
    given = case([4, 3], 6, 5)
    with pytest.raises(TypeError, match="x: expected real numbers, got"):
        F.gru(wrong, given["sizes"], F.gru_pack(*given["weights"]), hidden_size=5)
