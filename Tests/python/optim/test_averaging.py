"""The moving average of weights: its numbers, its memory, and evaluation with it."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from reference import optimizer as twin

from seriatim import nn, optim


def make_model(seed=0):
    return nn.Sequential(nn.Linear(5, 7, rng=seed), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 3, rng=seed + 1))


def move(model, rng):
    """What a step of training does: other weights, other running statistics."""
    for parameter in model.parameters():
        parameter.data = parameter.data + rng.normal(size=parameter.shape)
    model.train()(rng.normal(size=(8, 5)).astype(np.float32))
    model.train()


def close(found, wanted, tolerance=1e-6):
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * (1 + np.abs(wanted).max()))


def same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("warm_up", [False, True])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999, 1.0])
def test_twin(rng, decay, warm_up):
    model = make_model()
    average = optim.WeightAverage(model, decay, warm_up=warm_up)
    wanted = {name: p.data.astype(np.float64).ravel() for name, p in model.named_parameters()}
    for step in range(12):
        move(model, rng)
        average.update()
        used = min(decay, (1 + step) / (10 + step)) if warm_up else decay
        for name, parameter in model.named_parameters():
            twin.average_step(wanted[name], parameter.data.ravel(), used)
    assert average.updates == 12
    found, state = average.state_dict()["average"], model.state_dict()
    for name, value in found.items():
        if name in wanted:
            close(value.ravel(), wanted[name])
        else:
            np.testing.assert_array_equal(value, state[name], err_msg="buffers are the last ones")
    assert any("running_mean" in name for name in found)


def test_torch_gives_the_same(rng):
    torch = pytest.importorskip("torch")
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    model, other = nn.Linear(4, 3, rng=0), torch.nn.Linear(4, 3)
    other.load_state_dict({name: torch.from_numpy(value) for name, value in model.state_dict().items()})
    average = optim.WeightAverage(model, 0.9, warm_up=False)
    reference = AveragedModel(other, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    # Torch's first call copies: here the average begins with the weights that the module has.
    reference.update_parameters(other)
    for _ in range(5):
        for name, parameter in model.named_parameters():
            parameter.data = rng.normal(size=parameter.shape)
            dict(other.named_parameters())[name].data = torch.from_numpy(parameter.data.copy())
        average.update()
        reference.update_parameters(other)
    for name, parameter in reference.module.named_parameters():
        close(average.state_dict()["average"][name], parameter.detach().numpy())


def test_what_does_not_change_is_its_own_average():
    model = make_model()
    average = optim.WeightAverage(model, 0.99)
    before = model.state_dict()
    for _ in range(20):
        average.update()
    same(average.state_dict()["average"], before)


def test_swap_and_applied(rng):
    model = make_model()
    average = optim.WeightAverage(model, 0.5)
    x = rng.normal(size=(6, 5)).astype(np.float32)
    for _ in range(3):
        move(model, rng)
        average.update()
    move(model, rng)
    trained, averaged = model.state_dict(), average.state_dict()["average"]
    before = model.eval()(x)
    other = make_model(7)
    average.copy_to(other)
    same(other.state_dict(), averaged)
    wanted = other.eval()(x)
    assert np.abs(before - wanted).max() > 1e-3
    with average.applied() as inside:
        assert inside is model
        assert average.swapped
        np.testing.assert_array_equal(model(x), wanted)
        same(model.state_dict(), averaged)
        same(average.state_dict()["average"], averaged)
        average.copy_to(other)
        same(other.state_dict(), averaged)
    assert not average.swapped
    np.testing.assert_array_equal(model(x), before)
    same(model.state_dict(), trained)
    same(average.state_dict()["average"], averaged)
    average.swap()
    same(model.state_dict(), averaged)
    average.swap()
    same(model.state_dict(), trained)


def test_weights_come_back_after_an_error(rng):
    model = make_model()
    average = optim.WeightAverage(model)
    move(model, rng)
    trained = model.state_dict()
    with pytest.raises(KeyError), average.applied():
        raise KeyError("in the evaluation")
    same(model.state_dict(), trained)
    with average.applied():
        average.swap()
    same(model.state_dict(), trained)


def test_what_needs_the_trained_weights_says_so(rng):
    average = optim.WeightAverage(make_model())
    state = average.state_dict()
    average.swap()
    for name, call in (
        ("update", average.update),
        ("applied", lambda: average.applied().__enter__()),
        ("load_state_dict", lambda: average.load_state_dict(state)),
    ):
        with pytest.raises(RuntimeError, match=rf"WeightAverage.{name}\(\): .* call swap\(\) first"):
            call()
    assert average.updates == 0


def test_one_kernel_call_an_update(rng, monkeypatch):
    model = make_model()
    optim.Adam(model.parameters())
    average = optim.WeightAverage(model)
    calls = []
    monkeypatch.setattr("seriatim.functional.average_step", lambda *given: calls.append(given[1].size))
    average.update()
    assert calls == [sum(p.size for p in model.parameters())]


@pytest.mark.parametrize("first", ["rule", "average"])
@pytest.mark.parametrize("frozen", [None, 0, 2])
@pytest.mark.parametrize("held", [None, 0, 3])
def test_memory_that_is_moved_held_or_frozen(rng, first, frozen, held):
    """Each parameter on its own, without any flat buffer, must come to the same."""
    model = make_model()
    parameters = list(model.parameters())
    view = None if held is None else parameters[held].data
    if frozen is not None:
        parameters[frozen].requires_grad = False
    makers = [
        lambda: optim.Adam([p for p in parameters if p.requires_grad], lr=0.1),
        lambda: optim.WeightAverage(model, 0.6),
    ]
    if first == "rule":
        optimizer, average = makers[0](), makers[1]()
    else:
        average, optimizer = makers[1](), makers[0]()
    wanted = [p.data.astype(np.float64).ravel() for p in parameters]
    for step in range(6):
        if step == 3:
            # Another optimiser, of some of them only, moves these elsewhere.
            optimizer = optim.SGD([nn.Parameter([1.0]), *parameters[1::2]], lr=0.1)
        for p in parameters:
            p.grad = rng.normal(size=p.shape)
        optimizer.step()
        average.update()
        for values, p in zip(wanted, parameters, strict=True):
            twin.average_step(values, p.data.ravel(), min(0.6, (1 + step) / (10 + step)))
    with average.applied():
        for values, p in zip(wanted, parameters, strict=True):
            close(p.data.ravel(), values)
    if view is not None:
        np.testing.assert_array_equal(view, parameters[held].data)


def test_memory_in_another_order(rng):
    """An optimiser may have put the parameters behind each other in its own order, and others between them."""
    model, other = make_model(), make_model(5)
    mine, others = list(model.parameters()), list(other.parameters())
    optim.SGD([p for pair in zip(reversed(mine), others, strict=True) for p in pair])
    average = optim.WeightAverage(model, 0.5, warm_up=False)
    wanted = [p.data.astype(np.float64).ravel() for p in mine]
    before = other.state_dict()
    for _ in range(3):
        move(model, rng)
        average.update()
        for values, p in zip(wanted, mine, strict=True):
            twin.average_step(values, p.data.ravel(), 0.5)
    with average.applied():
        for values, p in zip(wanted, mine, strict=True):
            close(p.data.ravel(), values)
    same(other.state_dict(), before)


def test_shared_parameters_and_empty_buffers(rng):
    first, second = nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1)
    second.weight = first.weight
    model = nn.Sequential(first, nn.BatchNorm1d(3, track_running_stats=False), second)
    average = optim.WeightAverage(model, 0.5)
    first.weight.data = rng.normal(size=(3, 3))
    average.update()
    found = average.state_dict()["average"]
    np.testing.assert_array_equal(found["0.weight"], found["2.weight"])
    average.load_state_dict(average.state_dict())
    same(average.state_dict()["average"], found)


@pytest.mark.parametrize("way", ["state", "copy", "pickle", "swapped pickle"])
def test_continues_alike(rng, way):
    model = make_model()
    average = optim.WeightAverage(model, 0.9)
    for _ in range(3):
        move(model, rng)
        average.update()
    if way == "state":
        twin_model = copy.deepcopy(model)
        resumed = optim.WeightAverage(twin_model, 0.1, warm_up=False)
        state = average.state_dict()
        resumed.load_state_dict(state)
        same(twin_model.state_dict(), model.state_dict())
        assert (resumed.decay, resumed.warm_up, resumed.updates) == (0.9, True, 3)
    elif way == "copy":
        twin_model, resumed = copy.deepcopy((model, average))
    else:
        if "swapped" in way:
            average.swap()
        twin_model, resumed = pickle.loads(pickle.dumps((model, average)))
        if "swapped" in way:
            average.swap()
            resumed.swap()
    assert resumed.module is twin_model
    for _ in range(2):
        move(model, rng)
        twin_model.load_state_dict(model.state_dict())
        average.update()
        resumed.update()
    same(resumed.state_dict()["average"], average.state_dict()["average"])
    with resumed.applied():
        same(twin_model.state_dict(), average.state_dict()["average"])


def test_a_state_that_does_not_fit_changes_nothing(rng):
    model = make_model()
    average = optim.WeightAverage(model)
    move(model, rng)
    average.update()
    trained, state = model.state_dict(), average.state_dict()
    weights = state["average"]
    for broken, words in (
        ({**state, "decay": 2.0}, "decay: expected"),
        ({**state, "updates": -1}, "updates: expected"),
        ({k: v for k, v in state.items() if k != "decay"}, "state_dict: expected the keys"),
        ({**state, "average": {k: v for k, v in weights.items() if k != "0.weight"}}, "0.weight: missing"),
        ({**state, "average": {**weights, "0.bias": np.zeros(3)}}, "0.bias: expected shape"),
    ):
        with pytest.raises(ValueError, match=words):
            average.load_state_dict(broken)
        same(average.state_dict()["average"], weights)
        same(model.state_dict(), trained)
        assert (average.updates, average.decay, average.swapped) == (1, 0.999, False)
    other = nn.Linear(5, 7, rng=0)
    before = other.state_dict()
    with pytest.raises(ValueError, match="nothing was loaded"):
        average.copy_to(other)
    same(other.state_dict(), before)


def test_arguments_are_checked():
    for decay in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"^decay: expected a number from 0 to 1"):
            optim.WeightAverage(make_model(), decay)
    with pytest.raises(TypeError, match="module: expected a Module, got list"):
        optim.WeightAverage([])
    with pytest.raises(ValueError, match="module: expected one with parameters"):
        optim.WeightAverage(nn.ReLU())
