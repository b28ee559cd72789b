"""ConvGRU, ConvLSTM, ConvRNN and VideoSequential as users call them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from support import close, normal

from seriatim import convert, nn


def directional(net, run, x, grads, step=3e-3, tolerance=0.02):
    """Gradients of the parameters and of x against differences along random directions."""
    rng = np.random.default_rng(0)
    for name, parameter in net.named_parameters():
        direction = rng.choice([-1.0, 1.0], parameter.shape).astype(np.float32)
        values, found = np.array(parameter.data), []
        for sign in (1, -1):
            parameter.data = values + sign * step * direction
            found.append(run(x))
        parameter.data = values
        wanted = (found[0] - found[1]) / (2 * step)
        ours = np.sum(parameter.grad * direction, dtype=np.float64)
        assert abs(ours - wanted) < tolerance * (1 + abs(wanted)), (name, ours, wanted)
    direction = rng.choice([-1.0, 1.0], x.shape).astype(np.float32)
    wanted = (run(x + step * direction) - run(x - step * direction)) / (2 * step)
    ours = np.sum(grads * direction, dtype=np.float64)
    assert abs(ours - wanted) < tolerance * (1 + abs(wanted)), ("x", ours, wanted)


def test_pytorch_convgrus_example_runs_as_written():
    model = nn.ConvGRU(input_size=8, hidden_sizes=[32, 64, 16], kernel_sizes=[3, 5, 3], n_layers=3)
    x = normal(1, 8, 64, 64)
    output = model(x)
    assert type(output) is list
    assert output[-1].shape == (1, 16, 64, 64)
    again = model(x, output)
    assert [state.shape for state in again] == [(1, 32, 64, 64), (1, 64, 64, 64), (1, 16, 64, 64)]


def small_gru():
    return nn.ConvGRU(3, [4, 9], [3, 5], 2, rng=0)


def test_a_sequence_is_its_steps():
    for net in (small_gru(), nn.ConvLSTM(3, [4, 9], [3, 5], 2, rng=0)):
        net.eval()
        x = normal(4, 2, 3, 6, 7)
        y, last = net(x)
        hidden, steps = None, []
        for image in x:
            hidden = net(image, hidden)
            top = hidden[-1]
            steps.append(top[0] if isinstance(top, tuple) else top)
        close(np.stack(steps), y, 1e-6)
        for a, b in zip(hidden, last, strict=True):
            close(np.stack(a), np.stack(b), 1e-6)


def test_conv_gru_gradients():
    net, x = small_gru(), normal(3, 2, 3, 6, 7)
    y, last = net.train()(x)
    cots = normal(*y.shape, seed=1), [normal(*state.shape, seed=2) for state in last]
    grad_x, first = net.backward(*cots)
    assert first == [None, None]

    def run(x):
        y, last = net.eval()(x)
        parts = [np.sum(a.astype(np.float64) * b) for a, b in zip(last, cots[1], strict=True)]
        return np.sum(y.astype(np.float64) * cots[0]) + sum(parts)

    directional(net, run, x, grad_x)


def test_conv_gru_gradients_of_one_step_with_states():
    net, x = small_gru(), normal(2, 3, 6, 7)
    hidden = [normal(2, 4, 6, 7, seed=3), normal(2, 9, 6, 7, seed=4)]
    last = net.train()(x, hidden)
    cots = [normal(*state.shape, seed=2) for state in last]
    grad_x, first = net.backward(cots)

    def run(x, given=hidden):
        return sum(np.sum(a.astype(np.float64) * b) for a, b in zip(net.eval()(x, given), cots, strict=True))

    directional(net, run, x, grad_x)
    for i, grad in enumerate(first):
        direction = np.random.default_rng(i).choice([-1.0, 1.0], grad.shape).astype(np.float32)
        moved = [[h + sign * 3e-3 * direction if j == i else h for j, h in enumerate(hidden)] for sign in (1, -1)]
        wanted = (run(x, moved[0]) - run(x, moved[1])) / 6e-3
        assert abs(np.sum(grad * direction) - wanted) < 0.02 * (1 + abs(wanted))


def test_conv_lstm_gradients():
    net, x = nn.ConvLSTM(3, [4, 9], [3, 5], 2, rng=0), normal(3, 2, 3, 6, 7)
    y, last = net.train()(x)
    cots = normal(*y.shape, seed=1), [tuple(normal(*s.shape, seed=2) for s in pair) for pair in last]
    grad_x, _ = net.backward(*cots)

    def run(x):
        y, last = net.eval()(x)
        pairs = [(a, b) for states, cot in zip(last, cots[1], strict=True) for a, b in zip(states, cot, strict=True)]
        return np.sum(y.astype(np.float64) * cots[0]) + sum(np.sum(a.astype(np.float64) * b) for a, b in pairs)

    directional(net, run, x, grad_x)


def test_a_failed_call_leaves_nothing_open():
    net = small_gru().train()
    with pytest.raises(ValueError, match="hidden: expected shape"):
        net(normal(1, 3, 6, 7), [None, normal(1, 8, 6, 7)])
    with pytest.raises(ValueError, match="hidden: expected a list of 2 states"):
        net(normal(1, 3, 6, 7), [None])
    with pytest.raises(ValueError, match=r"x: expected shape \(T, B, 3, height, width\)"):
        net(normal(1, 4, 6, 7))
    assert not any(module._contexts for module in net.modules())
    with pytest.raises(ValueError, match="kernel_size: expected an odd positive integer"):
        nn.ConvGRU(3, 4, 2, 1)
    with pytest.raises(ValueError, match="kernel_sizes: expected an integer or 2 of them"):
        nn.ConvGRU(3, 4, [3, 3, 3], 2)


def test_weights_of_pytorch_convgru():
    net = small_gru()
    again = nn.ConvGRU(3, [4, 9], [3, 5], 2, rng=1)
    again.load_state_dict(convert.convgru(net.state_dict()))
    x = normal(1, 3, 6, 7)
    np.testing.assert_array_equal(again(x)[-1], net(x)[-1])
    cell = nn.ConvGRUCell(3, 4, 3, rng=2)
    cell.load_state_dict(convert.convgru(net.ConvGRUCell_00.state_dict()))
    np.testing.assert_array_equal(cell(x), net(x)[0])
    with pytest.raises(ValueError, match=r"not a state dict of pytorch_convgru:[\s\S]*out_gate.bias: missing"):
        convert.convgru({k: v for k, v in cell.state_dict().items() if k != "out_gate.bias"})


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_memory(cell):
    net = nn.ConvRNN(3, 4, cell=cell, rng=0).eval()
    x = normal(4, 2, 3, 6, 7)
    whole = net(x)
    assert not any("memory" in name for name in net.state_dict())
    net.reset_all()
    close(np.concatenate([net(x[:1]), net(x[1:])]), whole, 1e-6)
    with pytest.raises(ValueError, match=r"call reset_all\(\) between inputs of different sizes"):
        net(normal(1, 3, 3, 6, 7))
    twin = copy.deepcopy(net)
    np.testing.assert_array_equal(twin(x), net(x))
    net.reset(np.array([1, 0]))
    assert not net.timepool.memory.kept[0][1].any()
    assert net.timepool.memory.kept[0][0].any()
    for mask in (np.ones(3), np.ones((2, 1)), np.array([0.5, 1])):
        with pytest.raises(ValueError, match="mask: expected"):
            net.reset(mask)
    net.reset_all()
    np.testing.assert_array_equal(net(x), whole)


def test_conv_rnn_gradients():
    for cell in ("lstm", "gru", "rnn"):
        net, x = nn.ConvRNN(3, 4, cell=cell, stride=2, rng=0), normal(3, 2, 3, 8, 7)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        y = net(x)
        cot = normal(*y.shape, seed=1)
        net.zero_grad()
        net.reset_all()
        net.train()
        norm = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
        for module in norm:
            module.momentum = 0.0
        net(x)
        grad_x = net.backward(cot)

        def run(x, net=net, cot=cot):
            net.reset_all()
            return np.sum(net.train()(x).astype(np.float64) * cot)

        directional(net, run, x, grad_x, tolerance=0.03)


def test_video_sequential_reaches_every_memory():
    net = nn.VideoSequential(
        nn.ConvLayer(3, 4, rng=0), nn.ConvRNN(4, 5, rng=1), nn.MaxPool2d(2), nn.SequenceWise(nn.Conv2d(5, 2, 1, rng=2))
    )
    x = normal(3, 2, 3, 8, 8)
    first = net.eval()(x)
    assert first.shape == (3, 2, 2, 4, 4)
    assert not np.array_equal(net(x), first)
    net.reset_all()
    np.testing.assert_array_equal(net(x), first)
    net.reset([0, 0])
    np.testing.assert_array_equal(net(x), first)
    net.reset_all()
    y = net.train()(x)
    assert net.backward(np.ones_like(y)).shape == x.shape
    assert not any(module._contexts for module in net.modules())
    with pytest.raises(ValueError, match=r"x: expected shape \(T, B, C, H, W\)"):
        net(x[0, 0])


def test_evaluation_computes_convolution_and_activation_at_once():
    for activation in (nn.ReLU(), nn.LeakyReLU(0.2), nn.ELU(0.7), nn.Sigmoid(), nn.Tanh()):
        conv = nn.Conv2d(8, 9, 3, padding=1, rng=0)
        net, x = nn.Sequential(conv, activation), normal(2, 8, 6, 9)
        trained = net.train()(x)
        np.testing.assert_array_equal(net.eval()(x), trained)
        assert not conv._contexts


def test_conv2d_module():
    x = normal(2, 3, 8, 9)
    conv = nn.Conv2d(3, 4, (3, 5), padding="same", rng=0)
    assert conv(x).shape == (2, 4, 8, 9)
    assert conv(x[0]).shape == (4, 8, 9)
    assert nn.Conv2d(3, 4, 3, padding="valid")(x).shape == (2, 4, 6, 7)
    assert "bias=False" in repr(nn.Conv2d(3, 4, 3, bias=False))
    for wrong in ({"padding": "same", "stride": 2}, {"padding": "full"}):
        with pytest.raises(ValueError, match="padding: expected numbers, 'valid', or 'same'"):
            nn.Conv2d(3, 4, 3, **wrong)
    with pytest.raises(ValueError, match="groups: expected a divisor"):
        nn.Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ValueError, match=r"x: expected shape \(N, 3, height, width\)"):
        conv(np.zeros((2, 4, 8, 8)))
    conv.train()(x)
    with pytest.raises(ValueError, match="grad_output: expected shape"):
        conv.backward(np.zeros((2, 4, 8, 8)))


@pytest.mark.parametrize(("kernel", "dilation"), [(2, 1), ((4, 3), 1), ((1, 2), (2, 3)), (3, 1)])
def test_same_keeps_the_size_with_any_kernel(kernel, dilation):
    conv = nn.Conv2d(2, 3, kernel, padding="same", dilation=dilation, rng=0).train()
    free = nn.Conv2d(2, 3, kernel, dilation=dilation, rng=0).train()
    x, grad = normal(2, 2, 5, 6), normal(2, 3, 5, 6, seed=1)
    spans = [d * (k - 1) for d, k in zip(free.dilation, free.kernel_size, strict=True)]
    (top, below), (left, right) = [(span // 2, span - span // 2) for span in spans]
    padded = np.pad(x, ((0, 0), (0, 0), (top, below), (left, right)))
    close(conv(x), free(padded))
    grad_padded = free.backward(grad)
    close(conv.backward(grad), grad_padded[:, :, top : top + 5, left : left + 6])
    close(conv.weight.grad, free.weight.grad)
    close(conv(x[0]), free(padded[:1])[0])
    conv.backward(grad[0])
    assert conv(x[:0]).shape == (0, 3, 5, 6)
    assert conv.backward(grad[:0]).shape == (0, 2, 5, 6)
    close(nn.Sequential(conv, nn.ReLU()).eval()(x), np.maximum(conv(x), 0))


def test_training_keeps_what_backward_reads_and_little_else():
    from seriatim import _core

    hidden, (steps, batch, side) = [32, 64, 16], (4, 1, 64)
    net, x = nn.ConvGRU(8, hidden, [3, 5, 3], 3, rng=0).train(), normal(4, 1, 8, 64, 64)
    y, _ = net(x)
    net.backward(np.ones_like(y))
    del y
    before = _core.memory_info()["bytes_used"]
    y, _ = net(x)
    kept = _core.memory_info()["bytes_used"] - before
    # Backward reads r, z, n and the states of every step; a layer's input is the one below's output.
    read = sum(4 * steps * batch * side**2 * (3 + 1) * size for size in hidden)
    assert read <= kept <= 1.2 * read, (kept, read)
    net.backward(np.ones_like(y))
