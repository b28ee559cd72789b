"""Modules of seriatim as modules of torch."""

import copy
import io
import pickle
import threading
import warnings

import numpy as np
import pytest
from every_module import MODULES, arrays, gradient_of
from support import normal

import seriatim
from seriatim import PackedSequence, nn, optim

torch = pytest.importorskip("torch")
rnn = torch.nn.utils.rnn

from seriatim.torch import as_module  # noqa: E402

# Their pullback gives the input no gradient.
WITHOUT = {"video_rnn", "video_rnn_trained", "embedding", "character_rnn"}


def tensors(value, wanting=False):
    """A module's input as tensors of their own memory."""
    if isinstance(value, PackedSequence):
        rest = [None if part is None else torch.tensor(part) for part in value[1:]]
        return rnn.PackedSequence(tensors(value.data, wanting), *rest)
    if isinstance(value, (tuple, list)):
        return type(value)([tensors(part, wanting) for part in value])
    if not isinstance(value, np.ndarray):
        return value
    found = torch.tensor(value, dtype=torch.float32 if value.dtype.kind == "f" else None)
    return found.requires_grad_(wanting and found.is_floating_point())


def leaves(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, rnn.PackedSequence):
        return [value.data]
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, (tuple, list)) else []


@pytest.mark.parametrize("name", MODULES)
def test_every_module_computes_what_it_computes(name):
    make, *inputs = MODULES[name]
    own, module = make(), make()
    twin = as_module(module)
    output, context = own.trace(*inputs)
    given = [tensors(value, name not in WITHOUT) for value in inputs]
    found = twin(*given)
    for a, b in zip(arrays(output), leaves(found), strict=True):
        assert np.array_equal(a, b.detach().numpy())
    grads = gradient_of(output)
    grads = grads[:1] if name == "character_rnn" else grads if type(output) is tuple else (grads,)
    of_inputs = own.pullback(context, *grads, **({"need_input": True} if type(own)._has_need_input else {}))
    pairs = [(y, torch.tensor(np.float32(g))) for y, g in zip(leaves(found), arrays(grads), strict=False)]
    torch.autograd.backward([y for y, _ in pairs if y.requires_grad], [g for y, g in pairs if y.requires_grad])
    assert all(p.grad is None for p in module.parameters()), "torch adds up; ours are left alone"
    for (path, p), q in zip(twin.named_parameters(), own.parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None), path
        assert p.grad is None or np.allclose(p.grad, q.grad, atol=1e-6), path
    wanting = [leaf for leaf in leaves(given) if leaf.requires_grad]
    for leaf, g in zip(wanting, arrays(of_inputs)[: len(wanting)], strict=True):
        assert np.allclose(leaf.grad, g, atol=1e-6)


def linear():
    module = nn.Linear(3, 2, rng=0)
    return module, as_module(module)


X = torch.tensor(normal(4, 3))


def test_both_sides_step_on_one_memory():
    module, twin = linear()
    for step in (torch.optim.SGD(twin.parameters(), 0.1), torch.optim.Adam(twin.parameters(), 0.1)):
        before = np.array(module.weight)
        step.zero_grad()
        twin(X).square().sum().backward()
        step.step()
        assert not np.array_equal(before, module.weight)
        assert np.array_equal(module.eval()(X.numpy()), twin(X).detach())
        module.train()
    ours = optim.SGD(module.parameters(), lr=0.1)
    module.backward(module(X.numpy()))
    ours.step()
    assert np.array_equal(twin.weight.detach(), module.weight)
    assert np.array_equal(module.eval()(X.numpy()), twin(X).detach()), "no stale packed weights"


def test_states_go_both_ways():
    module, twin = linear()
    state = {name: torch.full_like(value, 0.5) for name, value in twin.state_dict().items()}
    twin.load_state_dict(state)
    assert (np.asarray(module.weight) == 0.5).all()
    module.load_state_dict({name: value + 1 for name, value in module.state_dict().items()})
    assert (twin.weight == 1.5).all()
    twin.load_state_dict(state, assign=True)
    assert torch.allclose(twin(X), X.sum(1, keepdim=True) / 2 + 0.5)
    assert (np.asarray(module.weight) == 0.5).all(), "torch's new memory is ours"
    deep = nn.DeepGRU(3, 2, {"gru1": 4, "gru2": 3, "gru3": 2, "fc": 5}, rng=0)
    assert set(as_module(deep).state_dict()) == set(deep.state_dict())


def test_new_memory_of_torch_is_followed_and_what_does_not_fit_is_refused():
    module, twin = linear()
    twin.weight.data = torch.zeros(2, 3)
    assert torch.equal(twin(X), twin.bias.expand(4, 2))
    with torch.no_grad():
        twin.weight.add_(1)
    assert (np.asarray(module.weight) == 1).all()
    torch.nn.utils.vector_to_parameters(torch.arange(8.0), twin.parameters())
    assert np.array_equal(np.asarray(module.bias), [6, 7]) or not twin(X).sum().isnan()
    assert np.array_equal(module.bias, [6, 7])
    twin.share_memory()
    twin(X)
    with torch.no_grad():
        twin.bias.zero_()
    assert np.array_equal(module.bias, [0, 0])
    found = torch.func.functional_call(twin, {"bias": torch.ones(2)}, (X,))
    assert torch.allclose(found, twin(X) + 1)
    with pytest.raises(RuntimeError, match=r"Linear.weight: expected a contiguous tensor of torch.float32.*float64"):
        twin.double()(X)


def test_what_is_replaced_is_refused():
    module, twin = linear()
    module.weight = nn.Parameter(np.zeros((2, 3)))
    with pytest.raises(RuntimeError, match=r"Linear.weight: replaced.*call as_module again"):
        twin(X)
    _, twin = linear()
    torch.nn.utils.parametrizations.weight_norm(twin)
    with pytest.raises(RuntimeError, match=r"weight: replaced, removed or parametrised"):
        twin(X)
    outer = as_module(nn.Sequential(nn.Linear(3, 2, rng=0), nn.ReLU()))
    setattr(outer, "0", torch.nn.Linear(3, 2))
    with pytest.raises(RuntimeError, match="the module '0' was replaced"):
        outer(X)
    with pytest.raises(TypeError, match=r"expected a module of seriatim\.nn, got Linear"):
        as_module(torch.nn.Linear(3, 2))
    with pytest.raises(RuntimeError, match="float32 weights, got int8"):
        as_module(seriatim.quantize(nn.Linear(3, 2, rng=0), "int8"))


def test_copies_have_memory_of_their_own():
    module, twin = linear()
    twin.bias.requires_grad_(False)
    buffer = io.BytesIO()
    torch.save(twin, buffer)
    buffer.seek(0)
    for other in (copy.deepcopy(twin), pickle.loads(pickle.dumps(twin)), torch.load(buffer, weights_only=False)):
        ours = other.seriatim_module
        with torch.no_grad():
            other.weight.fill_(2)
        assert (np.asarray(ours.weight) == 2).all()
        assert not (np.asarray(module.weight) == 2).any()
        assert not other.bias.requires_grad
        assert torch.allclose(other(X), 2 * X.sum(1, keepdim=True) + other.bias)


def test_tied_parameters_stay_tied():
    inner = nn.Linear(3, 3, rng=0)
    module = nn.Sequential(inner, nn.Tanh(), inner)
    for twin in (as_module(module), copy.deepcopy(as_module(module))):
        assert len(list(twin.parameters())) == 2
        twin(X).sum().backward()
        assert twin.get_submodule("2").weight.grad is not None


def test_modes_are_shared_and_gradients_flow_in_evaluation():
    module = nn.Sequential(nn.Linear(3, 4, rng=0), nn.BatchNorm1d(4), nn.Dropout(0.5, rng=1))
    twin = as_module(module)
    twin.eval()
    assert not module.training
    assert not twin.get_submodule("1").training
    module.train()
    assert twin.get_submodule("2").training
    twin.get_submodule("1").eval()
    assert not module[1].training
    twin.eval()
    before = twin.get_submodule("1").running_mean.clone()
    x = X.clone().requires_grad_()
    twin(x).sum().backward()
    assert x.grad.abs().sum() > 0
    assert torch.equal(before, twin.get_submodule("1").running_mean)
    twin.train()
    with torch.no_grad():
        assert not twin(X).requires_grad
    running = twin.get_submodule("1").running_mean
    assert not torch.equal(before, running)
    assert np.shares_memory(running.numpy(), module[1].running_mean)
    assert twin.state_dict()["1.num_batches_tracked"] == 1
    twin.get_submodule("1").running_mean = torch.full((4,), 3.0)
    twin(X)
    assert np.array_equal(module[1].running_mean, twin.get_submodule("1").running_mean)
    module[1].running_mean = np.full(4, 7, np.float32)
    twin.eval()(X)
    assert (twin.get_submodule("1").running_mean == 7).all()


def test_what_changes_before_backward_is_refused():
    module, twin = linear()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        twin(X).relu_().sum().backward()
    y = twin(X)
    with torch.no_grad():
        twin.weight.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    y = twin(X)
    module.load_state_dict(module.state_dict())
    with pytest.raises(RuntimeError, match="the weights have changed since this forward"):
        y.sum().backward()
    x = X.clone().requires_grad_()
    (grad,) = torch.autograd.grad(twin(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="twice"):
        grad.sum().backward()


def test_gradients_are_no_one_elses_memory():
    twin = as_module(nn.Identity())
    x, g = X.clone().requires_grad_(), torch.ones(4, 3)
    y = twin(x)
    y.backward(g)
    assert x.grad.data_ptr() != g.data_ptr()
    assert y.data_ptr() != x.data_ptr()
    merge = as_module(nn.MergeSkip())
    a, b = (torch.zeros(1, 2, 3, 3, requires_grad=True) for _ in range(2))
    merge(a, b).sum().backward()
    assert a.grad.data_ptr() != b.grad.data_ptr()


def test_only_what_is_wanted_gets_a_gradient():
    module, twin = linear()
    twin.weight.requires_grad_(False)
    twin(X).sum().backward()
    assert twin.weight.grad is None
    assert twin.bias.grad is not None
    assert not module.weight.requires_grad
    twin.requires_grad_(False)
    assert twin(X).grad_fn is None
    twin.requires_grad_(True)
    (grad,) = torch.autograd.grad(twin(X).sum(), twin.weight)
    assert torch.allclose(grad, X.sum(0).expand(2, 3))


def test_other_types_hooks_and_names():
    _, twin = linear()
    x = X.double().requires_grad_()
    twin(x).sum().backward()
    assert x.grad.dtype is torch.float64
    seen, x = [], X.clone().requires_grad_()
    twin.register_forward_hook(lambda *_: seen.append("forward"))
    twin.register_full_backward_hook(lambda *_: seen.append("backward"))
    twin(x).sum().backward()
    assert seen == ["forward", "backward"]
    assert torch.equal(twin(input=x), twin(x))
    gru = as_module(nn.GRU(3, 4, rng=0))
    h0 = torch.zeros(1, 2, 4, requires_grad=True)
    gru(torch.zeros(5, 2, 3), h0=h0)[1].sum().backward()
    assert h0.grad is not None
    outer = as_module(nn.Sequential(nn.Linear(3, 2, rng=0)))
    outer.get_submodule("0").register_forward_hook(lambda *_: None)
    with pytest.warns(UserWarning, match="hooks of '0' are not called"):
        outer(X)
    with pytest.raises(TypeError, match="expected strided tensors on the CPU"):
        twin(X.to("meta"))
    deep = as_module(nn.DeepGRU(3, 2, {"gru1": 4, "gru2": 3, "gru3": 2, "fc": 5}, rng=0))
    assert deep(torch.zeros(2, 5, 3), lengths=torch.tensor([5, 3])).shape == (2, 2)
    with pytest.raises(RuntimeError, match="requires a gradient, and pullback returns none"):
        as_module(nn.VideoRNN(lambda f: f.mean(axis=(2, 3)), 3, 4, 2, rng=0))(
            torch.zeros(2, 2, 3, 4, 4, requires_grad=True), torch.tensor([2, 1])
        ).sum().backward()


def test_contexts_go_with_the_backward():
    _, twin = linear()
    y = twin(X)
    y.sum().backward(retain_graph=True)
    first, twin.weight.grad = twin.weight.grad, None
    y.sum().backward()
    assert torch.equal(first, twin.weight.grad)
    assert y.grad_fn.call.context is None
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.sum().backward()
    gru = as_module(nn.GRU(3, 4, rng=0))
    y, _ = gru(torch.zeros(5, 2, 3))
    y.sum().backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="used up by a pullback before"):
        y.sum().backward()


def test_checkpointing():
    twin, x = as_module(nn.GRU(3, 4, rng=0)), torch.randn(5, 2, 3, requires_grad=True)
    expected = torch.autograd.grad(twin(x)[0].sum(), x)[0]
    for reentrant in (True, False):
        x.grad = None
        torch.utils.checkpoint.checkpoint(lambda x: twin(x)[0], x, use_reentrant=reentrant).sum().backward()
        assert torch.equal(x.grad, expected)


def test_threads_have_gradients_of_their_own():
    _, twin = linear()
    expected = [torch.autograd.grad(twin(X * k).square().sum(), twin.weight)[0] for k in range(4)]
    wrong = []

    def work(k):
        for _ in range(20):
            found = torch.autograd.grad(twin(X * k).square().sum(), twin.weight)[0]
            if not torch.equal(found, expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong


def test_a_backward_that_fails_leaves_nothing():
    module, twin = linear()
    y = twin(X)
    module.weight.data = np.zeros((2, 3))
    with pytest.raises(RuntimeError, match="weights have changed"):
        y.sum().backward()
    assert all(p.grad is None for p in (*twin.parameters(), *module.parameters()))
    module.backward(module(X.numpy()))
    assert module.weight.grad is not None, "gradients are our own again"


def test_a_torch_module_of_both_kinds_trains():
    torch.manual_seed(0)
    model = torch.nn.Sequential(as_module(nn.LastState(nn.LSTM(3, 8, rng=0))), torch.nn.Linear(8, 2))
    x = torch.randn(12, 16, 3)
    y = (x.sum((0, 2)) > 0).long()
    step = torch.optim.Adam(model.parameters(), 0.05)
    for _ in range(30):
        step.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        step.step()
    assert loss < 0.2


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_export_and_transforms_are_refused():
    _, twin = linear()
    for call in (lambda: torch.export.export(twin, (X,)), lambda: torch.func.vmap(twin)(X)):
        with pytest.raises(RuntimeError, match=r"as_module\(Linear\): expected a plain call"):
            call()
    with torch.autograd.forward_ad.dual_level(), pytest.raises(RuntimeError, match="expected a plain call"):
        twin(torch.autograd.forward_ad.make_dual(X, X))


def test_compile_breaks_the_graph_here():
    _, twin = linear()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = torch.compile(torch.nn.Sequential(torch.nn.Tanh(), twin, torch.nn.Tanh()), backend="eager")
        x = X.clone().requires_grad_()
        y = compiled(x)
        y.sum().backward()
        assert torch.equal(y, twin(x.tanh()).tanh())
        torch._dynamo.reset()
        with pytest.raises(torch._dynamo.exc.Unsupported, match="_call"):
            torch.compile(torch.nn.Sequential(twin, torch.nn.Tanh()), backend="eager", fullgraph=True)(x)
