"""Modules of frames and of sequences one after another: as if every step had been written out."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from support import normal

from seriatim import nn, pack_sequence, unpack_sequence

T, B = 3, 2
CLIPS = normal(T, B, 2, 4, 4)


def memory(rng=0):
    return nn.ConvRNN(2, 2, cell="rnn", rng=rng)


# ---- Random nets, by hand: a list of (module, inputs) where each module is called by itself


def leaf(rng, seed, kinds):
    kind = rng.choice(kinds)
    return {
        "conv": lambda: nn.Conv2d(2, 2, 3, padding=1, rng=seed),
        "norm": lambda: nn.BatchNorm2d(2),
        "tanh": nn.Tanh,
        "memory": lambda: memory(seed),
        "wise": lambda: nn.SequenceWise(nn.Conv2d(2, 2, 1, rng=seed)),
    }[kind]()


def tree(rng, depth):
    seed = int(rng.integers(1000))
    shape = rng.choice(["leaf", "sequential", "residual", "shortcut", "sum", "concat"]) if depth else "leaf"
    if shape == "leaf":
        return leaf(rng, seed, ["conv", "norm", "tanh", "memory", "wise"])
    if shape == "residual":
        return nn.Residual(tree(rng, depth - 1))
    parts = [tree(rng, depth - 1) for _ in range(2)]
    if shape == "shortcut":
        return nn.Residual(*parts)
    if shape == "concat":
        return nn.Sequential(nn.Concat(*parts), nn.Conv2d(4, 2, 1, rng=seed))
    return {"sequential": nn.Sequential, "sum": nn.Sum}[shape](*parts)


def by_hand(module, x):
    """Return the output and a function from its gradient to the input's: frames are merged here, by hand."""
    if isinstance(module, nn.Residual):
        y, back = by_hand(module.module, x)
        z, beside = (x, lambda g: g) if module.shortcut is None else by_hand(module.shortcut, x)
        return y + z, lambda g: back(g) + beside(g)
    if isinstance(module, nn.Sum):
        found = [by_hand(part, x) for part in module.children()]
        return sum(y for y, _ in found), lambda g: sum(back(g) for _, back in found)
    if isinstance(module, nn.Concat):
        (y, back), (z, beside) = (by_hand(part, x) for part in module.children())
        return np.concatenate([y, z], axis=2), lambda g: back(g[:, :, :2]) + beside(g[:, :, 2:])
    if isinstance(module, nn.Sequential):
        backs = []
        for part in module:
            x, back = by_hand(part, x)
            backs.append(back)

        def all_back(g):
            for back in reversed(backs):
                g = back(g)
            return g

        return x, all_back
    if isinstance(module, (nn.ConvRNN, nn.SequenceWise)):
        return module(x), module.backward
    y = module(x.reshape(-1, *x.shape[2:]))
    steps = x.shape[:2]
    return y.reshape(*steps, *y.shape[1:]), lambda g: module.backward(g.reshape(y.shape)).reshape(x.shape)


@pytest.mark.parametrize("seed", range(25))
def test_random_nets_are_what_they_are_by_hand(seed):
    rng = np.random.default_rng(seed)
    net = nn.VideoSequential(tree(rng, 2), tree(rng, 1), tree(rng, 2))
    plain = nn.Sequential(memory(1), *copy.deepcopy(net))
    hand, also = copy.deepcopy(net), copy.deepcopy(plain)
    for model, twin in ((net, hand), (plain, also)):
        y = model(CLIPS)
        want, back = by_hand(nn.Sequential(*twin), CLIPS)
        np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-5)
        grad = normal(*y.shape)
        np.testing.assert_allclose(model.backward(grad), back(grad), rtol=1e-3, atol=1e-4)
        for one, other in zip(model.parameters(), twin.parameters(), strict=True):
            np.testing.assert_allclose(one.grad, other.grad, rtol=1e-3, atol=1e-3)
        assert not any(module._contexts for module in model.modules())
    steps = nn.VideoSequential(*copy.deepcopy(list(net))).eval()
    whole = copy.deepcopy(steps)
    steps.reset_all(), whole.reset_all()
    np.testing.assert_allclose(np.stack([steps(frame) for frame in CLIPS]), whole(CLIPS), rtol=1e-5, atol=1e-5)


# ---- Behind the frames


class Forgetful(nn.Module):
    """Every call begins without memory."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def trace(self, x):
        self.net.reset_all()
        return self.net.trace(x)

    def pullback(self, context, grad_output):
        return self.net.pullback(context, grad_output)


def head(*behind):
    return nn.VideoSequential(memory(), nn.Conv2d(2, 3, 3, rng=1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *behind)


@pytest.mark.parametrize(
    ("behind", "shape"),
    [
        ([], (T, B, 3)),
        ([nn.Linear(3, 5, rng=0)], (T, B, 5)),
        ([nn.BatchNorm1d(3), nn.Linear(3, 5, rng=0), nn.LogSoftmax()], (T, B, 5)),
        ([nn.Linear(3, 1, rng=0), nn.Flatten(0)], (T, B)),
        ([nn.GRU(3, 4, rng=0)], (T, B, 4)),
        ([nn.LSTM(3, 4, bidirectional=True, rng=0), nn.Linear(8, 2, rng=0)], (T, B, 2)),
        ([nn.Residual(nn.Sequential(nn.BatchNorm1d(3), nn.Outputs(nn.GRU(3, 3, rng=0)))), nn.Tanh()], (T, B, 3)),
        ([nn.LastState(nn.LSTM(3, 4, rng=0)), nn.BatchNorm1d(4), nn.Linear(4, 2, rng=0)], (B, 2)),
        ([nn.SequenceWise(nn.Linear(3, 2, rng=0))], (T, B, 2)),
        ([nn.Split([1, 2]), nn.Parallel(nn.Linear(1, 2, rng=0), nn.GRU(2, 2, rng=0)), nn.Join()], (T, B, 4)),
        ([nn.Concat(nn.Linear(3, 2, rng=0), nn.GRU(3, 2, rng=0))], (T, B, 4)),
    ],
)
def test_what_stands_behind_flatten_runs_over_time(behind, shape):
    net = head(*behind)
    y = net(CLIPS)
    assert y.shape == shape
    assert net.backward(np.ones_like(y)).shape == CLIPS.shape
    if not any(isinstance(module, nn.BatchNorm1d) for module in net.modules()):
        nn.gradcheck(Forgetful(net), CLIPS[:2, :, :, :3, :3])


def test_one_step_has_no_time_axis_and_grads_have_none():
    net = head(nn.Linear(3, 5, rng=0))
    y = net(CLIPS[0])
    assert y.shape == (B, 5)
    assert net.backward(np.ones_like(y)).shape == CLIPS[0].shape
    last = head(nn.LastState(nn.GRU(3, 4, rng=0)))
    assert last.backward(np.ones_like(last(CLIPS[0]))).shape == CLIPS[0].shape


def test_packed_videos_are_each_what_it_is_alone():
    videos = [normal(n, 2, 4, 4) for n in (2, 4, 1)]
    net = nn.VideoSequential(
        nn.Conv2d(2, 3, 3, rng=1),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(12, 3, rng=2),
        nn.GRU(3, 4, rng=3),
        nn.Linear(4, 2),
    )
    packed = pack_sequence(videos, enforce_sorted=False)
    y = net(packed)
    grad = net.backward(y._replace(data=np.ones_like(y.data)))
    for video, out, back in zip(videos, unpack_sequence(y), unpack_sequence(grad), strict=True):
        alone = net(video[:, None])
        np.testing.assert_allclose(out, alone[:, 0], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(back, net.backward(np.ones_like(alone))[:, 0], rtol=1e-4, atol=1e-5)


def test_refusals_say_what_to_do():
    with pytest.raises(ValueError, match="batch_first=False"):
        head(nn.GRU(3, 2, batch_first=True))(CLIPS)
    with pytest.raises(ValueError, match="a row for each of 6 frames"):
        head(nn.Flatten(0))(CLIPS)
    with pytest.raises(ValueError, match="axis of channels"):
        nn.VideoSequential(nn.Concat(memory(), nn.Tanh(), dim=0))(CLIPS)
    net = head()
    net(CLIPS)
    with pytest.raises(ValueError, match=r"grad_output: expected shape \(3, 2, 3\)"):
        net.backward(np.ones((6, 3)))


# ---- SequenceWise


class Pair(nn.Module):
    """Two outputs of other ranks."""

    def trace(self, x):
        return (x.sum((2, 3)), [x.sum((1, 2, 3))]), self.keep(x.shape)

    def pullback(self, context, grad_output):
        grad = np.zeros(self.kept(context), np.float32)
        if grad_output[0] is not None:
            grad += grad_output[0][:, :, None, None]
        return grad + grad_output[1][0][:, None, None, None]


def test_sequence_wise_takes_modules_that_give_several_arrays():
    wise = nn.SequenceWise(Pair())
    rows, (whole,) = wise(CLIPS)
    assert (rows.shape, whole.shape) == ((T, B, 2), (T, B))
    with pytest.raises(ValueError, match="grad_output: expected"):
        wise.backward((rows, [whole[0]]))
    with pytest.raises(ValueError, match="a tuple of 2"):
        wise.backward(rows)
    assert np.array_equal(wise.backward((None, [np.ones((T, B))])), np.ones_like(CLIPS))
    packed = pack_sequence([CLIPS[:, 0], CLIPS[:2, 1]])
    rows, (whole,) = wise(packed)
    assert rows.batch_sizes is packed.batch_sizes
    grads = rows._replace(data=0 * rows.data), [whole._replace(data=1 + 0 * whole.data)]
    assert np.array_equal(wise.backward(grads).data, np.ones_like(packed.data))


@pytest.mark.parametrize(
    ("ndims", "shape", "steps"),
    [
        (None, (T, B, 4), True),
        (None, (B, 4), False),
        (3, (T, B, 4), True),
        (4, (T, B, 5, 4), True),
        (4, (B, 5, 4), False),
    ],
)
def test_sequence_wise_of_rows(ndims, shape, steps):
    wise, linear = nn.SequenceWise(nn.Linear(4, 3, rng=0), ndims), nn.Linear(4, 3, rng=0)
    x = normal(*shape)
    y = wise(x)
    assert np.array_equal(y, linear(x))
    assert np.array_equal(wise.backward(y), linear.backward(y))
    with pytest.raises(ValueError, match="x: expected a sequence"):
        wise(normal(2))


# ---- Slices


class Mine(nn.VideoSequential):
    def __init__(self):
        super().__init__(nn.Conv2d(2, 2, 1, rng=0), memory(), nn.Conv2d(2, 1, 1, rng=1))


class Bare(nn.VideoSequential):
    pass


@pytest.mark.parametrize(
    ("net", "kind"),
    [
        (Mine(), nn.VideoSequential),
        (Bare(nn.Tanh(), memory(), nn.Tanh()), Bare),
        (nn.ConvLayer(2, 2, rng=0), nn.Sequential),
        (nn.Sequential(nn.Tanh(), nn.Tanh(), nn.Tanh()), nn.Sequential),
    ],
)
def test_a_slice_is_of_the_nearest_class_made_of_modules(net, kind):
    net.eval()
    for part in (net[:-1], net[1:], net[::2]):
        assert type(part) is kind
        assert not part.training
    assert type(net + net[:1]) is kind
    assert list(net[:2]) == [net[0], net[1]]
    if isinstance(net, nn.VideoSequential):
        body = net[:-1]
        y = body(CLIPS)
        assert y.shape == (T, B, 2, 4, 4)
        assert body[1].timepool.memory is net[1].timepool.memory
        body.reset_all()
        assert net[1].timepool.memory.kept is None


def test_a_module_of_ones_own_with_a_memory_is_given_sequences():
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.memory = memory()

        def forward(self, x):
            assert x.ndim == 5
            return self.memory(x)

        def backward(self, grad_output):
            return self.memory.backward(grad_output)

    class Frames(nn.Sequential):
        def forward(self, x):
            assert x.ndim == 4
            return super().forward(x)

        def backward(self, grad_output):
            return super().backward(grad_output)

    net = nn.VideoSequential(Frames(nn.Conv2d(2, 2, 1, rng=0)), nn.Sequential(Block(), nn.Conv2d(2, 3, 1, rng=1)))
    y = net(CLIPS)
    assert y.shape == (T, B, 3, 4, 4)
    assert net.backward(np.ones_like(y)).shape == CLIPS.shape


@pytest.mark.parametrize("wrap", [nn.Sequential, nn.Residual, lambda one: nn.Concat(one, nn.Tanh())])
def test_containers_clear_the_memories_inside(wrap):
    net = wrap(nn.Sequential(memory(), memory(1))).eval()
    first, second = net(CLIPS), net(CLIPS)
    assert not np.array_equal(first, second)
    net.reset([0, 0])
    assert np.array_equal(net(CLIPS), first)
    net.reset([1, 0])
    y = net(CLIPS)
    assert np.allclose(y[:, 0], second[:, 0], atol=1e-6)
    assert np.allclose(y[:, 1], first[:, 1], atol=1e-6)
    net.reset_all()
    assert np.array_equal(net(CLIPS), first)
