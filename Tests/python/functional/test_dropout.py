"""dropout: the mask of Philox, whatever the shape, the form and the threads."""

import numpy as np
import pytest
from reference import dropout as twin
from support import FORMS, close, form_of, normal, with_threads

from seriatim import functional as F


@pytest.mark.parametrize("answer", twin.KNOWN_ANSWERS)
def test_the_twin_gives_the_known_answers(answer):
    counter, key, words = answer
    assert twin.philox(counter, key) == words


@pytest.mark.parametrize("size", [1, 3, 4, 5, 15, 16, 17, 63, 64, 65, 257])
@pytest.mark.parametrize(("seed", "offset"), [(0, 0), (1, 2**32), (2**32, 1), (2**64 - 1, 2**64 - 1)])
def test_twin(size, seed, offset):
    x = normal(size) + 10
    ours = F.dropout(x, 0.3, seed, offset)
    np.testing.assert_array_equal(ours != 0, twin.keep_mask(size, 0.3, seed, offset))
    close(ours, twin.dropout(x, 0.3, seed, offset), 1e-6)


def test_the_mask_depends_on_the_position_alone():
    x = np.ones(600, np.float32)
    flat = F.dropout(x, 0.5, 3, 4)
    np.testing.assert_array_equal(F.dropout(x.reshape(20, 5, 6), 0.5, 3, 4).ravel(), flat)
    np.testing.assert_array_equal(F.dropout(x[:77], 0.5, 3, 4), flat[:77])
    assert np.any(F.dropout(x, 0.5, 3, 5) != flat)
    assert np.any(F.dropout(x, 0.5, 4, 4) != flat)


@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 17), (4099,)])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.999])
def test_any_shape_and_share(shape, p):
    x = normal(*shape)
    for seed, offset in ((0, 0), (2**64 - 1, 2**40 + 3)):
        ours, wanted = F.dropout(x, p, seed, offset), twin.dropout(x, p, seed, offset)
        np.testing.assert_array_equal(ours == 0, wanted == 0)
        np.testing.assert_allclose(ours, wanted, rtol=1e-6)
        np.testing.assert_array_equal(F.dropout_backward(x, p, seed, offset), ours)


def test_share_and_scale():
    x = np.ones(100_000, np.float32)
    y = F.dropout(x, 0.25, 0, 0)
    assert np.mean(y == 0) == pytest.approx(0.25, abs=0.01)
    np.testing.assert_allclose(y[y != 0], 1 / 0.75, rtol=1e-6)
    np.testing.assert_array_equal(F.dropout(x, 0.0, 0, 0), x)


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_input(form):
    x = normal(6, 7)
    given = form_of(x, form)
    before = np.array(given)
    np.testing.assert_array_equal(F.dropout(given, 0.5, 1, 2), F.dropout(x, 0.5, 1, 2))
    np.testing.assert_array_equal(F.dropout_backward(given, 0.5, 1, 2), F.dropout(x, 0.5, 1, 2))
    np.testing.assert_array_equal(np.array(given), before)


def test_same_bits_with_one_and_two_threads():
    x = normal(700, 333)
    with_threads(lambda: [F.dropout(x, 0.5, 9, 9), F.dropout_backward(x, 0.1, 9, 10)])


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, np.nan])
def test_wrong_shares_are_named(p):
    with pytest.raises(ValueError, match=r"^p: "):
        F.dropout(np.ones(3), p, 0, 0)


@pytest.mark.parametrize("name", ["seed", "offset"])
@pytest.mark.parametrize("wrong", [-1, 2**64])
def test_seeds_out_of_range(name, wrong):
    with pytest.raises(ValueError, match=rf"^{name}: expected an integer from 0 to 2\*\*64 - 1, got {wrong}"):
        F.dropout(np.ones(3), 0.5, **{"seed": 0, "offset": 0, name: wrong})


def test_wrong_types_are_named():
    with pytest.raises(TypeError, match=r"^x: "):
        F.dropout(np.ones(3, complex), 0.5, 0, 0)
