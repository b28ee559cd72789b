"""Contexts: refused gradients, errors, values, modules written by hand, threads, and what is told about mistakes."""

from __future__ import annotations

import copy
import gc
import threading
import warnings

import numpy as np
import pytest
from every_module import LENGTHS, MODULES, ByHand, Explicit, arrays, backward, deep, gradient_of
from support import normal, threads

from seriatim import nn, optim
from seriatim.nn.containers._ensemble import EnsembleLoss


def state(module):
    return [np.array(p.grad) for p in module.parameters() if p.grad is not None]


def same(one, other):
    one, other = arrays(one), arrays(other)
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", MODULES)
def test_a_refused_gradient_can_be_followed_by_the_right_one(name):
    make, *inputs = MODULES[name]
    disturbed, undisturbed = make(), make()
    outputs = [module(*inputs) for module in (disturbed, undisturbed)]
    same(*outputs)
    with pytest.raises(ValueError, match="expected"):
        backward(disturbed, outputs[0], wrong=True)
    same(state(disturbed), [np.zeros_like(g) for g in state(disturbed)])
    same(backward(disturbed, outputs[0]), backward(undisturbed, outputs[1]))
    same(state(disturbed), state(undisturbed))
    with pytest.raises(RuntimeError, match="no forward in training mode is open"):
        backward(disturbed, outputs[0])


# They take anything.
@pytest.mark.parametrize("name", sorted(set(MODULES) - {"identity", "flatten"}))
def test_an_error_in_forward_leaves_nothing_open(name):
    make, *inputs = MODULES[name]
    module = make()
    with pytest.raises((TypeError, ValueError, AttributeError, IndexError)):
        module(np.full(np.shape(arrays(inputs[0])[0]), "a"), *inputs[1:])
    assert not any(one._contexts for one in module.modules())


@pytest.mark.parametrize("name", MODULES)
def test_contexts_are_values(name):
    """Pulled back in the order of the calls, not the opposite one, and with nothing on any stack."""
    make, *inputs = MODULES[name]
    module, alone = make(), make()
    calls = [module.trace(*inputs) for _ in range(2)]
    assert not any(one._contexts for one in module.modules())
    if hasattr(module, "reset_all"):
        return
    for output, context in calls:
        wanted = alone(*inputs)
        same(output, wanted)
        grads = gradient_of(output)
        if isinstance(module, nn.CharacterRNN):
            found = module.pullback(context, grads[0])
        else:
            found = module.pullback(context, *grads) if type(output) is tuple else module.pullback(context, grads)
        same(found, backward(alone, wanted))
    same(state(module), state(alone))


@pytest.mark.parametrize("name", MODULES)
def test_evaluation_keeps_nothing(name):
    make, *inputs = MODULES[name]
    module = make().eval()
    output, context = module.trace(*inputs)
    assert context is None
    if hasattr(module, "reset_all"):
        module.reset_all()
    same(module(*inputs), output)
    assert not any(one._contexts for one in module.modules())
    grads = gradient_of(output)
    with pytest.raises(RuntimeError, match=r"no forward in training mode is open; call forward.*train\(\)"):
        module.pullback(None, *(grads[:1] if type(output) is tuple else [grads]))


@pytest.mark.parametrize("name", MODULES)
def test_evaluation_is_safe_from_many_threads(name):
    make, *inputs = MODULES[name]
    module = make().eval()
    if any(one._remembers for one in module.modules()):
        return
    wanted, wrong = module(*inputs), []

    def run():
        try:
            for _ in range(10):
                same(module(*inputs), wanted)
        except Exception as error:
            wrong.append(error)

    workers = [threading.Thread(target=run) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_a_context_is_used_up_once():
    gru, x = nn.GRU(3, 4, rng=0), normal(5, 2, 3)
    (y, _), context = gru.trace(x)
    gru.pullback(context, np.ones_like(y))
    with pytest.raises(RuntimeError, match=r"GRU.pullback\(\): the context was used up"):
        gru.pullback(context, np.ones_like(y))


# ---- Looking at a model while it is trained


def test_embedding_in_one_thread_leaves_training_in_another():
    model, x = deep(dropout=0.5), normal(4, 5, 3)
    found, stop = [], threading.Event()
    model(x, LENGTHS)  # Opened here, and open while others look.

    def look():
        while not stop.is_set():
            found.append(model.embed(x, LENGTHS))
            model.attention_weights(x, LENGTHS)

    worker = threading.Thread(target=look)
    worker.start()
    for _ in range(50):
        assert model.training
        assert all(part.training for part in model.modules())
    while len(found) < 5:
        pass
    stop.set()
    worker.join()
    for one in found[1:]:
        np.testing.assert_array_equal(one, found[0])
    assert model.backward(np.ones((4, 2)), need_input=True).shape == x.shape


def test_an_ensembles_threads_evaluate_as_their_caller_does():
    from seriatim.nn.base import _contexts

    model = nn.Ensemble(*(nn.Dropout(0.9, rng=seed) for seed in range(4)))
    with threads(2):
        np.testing.assert_array_equal(_contexts.evaluated(model, np.ones((3, 3))), np.ones((4, 3, 3)))
    assert not model._contexts


# ---- Modules written by hand


@pytest.mark.parametrize("wrap", [
    lambda m: m,
    lambda m: nn.Sequential(m),
    lambda m: nn.Sequential(nn.Identity(), nn.Sum(m)),
    lambda m: nn.Ensemble(m),
    lambda m: nn.Concat(m),
])  # fmt: skip
@pytest.mark.parametrize("number", [1, 2])
def test_by_hand_and_by_the_pair_are_the_same(wrap, number):
    x, found = normal(5, 3), []
    for kind in (ByHand, Explicit):
        module = wrap(kind())
        with threads(number):
            outputs = [module(x), module(2 * x)]
            grads = [module.backward(gradient_of(y)) for y in reversed(outputs)]
        found.append([*outputs, *grads, *state(module)])
    same(*found)


def test_a_forgotten_branch_is_named_and_nothing_is_lost():
    module = ByHand(forgets=True)
    y = module(normal(2, 3))
    with pytest.raises(RuntimeError, match=r"ByHand.backward\(\) has left open .*shortcut \(Linear\)"):
        module.backward(np.ones_like(y))
    module.forgets = False
    assert module.backward(np.ones_like(y)).shape == (2, 3)
    assert not any(one._contexts for one in module.modules())
    inside = nn.Sequential(ByHand(forgets=True))
    inside(normal(2, 3))
    with pytest.raises(RuntimeError, match="shortcut"):
        inside.backward(np.ones_like(y))


def test_an_error_behind_a_part_that_succeeded_leaves_nothing_open():
    class Fails(ByHand):
        def forward(self, x):
            return self.body(x) + self.last(x)

    for module in (Fails(), nn.Sequential(Fails())):
        with pytest.raises(ValueError, match="expected shape"):
            module(normal(2, 3))
        assert not any(one._contexts for one in module.modules())


def test_an_error_on_the_way_puts_all_back():
    class Fails(ByHand):
        broken = True

        def backward(self, grad_output):
            grad = self.last.backward(grad_output)
            if self.broken:
                raise ArithmeticError("no")
            return self.body.backward(grad) + self.shortcut.backward(grad)

    module = Fails()
    y = module(normal(2, 3))
    with pytest.raises(ArithmeticError):
        module.backward(np.ones_like(y))
    module.broken = False
    assert module.backward(np.ones_like(y)).shape == (2, 3)


def test_subclasses_that_call_super():
    class Doubled(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

        def backward(self, grad_output):
            return super().backward(2 * grad_output)

    class Again(Doubled):
        def forward(self, x):
            return super().forward(x) + 1

    class Reversed(nn.Identity):
        def backward(self, grad_output):
            return -super().backward(grad_output)

    class Penalised(nn.Linear):
        def pullback(self, context, grad_output, need_input=True):
            self.weight.add_grad(0.5 * self.weight.data)
            return super().pullback(context, grad_output, need_input)

    x, plain = normal(2, 3), nn.Linear(3, 4, rng=0)
    grad = np.ones((2, 4))
    plain(x)
    wanted = plain.backward(2 * grad)
    for module in (Doubled(3, 4, rng=0), Again(3, 4, rng=0), nn.Sequential(Again(3, 4, rng=0))):
        for _ in range(2):
            module.zero_grad()
            module(x)
            np.testing.assert_array_equal(module.backward(grad), wanted)
            same(state(module), state(plain))
        assert not any(one._contexts for one in module.modules())
    turned = nn.Sequential(nn.Linear(3, 4, rng=0), Reversed())
    turned(x)
    np.testing.assert_array_equal(turned.backward(2 * grad), -wanted)
    penalised = Penalised(3, 4, rng=0)
    penalised(x)
    np.testing.assert_array_equal(penalised.backward(2 * grad), wanted)
    np.testing.assert_allclose(penalised.weight.grad, plain.weight.grad + 0.5 * plain.weight.data, rtol=1e-6)


def test_a_module_that_calls_itself():
    class Tree(nn.Module):
        def __init__(self):
            super().__init__()
            self.leaf, self.join = nn.Linear(2, 2, rng=0), nn.Linear(4, 2, rng=1)

        def forward(self, tree):
            if not isinstance(tree, tuple):
                return self.leaf(tree)
            return self.join(np.concatenate([self(tree[0]), self(tree[1])], axis=-1))

        def backward(self, grad_output, tree):
            if not isinstance(tree, tuple):
                self.leaf.backward(grad_output)
                return
            left, right = np.split(self.join.backward(grad_output), 2, axis=-1)
            self.backward(right, tree[1])
            self.backward(left, tree[0])

    a, b, c = normal(3, 2)
    module, tree = Tree(), ((a, b), c)
    y = module(tree)
    module.backward(np.ones_like(y), tree)
    assert not any(one._contexts for one in module.modules())
    join = np.asarray(module.join.weight)
    want = np.ones(2, np.float32) @ join
    inner = want[:2] @ join
    np.testing.assert_allclose(module.leaf.bias.grad, want[2:] + inner[:2] + inner[2:], rtol=1e-5)


def test_children_may_be_closed_by_hand_when_there_is_no_backward():
    class Infers(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = nn.Linear(3, 2, rng=0)

        def forward(self, x):
            return self.part(x)

    module = Infers()
    y = module(normal(4, 3))
    assert module.part.backward(np.ones_like(y)).shape == (4, 3)
    inside = nn.Sequential(module)
    inside(normal(4, 3))
    with pytest.raises(NotImplementedError, match="inference only"):
        inside.backward(np.ones_like(y))


def test_one_pair_is_defined():
    with pytest.raises(TypeError, match="Both: expected either trace and pullback or forward and backward"):

        class Both(nn.Module):
            def trace(self, x):
                return x, None

            def forward(self, x):
                return x


def test_forward_has_the_text_and_the_signature_of_trace():
    import inspect

    assert "h0" in inspect.signature(nn.GRU.forward).parameters
    assert list(inspect.signature(nn.GRU.backward).parameters) == ["self", "grad_y", "grad_state"]
    assert nn.GRU.forward.__doc__ == nn.GRU.trace.__doc__
    assert nn.LSTM.forward.__qualname__ == "LSTM.forward"


# ---- What is told


def trained():
    module = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh(), nn.Linear(4, 2, rng=1))
    return module, optim.SGD(module.parameters(), lr=0.1)


def one_step(module, optimizer, x=None):
    optimizer.zero_grad()
    y = module(normal(2, 3) if x is None else x)
    module.backward(np.ones_like(y))
    optimizer.step()


def test_a_forward_in_training_mode_for_validation_is_told():
    module, optimizer = trained()
    other = nn.Linear(2, 2)
    other(normal(2, 2))
    for _ in range(2):
        one_step(module, optimizer)  # What is open elsewhere is no matter.
    module(normal(2, 3))
    with pytest.warns(RuntimeWarning, match=r"of Sequential are still open.*eval\(\) before"):
        one_step(module, optimizer)
    module.train()
    with pytest.warns(RuntimeWarning, match=r"of Sequential were dropped by train\(\)"):
        one_step(module, optimizer)
    one_step(module, optimizer)
    module(normal(2, 3))
    module.eval()(normal(2, 3))
    module.train()
    one_step(module, optimizer)


def test_a_parameter_without_a_gradient_is_named():
    class Forgets(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Linear(3, 2, rng=0), nn.Linear(3, 2, rng=1)
            self.unused = nn.Linear(3, 2, rng=2)
            self.frozen = nn.Linear(3, 2, rng=3).requires_grad_(False)

        def trace(self, x):
            parts = [part.trace(x) for part in (self.one, self.other, self.frozen)]
            return sum(y for y, _ in parts), self.keep(parts[0][1])

        def pullback(self, context, grad_output):
            return self.one.pullback(self.kept(context), grad_output)

    module = Forgets()
    optimizer = optim.Adam(module.parameters())
    for _ in range(2):
        with pytest.warns(RuntimeWarning, match=r"Linear.weight \(2, 3\), Linear.bias \(2,\) got no gradient"):
            one_step(module, optimizer)
    module.other.requires_grad_(False)
    one_step(module, optimizer)
    twin = copy.deepcopy(module)
    twin.other.requires_grad_(True)
    with pytest.warns(RuntimeWarning, match="got no gradient"):
        one_step(twin, optim.SGD(twin.parameters()))


def test_two_optimisers_in_turns():
    one, of_one = trained()
    other, of_other = trained()
    for _ in range(3):
        for module, optimizer in ((one, of_one), (other, of_other)):
            one_step(module, optimizer)
    y = one(normal(2, 3))
    one_step(other, of_other)
    one.backward(np.ones_like(y))
    of_one.step()


def test_a_loss_is_good_for_one_backward():
    criterion, x, target = nn.CrossEntropyLoss(), normal(4, 3), np.array([0, 1, 2, 0])
    criterion(x, target)
    with pytest.raises(ValueError, match="expected"):
        criterion.backward(np.ones((2, 2)))
    criterion.backward()
    with pytest.raises(RuntimeError, match="a criterion each"):
        criterion.backward()
    loss, context = criterion.trace(x, target)
    criterion(2 * x, target)
    grad = criterion.pullback(context)
    assert criterion(x, target) == loss
    np.testing.assert_array_equal(criterion.backward(), grad)
    assert copy.deepcopy(criterion)._last is None
    together = EnsembleLoss(nn.MSELoss())
    with pytest.raises(RuntimeError, match=r"EnsembleLoss.backward\(\): call the loss first"):
        together.backward()


def test_a_gradient_of_another_output_is_refused():
    first, second, target = nn.Linear(3, 2, rng=0), nn.Linear(3, 2, rng=1), np.array([0, 1])
    criterion, other = nn.CrossEntropyLoss(), nn.CrossEntropyLoss()
    x = normal(2, 3)
    one, two = first(x), first(2 * x)
    criterion(one, target)
    other(two, target)
    with pytest.raises(RuntimeError, match="of the output of an earlier forward"):
        first.backward(criterion.backward())
    first.backward(other.backward())
    criterion(one, target)
    first.backward(criterion.backward())
    # One criterion, two losses.
    one, two = first(x), second(x)
    criterion(one, target)
    criterion(two, target)
    grad = criterion.backward()
    with pytest.raises(RuntimeError, match="a forward of another Linear"):
        first.backward(grad)
    second.backward(grad)
    # Added in place, and to each its gradient.
    one, two = first.train()(x), second(x)
    one += two
    criterion(one, target)
    grad = criterion.backward()
    second.backward(grad)
    first.backward(grad)


def test_a_wrong_shape_among_several_open_forwards_says_how_many():
    module = nn.Linear(3, 2, rng=0)
    module(normal(2, 3))
    module(normal(4, 3))
    with pytest.raises(ValueError, match="expected shape") as error:
        module.backward(np.ones((2, 2)))
    if hasattr(error.value, "__notes__"):
        assert "2 forwards of Linear are open" in error.value.__notes__[0]


def test_a_pile_of_open_forwards_is_told_once():
    module, x = nn.Sequential(nn.Linear(3, 2, rng=0)), normal(1, 3)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(1200):
            module(x)
    assert [str(one.message).split(";")[0] for one in told] == [
        "Sequential: 500 forwards in training mode wait for their backward and keep their memory"
    ]
    module.eval()
    cell = nn.GRUCell(3, 3, rng=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(3000):
            h = cell(x)
        for _ in range(3000):
            cell.backward(np.ones_like(h))


def test_what_waits_does_not_keep_a_module_alive():
    from seriatim.nn.base import _contexts

    module = nn.Linear(3, 2)
    module(normal(2, 3))
    key = id(module)
    assert key in _contexts.waiting
    del module
    gc.collect()
    assert key not in _contexts.waiting
