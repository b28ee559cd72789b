"""seriatim.torch.patch: what it replaces, what it leaves, and that nothing else changes."""

import copy

import pytest

torch = pytest.importorskip("torch", "2.4", reason="seriatim.torch needs torch 2.4 or later")
import seriatim.torch as twins  # noqa: E402


class Own(torch.nn.GRU):
    pass


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.GRU(3, 4)
        self.again = self.first
        self.stack = torch.nn.Sequential(torch.nn.LSTM(4, 4), torch.nn.RNN(4, 4))
        self.own = Own(3, 4)
        self.head = torch.nn.Linear(4, 2)

    def forward(self, x):
        y = self.again(self.first(x)[0][..., :3])[0]
        for layer in self.stack:
            y, _ = layer(y)
        return self.head(y)


def test_classes_change_and_nothing_else():
    torch.manual_seed(0)
    model = Model().eval()
    objects, parameters = [*model.modules()], [*model.parameters()]
    calls = []
    model.first.register_forward_hook(lambda *_: calls.append(1))
    x = torch.randn(5, 2, 3)
    before, names = model(x), [*model.state_dict()]
    done = twins.patch(model)
    assert done.replaced == {"first": "GRU", "stack.0": "LSTM", "stack.1": "RNN"}
    assert list(done.left) == ["own"]
    assert "replaced stack.0: LSTM" in repr(done)
    assert "left own: Own is a subclass of GRU" in repr(done)
    assert type(model.first) is twins.GRU
    assert all(a is b for a, b in zip(model.modules(), objects, strict=True))
    assert all(a is b for a, b in zip(model.parameters(), parameters, strict=True))
    assert not model.first.training
    assert [*model.state_dict()] == names
    torch.testing.assert_close(model(x), before)
    assert len(calls) == 4
    done.undo()
    done.undo()
    assert [type(module).__module__ for module in (model.first, *model.stack)] == ["torch.nn.modules.rnn"] * 3
    assert torch.equal(model(x), before)


def test_twice_is_once_and_the_end_of_a_block_undoes():
    model = Model()
    with twins.patch(model) as first:
        again = twins.patch(model)
        assert not again.replaced
        assert again.left.keys() == first.left.keys()
        again.undo()
        assert type(model.first) is twins.GRU
        copied = copy.deepcopy(model)
    assert type(model.first) is torch.nn.GRU
    assert type(copied.first) is twins.GRU


def test_an_optimiser_that_holds_the_parameters_goes_on():
    torch.manual_seed(0)
    models = [Model(), Model()]
    models[1].load_state_dict(models[0].state_dict())
    optimizers = [torch.optim.Adam(model.parameters()) for model in models]
    twins.patch(models[1])
    x = torch.randn(6, 2, 3)
    for _ in range(3):
        for model, optimizer in zip(models, optimizers, strict=True):
            optimizer.zero_grad()
            model(x).square().sum().backward()
            optimizer.step()
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_convolutions_on_request():
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.ReLU(), torch.nn.LazyConv2d(4, 3))
    assert not twins.patch(model).replaced
    x = torch.randn(2, 2, 7, 7)
    before = model(x)  # which makes the lazy one a Conv2d
    with twins.patch(model, conv2d=True) as done:
        assert done.replaced == {"0": "Conv2d", "2": "Conv2d"}
        assert type(model[0]) is twins.Conv2d
        torch.testing.assert_close(model(x), before)
    assert type(model[2]) is torch.nn.Conv2d
    assert twins.patch(torch.nn.LazyConv2d(4, 3), conv2d=True).left[""].startswith("LazyConv2d is a subclass")


def normed():
    module = torch.nn.GRU(3, 4)
    return torch.nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")


def replaced():
    module = torch.nn.GRU(3, 4)
    module.forward = lambda x: (x, None)
    return module


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (normed, "weight_hh_l0 is made of other parameters"),
        (replaced, "its forward has been replaced"),
        (lambda: torch.nn.LSTM(3, 4, dtype=torch.float64), "weight_ih_l0 is torch.float64 on cpu, not torch.float32"),
        (lambda: torch.nn.LSTM(3, 4, device="meta"), "on meta"),
        (lambda: Own(3, 4), "Own is a subclass of GRU"),
    ],
    ids=["weight norm", "forward", "float64", "meta", "subclass"],
)
def test_what_is_left_says_why(make, why):
    module = make()
    was = type(module)
    done = twins.patch(module)
    assert not done.replaced
    assert why in done.left[""]
    assert type(module) is was
    assert "the model itself" in repr(done)


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match=r"model: expected a torch.nn.Module, got list"):
        twins.patch([torch.nn.GRU(3, 4)])
    assert repr(twins.patch(torch.nn.Linear(2, 2))) == "Patch:\n  nothing to replace"
