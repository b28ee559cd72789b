"""What torch's users do with a module, on the recurrent twins: compile, export, copy, hook, checkpoint, transform."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", "2.4", reason="seriatim.torch needs torch 2.4 or later")
from torch.autograd.graph import saved_tensors_hooks  # noqa: E402
from torch.utils.checkpoint import checkpoint  # noqa: E402

import seriatim  # noqa: E402
import seriatim.torch as twins  # noqa: E402
from seriatim.torch import _layers, _recurrent_operator  # noqa: E402

KINDS = ["GRU", "LSTM", "RNN"]
# Dynamo's own look at tensors, and old checkpointing's at autocast.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf"),
    pytest.mark.filterwarnings("ignore:.torch.cpu.amp.autocast"),
]


class Net(torch.nn.Module):
    def __init__(self, kind="GRU", module=twins, **options):
        super().__init__()
        self.rnn = getattr(module, kind)(5, 7, **options)
        self.head = torch.nn.Linear(7, 3)

    def forward(self, x):
        return self.head(torch.relu(self.rnn(x)[0]))


def net(*args, **options):
    torch.manual_seed(0)
    return Net(*args, **options)


def gradients(model, call=None, **options):
    """Of input and parameters."""
    torch.manual_seed(1)
    x = torch.randn(6, 3, 5, requires_grad=True)
    loss = (model if call is None else call)(x).sin().sum()
    return torch.autograd.grad(loss, [x, *model.parameters()], **options)


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


# ---- Compiled


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_whole(kind):
    model = net(kind, num_layers=2, dropout=0.5).eval()
    torch.compiler.reset()
    # torch refuses subclasses of its recurrent modules without this.
    with torch._dynamo.config.patch(allow_rnn=True):
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        assert equal(gradients(model, compiled), gradients(model))
        with torch.no_grad():
            x = torch.randn(9, 2, 5)
            assert torch.equal(compiled(x), model(x))
        model.train()
        drawn = []
        for seed in (3, 3, 4):
            torch.manual_seed(seed)
            drawn.append(compiled(x))
        assert torch.equal(drawn[0], drawn[1])
        assert not torch.equal(drawn[0], drawn[2])
    assert equal(gradients(model, torch.compile(model, backend="aot_eager")), gradients(model))


@pytest.mark.filterwarnings("ignore:At pre-dispatch tracing")
def test_exported():
    model = net(batch_first=True)
    x, other = torch.randn(4, 6, 5), torch.randn(9, 11, 5)
    auto = torch.export.Dim.AUTO if hasattr(torch.export.Dim, "AUTO") else None
    exported = torch.export.export(model, (x,), dynamic_shapes={"x": {0: auto, 1: auto}} if auto else None)
    assert "seriatim.recurrent" in str(exported.graph)
    assert torch.equal(exported.module()(x), model(x))
    if auto:
        assert torch.equal(exported.module()(other), model(other))


@pytest.mark.parametrize("mode", ["GRU", "LSTM", "RNN_TANH"])
def test_the_operator_is_one(mode):
    module = getattr(twins, mode.removesuffix("_TANH"))(5, 7, 2, bidirectional=True)
    states = [torch.randn(4, 4, 7, requires_grad=True) for _ in range(2 if mode == "LSTM" else 1)]
    x, sizes = torch.randn(9, 5, requires_grad=True), torch.tensor([4, 3, 2])
    weights = [weight.detach().requires_grad_() for weight in module.parameters()]
    numbers = _recurrent_operator._numbers(module._stack())
    args = x, sizes, states, weights, [torch.rand(9, 14)], True, mode, numbers
    torch.library.opcheck(_recurrent_operator._operator, args)


def test_what_torchscript_makes_is_torchs():
    model = net().eval()
    x = torch.randn(6, 3, 5)
    wanted = model(x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that both are on their way out
        traced, scripted = torch.jit.trace(model, x), torch.jit.script(copy.deepcopy(model))
    assert "aten::gru" in str(traced.inlined_graph)
    for module in (traced, scripted):
        assert "seriatim::" not in str(module.inlined_graph)
        torch.testing.assert_close(module(x), wanted)


# ---- Differentiated


@pytest.mark.parametrize("kind", KINDS)
def test_gradcheck(kind):
    module = getattr(twins, kind)(3, 4, 2, bidirectional=True)
    names = [name for name, _ in module.named_parameters()]

    def call(x, *weights):
        return torch.func.functional_call(module, dict(zip(names, weights, strict=True)), (x,))[0]

    weights = [weight.detach().requires_grad_() for weight in module.parameters()]
    with pytest.warns(UserWarning, match="double precision"):
        assert torch.autograd.gradcheck(
            call, (torch.randn(4, 2, 3, requires_grad=True), *weights), eps=1e-2, atol=3e-3, rtol=1e-2
        )


def test_a_second_derivative_is_refused_and_never_left_out():
    model = net()
    found = gradients(model, create_graph=True)
    with pytest.raises(RuntimeError, match=r"expected one differentiation, got create_graph=True and a second one"):
        (sum(p.sum() for p in model.parameters()) + found[1].square().sum()).backward()


def test_transforms_are_torchs():
    x, found = torch.randn(6, 3, 5), []
    for model in (net(), net(module=torch.nn)):
        parameters = dict(model.named_parameters())

        def loss(values, model=model):
            return torch.func.functional_call(model, values, (x,)).sin().sum()

        found.append(torch.func.grad(loss)(parameters))
        found.append(
            torch.func.grad(lambda values, loss=loss: torch.func.grad(loss)(values)["head.bias"].sum())(parameters)
        )
    assert equal(found[0].values(), found[2].values())
    assert equal(found[1].values(), found[3].values())


def test_a_graph_serves_twice_if_asked():
    model = net()
    loss = model(torch.randn(6, 3, 5)).sum()
    first = torch.autograd.grad(loss, [*model.parameters()], retain_graph=True)
    assert equal(first, torch.autograd.grad(loss, [*model.parameters()]))
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(loss, [*model.parameters()])


@pytest.mark.parametrize("changed", ["input", "output", "weight", "state"])
def test_a_change_in_place_is_found(changed):
    module = twins.GRU(5, 7)
    x, h0 = torch.randn(6, 3, 5), torch.randn(1, 3, 7)
    y, _ = module(x, h0)
    with torch.no_grad():
        {"input": x, "output": y, "weight": module.weight_hh_l0, "state": h0}[changed].mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_saved_tensors_are_torchs():
    model, seen = net(), []

    def pack(t):
        seen.append(tuple(t.shape))
        return t.clone()

    with saved_tensors_hooks(pack, lambda t: t.clone()):
        assert equal(gradients(model), gradients(net()))
    assert (18, 80) in seen  # the gates: 18 rows of 4 blocks of 16 units, and a line
    seen.clear()
    with saved_tensors_hooks(pack, lambda t: t), torch.no_grad():
        model(torch.randn(6, 3, 5))
    assert not seen


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed(reentrant):
    model = net(num_layers=2, dropout=0.5)
    found = []
    for call in (model, lambda x: checkpoint(model, x, use_reentrant=reentrant)):
        torch.manual_seed(1)
        model.zero_grad()
        call(torch.randn(6, 3, 5, requires_grad=True)).sin().sum().backward()
        found.append([parameter.grad.clone() for parameter in model.parameters()])
    assert equal(*found)


def test_frozen_weights_have_no_gradient(monkeypatch):
    model, asked, run = net(), [], _layers.F.recurrent_backward

    def watched(*args, **options):
        asked.append([name is not None for name in options["gradients"]])
        return run(*args, **options)

    wanted = gradients(model)
    monkeypatch.setattr(_layers.F, "recurrent_backward", watched)
    model.rnn.requires_grad_(False)
    x = torch.manual_seed(1) and torch.randn(6, 3, 5, requires_grad=True)
    model(x).sin().sum().backward()
    assert asked == [[False] * 4]
    assert torch.equal(x.grad, wanted[0])
    model.rnn.weight_hh_l0.requires_grad_(True)
    model(x.detach()).sin().sum().backward()
    assert asked[1] == [False, True, False, False]
    assert torch.equal(model.rnn.weight_hh_l0.grad, wanted[2])
    assert model.rnn.weight_ih_l0.grad is None


# ---- Memory


def test_nothing_is_copied():
    module = twins.GRU(5, 7)
    x = torch.randn(6, 3, 5)
    seen = []
    run = _layers.F.recurrent

    def watched(cell, rows, *args, **options):
        seen.append((rows, options["out"]))
        return run(cell, rows, *args, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_layers.F, "recurrent", watched)
        y, _ = module(x)
    ((rows, out),) = seen
    assert rows.__array_interface__["data"][0] == x.data_ptr()
    assert out.__array_interface__["data"][0] == y.data_ptr()


def test_inference_keeps_nothing_and_training_goes_on():
    module = twins.GRU(5, 7)
    with torch.inference_mode():
        y, _ = module(torch.randn(13, 2, 5))
    assert y.is_inference()
    module(torch.randn(13, 2, 5))[0].sum().backward()
    assert module.weight_hh_l0.grad.any()


def test_threads_are_at_most_torchs(monkeypatch):
    threads, own = torch.get_num_threads(), seriatim.get_num_threads()
    seen, run = [], _layers.F.recurrent
    monkeypatch.setattr(_layers.F, "recurrent", lambda *a, **k: seen.append(seriatim.get_num_threads()) or run(*a, **k))
    try:
        seriatim.set_num_threads(2)
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            twins.GRU(5, 7)(torch.randn(6, 3, 5))
        assert seen == [1, 2, 2]
        assert seriatim.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
        seriatim.set_num_threads(own)


# ---- Copied, and what we do not


def test_copies():
    model = net(num_layers=2)
    x = torch.randn(6, 3, 5)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), torch.load(file, weights_only=False)):
        assert type(other.rnn) is twins.GRU
        assert torch.equal(other(x), model(x))
    torch.nn.GRU(5, 7, 2).load_state_dict(model.rnn.state_dict())


def test_what_we_do_not_is_torchs():
    model, theirs = net(), net(module=torch.nn)
    x = torch.randn(6, 3, 5)
    for change in (torch.float64, torch.bfloat16, "meta"):
        ours = copy.deepcopy(model).to(change)(x.to(change))
        wanted = copy.deepcopy(theirs).to(change)(x.to(change))
        assert ours.dtype == wanted.dtype
        assert change == "meta" or torch.equal(ours, wanted)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(model(x), theirs(x))
    assert torch.equal(model(x[:3]), theirs(x[:3]))  # short calls

    class Marked(torch.Tensor):
        pass

    assert type(model.rnn(x.as_subclass(Marked))[0]) is Marked


@pytest.mark.parametrize(
    ("kind", "args"),
    [
        ("GRU", (np.zeros((6, 2, 4), "f"),)),
        ("GRU", (torch.zeros(6, 2, 4),)),
        ("GRU", (torch.zeros(6, 2, 5, 1),)),
        ("GRU", (torch.zeros(0, 2, 5),)),
        ("GRU", (torch.zeros(6, 2, 5).double(),)),
        ("GRU", (torch.zeros(6, 2, 5), torch.zeros(1, 3, 7))),
        ("GRU", (torch.zeros(6, 2, 5), torch.zeros(2, 7))),
        ("LSTM", (torch.zeros(6, 2, 5), torch.zeros(1, 2, 7))),
        ("LSTM", (torch.zeros(6, 2, 5), (torch.zeros(1, 2, 7), torch.zeros(1, 2, 6)))),
        ("RNN", (torch.nn.utils.rnn.pack_sequence([torch.zeros(6, 4)]),)),
    ],
)
def test_what_is_wrong_is_said_by_torch(kind, args):
    said = []
    for module in (torch.nn, twins):
        with pytest.raises(Exception) as error:
            getattr(module, kind)(5, 7)(*args)
        said.append((type(error.value), str(error.value)))
    assert said[0] == said[1]
