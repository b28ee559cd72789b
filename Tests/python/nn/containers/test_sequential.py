"""Sequential and ModuleList."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

from seriatim import nn


def stack():
    return nn.Sequential(nn.Linear(3, 4, rng=0), nn.ReLU(), nn.Linear(4, 2, rng=1))


def test_forward_and_backward_are_those_of_the_parts():
    model = stack()
    x, grad = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)[0], np.ones((5, 2))
    y = model(x)
    grad_x = model.backward(grad)
    first, relu, last = stack()
    np.testing.assert_array_equal(y, last(relu(first(x))))
    wanted = first.backward(relu.backward(last.backward(grad)))
    np.testing.assert_array_equal(grad_x, wanted)
    np.testing.assert_array_equal(model[0].weight.grad, first.weight.grad)


def test_indexing_slicing_and_iteration():
    model = stack()
    parts = list(model)
    assert len(model) == 3
    assert model[-1] is parts[2]
    assert list(model[:2]) == parts[:2]
    assert isinstance(model[:2], nn.Sequential)
    assert list(nn.Sequential(*list(model)[:-1])) == parts[:-1]
    with pytest.raises(IndexError):
        model[3]


def test_names():
    assert [name for name, _ in stack().named_children()] == ["0", "1", "2"]
    named = nn.Sequential(OrderedDict(encoder=nn.ReLU(), head=nn.Linear(2, 2)))
    assert list(named.state_dict()) == ["head.weight", "head.bias"]
    assert named.head is named[1]


def test_append_returns_the_container():
    model, part = stack(), nn.LogSoftmax()
    assert model.append(part) is model
    assert model[3] is part


def test_an_empty_sequential_is_the_identity():
    model = nn.Sequential()
    x = np.ones(3)
    assert model(x) is x
    assert model.backward(x) is x


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match="expected a Module, got function"):
        nn.Sequential(lambda x: x)


def test_module_list_registers():
    modules = nn.ModuleList([nn.Linear(1, 1), nn.Linear(1, 2)])
    modules.append(nn.Linear(2, 1))
    assert len(modules) == 3
    assert [m.out_features for m in modules] == [1, 2, 1]
    assert modules[-1].in_features == 2
    assert list(modules.state_dict())[-1] == "2.bias"
