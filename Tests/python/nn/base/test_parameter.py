"""Parameters: memory, leases, versions, gradients, and the flat buffer."""

from __future__ import annotations

import copy
import gc
import pickle

import numpy as np
import pytest

from seriatim import nn
from seriatim.nn import Parameter, flatten
from seriatim.nn.base._parameter import runs


def three():
    return [Parameter(np.arange(6.0).reshape(2, 3)), Parameter([10.0]), Parameter([[20.0, 21.0]])]


def test_data_is_a_float32_copy():
    given = np.ones((2, 3))
    parameter = Parameter(given)
    given[...] = 5
    assert parameter.data.dtype == np.float32
    assert parameter.shape == (2, 3)
    assert parameter.size == 6
    np.testing.assert_array_equal(parameter.data, np.ones((2, 3)))


def test_data_is_a_writable_view():
    parameter = Parameter([1.0, 2.0])
    parameter.data[1] = 7
    parameter.data += 1
    np.testing.assert_array_equal(parameter.data, [2, 8])


@pytest.mark.parametrize("name", ["data", "grad"])
def test_assigning_a_wrong_shape_changes_nothing(name):
    parameter = Parameter([1.0, 2.0])
    parameter.grad = [3.0, 4.0]
    before = getattr(parameter, name).copy()
    with pytest.raises(ValueError, match=rf"{name}: expected shape \(2,\), got \(3,\)"):
        setattr(parameter, name, np.zeros(3))
    np.testing.assert_array_equal(getattr(parameter, name), before)


def test_stamp_is_none_while_any_view_lives():
    parameter = Parameter(np.zeros((3, 4)))
    before = parameter._stamp()
    assert before is not None
    view = parameter.data
    part = view[1:, 2].T  # a view of a view keeps the lease
    other = parameter.data
    del view
    assert parameter._stamp() is None
    del other
    assert parameter._stamp() is None
    del part
    gc.collect()
    after = parameter._stamp()
    assert after is not None
    assert after != before, "the holder may have written"


def test_stamp_changes_with_the_values():
    parameter = Parameter([1.0])
    stamps = {parameter._stamp()}
    parameter.data = [2.0]
    stamps.add(parameter._stamp())
    parameter._touch()
    stamps.add(parameter._stamp())
    assert len(stamps) == 3
    assert parameter._stamp() == parameter._stamp()


def test_gradient_is_none_then_summed_then_zeros():
    parameter = Parameter([1.0, 2.0])
    assert parameter.grad is None
    parameter.zero_grad()
    assert parameter.grad is None
    slot, accumulate = parameter._grad_slot()
    assert not accumulate
    slot[...] = [3, 4]
    np.testing.assert_array_equal(parameter.grad, [3, 4])
    assert parameter._grad_slot()[1], "a second backward adds"
    parameter.zero_grad()
    assert not parameter._grad_slot()[1], "after zero_grad backward writes"
    parameter.zero_grad()
    np.testing.assert_array_equal(parameter.grad, [0, 0])
    assert parameter._grad_slot()[1], "zeros that were read are there to be added to"
    parameter.grad = None
    assert parameter.grad is None


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
@pytest.mark.parametrize("flat", [False, True])
def test_copies_have_memory_of_their_own(duplicate, flat):
    parameters = three()
    parameters[1].requires_grad = False
    if flat:
        flatten(parameters)
    twins = duplicate(parameters)
    for parameter, twin in zip(parameters, twins, strict=True):
        np.testing.assert_array_equal(twin.data, parameter.data)
        assert twin.requires_grad == parameter.requires_grad
        assert not np.shares_memory(twin._array, parameter._array)
        twin.data[...] = -1
        assert parameter.data.min() >= 0


def test_flatten_keeps_values_and_gradients():
    parameters = three()
    parameters[0].grad = np.full((2, 3), 0.5)
    values = [p.data.copy() for p in parameters]
    flatten(parameters)
    for parameter, value in zip(parameters, values, strict=True):
        np.testing.assert_array_equal(parameter.data, value)
    np.testing.assert_array_equal(parameters[0].grad, np.full((2, 3), 0.5))
    assert parameters[1].grad is None
    for parameter in parameters:
        parameter.grad = np.ones(parameter.shape)
    [(members, data, grad)] = runs(parameters)
    assert members == parameters
    np.testing.assert_array_equal(data, np.concatenate([v.ravel() for v in values]))
    np.testing.assert_array_equal(grad, np.ones(9))
    data[6] = 99
    np.testing.assert_array_equal(parameters[1].data, [99])


def test_flatten_does_not_move_what_is_held():
    parameters = three()
    view = parameters[1].data
    flatten(parameters)
    view[0] = -3
    np.testing.assert_array_equal(parameters[1].data, [-3])


def test_flatten_twice_moves_nothing():
    parameters = three()
    flatten(parameters)
    places = [p._array.ctypes.data for p in parameters]
    flatten(parameters)
    assert [p._array.ctypes.data for p in parameters] == places


def test_runs_end_where_a_gradient_is_missing():
    parameters = three()
    flatten(parameters)
    parameters[0].grad, parameters[2].grad = np.ones((2, 3)), np.ones((1, 2))
    assert [members for members, _, _ in runs(parameters)] == [[parameters[0]], [parameters[2]]]


def test_runs_write_the_zeros_that_zero_grad_promised():
    parameters = three()
    flatten(parameters)
    for parameter in parameters:
        parameter.grad = np.full(parameter.shape, 5.0)
        parameter.zero_grad()
    [(_, _, grad)] = runs(parameters)
    np.testing.assert_array_equal(grad, np.zeros(9))


def test_flat_modules_train_on_their_own_memory():
    model = nn.Linear(2, 1, rng=0)
    flatten(model.parameters())
    model(np.ones((3, 2)))
    model.backward(np.ones((3, 1)))
    [(_, _, grad)] = runs(model.parameters())
    np.testing.assert_array_equal(grad, [3, 3, 3])


def test_a_parameter_is_frozen_as_torch_freezes_it():
    parameter = nn.Parameter([1.0])
    assert parameter.requires_grad_(False) is parameter
    assert parameter.requires_grad is False
    assert parameter.requires_grad_().requires_grad is True


@pytest.mark.parametrize("value", ["False", 0, None])
def test_requires_grad_is_a_bool(value):
    parameter, linear = nn.Parameter([1.0]), nn.Linear(1, 1)
    for change in (
        parameter.requires_grad_,
        linear.requires_grad_,
        lambda v: setattr(parameter, "requires_grad", v),
        lambda v: nn.Parameter([1.0], v),
    ):
        with pytest.raises(TypeError, match="requires_grad: expected True or False, got"):
            change(value)
    assert parameter.requires_grad
    assert linear.weight.requires_grad
