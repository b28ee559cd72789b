"""Activations against their twins and torch."""

from __future__ import annotations

import numpy as np
import pytest
from reference import activation as twin

from seriatim import nn

RNG = np.random.default_rng(6)
NAMES = {"ReLU": "relu", "Softmax": "softmax", "LogSoftmax": "log_softmax"}


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(5,), (1, 1), (4, 9), (2, 3, 17)])
def test_twin(name, shape):
    model = getattr(nn, name)()
    x, grad = RNG.normal(0, 4, size=shape), RNG.normal(size=shape)
    y, cache = getattr(twin, NAMES[name])(x)
    found = model(x)
    assert found.dtype == np.float32
    close(found, y)
    close(model.backward(grad), getattr(twin, f"{NAMES[name]}_backward")(grad, cache))


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2, -3])
def test_any_axis_as_in_torch(name, dim):
    torch = pytest.importorskip("torch")
    x, grad = (RNG.normal(size=(2, 3, 4)).astype(np.float32) for _ in range(2))
    tensor = torch.from_numpy(x).requires_grad_()
    y = getattr(torch.nn, name)(dim=dim)(tensor)
    y.backward(torch.from_numpy(grad))
    model = getattr(nn, name)(dim=dim)
    found = model(x)
    assert found.flags.c_contiguous
    close(found, y.detach().numpy())
    close(model.backward(grad), tensor.grad.numpy())


@pytest.mark.parametrize("name", ["Softmax", "LogSoftmax"])
def test_large_numbers_do_not_overflow(name):
    y = getattr(nn, name)()(np.array([[1e4, 0.0], [-1e4, -1e4]]))
    assert np.all(np.isfinite(y))


def test_relu_keeps_nan_and_stops_at_zero():
    model = nn.ReLU()
    np.testing.assert_array_equal(model([-1.0, 0.0, 2.0, np.nan]), [0, 0, 2, np.nan])
    np.testing.assert_array_equal(model.backward(np.ones(4))[:3], [0, 0, 1])


def test_an_axis_that_is_not_there():
    with pytest.raises(ValueError, match="axis 2"):
        nn.Softmax(dim=2)(np.ones((2, 3)))


def test_a_negative_slope_has_its_gradient():
    """The sign of what comes out does not say on which side it was."""
    layer = nn.LeakyReLU(-0.5)
    y, context = layer.trace(np.array([-2.0, 3.0], np.float32))
    np.testing.assert_array_equal(y, [1, 3])
    np.testing.assert_array_equal(layer.pullback(context, np.ones(2, np.float32)), [-0.5, 1])
