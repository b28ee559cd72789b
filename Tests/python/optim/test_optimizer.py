"""Update rules against their twins and torch, on one flat buffer and on scattered memory."""

from __future__ import annotations

import numpy as np
import pytest
from reference import optimizer as twin

from seriatim import nn, optim

SHAPES = [(3, 4), (3,), (2, 3), (1,)]
RULES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.8, 0.95), "eps": 1e-4, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.01}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.3}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.9}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"alpha": 0.9, "weight_decay": 0.1, "momentum": 0.5, "centered": True}),
]


@pytest.fixture
def rng():
    return np.random.default_rng(9)


def parameters_of(rng):
    return [nn.Parameter(rng.normal(size=shape)) for shape in SHAPES]


def set_gradients(parameters, rng):
    gradients = [rng.normal(size=p.shape).astype(np.float32) for p in parameters]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    return gradients


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(("name", "settings"), RULES)
def test_twin(rng, name, settings):
    parameters = parameters_of(rng)
    values = np.concatenate([p.data.ravel() for p in parameters]).astype(np.float64)
    first, second, third = (np.zeros(len(values)) for _ in range(3))
    optimizer = getattr(optim, name)(parameters, **settings)
    group = optimizer.param_groups[0]
    for step in range(1, 4):
        gradient = np.concatenate([g.ravel() for g in set_gradients(parameters, rng)])
        optimizer.step()
        if name == "SGD":
            rest = {key: group[key] for key in ("lr", "momentum", "dampening", "weight_decay")}
            buffer = first if group["momentum"] else None
            twin.sgd_step(values, gradient, buffer, nesterov=group["nesterov"], first=step == 1, **rest)
        elif name == "RMSprop":
            rest = {key: group[key] for key in ("lr", "alpha", "eps", "weight_decay", "momentum")}
            buffer, mean = second if group["momentum"] else None, third if group["centered"] else None
            twin.rmsprop_step(values, gradient, first, buffer, mean, **rest)
        else:
            beta1, beta2 = group["betas"]
            rest = {key: group[key] for key in ("lr", "eps", "weight_decay")}
            twin.adam_step(
                values, gradient, first, second,
                beta1=beta1, beta2=beta2, decoupled=name == "AdamW", step=step, **rest,
            )  # fmt: skip
        close(np.concatenate([p.data.ravel() for p in parameters]), values)


@pytest.mark.parametrize(("name", "settings"), RULES)
def test_torch_gives_the_same_with_missing_and_frozen_gradients(rng, name, settings):
    torch = pytest.importorskip("torch")
    parameters = parameters_of(rng)
    theirs = [torch.nn.Parameter(torch.from_numpy(p.data.copy())) for p in parameters]
    # RMSprop's own default is that of torch too.
    settings = settings if name == "RMSprop" else {"lr": 1e-3, **settings}
    ours = getattr(optim, name)(parameters, **settings)
    other = getattr(torch.optim, name)(theirs, **settings)
    for step in range(5):
        for index, gradient in enumerate(set_gradients(parameters, rng)):
            left_out = index == step % 4
            theirs[index].grad = None if left_out else torch.from_numpy(gradient)
            if left_out and step % 2:
                parameters[index].grad = None
            parameters[index].requires_grad = not (left_out and step % 2 == 0)
        if step == 3:
            ours.param_groups[0]["lr"] = other.param_groups[0]["lr"] = 0.05
        ours.step()
        other.step()
        for parameter, tensor in zip(parameters, theirs, strict=True):
            close(parameter.data, tensor.detach().numpy())


def test_groups_have_their_own_settings(rng):
    parameters = parameters_of(rng)
    before = [p.data.copy() for p in parameters]
    optimizer = optim.SGD([{"params": parameters[::2]}, {"params": parameters[1::2], "lr": 0.5}], lr=1.0)
    gradients = set_gradients(parameters, rng)
    optimizer.step()
    for index, parameter in enumerate(parameters):
        lr = 0.5 if index % 2 else 1.0
        close(parameter.data, before[index] - lr * gradients[index])


def test_a_step_is_seen_by_packed_weights(rng):
    model = nn.Linear(3, 2, rng=0)
    x = rng.normal(size=(4, 3)).astype(np.float32)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        model.train()(x)
        optimizer.zero_grad()
        model.backward(np.ones((4, 2)))
        optimizer.step()
        wanted = x @ model.weight._array.T + model.bias._array
        close(model.eval()(x), wanted)


def test_zero_grad_keeps_none_and_clears_the_rest():
    parameters = [nn.Parameter([1.0]), nn.Parameter([2.0])]
    parameters[0].grad = [3.0]
    optim.Adam(parameters).zero_grad()
    np.testing.assert_array_equal(parameters[0].grad, [0])
    assert parameters[1].grad is None


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_state_dict_resumes(rng, name):
    settings = {"SGD": {"momentum": 0.9}, "RMSprop": {"momentum": 0.9, "centered": True}}.get(name, {})
    parameters = parameters_of(rng)
    optimizer = getattr(optim, name)(parameters, lr=0.1, **settings)
    set_gradients(parameters, rng)
    optimizer.step()
    twins = [nn.Parameter(p.data) for p in parameters]
    resumed = getattr(optim, name)(twins, lr=0.7, **settings)
    resumed.load_state_dict(optimizer.state_dict())
    assert resumed.param_groups[0]["lr"] == 0.1
    gradients = set_gradients(parameters, rng)
    for twin_parameter, gradient in zip(twins, gradients, strict=True):
        twin_parameter.grad = gradient
    optimizer.step()
    resumed.step()
    for parameter, twin_parameter in zip(parameters, twins, strict=True):
        np.testing.assert_array_equal(parameter.data, twin_parameter.data)


def test_state_of_another_model_is_refused():
    optimizer = optim.Adam([nn.Parameter([1.0])])
    other = optim.Adam([nn.Parameter([1.0]), nn.Parameter([1.0])])
    with pytest.raises(ValueError, match="state_dict: expected"):
        optimizer.load_state_dict(other.state_dict())


@pytest.mark.parametrize("max_norm", [0.5, 1e6])
def test_clip_grad_norm(rng, max_norm):
    parameters = [*parameters_of(rng), nn.Parameter([0.0])]
    gradients = set_gradients(parameters[:-1], rng)
    norm = np.sqrt(sum(np.sum(g.astype(np.float64) ** 2) for g in gradients))
    assert optim.clip_grad_norm_(parameters, max_norm) == pytest.approx(norm, rel=1e-6)
    factor = min(1.0, max_norm / (norm + 1e-6))
    for parameter, gradient in zip(parameters, gradients, strict=False):
        close(parameter.grad, factor * gradient)
    assert parameters[-1].grad is None


@pytest.mark.parametrize(
    ("name", "settings", "word"),
    [
        ("SGD", {"lr": -1.0}, "lr"),
        ("SGD", {"momentum": -0.1}, "momentum"),
        ("SGD", {"nesterov": True}, "nesterov"),
        ("Adam", {"lr": float("nan")}, "lr"),
        ("Adam", {"betas": (1.0, 0.9)}, "beta1"),
        ("Adam", {"betas": (0.9, -0.1)}, "beta2"),
        ("AdamW", {"eps": -1e-8}, "eps"),
        ("AdamW", {"weight_decay": -1.0}, "weight_decay"),
        ("RMSprop", {"lr": -1.0}, "lr"),
        ("RMSprop", {"alpha": 1.1}, "alpha"),
        ("RMSprop", {"eps": float("nan")}, "eps"),
        ("RMSprop", {"momentum": -0.1}, "momentum"),
        ("RMSprop", {"weight_decay": -1.0}, "weight_decay"),
    ],
)
def test_settings_are_checked(name, settings, word):
    with pytest.raises(ValueError, match=f"^{word}: expected"):
        getattr(optim, name)([nn.Parameter([1.0])], **settings)


def test_params_are_checked():
    with pytest.raises(ValueError, match="params: expected at least one"):
        optim.Adam([])
    with pytest.raises(TypeError, match="params: expected Parameters, got ndarray"):
        optim.Adam([np.ones(2)])
    with pytest.raises(ValueError, match="max_norm"):
        optim.clip_grad_norm_([nn.Parameter([1.0])], -1.0)


def test_centred_rmsprop_of_a_gradient_that_no_longer_changes():
    """Rounding makes the variance negative: that must not become a NaN."""
    parameter = nn.Parameter(np.zeros(300))
    optimizer = optim.RMSprop([parameter], lr=1e-9, alpha=0.9, centered=True)
    gradient = np.linspace(1, 3, 300)
    for step in range(500):
        parameter.grad = gradient * (100 if step == 0 else 1)
        optimizer.step()
    state = optimizer.state_dict()["state"][0]
    assert np.any(state["square_avg"] < state["grad_avg"] ** 2), "the case that this test is for"
    assert np.isfinite(parameter.data).all()
