"""gradcheck: passes what is right, in float32 and with kinks, and finds what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from every_module import LENGTHS, MODULES, PACKED
from support import normal

from seriatim import nn

# The first has no gradient of its inputs, which are integers. Kinks of what is pooled lie close together.
RIGHT = sorted(set(MODULES) - {"video_rnn"})


@pytest.mark.parametrize("name", RIGHT)
def test_every_module_passes(name):
    make, *inputs = MODULES[name]
    module = make()
    before = module.state_dict()
    assert nn.gradcheck(module, *inputs, n_directions=1) is True
    for key, value in module.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
    assert all(p.grad is None for p in module.parameters())
    assert not any(one._contexts for one in module.modules())


class Wrong(nn.Linear):
    def __init__(self, *args, fault, **kwargs):
        super().__init__(*args, **kwargs)
        self.fault = fault

    def pullback(self, context, grad_output, need_input=True):
        grad_x = super().pullback(context, grad_output, need_input)
        if self.fault == "input":
            return grad_x * np.float32(1.05)
        if self.fault == "weight":
            self.weight.grad = self.weight.grad.T.reshape(self.weight.shape)
        if self.fault == "bias":
            self.bias.zero_grad()
        return grad_x


@pytest.mark.parametrize("fault", ["input", "weight", "bias"])
def test_a_wrong_backward_is_found_and_named(fault):
    module = nn.Sequential(Wrong(3, 4, fault=fault, rng=0), nn.Tanh())
    with pytest.raises(AssertionError, match=r"Sequential.backward\(\) does not give forward's gradient") as error:
        nn.gradcheck(module, normal(5, 3))
    names = {"input": "input 0", "weight": "parameter 0.weight", "bias": "parameter 0.bias"}
    for line in str(error.value).splitlines()[1:]:
        if "WRONG" in line:
            assert names[fault] in line
    assert "WRONG" in str(error.value)
    assert ": ok" in str(error.value)


def test_a_forgotten_branch_is_found():
    class Forgets(nn.Residual):
        def pullback(self, context, grad_output, need_input=True):
            return self.module.pullback(self.kept(context)[1], grad_output)

    with pytest.raises(AssertionError, match="input 0"):
        nn.gradcheck(Forgets(nn.Linear(3, 3, rng=0)), normal(2, 3))


def test_what_cannot_be_told_does_not_pass():
    class Coarse(nn.Identity):
        def trace(self, x):
            # A large constant takes the digits.
            return (x + np.float32(1e7)).astype(np.float32), self.keep((np.shape(x),))

    with pytest.raises(AssertionError, match=r"too coarse to tell|WRONG"):
        nn.gradcheck(Coarse(), normal(2, 3))


def test_by_hand_with_states_that_have_no_gradient():
    class Writer(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru, self.head = nn.GRU(3, 4, rng=0), nn.Linear(4, 2, rng=1)

        def forward(self, x, state=None):
            y, state = self.gru(x, state)
            return self.head(y), state

        def backward(self, grad_output):
            return self.gru.backward(self.head.backward(grad_output))[0]

    assert nn.gradcheck(Writer(), normal(5, 2, 3))


def test_errors():
    with pytest.raises(RuntimeError, match="expected a module in training mode"):
        nn.gradcheck(nn.Linear(3, 2).eval(), normal(2, 3))

    class Infers(nn.Module):
        def forward(self, x):
            return x

    with pytest.raises(NotImplementedError, match="inference only"):
        nn.gradcheck(Infers(), normal(2))


def test_lengths_and_packed_inputs():
    model = nn.SequenceRNN(3, 4, 2, head="linear", rng=0)
    assert nn.gradcheck(model, normal(4, 5, 3), LENGTHS)
    assert nn.gradcheck(model, PACKED)
