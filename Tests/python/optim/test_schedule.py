"""Schedules of the learning rate: closed forms by hand, and torch's step by step."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest

from seriatim import nn, optim

BASES = [0.5, 0.02]


def factor_of(step):
    return 0.95**step


# Name, arguments, and the factor of a group's learning rate after t steps.
CLOSED = [
    ("StepLR", {"step_size": 3, "gamma": 0.5}, lambda t: 0.5 ** (t // 3)),
    ("StepLR", {"step_size": 1}, lambda t: 0.1**t),
    ("ExponentialLR", {"gamma": 0.9}, lambda t: 0.9**t),
    ("LinearLR", {}, lambda t: 1 / 3 + 2 / 3 * min(t, 5) / 5),
    ("LinearLR", {"start_factor": 0.8, "end_factor": 0.0, "total_iters": 7}, lambda t: 0.8 * (1 - min(t, 7) / 7)),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.5, "total_iters": 1}, lambda t: 0.5 if t else 1.0),
    ("LambdaLR", {"lr_lambda": factor_of}, factor_of),
    ("CosineAnnealingLR", {"T_max": 10}, lambda t: (1 + math.cos(math.pi * t / 10)) / 2),
    ("CosineAnnealingLR", {"T_max": 1}, lambda t: (1 + (-1) ** t) / 2),
]
# What also depends on more than that factor.
OTHERS = [
    ("CosineAnnealingLR", {"T_max": 7, "eta_min": 0.001}),
    ("LambdaLR", {"lr_lambda": [factor_of, lambda step: 1 / (1 + step)]}),
    ("OneCycleLR", {"max_lr": 0.3, "total_steps": 25}),
    ("OneCycleLR", {"max_lr": [0.3, 0.1], "epochs": 5, "steps_per_epoch": 5, "pct_start": 0.5}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 24, "div_factor": 10.0, "final_div_factor": 50.0}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 27, "three_phase": True}),
    ("OneCycleLR", {"max_lr": 1.0, "total_steps": 24, "pct_start": 0.0}),
]


def make_optimizer(rule="SGD"):
    groups = [{"params": [nn.Parameter([1.0])], "lr": lr} for lr in BASES]
    return getattr(optim, rule)(groups)


def make(name, settings, optimizer):
    return getattr(optim, name)(optimizer, **settings)


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


def torch_optimizer(torch):
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in BASES]
    return torch.optim.SGD(groups)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "settings", "factor"), CLOSED)
def test_closed_forms(name, settings, factor):
    optimizer = make_optimizer()
    schedule = make(name, settings, optimizer)
    assert isinstance(schedule, optim.LRScheduler)
    assert schedule.base_lrs == BASES
    for step in range(24):
        wanted = [lr * factor(step) for lr in BASES]
        close(rates(optimizer), wanted)
        assert schedule.get_last_lr() == rates(optimizer)
        assert schedule.last_epoch == step
        schedule.step()


def test_one_cycle_in_closed_form():
    optimizer = make_optimizer()
    schedule = optim.OneCycleLR(optimizer, 1.0, total_steps=20, pct_start=0.25)
    found = []
    for _ in range(20):
        found.append(schedule.get_last_lr()[0])
        schedule.step()
    assert found[0] == pytest.approx(1 / 25)
    assert found[2] == pytest.approx((1 + 1 / 25) / 2)
    assert found[4] == 1
    assert found[19] == pytest.approx(1 / 25 / 1e4)
    assert np.all(np.diff(found[:5]) > 0)
    assert np.all(np.diff(found[4:]) < 0)
    before = rates(optimizer)
    with pytest.raises(ValueError, match="step: expected at most the 20 of total_steps"):
        schedule.step()
    assert rates(optimizer) == before
    assert schedule.last_epoch == 20


@pytest.mark.parametrize(("name", "settings"), [(name, settings) for name, settings, _ in CLOSED] + OTHERS)
def test_torch_gives_the_same(name, settings):
    torch = pytest.importorskip("torch")
    ours, other = make_optimizer(), torch_optimizer(torch)
    more = {"cycle_momentum": False} if name == "OneCycleLR" else {}
    schedule = make(name, settings, ours)
    reference = getattr(torch.optim.lr_scheduler, name)(other, **settings, **more)
    for _ in range(24):
        close(rates(ours), rates(other))
        close(schedule.get_last_lr(), reference.get_last_lr())
        assert schedule.last_epoch == reference.last_epoch
        schedule.step()
        # Torch warns of schedules that are stepped before their optimiser.
        other.step()
        reference.step()


def plans(module, optimizer, cycle):
    """Two and three schedules one after another, made in an order of their own."""
    fall = module.CosineAnnealingLR(optimizer, 10, eta_min=0.001)
    warm_up = module.LinearLR(optimizer, 0.1, total_iters=5)
    if not cycle:
        return module.SequentialLR(optimizer, [warm_up, fall], [5])
    stairs = module.StepLR(optimizer, 2, 0.5)
    return module.SequentialLR(optimizer, [warm_up, stairs, fall], [4, 9])


@pytest.mark.parametrize("three", [False, True])
def test_torch_gives_the_same_one_after_another(three):
    torch = pytest.importorskip("torch")
    ours, other = make_optimizer(), torch_optimizer(torch)
    schedule = plans(optim, ours, three)
    reference = plans(torch.optim.lr_scheduler, other, three)
    for _ in range(14):
        close(rates(ours), rates(other))
        close(schedule.get_last_lr(), reference.get_last_lr())
        schedule.step()
        other.step()
        reference.step()


def test_one_after_another_in_closed_form():
    optimizer = make_optimizer()
    warm_up = optim.LinearLR(optimizer, 0.25, total_iters=3)
    inner = optim.SequentialLR(optimizer, [warm_up, optim.ExponentialLR(optimizer, 0.5)], [3])
    schedule = optim.SequentialLR(optimizer, [inner, optim.StepLR(optimizer, 100)], [6])
    for factor in (0.25, 0.5, 0.75, 1.0, 0.5, 0.25, 1.0, 1.0):
        close(rates(optimizer), [lr * factor for lr in BASES])
        schedule.step()


METRICS = [5, 4, 4, 4.0001, 4, 4, 3, 3, 3, 3, 3, 3, 3, float("nan"), 3, 3, 2.9999, 2.9, 2.9, 2.9, 2.9, 9, 9, 9, 9, 9]


@pytest.mark.parametrize(
    "settings",
    [
        {"patience": 2},
        {"patience": 0, "factor": 0.5, "cooldown": 2},
        {"patience": 1, "mode": "max"},
        {"patience": 1, "threshold": 0.5, "threshold_mode": "abs"},
        {"patience": 1, "mode": "max", "threshold": 0.5, "threshold_mode": "abs", "min_lr": [0.1, 0.001]},
        {"patience": 0, "min_lr": 0.004},
        {"patience": 0, "eps": 1e-3},
    ],
)
def test_torch_reduces_on_the_same_plateaus(settings):
    torch = pytest.importorskip("torch")
    ours, other = make_optimizer(), torch_optimizer(torch)
    schedule = optim.ReduceLROnPlateau(ours, **settings)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(other, **settings)
    for place, metric in enumerate(METRICS):
        if place == 20:
            ours.param_groups[0]["lr"] = other.param_groups[0]["lr"] = 0.7
        schedule.step(metric)
        reference.step(metric)
        close(rates(ours), rates(other))
        close(schedule.get_last_lr(), reference.get_last_lr())
        for name in ("best", "num_bad_epochs", "cooldown_counter", "last_epoch"):
            assert getattr(schedule, name) == getattr(reference, name)
    assert rates(ours)[0] < BASES[0]


def test_plateau_by_hand():
    optimizer = make_optimizer()
    schedule = optim.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, cooldown=1, min_lr=0.1)
    found = []
    for metric in (1.0, 0.5, 0.5, 0.6, 0.5, 0.5, 0.5, 0.5, 0.4):
        schedule.step(metric)
        found.append(optimizer.param_groups[0]["lr"])
    # Bad: the 3rd and 4th; the 5th is the cooldown; bad: the 6th and 7th; the 8th is the cooldown.
    assert found == [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125]
    assert schedule.best == 0.4
    # A learning rate that is below min_lr already stays.
    assert optimizer.param_groups[1]["lr"] == BASES[1]


# ---- State

EVERY = [
    *((name, settings) for name, settings, _ in CLOSED),
    *OTHERS,
    ("ReduceLROnPlateau", {"patience": 1}),
    ("SequentialLR", {}),
]


def make_any(name, settings, optimizer):
    return plans(optim, optimizer, True) if name == "SequentialLR" else make(name, settings, optimizer)


def advance(schedule, steps):
    found = []
    for _ in range(steps):
        metric = (1.0,) if isinstance(schedule, optim.ReduceLROnPlateau) else ()
        schedule.step(*metric)
        found.append(schedule.get_last_lr())
    return found


@pytest.mark.parametrize("name_and_settings", EVERY, ids=lambda given: given[0])
def test_state_dict_resumes(name_and_settings):
    optimizer, other = make_optimizer(), make_optimizer()
    schedule = make_any(*name_and_settings, optimizer)
    advance(schedule, 6)
    state, state_of_rule = copy.deepcopy(schedule.state_dict()), optimizer.state_dict()
    for group in other.param_groups:
        group["lr"] *= 3
    resumed = make_any(*name_and_settings, other)
    resumed.load_state_dict(state)
    assert rates(other) == rates(optimizer)
    other.load_state_dict(state_of_rule)
    assert rates(other) == rates(optimizer)
    assert resumed.base_lrs == schedule.base_lrs
    wanted = advance(schedule, 7)
    assert advance(resumed, 7) == wanted
    assert rates(other) == rates(optimizer)
    # The state is a copy: neither schedule has changed it.
    again = make_any(*name_and_settings, make_optimizer())
    again.load_state_dict(state)
    assert advance(again, 7) == wanted


def test_state_of_another_schedule_changes_nothing():
    optimizer = make_optimizer()
    schedule = optim.StepLR(optimizer, 2)
    schedule.step()
    other = optim.StepLR(optim.SGD([nn.Parameter([1.0])]), 5).state_dict()
    lacking = {k: v for k, v in schedule.state_dict().items() if k != "gamma"}
    for state in (optim.ExponentialLR(make_optimizer(), 0.5).state_dict(), other, lacking, {}):
        with pytest.raises(ValueError, match="state_dict: expected"):
            schedule.load_state_dict(state)
        assert schedule.state_dict() == {"last_epoch": 1, "base_lrs": BASES, "step_size": 2, "gamma": 0.1}
        assert rates(optimizer) == BASES
    sequence = plans(optim, make_optimizer(), False)
    state = sequence.state_dict()
    state["schedulers"] = [*state["schedulers"][:1], {"last_epoch": 3}]
    with pytest.raises(ValueError, match="state_dict: expected the keys"):
        sequence.load_state_dict(state)


@pytest.mark.parametrize("rule", ["SGD", "Adam", "RMSprop"])
def test_the_rules_state_does_not_depend_on_a_schedule(rule):
    plain, scheduled = make_optimizer(rule), make_optimizer(rule)
    optim.StepLR(scheduled, 2)
    states = plain.state_dict(), scheduled.state_dict()
    plain.load_state_dict(states[1])
    scheduled.load_state_dict(states[0])
    assert plain.param_groups[0]["initial_lr"] == BASES[0]


# ---- Where schedules start


def test_last_epoch_continues():
    optimizer = make_optimizer()
    schedule = optim.ExponentialLR(optimizer, 0.5)
    advance(schedule, 3)
    resumed = make_optimizer()
    with pytest.raises(ValueError, match="last_epoch: expected -1, or groups with the 'initial_lr'"):
        optim.ExponentialLR(resumed, 0.5, last_epoch=2)
    resumed.load_state_dict(optimizer.state_dict())
    assert optim.ExponentialLR(resumed, 0.5, last_epoch=2).get_last_lr() == rates(optimizer)
    with pytest.raises(ValueError, match="last_epoch: expected -1 or more, got -2"):
        optim.ExponentialLR(resumed, 0.5, last_epoch=-2)


def test_a_schedule_starts_where_the_user_or_the_schedule_before_it_did():
    optimizer = make_optimizer()
    advance(optim.ExponentialLR(optimizer, 0.5), 3)
    assert optim.StepLR(optimizer, 5).base_lrs == BASES, "as in torch: not where the other one has come to"
    optimizer.param_groups[0]["lr"] = 0.25
    assert optim.StepLR(optimizer, 5).base_lrs == [0.25, BASES[1]]


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        ("StepLR", {"step_size": 0}, "step_size: expected a positive number of steps, got 0"),
        ("StepLR", {"step_size": 2, "gamma": -1.0}, "gamma"),
        ("ExponentialLR", {"gamma": float("nan")}, "gamma"),
        ("LinearLR", {"start_factor": 0.0}, "start_factor: expected a number above 0"),
        ("LinearLR", {"end_factor": 1.5}, "end_factor"),
        ("LinearLR", {"total_iters": 0}, "total_iters"),
        ("LambdaLR", {"lr_lambda": [factor_of]}, "lr_lambda: expected one, or one for each of 2 groups, got 1"),
        ("CosineAnnealingLR", {"T_max": 0}, "T_max"),
        ("CosineAnnealingLR", {"T_max": 2.5}, "T_max"),
        ("OneCycleLR", {"max_lr": 0.1}, "total_steps: expected a number, or both epochs and steps_per_epoch"),
        ("OneCycleLR", {"max_lr": 0.1, "epochs": 3}, "total_steps"),
        ("OneCycleLR", {"max_lr": 0.1, "epochs": 3, "steps_per_epoch": 0}, "steps_per_epoch"),
        ("OneCycleLR", {"max_lr": [0.1] * 3, "total_steps": 5}, "max_lr"),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 5, "pct_start": 1.5}, "pct_start"),
        ("OneCycleLR", {"max_lr": 0.1, "total_steps": 5, "div_factor": 0.0}, "div_factor"),
        ("ReduceLROnPlateau", {"mode": "low"}, "mode: expected 'min' or 'max', got 'low'"),
        ("ReduceLROnPlateau", {"threshold_mode": "low"}, "threshold_mode"),
        ("ReduceLROnPlateau", {"factor": 1.0}, "factor"),
        ("ReduceLROnPlateau", {"patience": -1}, "patience"),
        ("ReduceLROnPlateau", {"min_lr": [0.1]}, "min_lr"),
    ],
)
def test_settings_are_checked_and_nothing_is_changed(name, settings, words):
    optimizer = make_optimizer()
    with pytest.raises(ValueError, match=f"^{words}"):
        make(name, settings, optimizer)
    assert rates(optimizer) == BASES
    assert "initial_lr" not in optimizer.param_groups[0]


def test_sequences_are_checked():
    optimizer = make_optimizer()
    steps = [optim.StepLR(optimizer, 2), optim.StepLR(optimizer, 3)]
    for milestones in ([], [3, 4], [0], [-1]):
        with pytest.raises(ValueError, match="milestones: expected 1 growing numbers of steps"):
            optim.SequentialLR(optimizer, steps, milestones)
    with pytest.raises(ValueError, match="schedulers: expected at least one"):
        optim.SequentialLR(optimizer, [], [])
    with pytest.raises(ValueError, match="schedulers: expected all to be of this optimizer"):
        optim.SequentialLR(make_optimizer(), steps, [3])
    with pytest.raises(TypeError, match="schedulers: expected functions of the step, got ReduceLROnPlateau"):
        optim.SequentialLR(optimizer, [steps[0], optim.ReduceLROnPlateau(optimizer)], [3])
    for name, settings in (("StepLR", {"step_size": 2}), ("LambdaLR", {"lr_lambda": abs}), ("ReduceLROnPlateau", {})):
        with pytest.raises(TypeError, match="optimizer: expected an Optimizer, got list"):
            make(name, settings, [])
    with pytest.raises(TypeError, match="lr_lambda: expected callables, got float"):
        optim.LambdaLR(optimizer, 0.5)


def test_a_function_that_fails_leaves_the_schedule_as_it_was():
    optimizer = make_optimizer()

    def fails_late(step):
        if step > 1:
            raise RuntimeError("too late")
        return 0.5

    schedule = optim.LambdaLR(optimizer, fails_late)
    schedule.step()
    with pytest.raises(RuntimeError, match="too late"):
        schedule.step()
    assert schedule.last_epoch == 1
    close(rates(optimizer), [0.5 * lr for lr in BASES])


def test_learning_rates_reach_the_parameters():
    parameter = nn.Parameter([0.0])
    optimizer = optim.SGD([parameter], lr=1.0)
    schedule = optim.ExponentialLR(optimizer, 0.5)
    for wanted in (-1.0, -1.5, -1.75):
        parameter.grad = [1.0]
        optimizer.step()
        schedule.step()
        assert parameter.data[0] == wanted
