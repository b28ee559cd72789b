"""seriatim.torch's Conv2d beside torch's own."""

import copy
import sys
import warnings

import pytest

torch = pytest.importorskip("torch", "2.4", reason="seriatim.torch needs torch 2.4 or later")
from seriatim.torch import Conv2d  # noqa: E402
from seriatim.torch import _convolution as module  # noqa: E402
from seriatim.torch._convolution import conv2d  # noqa: E402

SETTINGS = {
    "plain": {},
    "strided": {"stride": (2, 1), "padding": (1, 2)},
    "same, even kernel": {"kernel_size": (2, 4), "padding": "same"},
    "same, dilated": {"padding": "same", "dilation": (1, 3)},
    "valid": {"padding": "valid", "bias": False},
    "groups": {"groups": 2, "dilation": 2, "padding": 1},
    "depthwise": {"groups": 4, "kernel_size": 5, "padding": 2},
}


@pytest.fixture(autouse=True)
def small_images_are_ours(monkeypatch):
    monkeypatch.setattr(module, "FEW", 0)


def pair(**settings):
    settings = {"kernel_size": 3, **settings}
    made = []
    for kind in (torch.nn.Conv2d, Conv2d):
        torch.manual_seed(0)
        made.append(kind(4, 8, **settings))
    return made


def results(conv, x, call=None):
    y = (conv if call is None else call)(x)
    loss = (y * torch.arange(y.numel()).reshape(y.shape).sin()).sum()
    return [y, *torch.autograd.grad(loss, [x, *conv.parameters()])]


def image(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), requires_grad=True)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_results_and_gradients_are_torchs(settings):
    theirs, ours = pair(**settings)
    assert all(torch.equal(a, b) for a, b in zip(theirs.parameters(), ours.parameters(), strict=True))
    for x in (image(2, 4, 9, 11), image(4, 9, 11)):
        for a, b in zip(results(theirs, x), results(ours, x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=2e-5)
            assert a.stride() == b.stride()
    assert "_Eager" in type(ours(image(2, 4, 9, 11)).grad_fn).__name__


def test_what_is_not_ours_is_torchs():
    theirs, ours = pair(padding=1, padding_mode="reflect")
    assert torch.equal(theirs(image(2, 4, 6, 6)), ours(image(2, 4, 6, 6)))
    theirs, ours = pair()
    last = image(2, 4, 6, 6).to(memory_format=torch.channels_last)
    assert torch.equal(theirs(last), ours(last))
    assert ours(last).is_contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        assert ours(image(2, 4, 6, 6)).dtype is torch.bfloat16
    assert copy.deepcopy(ours).double()(image(2, 4, 6, 6).double()).dtype is torch.float64
    assert ours(torch.zeros(0, 4, 6, 6)).shape == (0, 8, 4, 4)
    assert ours.to("meta")(torch.zeros(2, 4, 6, 6, device="meta")).shape == (2, 8, 4, 4)
    theirs, ours = pair()
    for wrong in (torch.zeros(2, 3, 6, 6), torch.zeros(2, 4, 2, 2), torch.zeros(4, 6)):
        messages = []
        for conv in (theirs, ours):
            with pytest.raises(RuntimeError) as error:
                conv(wrong)
            messages.append(str(error.value))
        assert messages[0] == messages[1]
    x = image(3, 4, 6, 6)
    found = torch.func.vmap(lambda one: ours(one))(x)
    torch.testing.assert_close(found, theirs(x))


def test_what_torch_computes_faster_is_torchs(monkeypatch):
    monkeypatch.undo()
    for settings, side in (({}, 17), ({"kernel_size": 1}, 40)):
        theirs, ours = pair(**settings)
        x = image(2, 4, side, side)
        assert torch.equal(theirs(x), ours(x))
        assert "_Eager" not in type(ours(x).grad_fn).__name__
    assert "_Eager" in type(pair()[1](image(2, 4, 18, 18)).grad_fn).__name__


def test_transforms_copies_and_second_derivatives():
    _, ours = pair(padding=1)
    x = image(2, 4, 6, 6)
    y = ours(x)
    y.sum().backward(retain_graph=True)
    first = x.grad.clone()
    y.sum().backward()
    assert torch.equal(x.grad, 2 * first)
    torch.nn.ReLU(inplace=True)(ours(x)).sum().backward()
    (grad,) = torch.autograd.grad(ours(x).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"seriatim\.torch: expected one differentiation"):
        grad.sum().backward()
    assert torch.equal(copy.deepcopy(ours)(x), ours(x))
    ours.weight.requires_grad_(False)
    before, ours.bias.grad = ours.weight.grad.clone(), None
    ours(x).sum().backward()
    assert torch.equal(ours.weight.grad, before)
    assert ours.bias.grad is not None
    ours.weight.requires_grad_(True)
    y = ours(x)
    with torch.no_grad():
        ours.weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.filterwarnings("ignore:.*torch.jit")
@pytest.mark.parametrize("settings", [{"padding": 1}, {"stride": 2, "groups": 2, "bias": False}])
def test_compiled_whole_and_exported(settings):
    _, ours = pair(**settings)
    x = image(2, 4, 6, 6)
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    for a, b in zip(results(ours, x), results(ours, x, compiled), strict=True):
        assert torch.equal(a, b)
    exported = torch.export.export(ours, (x.detach(),)).module()
    assert torch.equal(exported(x.detach()), ours(x))
    scripted = torch.jit.script(ours) if sys.version_info < (3, 14) else ours
    torch.testing.assert_close(scripted(x), ours(x))


@pytest.mark.filterwarnings("ignore:Input #", "ignore:The .grad attribute")
def test_gradcheck_and_opcheck():
    torch.manual_seed(0)
    x, weight, bias = image(1, 2, 4, 5), image(2, 2, 3, 3, seed=2), image(2, seed=3)
    numbers = (1, 2, 1, 0, 1, 1, 1)
    assert torch.autograd.gradcheck(
        lambda *given: conv2d(given, numbers), (x, weight, bias), eps=1e-2, atol=2e-2, rtol=1e-2
    )
    for given in ((x, weight, bias), (x, weight)):
        places = [True, True, len(given) == 3]
        checked = torch.library.opcheck(conv2d._operator, (list(given), places, list(numbers), True))
        assert set(checked.values()) == {"SUCCESS"}


def test_torchs_own_samples():
    pytest.importorskip("expecttest", reason="torch.testing._internal imports it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db

    (info,) = [info for info in module_db if info.module_cls is torch.nn.Conv2d]
    count = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for dtype in (torch.float32, torch.float64):
            for sample in info.module_inputs_func(info, "cpu", dtype, requires_grad=True, training=True):
                options = dict(sample.constructor_input.kwargs, dtype=dtype)
                theirs = torch.nn.Conv2d(*sample.constructor_input.args, **options)
                ours = Conv2d(*sample.constructor_input.args, **options)
                ours.load_state_dict(theirs.state_dict())
                (x,) = sample.forward_input.args
                for a, b in zip(results(theirs, x), results(ours, x), strict=True):
                    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)
                count += 1
    assert count >= 8
