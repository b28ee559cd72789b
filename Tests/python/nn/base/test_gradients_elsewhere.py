"""Gradients that go beside those that the parameters have: of micro-batches, and into other libraries."""

import numpy as np
import pytest

from seriatim import nn
from seriatim.nn.base._parameter import Gradients, Parameter


def _net():
    return nn.Sequential(nn.Linear(5, 4, rng=0), nn.Tanh(), nn.Linear(4, 3, rng=1))


def test_gradients_go_where_they_are_received():
    net, x, grad = _net(), np.ones((2, 5), np.float32), np.ones((2, 3), np.float32)
    net.backward(grad) if net(x) is not None else None
    wanted = {name: p.grad.copy() for name, p in net.named_parameters()}
    net.zero_grad()
    elsewhere = Gradients(net.parameters())
    _, context = net.trace(x)
    elsewhere.receive(net.pullback, context, grad)
    assert all((p.grad == 0).all() for p in net.parameters())
    for (name, _), found in zip(net.named_parameters(), elsewhere.found().values(), strict=True):
        np.testing.assert_array_equal(found, wanted[name])


def test_a_second_backward_adds_and_a_second_receiving_begins_anew():
    net, x, grad = _net(), np.ones((2, 5), np.float32), np.ones((2, 3), np.float32)
    elsewhere = Gradients(net.parameters())
    for times in (1, 2):
        contexts = [net.trace(x)[1] for _ in range(times)]
        elsewhere.receive(lambda opened: [net.pullback(one, grad) for one in opened], contexts[::-1])
        bias = elsewhere.found()[net[2].bias]
        np.testing.assert_array_equal(bias, np.full(3, 2.0 * times, np.float32))


def test_frozen_ones_and_others_are_left_alone():
    net, x, grad = _net(), np.ones((2, 5), np.float32), np.ones((2, 3), np.float32)
    net[0].requires_grad_(False)
    elsewhere = Gradients([net[0].weight, net[2].weight])
    _, context = net.trace(x)
    elsewhere.receive(net.pullback, context, grad)
    assert list(elsewhere.found()) == [net[2].weight]
    assert net[2].weight.grad is None
    np.testing.assert_array_equal(net[2].bias.grad, np.full(3, 2, np.float32))
    elsewhere.fill()
    assert not elsewhere._arrays[net[0].weight].any()


def test_an_array_for_each_parameter_is_wanted():
    net = _net()
    with pytest.raises(ValueError, match="zip"):
        Gradients(net.parameters(), [np.zeros((4, 5), np.float32)])


def test_only_what_changes_is_noted_to_be_put_back(monkeypatch):
    net, noted = _net(), []
    monkeypatch.setattr(Parameter, "_note_gradient", lambda p: noted.append(p))
    _, context = net.trace(np.ones((2, 5), np.float32))

    def backward():
        net.pullback(context, np.ones((2, 3), np.float32))
        net[0].bias.add_grad(np.ones(4))

    Gradients([net[0].weight, net[0].bias, net[2].weight]).receive(backward)
    assert noted == [net[2].bias]
