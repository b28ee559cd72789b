"""Modules: registration, state, modes, contexts, copies, text."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from seriatim import load, nn, save

X = np.arange(6, dtype=np.float32).reshape(2, 3)


class Scaled(nn.Module):
    """A module of a user's by the pair: a parameter, a buffer, a child."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2, rng=0)
        self.gain = nn.Parameter([2.0])
        self.register_buffer("count", np.array(0, np.int64))

    def trace(self, x):
        y, context = self.linear.trace(x)
        return self.gain.data * y, self.keep((y, context))

    def pullback(self, context, grad_output):
        y, context = self.kept(context)
        self.gain.add_grad([np.sum(grad_output * y)])
        return self.linear.pullback(context, grad_output * self.gain.data)


class ForwardOnly(nn.Module):
    def forward(self, x):
        return x


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = Scaled()
        self.second = nn.Sequential(nn.ReLU(), nn.Linear(2, 2, bias=False, rng=1))

    def forward(self, x):
        return self.second(self.first(x))

    def backward(self, grad_output):
        return self.first.backward(self.second.backward(grad_output))


def test_attributes_register_themselves_in_torchs_order():
    model = Outer()
    names = ["first.gain", "first.linear.weight", "first.linear.bias", "second.1.weight"]
    assert [name for name, _ in model.named_parameters()] == names
    assert [name for name, _ in model.named_modules()] == [
        "", "first", "first.linear", "second", "second.0", "second.1",
    ]  # fmt: skip
    assert [name for name, _ in model.named_buffers()] == ["first.count"]
    assert list(model.children()) == [model.first, model.second]
    assert list(model.state_dict()) == [
        "first.gain", "first.count", "first.linear.weight", "first.linear.bias", "second.1.weight",
    ]  # fmt: skip


def test_names_and_order_are_torchs():
    torch = pytest.importorskip("torch")

    def build(library):
        inner = library.Sequential(library.Linear(3, 2), library.BatchNorm1d(2))
        return library.Sequential(inner, library.ReLU(), library.Linear(2, 1, bias=False))

    ours, theirs = build(nn), build(torch.nn)
    assert [n for n, _ in ours.named_parameters()] == [n for n, _ in theirs.named_parameters()]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours).splitlines()[1] == repr(theirs).splitlines()[1]
    ours.load_state_dict(theirs.state_dict())
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    found, wanted = ours.eval()(x), theirs.eval()(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_setting_before_init_says_so():
    class Early(nn.Module):
        def __init__(self):
            self.linear = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"Early.*super\(\).__init__\(\)"):
        Early()


def test_unknown_attribute():
    with pytest.raises(AttributeError, match="'Scaled' object has no attribute 'nothing'"):
        _ = Scaled().nothing


def test_deleting_an_attribute_unregisters_it():
    model = Scaled()
    del model.linear
    assert [name for name, _ in model.named_parameters()] == ["gain"]
    assert not hasattr(model, "linear")


def test_a_shared_parameter_is_listed_once():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    assert len(list(model.parameters())) == 3


def test_state_dict_is_a_copy():
    model = Scaled()
    state = model.state_dict()
    state["gain"][...] = 9
    np.testing.assert_array_equal(model.gain.data, [2])
    assert state["count"].dtype == np.int64


def test_load_state_dict_changes_the_output_even_of_packed_weights():
    model, other = Outer().eval(), Outer().eval()
    for parameter in other.parameters():
        parameter.data *= -3
    before = model(X)
    assert np.any(before != other(X))
    result = model.load_state_dict(other.state_dict())
    assert result.missing_keys == result.unexpected_keys == []
    np.testing.assert_array_equal(model(X), other(X))


def test_load_state_dict_names_all_that_is_wrong_and_changes_nothing():
    model = Outer()
    before = model.state_dict()
    state = model.state_dict()
    del state["first.gain"]
    state["first.linear.weight"] = np.zeros((3, 2))
    state["first.linear.bias"] = np.full(2, 7.0)
    state["extra"] = np.zeros(1)
    with pytest.raises(ValueError, match="Outer") as error:
        model.load_state_dict(state)
    for part in ("first.gain", "first.linear.weight", "(2, 3)", "(3, 2)", "extra"):
        assert part in str(error.value)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_load_state_dict_without_strict_reports_names():
    model = Scaled()
    result = model.load_state_dict({"gain": [5.0], "extra": 1}, strict=False)
    assert sorted(result.missing_keys) == ["count", "linear.bias", "linear.weight"]
    assert result.unexpected_keys == ["extra"]
    np.testing.assert_array_equal(model.gain.data, [5])
    with pytest.raises(ValueError, match="gain"):
        model.load_state_dict({"gain": np.zeros(2)}, strict=False)


def test_modes_return_the_module_and_reach_all():
    model = Outer()
    assert model.eval() is model
    assert not any(module.training for module in model.modules())
    assert model.train() is model
    assert all(module.training for module in model.modules())


def test_backward_needs_a_forward_in_training():
    model = Scaled()
    with pytest.raises(RuntimeError, match=r"Scaled.backward.*train"):
        model.backward(np.ones((2, 2)))
    model(X)
    model.backward(np.ones((2, 2)))
    with pytest.raises(RuntimeError, match="backward"):
        model.backward(np.ones((2, 2)))


def test_evaluation_keeps_nothing_and_switching_clears():
    model = Outer()
    model(X)
    assert any(module._contexts for module in model.modules())
    model.eval()
    model(X)
    assert not any(module._contexts for module in model.modules())


def test_a_module_may_run_twice_before_its_backwards():
    model = nn.Linear(3, 1, rng=0)
    other = np.ones((4, 3), np.float32)
    model(X)
    model(other)
    assert model.backward(np.ones((4, 1))).shape == (4, 3)
    assert model.backward(np.ones((2, 1))).shape == (2, 3)
    np.testing.assert_allclose(model.weight.grad, [X.sum(0) + other.sum(0)])


def test_forward_alone_serves_inference():
    model = ForwardOnly()
    np.testing.assert_array_equal(model(X), X)
    with pytest.raises(NotImplementedError, match=r"ForwardOnly.*inference only"):
        model.backward(X)
    with pytest.raises(NotImplementedError, match="forward"):
        nn.Module()(X)


def test_zero_grad_and_requires_grad():
    model = Outer()
    model(X)
    model.backward(np.ones((2, 2)))
    model.zero_grad()
    for parameter in model.parameters():
        np.testing.assert_array_equal(parameter.grad, np.zeros(parameter.shape))
    assert model.requires_grad_(False) is model
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_apply_visits_children_first():
    visited = []
    model = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Softmax()))
    assert model.apply(lambda module: visited.append(type(module).__name__)) is model
    assert visited == ["ReLU", "Softmax", "Sequential", "Sequential"]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_independent_and_hold_no_contexts(duplicate):
    model = Outer()
    model(X)
    twin = duplicate(model)
    assert not any(module._contexts for module in twin.modules())
    np.testing.assert_array_equal(twin(X), model(X))
    for parameter in twin.parameters():
        parameter.data[...] = 0
    assert np.any(model(X) != 0)
    np.testing.assert_array_equal(twin(X), np.zeros((2, 2)))


def test_repr_shows_the_tree():
    text = repr(nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.ReLU())))
    assert text == (
        "Sequential(\n"
        "  (0): Linear(in_features=3, out_features=2, bias=True)\n"
        "  (1): Sequential(\n"
        "    (0): ReLU()\n"
        "  )\n"
        ")"
    )


def test_what_is_registered_is_checked_as_an_attribute_is():
    model, part, parameter = nn.Linear(2, 2), nn.ReLU(), nn.Parameter([1.0])
    for kind, register, value in (
        ("parameter", model.register_parameter, parameter),
        ("buffer", model.register_buffer, np.ones(1)),
        ("module", model.add_module, part),
        ("module", model.register_module, part),
    ):
        before = list(model.__dict__["_modules"]), list(model.state_dict())
        with pytest.raises(KeyError, match=rf"{kind} name can.+t contain"):
            register("a.b", value)
        with pytest.raises(KeyError, match=rf"{kind} name can.+t be empty"):
            register("", value)
        with pytest.raises(TypeError, match=f"{kind} name should be a string. Got int"):
            register(3, value)
        for taken in ("forward", "training", "in_features", "_packs", "weight" if kind != "parameter" else "eval"):
            with pytest.raises(KeyError, match=f"attribute '{taken}' already exists"):
                register(taken, value)
        assert (list(model.__dict__["_modules"]), list(model.state_dict())) == before
    for register in (model.register_parameter, model.add_module, model.register_buffer):
        with pytest.raises(TypeError):
            register("other", "text")
    with pytest.raises(KeyError, match="'train' already exists"):
        model.train = part
    for name, value in (("a.b", part), ("a.b", parameter), ("", part)):
        with pytest.raises(KeyError, match=r"name can.+t "):
            setattr(model, name, value)
    early = nn.Module.__new__(nn.Module)
    for register, value in (
        (early.register_parameter, parameter), (early.register_buffer, np.ones(1)), (early.add_module, part),
    ):  # fmt: skip
        with pytest.raises(AttributeError, match=r"before Module.__init__\(\) call"):
            register("name", value)
    model.register_parameter("weight", None)
    model.register_buffer("more", np.arange(3))
    model.more = np.arange(2)
    assert model.get_submodule("") is model


def test_what_is_shared_comes_once_and_its_state_under_each_name():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = self.other = nn.Sequential(nn.BatchNorm1d(2))
            self.table = self.one[0].weight

    model = Tied()
    assert [name for name, _ in model.named_children()] == ["one"]
    assert len(list(model.children())) == 1
    assert [name for name, _ in model.named_modules()] == ["", "one", "one.0"]
    assert [n for n, _ in model.named_modules(remove_duplicate=False)] == ["", "one", "one.0", "other", "other.0"]
    assert [name for name, _ in model.named_parameters()] == ["table", "one.0.bias"]
    assert [name for name, _ in model.named_parameters(recurse=False)] == ["table"]
    assert len(list(model.named_parameters(remove_duplicate=False))) == 5
    assert len(list(model.parameters())) == 2
    assert [n for n, _ in model.named_buffers("x")] == [
        f"x.one.0.{name}" for name in ("running_mean", "running_var", "num_batches_tracked")
    ]
    assert len(list(model.named_buffers(remove_duplicate=False))) == 6
    assert len(list(model.buffers())) == 3
    assert "one.0.bias" in model.state_dict()
    assert "other.0.running_var" in model.state_dict()
    assert "(other)" in repr(model)
    assert model.get_submodule("other.0") is model.one[0]
    with pytest.raises(AttributeError, match="no module 'two'"):
        model.get_submodule("one.two")
    relu = nn.ReLU()
    assert len(nn.Sequential(relu, relu)) == len(list(nn.Sequential(relu, relu))) == 2


def test_a_buffer_that_is_not_persistent_is_in_no_state_dict(tmp_path):
    module = nn.Linear(2, 2, rng=0)
    module.register_buffer("scale", [2.0], persistent=False)
    assert list(module.state_dict()) == ["weight", "bias"]
    assert [name for name, _ in module.named_buffers()] == ["scale"]
    module.load_state_dict(nn.Linear(2, 2, rng=1).state_dict())
    save(module, tmp_path / "linear")
    again = load(tmp_path / "linear")
    np.testing.assert_array_equal(again.scale, [2.0])
    assert list(again.state_dict()) == ["weight", "bias"]
    module.register_buffer("scale", [3.0])
    assert list(module.state_dict()) == ["weight", "bias", "scale"]
