"""torch's own samples of its recurrent modules, on the twins: results, gradients, and torch's reference functions."""

import copy

import pytest

torch = pytest.importorskip("torch", "2.4", reason="seriatim.torch needs torch 2.4 or later")
pytest.importorskip("expecttest", reason="torch's samples need expecttest")
import seriatim.torch as twins  # noqa: E402
from seriatim.torch import _recurrent  # noqa: E402

try:
    from torch.testing._internal.common_modules import module_db
except ImportError as error:  # torch's internals: there is no promise that they are there
    pytest.skip(f"torch has no samples: {error}", allow_module_level=True)

KINDS = {torch.nn.GRU: twins.GRU, torch.nn.LSTM: twins.LSTM, torch.nn.RNN: twins.RNN}
INFOS = [info for info in module_db if info.module_cls in KINDS]


def tensors(value):
    """All tensors of results or arguments."""
    if isinstance(value, torch.nn.utils.rnn.PackedSequence):
        return [value.data]
    if isinstance(value, (tuple, list)):
        return [found for part in value for found in tensors(part)]
    return [value] if isinstance(value, torch.Tensor) else []


def results(kind, sample, training):
    """Outputs and all gradients of a sample, and what torch's reference function gives."""
    torch.manual_seed(0)
    module = kind(*sample.constructor_input.args, **sample.constructor_input.kwargs).train(training)
    args, kwargs = copy.deepcopy((sample.forward_input.args, sample.forward_input.kwargs))
    outputs = tensors(module(*args, **kwargs))
    learned = [t for t in tensors([*args, *kwargs.values()]) if t.requires_grad] + [*module.parameters()]
    loss = sum((out * torch.arange(out.numel()).reshape(out.shape).sin()).sum() for out in outputs)
    reference = None if sample.reference_fn is None else tensors(sample.reference_fn(module, *args, **kwargs))
    return outputs, torch.autograd.grad(loss, learned, allow_unused=True), reference


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("info", INFOS, ids=lambda info: info.name)
def test_torchs_samples(info, training, monkeypatch):
    monkeypatch.setattr(_recurrent, "SHORT", 0)
    done, run = [], _recurrent.recurrent
    monkeypatch.setattr(_recurrent, "recurrent", lambda *args: done.append(1) or run(*args))
    samples = info.module_inputs_func(info, device="cpu", dtype=torch.float32, requires_grad=True, training=training)
    for sample in samples:
        outputs, grads, reference = results(KINDS[info.module_cls], sample, training)
        theirs = results(info.module_cls, sample, training)
        torch.testing.assert_close((outputs, grads), theirs[:2], rtol=1e-4, atol=5e-5)
        if reference is not None:
            torch.testing.assert_close(outputs, reference)
    assert len(done) >= len(samples) > 0
