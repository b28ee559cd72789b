"""Metavision's layers beside the original as make_metavision.py restates it: outputs, memory, gradients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support import close

from seriatim import batch_to_time, convert, nn, seq_wise, time_to_batch

FILE = Path(__file__).parents[3] / "fixtures" / "metavision.safetensors"


def golden(case):
    from safetensors import safe_open

    with safe_open(FILE, "np") as file:
        arguments = json.loads(file.metadata()["cases"])[case]
        arrays = {k[len(case) + 1 :]: file.get_tensor(k) for k in file.keys() if k.startswith(f"{case}/")}  # noqa: SIM118
    return arguments, arrays


def part(arrays, prefix):
    return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}


def load(module, arrays):
    module.load_state_dict(part(arrays, "w/"), strict=True)
    return module


def check_gradients(module, arrays):
    assert {f"grad/w/{name}" for name, _ in module.named_parameters()} == {k for k in arrays if k.startswith("grad/w/")}
    for name, parameter in module.named_parameters():
        wanted = arrays[f"grad/w/{name}"]
        assert parameter.grad is not None, name
        close(parameter.grad, wanted, 1e-4, name)


def check_statistics(module, arrays):
    """The running statistics that the original has after the same passes in training mode."""
    found, wanted = module.state_dict(), part(arrays, "train/buffer/")
    assert set(wanted) == {
        name for name in found if name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    }
    for name, value in wanted.items():
        close(found[name], value, 1e-5, name)


def check_states(memory, arrays, head):
    kept = list(memory.kept)
    assert len(kept) == sum(name.startswith(head) for name in arrays)
    for name, state in zip("hc", kept, strict=False):
        close(state, arrays[f"{head}{name}"], 1e-5, name)


def test_time_to_batch():
    x = np.random.default_rng(0).normal(size=(3, 4, 5, 6, 7))
    flat, size = time_to_batch(x)
    assert size == 4
    assert flat.shape == (12, 5, 6, 7)
    for t, b in np.ndindex(3, 4):
        np.testing.assert_array_equal(flat[4 * t + b], x[t, b])
    np.testing.assert_array_equal(batch_to_time(flat, size), x)


@pytest.mark.parametrize(
    "case",
    ["convlayer_default", "convlayer_stride2_nobias", "convlayer_dilated_without_norm", "convlayer_separable_stride2"],
)
def test_conv_layers(case):
    arguments, arrays = golden(case)
    layer = load(nn.ConvLayer(arguments["in_channels"], arguments["out_channels"], **arguments["kw"]), arrays)
    close(seq_wise(layer.eval())(arrays["in/x"]), arrays["out/eval_y"])
    model = nn.SequenceWise(layer).train()
    y = model(arrays["in/x"])
    close(y, arrays["out/train_y"])
    close(model.backward(y), arrays["grad/in/x"], 1e-4)
    check_gradients(layer, arrays)
    check_statistics(layer, arrays)


@pytest.mark.parametrize(
    "case",
    [
        "convrnn_lstm_s1", "convrnn_lstm_s2", "convrnn_gru_s1", "convrnn_gru_s2", "convrnn_lstm_separable",
        "convrnn_lstm_k5",
    ],
)  # fmt: skip
def test_conv_rnns(case):
    arguments, arrays = golden(case)
    x1, x2 = arrays["in/x1"], arrays["in/x2"]
    model = load(nn.ConvRNN(arguments["in_channels"], arguments["out_channels"], **arguments["kw"]), arrays).eval()
    close(model.conv_x2h(x1), arrays["out/x2h1"])
    y1 = model(x1)
    close(y1, arrays["out/y1"])
    check_states(model.timepool.memory, arrays, "out/state1_")
    close(model(x2), arrays["out/y2_carried"])
    model.reset_all()
    model(x1)
    model.reset(arrays["in/mask"])
    check_states(model.timepool.memory, arrays, "out/state_after_reset_")
    close(model(x2), arrays["out/y2_after_mask_reset"])
    model.reset_all()
    close(model(x2), arrays["out/y2_fresh"])
    # One call of T steps is T calls of one.
    model.reset_all()
    close(np.concatenate([model(x[None]) for x in x1]), y1, 1e-6)

    model.reset_all()
    model.train()
    y1, y2 = model(x1), model(x2)
    close(y1, arrays["train/y1"])
    close(y2, arrays["train/y2_carried"])
    close(model.backward(y2), arrays["grad/in/x2"], 1e-4)
    close(model.backward(y1), arrays["grad/in/x1"], 1e-4)
    check_gradients(model, arrays)
    check_statistics(model, arrays)


@pytest.mark.parametrize("case", ["cell_lstm", "cell_gru", "cell_lstm_hard", "cell_gru_hard"])
def test_cells(case):
    from seriatim.nn.images._conv_rnn import _GRUPool

    arguments, arrays = golden(case)
    if "lstm" in case:
        cell = nn.ConvLSTMCell(arguments["hidden"], hard=arguments["hard"])
    else:
        cell = _GRUPool(3, arguments["hidden"], hard=arguments["hard"])
    load(cell, arrays).eval()
    before = arrays["in/x"].copy()
    close(cell(arrays["in/x"]), arrays["out/y"])
    np.testing.assert_array_equal(arrays["in/x"], before)
    for name, state in zip("hc", cell.memory.kept, strict=False):
        close(state, arrays[f"out/{name}"])


def test_video_sequential():
    _, arrays = golden("video_sequential")
    model = nn.VideoSequential(nn.Conv2d(3, 6, 3, 1, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2))
    close(load(model, arrays).eval()(arrays["in/x"]), arrays["out/y"])


class PreActBlock(nn.Module):
    """Metavision's block with squeeze and excitation, as a user would write it: forward alone."""

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.ConvLayer(in_planes, planes, stride=stride, bias=False)
        self.conv2 = nn.ConvLayer(planes, planes, bias=False)
        if stride != 1 or in_planes != planes:
            self.downsample = nn.Sequential(nn.Conv2d(in_planes, planes, 1, stride, bias=False))
        self.fc1 = nn.Conv2d(planes, planes // 4, 1)
        self.fc2 = nn.Conv2d(planes // 4, planes, 1)
        self.pool, self.relu, self.sigmoid = nn.AdaptiveAvgPool2d(1), nn.ReLU(), nn.Sigmoid()

    def forward(self, x):
        shortcut = self.downsample(x) if hasattr(self, "downsample") else x
        out = self.conv2(self.conv1(x))
        weights = self.sigmoid(self.fc2(self.relu(self.fc1(self.pool(out)))))
        return out * weights + shortcut


def test_a_module_of_a_users_own():
    _, arrays = golden("preactblock")
    block = load(PreActBlock(5, 8, stride=2), arrays).eval()
    close(nn.SequenceWise(block)(arrays["in/x"]), arrays["out/y"])
    with pytest.raises(NotImplementedError, match="inference only"):
        block.train().backward(np.zeros((1, 8, 4, 4)))


class FireNet(nn.Module):
    """The pretrained corner detector's network."""

    def __init__(self, cin=10, cout=10, base=12):
        super().__init__()
        self.conv0 = nn.SequenceWise(PreActBlock(cin, base))
        self.conv1 = nn.SequenceWise(PreActBlock(base, base))
        self.conv3 = nn.ConvRNN(base, base)
        self.conv4 = nn.ConvRNN(base, base)
        self.pred = nn.SequenceWise(nn.ConvLayer(base, cout, norm="none", activation="Identity"))

    def forward(self, x):
        return self.pred(self.conv4(self.conv1(self.conv3(self.conv0(x)))))


def test_the_corner_detectors_network():
    arguments, arrays = golden("firenet")
    model = FireNet(**arguments["kw"]).eval()
    model.load_state_dict(convert.metavision({f"model.{name}": value for name, value in part(arrays, "w/").items()}))
    x = arrays["in/x"]
    close(model(x), arrays["out/logits"])
    close(model(x[::-1]), arrays["out/reversed_carried"])


def hashed(tensor_index, shape, scale, seed):
    """The numbers of the same function of make_metavision.py."""
    x = np.arange(int(np.prod(shape)), dtype=np.uint64) + np.uint64((seed << 48) + (tensor_index << 32))
    with np.errstate(over="ignore"):
        z = x + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (((z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0) * scale).astype(np.float32).reshape(shape)


@pytest.mark.parametrize("case", ["basic_rnn_small", "basic_rnn_large"])
@pytest.mark.parametrize("by_hand", [True, False])
def test_the_tutorials_recurrence(case, by_hand):
    arguments, arrays = golden(case)
    shape, channels = arguments["shape"], arguments["cout"]
    x = arrays["in/x"] if "in/x" in arrays else hashed(0, shape, 2.0, 9)
    weights = part(arrays, "w/")
    if by_hand:
        x2h, h2h = nn.Conv2d(shape[2], channels, 3, 1, 1), nn.Conv2d(channels, channels, 3, 1, 1)
        x2h.load_state_dict(part(weights, "x2h."))
        h2h.load_state_dict(part(weights, "h2h."))
        sigmoid = nn.Sigmoid()
        h, outputs = np.zeros((shape[1], channels, *shape[3:])), []
        for x_t in x:
            h = sigmoid(x2h(x_t) + h2h(h))
            outputs.append(h)
        y, grad_x, grad_h = np.stack(outputs), [], 0
        for _ in x:
            grad = sigmoid.backward(np.ones_like(h) + grad_h)
            grad_x.append(x2h.backward(grad))
            grad_h = h2h.backward(grad)
        grad_x = np.stack(grad_x[::-1])
        grads = {f"x2h.{n}": p.grad for n, p in x2h.named_parameters()}
        grads |= {f"h2h.{n}": p.grad for n, p in h2h.named_parameters()}
    else:
        model = nn.ConvRNN(shape[2], channels, cell="rnn")
        names = {"x2h": "conv_x2h.module.0", "h2h": "timepool.conv_h2h"}
        model.load_state_dict({f"{names[k[:3]]}{k[3:]}": v for k, v in weights.items()})
        y = model(x)
        grad_x = model.backward(np.ones_like(y))
        found = {n: p.grad for n, p in model.named_parameters()}
        grads = {f"{k}{n[len(v) :]}": g for k, v in names.items() for n, g in found.items() if n.startswith(v)}
    step = 1 if case == "basic_rnn_small" else 8
    close(y[..., ::step, ::step], arrays["out/y"])
    if case == "basic_rnn_small":
        close(grad_x, arrays["grad/in/x"], 1e-4)
    np.testing.assert_allclose(y.sum(dtype=np.float64), arrays["out/loss"], rtol=1e-5)
    wanted = part(arrays, "grad/w/")
    assert set(grads) == set(wanted)
    for name, value in wanted.items():
        close(grads[name], value, 1e-4, name)
