"""A user's own subclass of a stack is called by the networks that have it, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest
from support import normal

from seriatim import nn


class Doubled(nn.GRU):
    def trace(self, x, h0=None):
        (y, h), context = super().trace(x, h0)
        return (y._replace(data=2 * y.data), 2 * h), context

    def pullback(self, context, grad_y, grad_state=None):
        twice = None if grad_y is None else grad_y._replace(data=2 * grad_y.data)
        return super().pullback(context, twice, None if grad_state is None else 2 * grad_state)


class ByHand(nn.LSTM):
    def forward(self, x, hx=None):
        y, (h, c) = super().forward(x, hx)
        return y, (2 * h, c)

    def backward(self, grad_y, grad_state):
        return super().backward(grad_y, (2 * grad_state[0], grad_state[1]))


def video():
    return nn.VideoRNN(lambda frames: frames.mean(axis=(2, 3)), 3, 4, 2, rnn="lstm", rng=0)


@pytest.mark.parametrize(
    ("make", "name", "own", "x"),
    [
        (lambda: nn.SequenceRNN(3, 4, 2, rnn="gru", pooling=("last", "max"), rng=0), "rnn", Doubled, normal(2, 5, 3)),
        (lambda: nn.SequenceRNN(3, 4, 2, rnn="lstm", rng=0), "rnn", ByHand, normal(2, 5, 3)),
        (lambda: nn.DeepGRU(3, 2, {"gru1": 4, "gru2": 3, "gru3": 2, "fc": 5}, rng=0), "gru3", Doubled, normal(2, 5, 3)),
        (video, "rnn", ByHand, normal(2, 4, 3, 5, 5)),
    ],
)
def test_it_is_called(make, name, own, x):
    plain, net = make().eval(), make().eval()
    stack = getattr(net, name)
    setattr(net, name, own(stack.input_size, stack.hidden_size, stack.num_layers, bidirectional=stack.bidirectional))
    getattr(net, name).load_state_dict(stack.state_dict())
    net.eval()
    assert not np.allclose(net(x), plain(x))
    net.train()
    for module in net.modules():
        if isinstance(module, nn.Dropout | nn.BatchNorm1d):
            module.eval()
    y = net(x)
    weights = normal(*y.shape, seed=3)
    net.backward(weights)
    parameter = getattr(net, name).weight_hh_l0
    direction, values, losses = np.sign(parameter.grad), np.array(parameter.data), []
    for sign in (1, -1):
        parameter.data = values + sign * 1e-3 * direction
        losses.append(float(np.sum(net.eval()(x).astype(np.float64) * weights)))
    np.testing.assert_allclose((losses[0] - losses[1]) / 2e-3, np.abs(parameter.grad).sum(), rtol=0.05)
