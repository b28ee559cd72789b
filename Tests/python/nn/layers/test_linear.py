"""Linear against its twin and torch."""

from __future__ import annotations

import numpy as np
import pytest
from reference import linear as twin

from seriatim import nn

RNG = np.random.default_rng(3)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("leading", [(), (1,), (5,), (2, 3), (2, 1, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_forward_and_backward(leading, bias):
    model = nn.Linear(7, 3, bias=bias, rng=0)
    x = RNG.normal(size=(*leading, 7)).astype(np.float32)
    grad = RNG.normal(size=(*leading, 3)).astype(np.float32)
    y = model(x)
    assert y.dtype == np.float32
    assert y.shape == (*leading, 3)
    weight = model.weight.data
    wanted, cache = twin.linear(x.reshape(-1, 7), weight, model.bias.data if bias else None)
    close(y.reshape(-1, 3), wanted)
    for_x, for_weight, for_bias = twin.linear_backward(grad.reshape(-1, 3), cache, weight)
    grad_x = model.backward(grad)
    assert grad_x.shape == x.shape
    close(grad_x.reshape(-1, 7), for_x)
    close(model.weight.grad, for_weight)
    if bias:
        close(model.bias.grad, for_bias)
    else:
        assert model.bias is None


def test_torch_gives_the_same():
    torch = pytest.importorskip("torch")
    theirs = torch.nn.Linear(6, 4)
    ours = nn.Linear(6, 4)
    ours.load_state_dict(theirs.state_dict())
    x = RNG.normal(size=(2, 5, 6)).astype(np.float32)
    grad = RNG.normal(size=(2, 5, 4)).astype(np.float32)
    tensor = torch.from_numpy(x).requires_grad_()
    theirs(tensor).backward(torch.from_numpy(grad))
    close(ours(x), theirs(tensor).detach().numpy())
    close(ours.backward(grad), tensor.grad.numpy())
    close(ours.weight.grad, theirs.weight.grad.numpy())
    close(ours.bias.grad, theirs.bias.grad.numpy())


def test_gradients_add_up():
    model = nn.Linear(3, 2, rng=0)
    x, grad = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2))
    model(x)
    model.backward(grad)
    once = model.weight.grad.copy()
    model(x)
    model.backward(grad)
    close(model.weight.grad, 2 * once)
    model.zero_grad()
    model(x)
    model.backward(grad)
    close(model.weight.grad, once)


def test_one_gradient_may_be_fresh_while_the_other_is_not():
    model = nn.Linear(3, 2, rng=0)
    x, grad = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2))
    for _ in range(2):
        model(x)
        model.backward(grad)
        model.bias.grad = None
    model(x)
    model.backward(grad)
    close(model.bias.grad, grad.sum(0))
    close(model.weight.grad, 3 * (grad.T @ x))


@pytest.mark.parametrize("frozen", ["weight", "bias"])
def test_frozen_parameters_get_no_gradient(frozen):
    model = nn.Linear(3, 2, rng=0)
    getattr(model, frozen).requires_grad = False
    x, grad = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 2))
    model(x)
    close(model.backward(grad), grad @ model.weight.data)
    assert getattr(model, frozen).grad is None
    other = model.bias if frozen == "weight" else model.weight
    assert other.grad is not None


@pytest.mark.parametrize("training", [True, False])
def test_a_change_of_the_weight_is_seen(training):
    model = nn.Linear(3, 2, bias=False, rng=0).train(training)
    x = np.ones((1, 3), np.float32)
    model(x)
    model.weight.data[...] = 1
    close(model(x), [[3, 3]])
    view = model.weight.data
    model(x)
    view[...] = 2
    close(model(x), [[6, 6]])
    del view
    close(model(x), [[6, 6]])
    model.weight.data = np.full((2, 3), 3)
    close(model(x), [[9, 9]])


def test_initial_values_are_torchs_distribution_and_seeded():
    one, same, other = nn.Linear(4, 500, rng=1), nn.Linear(4, 500, rng=1), nn.Linear(4, 500, rng=2)
    np.testing.assert_array_equal(one.weight.data, same.weight.data)
    assert np.any(one.weight.data != other.weight.data)
    for parameter in one.parameters():
        assert 0.45 < np.abs(parameter.data).max() <= 0.5
    nn.manual_seed(5)
    first = nn.Linear(2, 2).weight.data.copy()
    nn.manual_seed(5)
    np.testing.assert_array_equal(first, nn.Linear(2, 2).weight.data)


@pytest.mark.parametrize("sizes", [(0, 2), (2, -1), (2.5, 2)])
def test_sizes_are_checked(sizes):
    with pytest.raises(ValueError, match="features: expected a positive integer"):
        nn.Linear(*sizes)


def test_wrong_input_is_named():
    with pytest.raises(ValueError, match=r"x: expected shape \(..., 3\), got \(2, 4\)"):
        nn.Linear(3, 2)(np.zeros((2, 4)))
