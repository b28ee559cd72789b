"""seriatim.torch's recurrent twins beside torch's own modules.

The folder is not called torch: where torch is missing, a folder of this name on the path would be imported as it.
"""

import pytest

torch = pytest.importorskip("torch", "2.4", reason="seriatim.torch needs torch 2.4 or later")
import seriatim.torch as twins  # noqa: E402

OPTIONS = {
    "plain": {},
    "stack": {"num_layers": 2, "bidirectional": True},
    "no bias, batch first": {"bias": False, "batch_first": True},
    "dropout": {"num_layers": 3, "dropout": 0.5, "bidirectional": True},
}
CASES = [(kind, options) for kind in ("GRU", "LSTM", "RNN") for options in OPTIONS.values()]
CASES += [("LSTM", {"proj_size": 3, "num_layers": 2, "bidirectional": True}), ("RNN", {"nonlinearity": "relu"})]


def pair(kind, *args, seed=0, **options):
    """torch's module and our twin, of the same seed."""
    made = []
    for module in (torch.nn, twins):
        torch.manual_seed(seed)
        made.append(getattr(module, kind)(*args, **options))
    return made


def of(form, random):
    """An input, and its tensors that want a gradient."""
    if form == "packed":
        parts = [torch.randn(n, 5, generator=random, requires_grad=True) for n in (3, 6, 1)]
        return torch.nn.utils.rnn.pack_sequence(parts, enforce_sorted=False), parts
    x = torch.randn((4, 5) if form == "single" else (6, 3, 5), generator=random, requires_grad=True)
    return x, [x]


def results(module, form, state=None):
    """Output, last states, and gradients of input, parameters and states."""
    torch.manual_seed(1)
    x, leaves = of(form, torch.Generator().manual_seed(2))
    y, last = module(x) if state is None else module(x, state)
    last = last if isinstance(last, tuple) else (last,)
    outputs = [y.data if form == "packed" else y, *last]
    loss = sum((out * torch.arange(out.numel()).reshape(out.shape).sin()).sum() for out in outputs)
    states = [] if state is None else list(state) if isinstance(state, tuple) else [state]
    wanted = [*leaves, *module.parameters(), *states]
    return outputs, torch.autograd.grad(loss, wanted)


def same(ours, theirs, tolerance=2e-6):
    """Whether tensors are as close as float32 allows, and lie in memory alike."""
    for a, b in zip(ours, theirs, strict=True):
        assert a.stride() == b.stride()
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("form", ["padded", "packed", "single"])
@pytest.mark.parametrize(("kind", "options"), CASES)
def test_results_and_gradients_are_torchs(kind, options, form):
    theirs, ours = pair(kind, 5, 7, **options)
    assert isinstance(ours, getattr(torch.nn, kind))
    for a, b in zip(results(ours, form), results(theirs, form), strict=True):
        same(a, b, 1e-5)
