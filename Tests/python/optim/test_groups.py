"""Groups that are added to an optimiser later: torch's rules, state, schedules, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from support import normal

from seriatim import nn, optim

RULES = {
    "SGD": {"momentum": 0.9, "weight_decay": 0.1},
    "Adam": {"betas": (0.8, 0.99), "weight_decay": 0.1},
    "AdamW": {"betas": (0.8, 0.99)},
    "RMSprop": {"momentum": 0.5, "centered": True},
}
OWN = {
    "SGD": {"momentum": 0.5, "nesterov": True}, "Adam": {"betas": (0.5, 0.9), "weight_decay": 0.0},
    "AdamW": {"weight_decay": 0.3}, "RMSprop": {"alpha": 0.9, "eps": 1e-3},
}  # fmt: skip
SCHEDULES = {
    "StepLR": {"step_size": 2, "gamma": 0.5},
    "ExponentialLR": {"gamma": 0.8},
    "CosineAnnealingLR": {"T_max": 9, "eta_min": 1e-3},
    "LinearLR": {"start_factor": 0.5, "total_iters": 6},
}


@pytest.mark.parametrize("schedule", [None, *SCHEDULES])
@pytest.mark.parametrize("kind", RULES)
def test_torch_gives_the_same_in_two_stages(kind, schedule):
    torch = pytest.importorskip("torch")
    values = [normal(3, 2), normal(4)]
    ours = [nn.Parameter(v) for v in values]
    theirs = [torch.nn.Parameter(torch.tensor(v)) for v in values]
    pairs = []
    for module, parameters in ((optim, ours), (torch.optim, theirs)):
        optimizer = getattr(module, kind)([parameters[0]], lr=0.05, **RULES[kind])
        maker = schedule and getattr(getattr(module, "lr_scheduler", module), schedule)
        pairs.append((optimizer, maker and maker(optimizer, **SCHEDULES[schedule]), parameters))
    for step in range(7):
        if step == 3:
            for optimizer, _, parameters in pairs:
                optimizer.add_param_group({"params": parameters[1], "lr": 0.01, **OWN[kind]})
        grads = [normal(3, 2, seed=step), normal(4, seed=step + 20)]
        for optimizer, plan, parameters in pairs:
            for p, grad in zip(parameters, grads, strict=True):
                p.grad = grad if isinstance(p, nn.Parameter) else torch.tensor(grad)
            optimizer.step()
            if plan is not None:
                plan.step()
        for p, q in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(p.data, q.detach().numpy(), rtol=1e-5, atol=1e-6)
        for one, other in zip(pairs[0][0].param_groups, pairs[1][0].param_groups, strict=True):
            np.testing.assert_allclose(one["lr"], other["lr"], rtol=1e-6)
            assert all(one[name] == other[name] for name in OWN[kind])


def test_a_new_group_begins_alone_and_the_old_ones_stay():
    first, second = nn.Parameter(normal(3)), nn.Parameter(normal(2))
    optimizer = optim.Adam([first], lr=0.1)
    first.grad = normal(3)
    optimizer.step()
    kept = optimizer.state_dict()
    optimizer.add_param_group({"params": [second], "lr": 0.01})
    assert optimizer.defaults["lr"] == 0.1
    after = optimizer.state_dict()
    assert (after["steps"], after["state"][1]) == ([[1], [0]], {})
    for name, array in kept["state"][0].items():
        np.testing.assert_array_equal(after["state"][0][name], array)
    second.grad = normal(2)
    optimizer.step()
    alone = nn.Parameter(normal(2))
    alone.grad = normal(2)
    optim.Adam([alone], lr=0.01).step()
    np.testing.assert_array_equal(second.data, alone.data)
    copies = [nn.Parameter(first.data), nn.Parameter(second.data)]
    twin = optim.Adam([{"params": copies[:1]}, {"params": copies[1:], "lr": 1.0}], lr=0.1)
    twin.load_state_dict(optimizer.state_dict())
    assert [group["lr"] for group in twin.param_groups] == [0.1, 0.01]
    first.grad, second.grad = normal(3), normal(2)
    for group, p in zip(twin.param_groups, (first, second), strict=True):
        group["params"][0].grad = np.array(p.grad)
    optimizer.step()
    twin.step()
    for group, p in zip(twin.param_groups, (first, second), strict=True):
        np.testing.assert_array_equal(group["params"][0].data, p.data)


def test_what_does_not_fit_is_refused_and_changes_nothing():
    first, second = nn.Parameter(normal(3)), nn.Parameter(normal(2))
    optimizer = optim.SGD([first], lr=0.1)
    before = optimizer.state_dict()
    for group, error, words in (
        ([second], TypeError, "expected a dict"),
        ({"lr": 0.1}, ValueError, "expected 'params'"),
        ({"params": []}, ValueError, "at least one"),
        ({"params": first}, ValueError, "once"),
        ({"params": [second, second]}, ValueError, "once"),
        ({"params": [second, 3]}, TypeError, "got int"),
        ({"params": {second}}, TypeError, "got a set"),
        ({"params": second, "lr": -1}, ValueError, "lr: expected"),
        ({"params": second, "nesterov": True}, ValueError, "nesterov"),
        ({"params": second, "learning_rate": 0.1}, TypeError, "'learning_rate'"),
        ({"params": second, "weight_decy": 0.1}, TypeError, "'weight_decy'"),
        ({"params": second, "maximize": True}, TypeError, "'maximize'"),
    ):
        with pytest.raises(error, match=words):
            optimizer.add_param_group(group)
        assert len(optimizer.param_groups) == 1
        assert optimizer.state_dict() == before
    with pytest.raises(ValueError, match="lr: expected"):
        optim.Adam([{"params": [first], "lr": -1}])
    with pytest.raises(TypeError, match="got one Parameter"):
        optim.Adam(first)
    optimizer.add_param_group({"params": second, "lr_scale": 0.5, "maximize": False})
    assert optimizer.param_groups[1]["lr_scale"] == 0.5


@pytest.mark.parametrize("kind", [*SCHEDULES, "LambdaLR", "ReduceLROnPlateau", "SequentialLR"])
def test_a_schedule_goes_on_from_a_new_groups_own_rate(kind):
    optimizer = optim.SGD([nn.Parameter(normal(3))], lr=0.1)
    if kind == "SequentialLR":
        parts = [optim.LinearLR(optimizer, 0.5, total_iters=2), optim.ExponentialLR(optimizer, 0.5)]
        plan = optim.SequentialLR(optimizer, parts, [2])
    elif kind == "LambdaLR":
        plan = optim.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    elif kind == "ReduceLROnPlateau":
        plan = optim.ReduceLROnPlateau(optimizer, patience=0)
    else:
        plan = getattr(optim, kind)(optimizer, **SCHEDULES[kind])
    step = (lambda: plan.step(1.0)) if kind == "ReduceLROnPlateau" else plan.step
    for _ in range(3):
        step()
    # As far as the first has come: it moves with it.
    optimizer.add_param_group({"params": nn.Parameter(normal(2)), "lr": optimizer.param_groups[0]["lr"]})
    for _ in range(3):
        step()
        np.testing.assert_allclose(*[group["lr"] for group in optimizer.param_groups], rtol=1e-6)
    assert len(plan.get_last_lr()) == len(plan.base_lrs) == 2
    plan.load_state_dict(plan.state_dict())


def test_schedules_with_a_value_a_group_want_to_be_made_anew():
    for maker in (
        lambda o: optim.OneCycleLR(o, 0.1, total_steps=9),
        lambda o: optim.LambdaLR(o, [lambda step: 1.0]),
        lambda o: optim.ReduceLROnPlateau(o, min_lr=[0.1]),
    ):
        optimizer = optim.SGD([nn.Parameter(normal(3))], lr=0.1)
        plan = maker(optimizer)
        optimizer.add_param_group({"params": nn.Parameter(normal(2))})
        with pytest.raises(ValueError, match="a group was added"):
            plan.step(*([1.0] if isinstance(plan, optim.ReduceLROnPlateau) else []))
        assert maker(optim.SGD([nn.Parameter(normal(3))])).get_last_lr() is not None


@pytest.mark.parametrize("lr", [-0.1, float("nan"), "x", None])
@pytest.mark.parametrize("rule", [optim.SGD, optim.Adam, optim.AdamW, optim.RMSprop])
def test_a_step_that_a_later_group_refuses_moves_nothing(rule, lr):
    layers = [nn.Linear(2, 2, rng=seed) for seed in range(2)]
    optimizer = rule([{"params": list(layer.parameters())} for layer in layers], lr=0.1)
    for layer in layers:
        for parameter in layer.parameters():
            parameter.grad = np.ones(parameter.shape)
    optimizer.param_groups[1]["lr"] = lr
    before = [np.array(p) for layer in layers for p in layer.parameters()]
    with pytest.raises((ValueError, TypeError)):
        optimizer.step()
    after = [np.array(p) for layer in layers for p in layer.parameters()]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert optimizer._steps == [[0, 0], [0, 0]]


class _Foreign:
    """A class of another library with our name."""


_Foreign.__name__ = "Parameter"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda net: optim.Adam(net), "got a Linear: give its parameters"),
        (lambda net: optim.Adam([net]), "got Linear, a module: give its parameters"),
        (lambda net: optim.Adam(3), "params: expected Parameters, got 3"),
        (lambda net: optim.Adam([_Foreign()]), r"expected seriatim\.nn\.Parameters, got .*test_groups\.Parameter"),
        (lambda net: optim.Adam(net.parameters(), lr="1e-3"), "lr: expected a number, got '1e-3', which is text"),
        (lambda net: optim.SGD(net.parameters(), dampening=None), "dampening: expected a number, got None"),
        (lambda net: optim.Adam(net.parameters(), betas=0.9), "betas: expected two numbers, got 0.9"),
        (lambda net: optim.Adam(net.parameters(), amsgrad=True), "'amsgrad'"),
        (lambda net: optim.SGD(net.parameters(), maximize=True), "'maximize'"),
    ],
)
def test_what_is_no_parameter_or_no_number_is_said_in_words(make, words):
    with pytest.raises(TypeError, match=words):
        make(nn.Linear(2, 2))


def test_a_module_is_no_group_and_settings_that_became_text_are_refused():
    net = nn.Linear(2, 2)
    optimizer = optim.SGD([net.weight], lr=0.1)
    with pytest.raises(TypeError, match="got a Linear: give its parameters"):
        optimizer.add_param_group({"params": net})
    assert len(optimizer.param_groups) == 1
    optimizer.param_groups[0]["lr"] = "1e-3"
    net.weight.grad = np.ones((2, 2))
    before = np.array(net.weight)
    with pytest.raises(TypeError, match="lr: expected a number"):
        optimizer.step()
    np.testing.assert_array_equal(net.weight, before)
