"""Modules in evaluation mode inside ones in training mode compute as in evaluation, and gradients go through them."""

from __future__ import annotations

import numpy as np
import pytest
from every_module import MODULES
from support import normal

from seriatim import nn
from seriatim.nn.base._contexts import evaluated


class Around(nn.Module):
    """A module of a user's around another."""

    def __init__(self, inner, by_hand):
        super().__init__()
        self.inner, self.by_hand = inner, by_hand


class ByHand(Around):
    def forward(self, *x):
        return self.inner(*x)

    def backward(self, *grad):
        return self.inner.backward(*grad)


class Explicit(Around):
    def trace(self, *x):
        y, context = self.inner.trace(*x)
        return y, self.keep((context,))

    def pullback(self, context, *grad):
        (inner,) = self.kept(context)
        return self.inner.pullback(inner, *grad)


def arrays(y):
    if hasattr(y, "batch_sizes"):
        return [y.data]
    return [y] if isinstance(y, np.ndarray) else [a for part in y for a in arrays(part)]


@pytest.mark.parametrize("around", [ByHand, Explicit])
@pytest.mark.parametrize("name", MODULES)
def test_a_part_in_evaluation_computes_as_in_evaluation_and_keeps(name, around):
    make, *inputs = MODULES[name]
    alone, inside = make().eval(), around(make(), False)
    inside.inner.eval()
    given, kept = inside.trace(*inputs)
    wanted, nothing = alone.trace(*inputs)
    assert nothing is None
    assert kept is not None
    for one, other in zip(arrays(given), arrays(wanted), strict=True):
        np.testing.assert_array_equal(one, other)
    assert evaluated(inside.trace, *inputs)[1] is None
    assert inside.eval().trace(*inputs)[1] is None


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("make", [
    lambda: nn.BatchNorm1d(3), lambda: nn.BatchNorm1d(3, affine=False), lambda: nn.Dropout(0.5, rng=0),
    lambda: nn.Outputs(nn.GRU(3, 3, 2, dropout=0.5, zoneout=0.25, recurrent_dropout=0.5, rng=0)),
    lambda: nn.Outputs(nn.LSTM(3, 3, 1, bidirectional=True, zoneout=0.4, rng=0)),
    lambda: nn.Outputs(nn.IndRNN(3, 3, zoneout=0.4, rng=0)),
])  # fmt: skip
def test_gradients_of_a_part_in_evaluation_are_its_differences(make, by_hand):
    inner = make()
    for p in inner.parameters():
        p.data[...] = p.data + 0.1 * normal(*p.shape)
    for name in ("running_mean", "running_var"):
        if hasattr(inner, name):
            setattr(inner, name, np.abs(normal(3)) + np.float32(0.5))
    inner.eval()
    before = inner.state_dict()
    net = (ByHand if by_hand else Explicit)(inner, by_hand)
    x, weights = normal(5, 3), None
    y = net(x)
    width = y.shape[-1]
    weights = normal(5, width)
    grad = net.backward(weights)
    loss = lambda: float(np.sum(inner(x).astype(np.float64) * weights))  # noqa: E731

    def check():
        targets = [(x, grad), *[(p.data, p.grad) for p in inner.parameters()]]
        for array, found in targets:
            for place in list(np.ndindex(array.shape))[::5]:
                kept = array[place]
                array[place] = kept + 1e-2
                up = loss()
                array[place] = kept - 1e-2
                down = loss()
                array[place] = kept
                np.testing.assert_allclose(found[place], (up - down) / 2e-2, atol=2e-2)

    evaluated(check)
    for name, value in inner.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_a_batch_norm_in_evaluation_between_trained_layers():
    torch = pytest.importorskip("torch")
    net = nn.Sequential(nn.Conv2d(2, 3, 3, rng=0), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 2, 1, rng=1))
    net[1].running_mean, net[1].running_var = normal(3), np.abs(normal(3)) + np.float32(0.5)
    twin = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.ReLU(), torch.nn.Conv2d(3, 2, 1)
    )
    twin.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in net.state_dict().items()})
    net[1].eval()
    twin[1].eval()
    x = normal(2, 2, 6, 6)
    given = torch.from_numpy(x).requires_grad_()
    y, wanted = net(x), twin(given)
    np.testing.assert_allclose(y, wanted.detach().numpy(), atol=1e-5)
    grad = normal(*y.shape)
    wanted.backward(torch.from_numpy(grad))
    np.testing.assert_allclose(net.backward(grad), given.grad.numpy(), atol=1e-4)
    for p, q in zip(net.parameters(), twin.parameters(), strict=True):
        np.testing.assert_allclose(p.grad, q.grad.numpy(), atol=1e-4)


class Clipped(nn.ReLU):
    def forward(self, x):
        return np.minimum(super().forward(x), 0.5)


class Scaled(nn.ReLU):
    def trace(self, x):
        y, context = super().trace(x)
        return 2 * y, context


@pytest.mark.parametrize("own", [Clipped, Scaled])
def test_an_activation_of_a_users_own_is_called_in_both_modes(own):
    net = nn.Sequential(nn.Conv2d(3, 2, 3, rng=0), own())
    x = normal(1, 3, 6, 6)
    trained = net(x)
    np.testing.assert_array_equal(net.eval()(x), trained)
    assert not np.array_equal(trained, nn.Sequential(net[0], nn.ReLU()).eval()(x))


def test_a_fused_activation_has_the_nan_of_its_own():
    x = normal(1, 3, 6, 6)
    x[0, 1, 2, 3] = np.nan
    for act in (nn.ReLU(), nn.LeakyReLU(), nn.ELU(), nn.Sigmoid(), nn.Tanh()):
        net = nn.Sequential(nn.Conv2d(3, 2, 3, rng=0), act)
        np.testing.assert_array_equal(np.isnan(net(x)), np.isnan(net.eval()(x)))
        assert np.isnan(net(x)).any()
