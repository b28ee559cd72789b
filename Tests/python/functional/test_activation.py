"""relu, softmax and log_softmax: sizes, extremes, forms of input, threads, and messages."""

import numpy as np
import pytest
from reference import activation as twin
from support import FORMS, close, form_of, normal, same, with_threads

from seriatim import functional as F
from seriatim import nn

NAMES = ("relu", "softmax", "log_softmax")


def run(library, name, x, grad):
    y, cache = getattr(library, name)(x)
    y = np.array(y)
    return [y, getattr(library, f"{name}_backward")(grad, cache)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("columns", [1, 2, 7, 8, 9, 15, 16, 17, 33, 100, 1000])
@pytest.mark.parametrize("rows", [1, 9])
def test_twin(name, columns, rows):
    x, grad = 10 * normal(rows, columns), normal(rows, columns, seed=1)
    for ours, wanted in zip(run(F, name, x, grad), run(twin, name, x, grad), strict=True):
        close(ours, wanted)


@pytest.mark.parametrize("shape", [(1,), (2, 1), (3, 10), (2, 4, 33)])
@pytest.mark.parametrize("name", NAMES)
def test_any_number_of_axes(name, shape):
    x, grad = 5 * normal(*shape), normal(*shape, seed=1)
    (y, cache), (wanted, twin_cache) = (getattr(library, name)(x) for library in (F, twin))
    close(y, wanted)
    back = f"{name}_backward"
    close(getattr(F, back)(grad, cache), getattr(twin, back)(grad, twin_cache))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_extremes(name):
    x = np.array([[1e30, 0, -1e30], [-1e30, -1e30, -1e30], [88, 89, 90], [-200, -100, -300]], np.float32)
    close(getattr(F, name)(x)[0], getattr(twin, name)(x)[0])
    infinite = np.array([[0.0, -np.inf, 1.0]], np.float32)
    with np.errstate(all="ignore"):
        wanted = getattr(twin, name)(infinite)[0]
    np.testing.assert_allclose(getattr(F, name)(infinite)[0], wanted, rtol=1e-5)


def test_small_probabilities_keep_their_logarithms():
    logs, _ = F.log_softmax(np.array([[0.0, -150.0]]))
    np.testing.assert_allclose(logs, [[0, -150]], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_nan_is_not_hidden(name):
    x = np.array([[0.0, np.nan, 1.0], [0.0, 1.0, 2.0]], np.float32)
    y, _ = getattr(F, name)(x)
    assert np.isnan(y[0, 1])
    assert np.all(np.isfinite(y[1]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_forms_of_input(name, form):
    x, grad = normal(6, 5), normal(6, 5, seed=1)
    given = form_of(x, form), form_of(grad, form)
    before = [np.array(a) for a in given]
    same(run(F, name, *given), run(F, name, x, grad))
    same([np.array(a) for a in given], before)


@pytest.mark.parametrize("name", NAMES)
def test_same_bits_with_one_and_two_threads(name):
    x, grad = normal(900, 301), normal(900, 301, seed=1)
    with_threads(lambda: run(F, name, x, grad))


@pytest.mark.parametrize("name", NAMES)
def test_empty_batches(name):
    y, cache = getattr(F, name)(np.zeros((0, 4)))
    assert y.shape == (0, 4)
    assert getattr(F, f"{name}_backward")(np.zeros((0, 4)), cache).shape == (0, 4)


@pytest.mark.parametrize("name", NAMES)
def test_wrong_types_are_named(name):
    with pytest.raises(TypeError, match=r"^x: "):
        getattr(F, name)(np.full((2, 2), "a"))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_no_classes(name):
    with pytest.raises(ValueError, match="x: expected an axis of classes"):
        getattr(F, name)(np.zeros(()))
    y, cache = getattr(F, name)(np.zeros((3, 0)))
    assert y.shape == getattr(F, f"{name}_backward")(y, cache).shape == (3, 0)


@pytest.mark.parametrize("make", [nn.Softmax, nn.LogSoftmax])
def test_one_number_is_a_row_of_one(make):
    for dim in (0, -1):
        module = make(dim)
        y, context = module.trace(3.0)
        assert y.shape == ()
        assert y == (make is nn.Softmax)
        grad = module.pullback(context, 2.0)
        assert grad.shape == ()
        assert grad == 0
        with pytest.raises(ValueError, match="grad_output"):
            module.pullback(context, [2.0])
    with pytest.raises(ValueError, match="x: expected an array with an axis 1"):
        make(1)(3.0)


@pytest.mark.parametrize("place", range(3))
def test_what_is_not_finite_fills_its_row(place):
    x = np.ones((3, 3), np.float32)
    x[1, place] = np.nan
    for name in ("softmax", "log_softmax"):
        np.testing.assert_array_equal(np.isnan(getattr(F, name)(x)[0]), [[False] * 3, [True] * 3, [False] * 3])
    assert np.isnan(F.log_softmax(np.full((1, 3), -np.inf))[0]).all()


def test_gradients_of_another_shape():
    _, cache = F.relu(normal(3, 4))
    with pytest.raises(ValueError, match=r"^grad_y: "):
        F.relu_backward(np.ones((4, 4)), cache)
    _, cache = F.softmax(normal(3, 4))
    with pytest.raises(ValueError, match="grad_y"):
        F.softmax_backward(np.ones((4, 4)), cache)
    with pytest.raises(ValueError, match="grad_y"):
        F.softmax_backward(np.ones((4, 3)), cache)
