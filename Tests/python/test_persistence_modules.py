"""Files of modules: what has been shared, frozen, replaced or set since comes back, or nothing is written."""

from __future__ import annotations

import copy
import datetime
import itertools
import json
import pathlib
import pickle
import zoneinfo
from pathlib import Path

import numpy as np
import pytest
from every_module import MODULES, ByHand, Explicit, arrays, backward
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from support import normal

import seriatim
from seriatim import models, nn, optim, pack_sequence
from seriatim.persistence import _registry
from seriatim.persistence._files import read

FIXTURES = Path(__file__).parents[1] / "fixtures"


@seriatim.register_module(name="tests.Gated")
class Gated(nn.Module):
    """A module of a user's: arguments of all sorts, one of them a module."""

    def __init__(self, inner, size=3, *, scale=2.0, names=("a", "b"), rng=None):
        super().__init__()
        self.inner, self.gate = inner, nn.Linear(size, size, rng=rng)
        self.size, self.width, self.scale = size, 2 * size, scale
        self.listed = [self.inner, self.gate.weight]
        self.activation, self.names = np.tanh, list(names)

    def trace(self, x):
        y, inner = self.inner.trace(x)
        gate, of_gate = self.gate.trace(x)
        return self.scale * (y + gate), self.keep((inner, of_gate))

    def pullback(self, context, grad_output):
        inner, of_gate = self.kept(context)
        grad = self.scale * grad_output
        return self.inner.pullback(inner, grad) + self.gate.pullback(of_gate, grad)


@pytest.fixture(scope="module", autouse=True)
def modules_of_the_tests():
    for cls in (ByHand, Explicit):
        seriatim.register_module(cls)
    yield
    for name in ("ByHand", "Explicit"):
        del _registry._registered[name]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("files") / "module"


def round_trip(module, path):
    seriatim.save(module, path)
    return seriatim.load(path)


def step(module, inputs):
    """Forward, backward and an update: all that comes of it."""
    module.zero_grad()
    output = module(*inputs)
    found = [*arrays(output), *arrays(backward(module, output))]
    trained = [p for p in module.parameters() if p.requires_grad and p.grad is not None]
    if trained:
        optim.SGD(trained, lr=0.1, momentum=0.9, weight_decay=0.01).step()
    return [*found, *module.state_dict().values()]


def identical(ours, wanted):
    assert len(ours) == len(wanted)
    for one, other in zip(ours, wanted, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def goes_on_alike(module, inputs, path):
    """Whether predictions and one more step are those without the file, bit by bit."""
    again = round_trip(module, path)
    assert not any(part.training for part in again.modules())
    frozen = [(name, p.requires_grad) for name, p in module.named_parameters(remove_duplicate=False)]
    assert [(name, p.requires_grad) for name, p in again.named_parameters(remove_duplicate=False)] == frozen
    names = [name for name, _ in module.named_modules(remove_duplicate=False)]
    assert [name for name, _ in again.named_modules(remove_duplicate=False)] == names
    assert repr(again) == repr(module)
    identical(arrays(again(*inputs)), arrays(module.eval()(*inputs)))
    identical(step(again.train(), inputs), step(module.train(), inputs))
    return again


# ---- What may happen to a module after it was made


def freeze(module, pick):
    for index, parameter in enumerate(module.parameters()):
        parameter.requires_grad = (index + pick) % 3 > 0


def tie(module, pick):
    """Let two layers have one weight."""
    layers = [part for part in module.modules() if isinstance(part, nn.Linear)]
    for one, other in itertools.combinations(layers, 2):
        if one.weight.shape == other.weight.shape and pick % 2:
            other.weight = one.weight


def drop_other_shares(module, pick):
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = (pick + 1) / 10


def average_otherwise(module, pick):
    for part in module.modules():
        if isinstance(part, (nn.BatchNorm1d, nn.BatchNorm2d)):
            part.momentum, part.eps = (None, 1e-3) if pick % 2 else (0.3, 1e-2)


def register_more(module, pick):
    parts = list(module.modules())
    part = parts[pick % len(parts)]
    part.register_buffer("mask_of_mine", np.arange(pick + 1, dtype=np.uint8))
    part.register_parameter("none_of_mine", None)
    part.gain_of_mine = nn.Parameter([1.0, pick])
    part.note_of_mine = {"why": ["because", pick], "weights": np.arange(3.0), "pair": (1, 2.5)}


def replace_by_its_copy(module, pick):
    """The last of a row becomes another object of the same kind."""
    for part in module.modules():
        if isinstance(part, nn.Sequential) and len(part):
            name = list(part._modules)[pick % len(part)]
            part._modules[name] = copy.deepcopy(part._modules[name])


def call_otherwise(module, pick):
    for part in module.modules():
        if type(part) is nn.Sequential and pick % 2:
            part._modules = {f"part {name}": child for name, child in part._modules.items()}


def append(module, pick):
    for part in module.modules():
        if isinstance(part, nn.Sequential):
            part.append(nn.Identity() if pick % 2 else nn.Dropout(0.2, rng=pick))
            return


CHANGES = [
    freeze, tie, drop_other_shares, average_otherwise, register_more, replace_by_its_copy, call_otherwise, append
]  # fmt: skip
SOME = st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 6)), max_size=4)
# A file holds no function.
NAMES = sorted(set(MODULES) - {"video_rnn"})


@pytest.mark.parametrize("name", NAMES)
def test_every_module_goes_on_as_without_the_file(path, name):
    make, *inputs = MODULES[name]
    module = make()
    step(module, inputs)
    goes_on_alike(module, inputs, path)


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(NAMES), SOME)
def test_every_module_that_was_changed_does(path, name, changes):
    make, *inputs = MODULES[name]
    module = make()
    for change, pick in changes:
        change(module, pick)
    goes_on_alike(module, inputs, path)


@st.composite
def networks(draw):
    """Rows in, rows out, with parts that stand at several places."""
    made = []

    def network(depth):
        if made and draw(st.integers(0, 4)) == 0:
            return draw(st.sampled_from(made))
        kinds = ["linear", "drop", "norm", "tanh", "leaky"]
        if depth:
            kinds += ["row", "row", "named", "residual", "sum", "mine", "mine"]
        kind, seed = draw(st.sampled_from(kinds)), len(made)

        def parts():
            return [network(depth - 1) for _ in range(draw(st.integers(1, 3)))]

        module = {
            "linear": lambda: nn.Linear(3, 3, bias=seed % 2 == 0, rng=seed),
            "drop": lambda: nn.Dropout(0.3, rng=seed),
            "norm": lambda: nn.BatchNorm1d(3),
            "tanh": nn.Tanh,
            "leaky": lambda: nn.LeakyReLU(0.2),
            "row": lambda: nn.Sequential(*parts()),
            "named": lambda: nn.Sequential({f"part{i}": part for i, part in enumerate(parts())}),
            "residual": lambda: nn.Residual(*parts()[:2]),
            "sum": lambda: nn.Sum(*parts()),
            "mine": lambda: Gated(network(depth - 1), scale=np.float32(2), rng=seed),
        }[kind]()
        made.append(module)
        return module

    return nn.Sequential(network(3), network(2))


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(networks(), SOME)
def test_every_composition_does(path, module, changes):
    inputs = [normal(5, 3)]
    for change, pick in changes:
        change(module, pick)
    goes_on_alike(module, inputs, path)


# ---- Cases that were wrong once


def test_a_new_classifier_a_new_activation_and_sizes_as_arrays(path):
    vgg = nn.VGG16(3, channels=np.array([2, 2, 2, 2, 2]), fc=np.int64(4), rng=0)
    vgg.classifier = nn.Sequential(nn.Linear(98, 6, rng=1), nn.ReLU())
    vgg.features[0].note = "first"
    again = round_trip(vgg, path)
    images = normal(1, 3, 32, 32)
    identical([again(images)], [vgg.eval()(images)])
    assert again.features[0].note == "first"
    layer = nn.ConvLayer(2, 3, rng=0)
    layer[2] = nn.Tanh()
    identical([round_trip(layer, path)(normal(1, 2, 5, 5))], [layer.eval()(normal(1, 2, 5, 5))])


def test_what_is_shared_is_shared(path):
    linear, other = nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1)
    other.weight = linear.weight
    again = round_trip(nn.Sequential(linear, nn.Tanh(), linear, other), path)
    assert again[0] is again[2]
    assert again[3].weight is again[0].weight
    assert again[3].bias is not again[0].bias
    with safe_open(path, framework="numpy") as file:
        assert sorted(file.keys()) == ["0.bias", "0.weight", "3.bias"]
    # A part stands in front of the whole that has it.
    deep = nn.SequenceRNN(3, 4, 2, rng=0)
    again = round_trip(nn.ModuleDict({"head": deep.classifier, "whole": deep}), path)
    assert again["whole"].classifier is again["head"]


def test_parts_that_are_none_new_or_in_another_order(path):
    residual = nn.Residual(nn.Linear(3, 3, rng=0), nn.Linear(3, 3, rng=1))
    residual.shortcut = None
    assert round_trip(residual, path).shortcut is None
    plain = nn.Residual(nn.Linear(3, 3, rng=0))
    plain.shortcut = nn.Tanh()
    assert isinstance(round_trip(plain, path).shortcut, nn.Tanh)
    linear = nn.Linear(3, 3, rng=0)
    linear.bias = None
    assert round_trip(linear, path).bias is None
    part = nn.LastState(nn.GRU(3, 4, rng=0))
    part.module = nn.LSTM(3, 4, 2, rng=0)
    identical([round_trip(part, path)(normal(5, 2, 3))], [part.eval()(normal(5, 2, 3))])
    # Its constructor takes no such part, so that it is made with the old one.
    part.module = nn.Sequential(nn.Linear(3, 4, rng=0), nn.Tanh())
    identical([round_trip(part, path).module(normal(5, 3))], [part.module.eval()(normal(5, 3))])
    row = nn.Sequential(nn.Linear(3, 3, rng=0), nn.Tanh())
    row._modules = dict(reversed(row._modules.items()))
    row.spare = [nn.Linear(2, 2, rng=1), row[1]]
    again = round_trip(row, path)
    assert list(again._modules) == ["1", "0"]
    assert again.spare[1] is again[1]
    identical([again.spare[0].weight.data], [row.spare[0].weight.data])


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_memory_between_calls_is_kept(path, cell):
    module = nn.VideoSequential(nn.ConvRNN(2, 3, cell=cell, rng=0), nn.ReLU())
    clips = normal(2, 1, 2, 4, 4)
    module(clips)
    again = round_trip(module, path)
    identical([again(clips)], [module.eval()(clips)])
    module.reset_all()
    assert round_trip(module, path)[0].timepool.memory.kept is None


def test_losses(path):
    for loss in (
        nn.CrossEntropyLoss([1.0, 2.0], label_smoothing=0.1, ignore_index=3, dim=-1),
        nn.NLLLoss(reduction="none", ignore_index=-1),
        nn.BCEWithLogitsLoss(pos_weight=[2.0]),
        nn.BCELoss([2.0], "sum"),
        nn.MSELoss("sum"),
        nn.L1Loss("none"),
        nn.SmoothL1Loss(beta=0.5),
        nn.HuberLoss("sum", 2.0),
        nn.KLDivLoss("batchmean", log_target=True),
        nn.CTCLoss(2, "sum", True),
    ):
        assert repr(round_trip(loss, path)) == repr(loss)
    changed = nn.HuberLoss()
    changed.delta, changed.reduction = 3.0, "none"
    assert repr(round_trip(changed, path)) == repr(changed)
    module = nn.Sequential(nn.Linear(3, 2, rng=0))
    module.criterion = nn.NLLLoss([1.0, 2.0])
    identical([round_trip(module, path).criterion.weight], [module.criterion.weight])


def test_a_file_draws_no_numbers(path):
    nn.manual_seed(0)
    wanted = [nn.GRU(3, 4), nn.Linear(2, 2)][1].weight.data
    nn.manual_seed(0)
    round_trip(nn.GRU(3, 4, 2, dropout=0.1, rng=0), path)
    nn.GRU(3, 4)
    identical([nn.Linear(2, 2).weight.data], [wanted])


def test_equal_weights_are_in_a_file_once(path):
    cnn = nn.Sequential(nn.Flatten(), nn.Linear(75, 3, rng=0))
    videos = [normal(2 + i % 2, 3, 5, 5, seed=i) for i in range(4)]
    model = models.VideoClassifier(cnn, 3, hidden_size=2, fc=2, max_epochs=1, freeze=True, random_state=0)
    model.fit(videos, [0, 1, 0, 1])
    again = round_trip(model, path)
    assert [p.requires_grad for p in again.module_.embedding.parameters()] == [False, False]
    assert [p.requires_grad for p in again.embedding.parameters()] == [True, True]
    assert again.embedding[1].weight is not again.module_.embedding[1].weight
    identical([again.predict_proba(videos)], [model.predict_proba(videos)])
    with safe_open(path, framework="numpy") as file:
        assert sum(np.prod(file.get_slice(name).get_shape()) == 225 for name in file.keys()) == 1  # noqa: SIM118


# ---- What is refused


class Other(nn.Module):
    def forward(self, x):
        return x


class ManyAnswers:
    """Compares as tensors of torch do."""

    __slots__ = ()

    def __eq__(self, other):
        return self

    def __bool__(self):
        raise RuntimeError("Boolean value of Tensor with more than one value is ambiguous")

    __hash__ = None


class Counts(nn.Module):
    """Its constructor gives another thing at every call."""

    made = itertools.count()

    def __init__(self, width=None):
        super().__init__()
        self.number = nn.Linear(2, 2 + next(self.made), rng=0)


def with_itself():
    module = nn.Sequential(nn.Linear(2, 2, rng=0))
    module[0].owner = [module]
    return module


def with_attribute(name, value):
    module = nn.Sequential(nn.Linear(2, 2, rng=0))
    module[0].__dict__[name] = value
    return module


REFUSED = {
    "another class": (lambda: nn.Sequential(Other()), TypeError, r"Sequential\.0: .*register_module\(Other"),
    "a callable": (lambda: nn.VideoRNN(np.save, 3, 4, 2), TypeError, r"VideoRNN\(embedding\): .*code is in no file"),
    "a forward of one's own": (
        lambda: with_attribute("forward", lambda x: x), TypeError, r"Sequential\.0\.forward: .*code is in no file"
    ),
    "an object": (lambda: with_attribute("lock", object()), TypeError, r"Sequential\.0\.lock: expected a value"),
    "what compares by many answers": (
        lambda: with_attribute("tensor", ManyAnswers()), TypeError, r"0\.tensor: .* A file holds numbers, text"
    ),
    "a time zone": (
        lambda: with_attribute("zone", zoneinfo.ZoneInfo("UTC")), TypeError, r"Sequential\.0\.zone: .* or a plain value"
    ),
    "a circle": (with_itself, ValueError, r"Sequential\.0\.owner\[0\]: .* holds no circle"),
    "a part that only its owner makes": (
        lambda: nn.Sequential(nn.ConvRNN(2, 3).timepool, nn.ConvRNN(2, 3, cell="gru").timepool),
        TypeError,
        r"Sequential\.1: .*got _GRUPool: a part of the library's own",
    ),
    "a parameter alone": (lambda: nn.Parameter([1.0]), TypeError, "Parameter: expected a value"),
    "one in a list": (
        lambda: with_attribute("more", [nn.Parameter([1.0])]), TypeError, r"0\.more\[0\]: .*as an attribute of its own"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_file_cannot_hold_is_named(tmp_path, name):
    make, error, words = REFUSED[name]
    with pytest.raises(error, match=words):
        seriatim.save(make(), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_another_model_is_not_written(tmp_path, monkeypatch):
    module = nn.Sequential(nn.Linear(2, 2, rng=0), nn.Dropout(0.1, rng=0))
    monkeypatch.setattr("seriatim.persistence._modules._Description._changed", lambda *given: [])
    with pytest.raises(ValueError, match=r"Sequential\.1\.seed: is \d+, a file makes 0. Nothing was written"):
        seriatim.save(module, tmp_path / "m")
    assert not list(tmp_path.iterdir())


# ---- Modules of a user's own


def test_a_registered_module_comes_back_with_what_was_changed(path):
    module = Gated(nn.Linear(3, 3, rng=0), scale=0.5, names=("x",), rng=1)
    module.inner = nn.Sequential(nn.Linear(3, 3, rng=2), nn.BatchNorm1d(3))
    module.listed[0] = module.inner
    module.names.append("y")
    again = goes_on_alike(module, [normal(4, 3)], path)
    assert again.listed[0] is again.inner
    assert again.listed[1] is again.gate.weight
    assert (again.names, again.width, again.activation) == (["x", "y"], 6, np.tanh)


@seriatim.register_module(name="tests.Holder")
class Holder(nn.Module):
    """Keeps what it is given, and draws when it is made."""

    def __init__(self, value=None, rng=None, others=()):
        super().__init__()
        self.kept, self.rng, self.others = value, np.random.default_rng(rng), others
        self.drawn = [one.normal() for one in (*others, value) if hasattr(one, "normal")]

    def forward(self, x):
        return x + self.rng.normal(size=np.shape(x))


PLAIN = [
    datetime.date(2024, 2, 29), datetime.datetime(2024, 1, 2, 3), datetime.timedelta(1), {1, 2}, frozenset("a"), 1 + 2j,
    b"ab", range(1, 9, 2), slice(1, 2), pathlib.Path("a/b"), np.datetime64("2024-01-01"), np.array([1 + 1j]),
    np.array(["a", None], object), [{"a": {3}}], np.float32, {"b": b"c"}, np.dtype("f4"), np.tanh,
]  # fmt: skip


@pytest.mark.parametrize("value", PLAIN, ids=lambda value: type(value).__name__)
def test_attributes_and_arguments_hold_the_same(path, value):
    module = Holder(value)
    module.more, module.kept = value, None
    again = round_trip(nn.Sequential(module, Holder(value)), path)
    for found in (again[0].more, again[1].kept):
        assert type(found) is type(value)
        np.testing.assert_equal(found, value)
    assert again[0].kept is None


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState], ids=["Generator", "RandomState"])
def test_generators_of_modules_go_on_and_nobody_draws_from_them(path, make):
    given, inside = make(0), make(1)
    module = Holder(given, rng=3, others=(inside,))
    module.more, module.both = make(2), [given, inside]
    module(np.zeros(3))
    before = pickle.dumps([given, inside, module.more, module.rng])
    again = round_trip(module, path)
    assert pickle.dumps([given, inside, module.more, module.rng]) == before
    assert again.both[0] is again.kept
    assert again.both[1] is again.others[0]
    assert again.drawn == module.drawn
    for one in ("kept", "more"):
        assert getattr(again, one).normal() == getattr(module, one).normal()
    assert again.others[0].normal() == module.others[0].normal()
    identical([again(np.zeros(2))], [module(np.zeros(2))])


def test_registering(path, monkeypatch):
    monkeypatch.setattr(_registry, "_registered", {})
    seriatim.register_module(Other)
    seriatim.save(nn.Sequential(Other()), path)
    assert isinstance(seriatim.load(path)[0], Other)
    _registry._registered.clear()
    with pytest.raises(ValueError, match=r"a module 'Other', which is not registered: .*name='Other'\).*Other\)"):
        seriatim.load(path)
    again = type("Other", (nn.Module,), {"__module__": Other.__module__, "__qualname__": Other.__qualname__})
    seriatim.register_module(Other)
    assert seriatim.register_module(again) is again, "a cell of a notebook that is run once more"
    for cls, name, error, words in (
        (Counts, "Other", ValueError, "'Other' is registered for .*Other already"),
        (Counts, "Linear", ValueError, "'Linear' is a class of the library"),
        (Counts, "Pipeline", ValueError, "'Pipeline' is a class of the library or of scikit-learn"),
        (Counts, "", ValueError, "got an empty string"),
        (Counts, 3, TypeError, "name: expected a string or None, got int"),
        (int, None, TypeError, r"cls: expected a subclass of seriatim\.nn\.Module, got int"),
        (nn.Linear(1, 1), None, TypeError, "got a Linear"),
    ):
        with pytest.raises(error, match=words):
            seriatim.register_module(cls, name=name)
    seriatim.register_module(Counts)
    module = Counts()
    assert round_trip(module, path).number.weight.shape == module.number.weight.shape


# ---- What is read


def changed(path, change):
    header, tensors = read(path)
    change(header["model"], tensors)
    save_file(tensors, path, metadata={"seriatim": json.dumps(header)})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda node, _: node["config"].update(groups=2),
            r"Linear with 'groups', .* does not know: it knows in_",
        ),
        (lambda node, _: node["config"].update(in_features=-1), "holds a Linear that cannot be made: ValueError: in_f"),
        (
            lambda node, _: node["config"].update(in_features=4),
            r"expected float32 \(3, 4\), got float32 \(3, 2\)",
        ),
        (lambda node, _: node.update(attributes={"_modules": {}}), "'_modules', which no file can set"),
        (lambda node, _: node.update(attributes={"__class__": 1}), "'__class__', which no file can set"),
        (lambda node, _: node.pop("config"), "is not as save writes it: KeyError"),
        (lambda node, _: node.update(parts=[["x", {"same": 5}]]), "is not as save writes it: KeyError"),
        (lambda _, tensors: tensors.pop("bias"), "bias: missing"),
        (lambda _, tensors: tensors.update(more=np.zeros(2)), "tensors that nothing in its model names: more"),
    ],
)
def test_what_a_file_says_that_cannot_be(path, change, words):
    seriatim.save(nn.Linear(2, 3, rng=0), path)
    changed(path, change)
    with pytest.raises(ValueError, match=words) as caught:
        seriatim.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda node, _: node["config"].update(eps="zz"), "BatchNorm1d whose eps is 'zz': expected float"),
        (lambda node, _: node["config"].update(eps=-1), "eps: expected a positive number, got -1"),
        (lambda node, _: node["config"].update(momentum=[]), r"momentum is \[\]: expected float or None"),
        (lambda node, _: node["config"].update(affine=1.5), r"affine is 1\.5: expected bool"),
        (lambda node, _: node.update(attributes={"_eps": -1}), "eps: expected a positive number, got -1"),
        (lambda node, _: node.update(attributes={"momentum": "x"}), "momentum is 'x': expected float or None"),
        (
            lambda _, tensors: tensors.update(weight=tensors["weight"].view(np.int32)),
            r"weight: expected float32 \(3,\), got int32",
        ),
        (
            lambda _, tensors: tensors.update(running_var=tensors["running_var"].astype(np.float16)),
            r"running_var: expected float32 \(3,\), got float16",
        ),
    ],
)
def test_settings_and_types_of_a_file_are_checked(path, change, words):
    seriatim.save(nn.BatchNorm1d(3), path)
    changed(path, change)
    with pytest.raises(ValueError, match=words):
        seriatim.load(path)


@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        (nn.MaxPool2d((2, 1), stride=[2, 2]), "kernel_size", "MaxPool2d whose kernel_size is 'zz': expected Pair"),
        (nn.AvgPool2d(2), "stride", "AvgPool2d whose stride is 'zz': expected Pair or None"),
        (nn.Residual(nn.Linear(2, 2)), "shortcut", "Residual whose shortcut is 'zz': expected Module or None"),
        (nn.CharacterRNN(3, hidden_size=2), "rnn", "rnn: expected 'lstm' or 'gru', got 'zz'"),
    ],
)
def test_sizes_and_parts_of_a_file_are_checked(path, module, name, words):
    round_trip(module, path)
    changed(path, lambda node, _: node["config"].update({name: "zz"}))
    with pytest.raises(ValueError, match=words):
        seriatim.load(path)


def test_flags_may_be_0_and_1(path):
    module = nn.Linear(2, np.int64(3), bias=0, rng=0)
    identical([round_trip(module, path)(np.ones(2))], [module.eval()(np.ones(2))])


def test_files_of_format_2():
    batch = pack_sequence(
        [np.random.default_rng(i).normal(size=(3 + i % 2, 3)).round(2) for i in range(4)], enforce_sorted=False
    )
    module = seriatim.load(FIXTURES / "format2_module.safetensors")
    assert list(module._modules) == ["split", "both", "join", "pool", "list"]
    wanted = [-0.3196, -0.2345, -0.1075, 0.008, -0.2026, -0.1903, 0.2538, 1.0031]
    np.testing.assert_allclose(module(batch)[0], wanted, atol=1e-4)
    X = [np.random.default_rng(i).normal(size=(4 + i % 3, 2)).round(2) for i in range(8)]
    pipeline = seriatim.load(FIXTURES / "format2_pipeline.safetensors")
    np.testing.assert_allclose(pipeline.predict_proba(X)[:2], [[0.4587, 0.5413], [0.4614, 0.5386]], atol=1e-4)


# ---- Metadata


def test_metadata_are_read_without_the_model(path):
    told = {"data": "spoken digits", "epochs": 3, "scores": [0.5, 1e300, True, None], "by": {"name": "Ä"}}
    seriatim.save(nn.Linear(2, 3, rng=0), path, metadata={**told, "best": np.float64(0.25)})
    assert seriatim.read_metadata(path) == {**told, "best": 0.25}
    assert isinstance(seriatim.load(path), nn.Linear)
    changed(path, lambda node, _: node.update({"class": "of tomorrow"}))
    seriatim.save(nn.Linear(2, 3, rng=0), path)
    assert seriatim.read_metadata(path) == {}
    save_file({"a": np.zeros(2)}, path)
    with pytest.raises(ValueError, match=r"not one of seriatim\.save's"):
        seriatim.read_metadata(path)


@pytest.mark.parametrize(
    ("metadata", "error", "words"),
    [
        ([1], TypeError, "metadata: expected a dict of plain values, got list"),
        ({1: 2}, TypeError, "metadata: expected keys that are strings, got 1"),
        ({"a": {"b": [1, (2,)]}}, TypeError, r"metadata\['a'\]\['b'\]\[1\]: .*got tuple: make it a list"),
        ({"a": np.zeros(2)}, TypeError, r"metadata\['a'\]: .*got ndarray: value.tolist\(\) is a list"),
        ({"a": object}, TypeError, "got type: make it a string"),
        ({"a": float("nan")}, ValueError, "expected a finite number"),
    ],
)
def test_metadata_that_are_not_plain(tmp_path, metadata, error, words):
    with pytest.raises(error, match=words):
        seriatim.save(nn.Linear(2, 3, rng=0), tmp_path / "m", metadata=metadata)
    assert not list(tmp_path.iterdir())
