"""seriatim.torch's convolutional recurrences beside the same equations in torch's own operators, and beside nn's."""

import copy

import numpy as np
import pytest

from seriatim import nn

torch = pytest.importorskip("torch", "2.4", reason="seriatim.torch needs torch 2.4 or later")
import seriatim.torch as twins  # noqa: E402
from seriatim.torch import _conv_recurrent_operator as operator  # noqa: E402

rnn = torch.nn.utils.rnn
KINDS = ("ConvGRU", "ConvLSTM")


def made(kind, **options):
    torch.manual_seed(0)
    return getattr(twins, kind)(3, [4, 5], [3, 5], 2, **options)


def states(kind, batch):
    torch.manual_seed(2)
    each = [[torch.randn(batch, n, 6, 7, requires_grad=True) for _ in range(1 + (kind == "ConvLSTM"))] for n in (4, 5)]
    return [tuple(state) if len(state) == 2 else state[0] for state in each], [part for state in each for part in state]


def flat(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, rnn.PackedSequence):
        return [value.data]
    return [leaf for part in value for leaf in flat(part)]


def results(call, given, hidden, wanted):
    found = flat(call(given, hidden))
    loss = sum((y * torch.arange(y.numel()).reshape(y.shape).sin()).sum() for y in found)
    return found + list(torch.autograd.grad(loss, wanted))


def inputs(form):
    torch.manual_seed(1)
    if form == "packed":
        packed = rnn.pack_sequence([torch.randn(n, 3, 6, 7) for n in (2, 4, 3)], enforce_sorted=False)
        packed = packed._replace(data=packed.data.requires_grad_())
        return packed, packed.data, 3
    x = torch.randn(*((4, 2) if form == "sequence" else (2,)), 3, 6, 7, requires_grad=True)
    return x, x, 2


@pytest.mark.parametrize("given", [True, False], ids=["states", "no states"])
@pytest.mark.parametrize("form", ["sequence", "step", "packed"])
@pytest.mark.parametrize("kind", KINDS)
def test_results_and_gradients(kind, form, given, monkeypatch):
    model = made(kind)
    x, leaf, batch = inputs(form)
    hidden, parts = states(kind, batch)
    wanted = [leaf, *(parts if given else []), *model.parameters()]
    ours = results(model, x, hidden if given else None, wanted)
    if form == "sequence":
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        for a, b in zip(ours, results(compiled, x, hidden if given else None, wanted), strict=True):
            assert torch.equal(a, b)
    monkeypatch.setattr(operator, "takes", lambda _: False)
    for a, b in zip(ours, results(model, x, hidden if given else None, wanted), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_dict_is_nns_and_the_originals(kind):
    model, own = made(kind), getattr(nn, kind)(3, [4, 5], [3, 5], 2)
    own.load_state_dict(model)
    x, *_ = inputs("sequence")
    y, _ = own.eval()(x.detach().numpy())
    assert np.array_equal(model(x)[0].detach(), y)
    first = "ConvGRUCell_00.reset_gate.weight" if kind == "ConvGRU" else "ConvLSTMCell_00.gates_conv.weight"
    assert next(iter(model.state_dict())) == first
    turned = made(kind, batch_first=True)(x.transpose(0, 1))[0]
    assert torch.equal(turned.transpose(0, 1), model(x)[0])
    assert torch.equal(copy.deepcopy(model)(x)[0], model(x)[0])
    torch.testing.assert_close(copy.deepcopy(model).double()(x.double())[0].float(), model(x)[0])


def test_cells():
    cell, own = twins.ConvGRUCell(3, 4, 3), nn.ConvGRUCell(3, 4, 3)
    own.load_state_dict(cell)
    x, h = torch.randn(2, 3, 5, 5), torch.randn(2, 4, 5, 5)
    assert np.array_equal(cell(x, h).detach(), own.eval()(x.numpy(), h.numpy()))
    for options in ({}, {"hard": True}, {"separable": True}):
        cell, own = twins.ConvLSTMCell(2, **options), nn.ConvLSTMCell(2, **options)
        own.load_state_dict(cell)
        own.eval()
        x = torch.randn(3, 2, 8, 5, 5)
        for _ in range(2):
            np.testing.assert_allclose(cell(x).detach(), own(x.numpy()), atol=1e-6)
        cell.reset(torch.tensor([1, 0]))
        own.reset([1, 0])
        cell(x).sum().backward()
        np.testing.assert_allclose(cell(x).detach(), (own(x.numpy()), own(x.numpy()))[1], atol=1e-6)
        assert all(p.grad is not None for p in cell.parameters())
        with pytest.raises(ValueError, match="call reset_all"):
            cell(torch.zeros(1, 3, 8, 5, 5))
        cell.reset_all()
        assert cell(torch.zeros(1, 3, 8, 5, 5)).shape == (1, 3, 2, 5, 5)
        assert "memory" not in "".join(cell.state_dict())


@pytest.mark.parametrize("kind", KINDS)
def test_no_steps_and_no_sequences(kind):
    model = made(kind)
    y, last = model(torch.zeros(0, 2, 3, 6, 7))
    assert y.shape == (0, 2, 5, 6, 7)
    assert flat(last)[-1].shape == (2, 5, 6, 7)
    y, last = model(torch.zeros(4, 0, 3, 6, 7))
    assert y.shape == (4, 0, 5, 6, 7)
    assert flat(last)[-1].shape == (0, 5, 6, 7)


def test_two_backwards_and_changed_values():
    model = made("ConvLSTM")
    x, *_ = inputs("sequence")
    y, _ = model(x)
    y.sum().backward(retain_graph=True)
    first = x.grad.clone()
    y.sum().backward()
    assert torch.equal(x.grad, 2 * first)
    x.grad = None
    torch.utils.checkpoint.checkpoint(lambda x: model(x)[0], x, use_reentrant=False).sum().backward()
    assert torch.equal(x.grad, first), "checkpointing gives saved tensors once"
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        model(x)[0].mul_(2).sum().backward()
    (grad,) = torch.autograd.grad(model(x)[0].sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="expected one differentiation"):
        grad.sum().backward()


def test_wrong_shapes_are_named():
    model = made("ConvGRU")
    for wrong in (torch.zeros(2, 4, 5, 5), torch.zeros(2, 1, 2, 5, 5)):
        with pytest.raises(ValueError, match="x: expected shape"):
            model(wrong)
    with pytest.raises(ValueError, match="a list of 2 states"):
        model(torch.zeros(2, 3, 5, 5), [None])
    with pytest.raises(ValueError, match=r"hidden: expected shape \(2, 4, 5, 5\), got \(1, 4, 5, 5\)"):
        model(torch.zeros(2, 3, 5, 5), [torch.zeros(1, 4, 5, 5), None])
    with pytest.raises(ValueError, match="an odd positive integer"):
        twins.ConvGRU(3, 4, 2, 1)


@pytest.mark.filterwarnings("ignore:Input #", "ignore:The .grad attribute")
@pytest.mark.parametrize("code", [0, 1])
def test_gradcheck_and_opcheck(code):
    torch.manual_seed(0)
    x = torch.randn(4, 2, 3, 4, requires_grad=True)
    weight, bias = torch.randn((3 + code) * 2, 4, 3, 3).div_(3).requires_grad_(), torch.zeros((3 + code) * 2)
    first = [torch.randn(2, 2, 3, 4, requires_grad=True) for _ in range(1 + code)]
    sizes, numbers, layer = torch.tensor([2, 1, 1]), (code, 0, 2, 2), operator._LAYERS[code]
    assert torch.autograd.gradcheck(
        lambda x, *state: layer((x, weight, bias, *state, sizes), numbers), (x, *first), eps=1e-2, atol=2e-2, rtol=2e-2
    )
    given = [x, weight, bias, *first, sizes]
    checked = torch.library.opcheck(layer._operator, (given, [True] * len(given), list(numbers), True))
    assert set(checked.values()) == {"SUCCESS"}
