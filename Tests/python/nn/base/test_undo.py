"""A call that fails, anywhere inside, leaves everything as it was."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from every_module import CLIPS, MODULES
from support import normal

from seriatim import nn, optim


class Refuses(nn.Module):
    """Between a module and its caller: raises on the way there or back, when told to."""

    def __init__(self, module, error=KeyboardInterrupt):
        super().__init__()
        self.module, self.error = module, error
        self.forth = self.back = False

    def trace(self, *inputs):
        y, inner = self.module.trace(*inputs)
        if self.forth:
            raise self.error("after the module")
        return y, self.keep(inner)

    def pullback(self, context, *grads):
        found = self.module.pullback(self.kept(context), *grads)
        if self.back:
            raise self.error("after the module")
        return found


def state(model):
    """All that outlives a call."""
    found = {
        name: (
            [(p, None if p._gradient is None else np.array(p.grad)) for p in module._parameters.values() if p],
            {key: np.array(b) for key, b in module._buffers.items() if b is not None},
            list(module._contexts),
            module.__dict__.get("_used", -1),
            module.calls if isinstance(module, nn.Dropout) else 0,
            module.memory.kept if hasattr(module, "memory") else None,
        )
        for name, module in model.named_modules()
    }
    found["drawn"] = [(one.seed, one.calls) for _, one in model._dropouts()]
    return found


def same(one, other):
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if type(one) in (list, tuple):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return one is other or one == other


def gradient_of(y):
    if isinstance(y, list):
        return [gradient_of(part) for part in y]
    first = y[0] if type(y) is tuple else y
    data = first.data if hasattr(first, "batch_sizes") else first
    grad = np.ones(np.shape(data), np.float32)
    return first._replace(data=grad) if hasattr(first, "batch_sizes") else grad


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", MODULES)
def test_a_module_before_one_that_raises_forgets_the_call(case, training):
    make, *inputs = MODULES[case]
    model, twin = Refuses(make()).train(training), Refuses(make()).train(training)
    model.load_state_dict(twin.state_dict())
    model(*inputs)
    twin(*inputs)
    before = state(model)
    model.forth = True
    with pytest.raises(KeyboardInterrupt):
        model(*inputs)
    assert same(state(model), before)
    model.forth = False
    got, want = model(*inputs), twin(*inputs)
    assert same(np.array(rows(got)), np.array(rows(want)))


def rows(y):
    first = y[0] if type(y) in (tuple, list) else y
    return first.data if hasattr(first, "batch_sizes") else first


@pytest.mark.parametrize("accumulates", [False, True])
@pytest.mark.parametrize("case", MODULES)
def test_a_backward_that_raises_leaves_gradients_and_open_forwards(case, accumulates):
    make, *inputs = MODULES[case]
    model = Refuses(make()).train()
    if accumulates:
        model.backward(gradient_of(model(*inputs)))
    y = model(*inputs)
    before = state(model)
    model.back = True
    with pytest.raises(KeyboardInterrupt):
        model.backward(gradient_of(y))
    assert same(state(model), before)


def test_gradients_are_not_copied_after_zero_grad():
    model = nn.Sequential(nn.Linear(3, 3, rng=0), Refuses(nn.Linear(3, 3, rng=1)))
    model.backward(np.ones_like(model(normal(2, 3))))
    model.zero_grad()
    y, model[1].back = model(normal(2, 3)), True
    with pytest.raises(KeyboardInterrupt):
        model.backward(np.ones_like(y))
    assert not any(np.any(p.grad) for p in model.parameters())
    model[1].back = False
    model.backward(np.ones_like(y))
    assert all(np.any(p.grad) for p in model.parameters())


class Counts(nn.Module):
    """A user's module with a state of its own, that calls others by forward."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", np.zeros(1))
        self.norm, self.scale = nn.BatchNorm1d(3), nn.Parameter([1.0, 1.0, 1.0])

    def forward(self, x):
        self.seen = self.seen + len(x)
        y = self.norm(x)
        if np.max(x) > 50:
            raise OverflowError("too large")
        return y * self.scale.data

    def backward(self, grad_output):
        self.scale.add_grad(np.sum(grad_output, axis=0))
        if np.max(grad_output) > 50:
            raise OverflowError("too large")
        return self.norm.backward(grad_output)


@pytest.mark.parametrize("wrap", [lambda m: m, nn.Sequential, lambda m: nn.Sequential(nn.Dropout(0.5, rng=0), m)])
def test_modules_by_hand_forget_the_call_too(wrap):
    model = wrap(Counts())
    y = model(normal(4, 3))
    model.backward(np.ones_like(y))
    y, before = model(normal(4, 3)), state(model)
    with pytest.raises(OverflowError):
        model(100 * np.ones((4, 3)) + normal(4, 3))
    assert same(state(model), before)
    with pytest.raises(OverflowError):
        model.backward(np.full_like(y, 100))
    assert same(state(model), before)
    model.backward(np.ones_like(y))


def test_a_refused_batch_does_not_warn_at_the_next_step():
    model = nn.Sequential(nn.Linear(3, 3, rng=0), nn.Sequential(nn.Linear(3, 2, rng=1)), nn.Linear(2, 2, rng=2))
    step = optim.SGD(model[0].parameters(), lr=0.1).step
    model.append(Refuses(nn.Identity()))
    model[-1].forth = True
    with pytest.raises(KeyboardInterrupt):
        model(normal(2, 3))
    step()


def test_members_of_an_ensemble_forget_what_one_of_them_refused():
    model = nn.Ensemble(nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2, rng=0)), Refuses(nn.Linear(3, 2, rng=1)))
    before, model[1].forth = state(model), True
    with pytest.raises(KeyboardInterrupt):
        model(normal(4, 3))
    assert same(state(model), before)


def test_what_is_caught_inside_a_call_is_undone_with_the_whole_call_alone():
    class Tries(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = Refuses(nn.Dropout(0.5, rng=0), ValueError)
            self.first.forth = True

        def trace(self, x):
            try:
                return self.first.trace(x)
            except ValueError:
                return x, self.keep(())

        def pullback(self, context, grad_output):
            return grad_output

    model = Tries()
    assert np.array_equal(model(np.ones(3)), np.ones(3))
    assert model.first.module.calls == 1


# ---- Memory


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_streams_that_were_reset_are_as_new_whatever_they_held(cell):
    model = nn.ConvRNN(3, 2, cell=cell, rng=0).eval()
    fresh = copy.deepcopy(model)
    for bad in (np.nan, np.inf):
        clips = np.array(CLIPS)
        clips[0, 0, 0, 2, 2] = bad
        model(clips)
        model.reset(np.array([False, True]))
        y = model(CLIPS)
        np.testing.assert_allclose(y[:, 0], fresh(CLIPS)[:, 0], atol=1e-6)
        fresh.reset_all()
        assert np.all(np.isfinite(y))


def test_gradients_after_a_reset_are_those_of_new_streams():
    model, fresh = nn.ConvRNN(3, 2, rng=0), nn.ConvRNN(3, 2, rng=0)
    model.conv_x2h.eval(), fresh.conv_x2h.eval()
    model.eval()(np.full_like(CLIPS, np.nan))
    model.timepool.train(), fresh.timepool.train()
    model.reset([0, 0])
    y, want = model.timepool(normal(2, 2, 8, 6, 6)), fresh.timepool(normal(2, 2, 8, 6, 6))
    assert np.array_equal(y, want)
    assert np.array_equal(model.timepool.backward(np.ones_like(y)), fresh.timepool.backward(np.ones_like(y)))
    assert np.array_equal(model.timepool.conv_h2h.weight.grad, fresh.timepool.conv_h2h.weight.grad)


@pytest.mark.parametrize("mask", [[True, False], [1, 0], [1.0, 0.0], np.reshape([1, 0], (2, 1, 1, 1))])
def test_masks_of_every_kind_clear_what_is_zero(mask):
    model = nn.VideoSequential(nn.ConvRNN(3, 2, rng=0), nn.ConvRNN(2, 2, cell="gru", rng=1)).eval()
    model(CLIPS)
    before = [module.memory.kept for module in model._memories()]
    model.reset(mask)
    for module, kept in zip(model._memories(), before, strict=True):
        for now, then in zip(module.memory.kept, kept, strict=True):
            assert np.array_equal(now[0], then[0])
            assert not now[1].any()


@pytest.mark.parametrize("mask", [[1], [1, 0, 1], 1, [[1, 0]], [0.5, 1], np.ones((2, 1)), np.ones((2, 2, 1, 1))])
def test_other_masks_are_refused_and_no_memory_is_cleared(mask):
    model = nn.VideoSequential(nn.ConvRNN(3, 2, rng=0), nn.ConvRNN(2, 2, rng=1)).eval()
    if np.shape(mask) not in ((1,), (3,)):
        with pytest.raises(ValueError, match="mask: expected"):
            model.reset(mask)
    model(CLIPS)
    before = state(model)
    with pytest.raises(ValueError, match="mask: expected"):
        model.reset(mask)
    assert same(state(model), before)


def test_one_memory_that_refuses_leaves_the_others():
    model = nn.VideoSequential(nn.ConvRNN(3, 2, rng=0), nn.ConvRNN(2, 2, rng=1)).eval()
    model(CLIPS)
    model[1].reset_all()
    model[1](normal(2, 5, 2, 6, 6))
    before = state(model)
    with pytest.raises(ValueError, match="mask"):
        model.reset([0, 0])
    assert same(state(model), before)
    model.reset_all()
    assert model(normal(2, 7, 3, 6, 6)).shape == (2, 7, 2, 6, 6)


def test_memory_stays_when_the_mode_changes_and_no_gradient_flows_into_the_call_before():
    model = nn.VideoSequential(nn.ConvRNN(3, 2, rng=0))
    first = model(CLIPS)
    kept = model[0].timepool.memory.kept
    assert model.eval()[0].timepool.memory.kept is kept
    model.train()
    y = model(CLIPS)
    grad = model.backward(np.ones_like(y))
    assert grad.shape == CLIPS.shape
    assert not np.array_equal(first, y)
