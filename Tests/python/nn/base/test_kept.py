"""What pullback refuses: contexts of other weights and of other modules, and gradients that are not the output's."""

import numpy as np
import pytest
from every_module import MODULES, arrays, backward, gradient_of
from support import normal, same

from seriatim import nn, optim


def gradients(module):
    return [np.array(p.grad) for p in module.parameters() if p.grad is not None]


def pulled(module, context, output):
    grads = gradient_of(output)
    if isinstance(module, nn.CharacterRNN):
        return module.pullback(context, grads[0])
    return module.pullback(context, *grads) if type(output) is tuple else module.pullback(context, grads)


def moved(module):
    """Other weights, by each way that is known to the library."""
    yield lambda: module.load_state_dict({k: v + v.dtype.type(1) for k, v in module.state_dict().items()})
    yield lambda: [setattr(p, "data", p._array + 1) for p in module.parameters()]
    yield lambda: step(module)


def step(module):
    for p in module.parameters():
        p.grad = np.ones(p.shape)
    optim.SGD(module.parameters(), 0.1).step()


# Without weights, or none that an optimiser has.
WEIGHTLESS = {name for name in MODULES if not any(True for _ in MODULES[name][0]().parameters())}


@pytest.mark.parametrize("name", sorted(set(MODULES) - WEIGHTLESS))
@pytest.mark.filterwarnings("ignore:optimizer.step")
def test_a_context_of_other_weights_is_refused(name):
    make, *inputs = MODULES[name]
    module = make()
    for move in moved(module):
        output, context = module.trace(*inputs)
        move()
        module.zero_grad()
        before = gradients(module)
        with pytest.raises(RuntimeError, match=r"the weights have changed since this forward"):
            pulled(module, context, output)
        same(gradients(module), before)


@pytest.mark.parametrize("name", MODULES)
def test_a_context_of_another_module_is_refused(name):
    make, *inputs = MODULES[name]
    output, context = make().trace(*inputs)
    other = make()
    with pytest.raises(RuntimeError, match="this is the context of another module"):
        pulled(other, context, output)
    assert gradients(other) == []


def test_reading_weights_between_forward_and_backward_is_no_change():
    module = nn.Linear(2, 2, rng=0)
    output, context = module.trace(normal(3, 2))
    assert module.weight.data.shape == module.state_dict()["weight"].shape
    optim.SGD(module.parameters(), 0.1).zero_grad()
    assert pulled(module, context, output).shape == (3, 2)


WRONG = {
    "another axis": lambda grad: grad[None],
    "flat": lambda grad: grad.reshape(-1),
    "broadcast": lambda grad: grad[..., :1],
    "turned": lambda grad: np.ascontiguousarray(grad.T),
    "a number": lambda grad: np.float32(1),
    "complex": lambda grad: grad + 1j,
    "text": lambda grad: grad.astype(str),
    "masked": lambda grad: np.ma.masked_array(grad, np.ones(grad.shape)),
    "nothing inside": lambda grad: np.full(grad.shape, None),
}


@pytest.mark.parametrize("what", WRONG)
def test_gradients_of_other_shapes_and_types_are_refused(what):
    for make, *inputs in MODULES.values():
        module = make()
        output = module(*inputs)
        wrong, right = (arrays(gradient_of(output, wrong)) for wrong in (WRONG[what], False))
        if all(one.shape == other.shape and one.dtype == other.dtype for one, other in zip(wrong, right, strict=True)):
            continue
        with pytest.raises((ValueError, TypeError)):
            backward(module, output, WRONG[what])
        assert not any(g.any() for g in gradients(module))
