"""Optimisers where memory is scattered, copied or shared."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from seriatim import nn, optim

SHAPES = [(3, 4), (3,), (2, 3), (1,)]


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
@pytest.mark.parametrize("held", range(4))
@pytest.mark.parametrize("frozen", range(4))
def test_held_and_frozen_parameters(name, held, frozen):
    """One that a user holds stays where it is: those around it are then neighbours in memory, but not in the state."""
    settings = {"momentum": 0.9} if name == "SGD" else {}
    rng = np.random.default_rng(0)
    parameters = [nn.Parameter(rng.normal(size=shape)) for shape in SHAPES]
    alone = [nn.Parameter(p.data) for p in parameters]
    view = parameters[held].data
    together = getattr(optim, name)(parameters, lr=0.1, **settings)
    each = [getattr(optim, name)([p], lr=0.1, **settings) for p in alone]
    for step in range(4):
        for index, (parameter, single) in enumerate(zip(parameters, alone, strict=True)):
            gradient = rng.normal(size=parameter.shape)
            parameter.grad, single.grad = gradient, gradient
            parameter.requires_grad = single.requires_grad = step % 2 == 1 or index != frozen
        together.step()
        for optimizer in each:
            optimizer.step()
        for parameter, single in zip(parameters, alone, strict=True):
            np.testing.assert_allclose(parameter.data, single.data, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(view, parameters[held].data)


def test_a_copy_of_model_and_optimiser_continues_alike():
    model = nn.Linear(3, 2, rng=0)
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = np.ones(parameter.shape)
    for _ in range(3):
        optimizer.step()
    twin, its_optimizer = copy.deepcopy((model, optimizer))
    for parameter, other in zip(model.parameters(), twin.parameters(), strict=True):
        parameter.grad = other.grad = np.full(parameter.shape, -2.0)
    optimizer.step()
    its_optimizer.step()
    for parameter, other in zip(model.parameters(), twin.parameters(), strict=True):
        np.testing.assert_array_equal(parameter.data, other.data)


def test_a_parameter_that_appears_twice():
    parameter = nn.Parameter([1.0])
    for params in ([parameter, parameter], [{"params": [parameter]}, {"params": [parameter]}]):
        with pytest.raises(ValueError, match="params: expected every parameter once"):
            optim.SGD(params)


@pytest.mark.parametrize("key", ["state", "steps", "param_groups"])
def test_a_state_that_is_not_whole_changes_nothing(key):
    optimizer = optim.Adam([nn.Parameter([1.0])], lr=0.5)
    other = optim.Adam([nn.Parameter([1.0])], lr=0.1)
    other.param_groups[0]["params"][0].grad = [1.0]
    other.step()
    state = other.state_dict()
    for broken in ({k: v for k, v in state.items() if k != key}, {**state, key: []}):
        with pytest.raises(ValueError, match="state_dict: expected"):
            optimizer.load_state_dict(broken)
        assert optimizer.param_groups[0]["lr"] == 0.5
        assert optimizer.state_dict()["steps"] == [[0]]
