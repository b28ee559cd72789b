"""BatchNorm1d against its twin and torch."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import together
from reference import normalization as twin

from seriatim import nn

RNG = np.random.default_rng(5)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def made(num_features, **settings):
    model = nn.BatchNorm1d(num_features, **settings)
    for parameter in model.parameters():
        parameter.data = RNG.normal(size=num_features)
    return model


@pytest.mark.parametrize("settings", [{}, {"affine": False}, {"bias": False}])
def test_training_and_evaluation(settings):
    model = made(4, momentum=0.3, **settings)
    affine = model.affine
    assert (model.weight is None, model.bias is None) == (not affine, bool(settings))
    weight = model.weight.data if affine else None
    bias = model.bias.data if affine and model.bias is not None else None
    mean, variance = np.zeros(4), np.ones(4)
    for batch in (7, 2, 5):
        x, grad = RNG.normal(2, 3, size=(batch, 4)), RNG.normal(size=(batch, 4))
        wanted, cache = twin.batch_norm(x, weight, bias, mean, variance, training=True, momentum=0.3)
        model.zero_grad()
        close(model(x), wanted)
        for_weight, for_bias = np.zeros(4), np.zeros(4)
        for_x = twin.batch_norm_backward(grad, cache, grad_weight=for_weight, grad_bias=for_bias)
        close(model.backward(grad), for_x)
        if affine:
            close(model.weight.grad, for_weight)
            assert model.bias is None or np.allclose(model.bias.grad, for_bias, rtol=1e-4, atol=1e-5)
    close(model.running_mean, mean)
    close(model.running_var, variance)
    assert model.num_batches_tracked == 3
    model.eval()
    x = RNG.normal(size=(1, 4))
    close(model(x), twin.batch_norm(x, weight, bias, mean, variance, training=False)[0])
    assert model.num_batches_tracked == 3


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (1, 3, 2)])
@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("tracked", [True, False])
def test_torch_gives_the_same(shape, momentum, tracked):
    torch = pytest.importorskip("torch")
    settings = {"momentum": momentum, "track_running_stats": tracked, "eps": 1e-3}
    theirs, ours = torch.nn.BatchNorm1d(3, **settings), nn.BatchNorm1d(3, **settings)
    with torch.no_grad():
        theirs.weight.normal_()
        theirs.bias.normal_()
    ours.load_state_dict(theirs.state_dict())
    for _ in range(3):
        x, grad = (RNG.normal(1, 2, size=shape).astype(np.float32) for _ in range(2))
        tensor = torch.from_numpy(x).requires_grad_()
        y = theirs(tensor)
        y.backward(torch.from_numpy(grad))
        found = ours(x)
        assert found.flags.c_contiguous
        close(found, y.detach().numpy())
        close(ours.backward(grad), tensor.grad.numpy())
    close(ours.weight.grad, theirs.weight.grad.numpy())
    close(ours.bias.grad, theirs.bias.grad.numpy())
    for name, value in theirs.state_dict().items():
        close(ours.state_dict()[name], value.numpy())
    x = RNG.normal(size=shape).astype(np.float32)
    close(ours.eval()(x), theirs.eval()(torch.from_numpy(x)).detach().numpy())


@pytest.mark.parametrize("shape", [(1, 3), (1, 3, 1)])
def test_one_value_has_no_variance(shape):
    model = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than one value"):
        model(np.ones(shape))
    np.testing.assert_array_equal(model.running_mean, np.zeros(3))
    assert model.num_batches_tracked == 0


@pytest.mark.parametrize("shape", [(3,), (2, 4), (2, 4, 3), (2, 3, 4, 5)])
def test_wrong_shapes_are_named(shape):
    with pytest.raises(ValueError, match=r"x: expected shape \(N, 3\) or \(N, 3, L\)"):
        nn.BatchNorm1d(3)(np.ones(shape))


@pytest.mark.parametrize("cls", [nn.BatchNorm1d, nn.BatchNorm2d])
def test_settings_are_checked_when_made_and_when_set(cls):
    model = cls(2)
    for name, wrong in {
        "eps": (-1, 0, np.nan, np.inf, "x", None, []),
        "momentum": (-0.1, 1.5, np.nan, "x", []),
    }.items():
        for value in wrong:
            with pytest.raises(ValueError, match=f"{name}: expected a"):
                cls(2, **{name: value})
            with pytest.raises(ValueError, match=f"{name}: expected a"):
                setattr(model, name, value)
    assert (model.eps, model.momentum) == (1e-5, 0.1)
    model.eps, model.momentum = 1, None
    assert (model.eps, model.momentum) == (1.0, None)


@pytest.mark.parametrize("axes", [(), (3,), (3, 3)])
@pytest.mark.parametrize("affine", [True, False])
def test_evaluated_inside_training_keeps_nan_to_its_sample(axes, affine):
    kind = nn.BatchNorm2d if len(axes) == 2 else nn.BatchNorm1d
    model = kind(2, affine=affine)
    net = nn.Sequential(model).train()
    model.eval()
    model.running_var[:] = [0.5, 3]
    if affine:
        model.weight.data = np.array([2, -1])
    x = RNG.normal(size=(4, 2, *axes)).astype(np.float32)
    x[1].flat[0] = np.nan
    grad = RNG.normal(size=x.shape).astype(np.float32)
    scale = (model.weight.data if affine else 1) / np.sqrt(model.running_var + model.eps)
    net(x)
    np.testing.assert_allclose(net.backward(grad), grad * scale.reshape(-1, *[1] * len(axes)), rtol=1e-6)
    if affine:
        close(model.bias.grad, grad.sum(axis=(0, *range(2, x.ndim))))
        assert np.isnan(model.weight.grad).tolist() == [True, False]


# ---- Micro-batches that run together


def parts_of(array, sizes):
    return np.split(array, np.cumsum(sizes)[:-1])


def whole(model, x, grad, sizes, writers=(0,)):
    """Run micro-batches of these sizes together: outputs and the input's gradients, in their order, and the models."""
    xs, grads = parts_of(x, sizes), parts_of(grad, sizes)
    models = {shard: model if shard == writers[0] else copy.deepcopy(model) for shard in writers}

    def work(shard):
        # A model for each process, that of the first shard at or before this one.
        own = models[max(w for w in writers if w <= shard)]
        y, context = own.trace(xs[shard])
        return y, own.pullback(context, grads[shard])

    found = together.run(work, len(sizes), writers)
    return [np.concatenate(both) for both in zip(*found, strict=True)], list(models.values())


SHAPES = [(12, 3), (12, 3, 5), (12, 3, 4, 7), (12, 130)]
DIVISIONS = [(12,), (5, 7), (1, 0, 4, 0, 0, 7), (1,) * 12, (0, 12)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sizes", DIVISIONS)
@pytest.mark.parametrize("affine", [True, False])
def test_micro_batches_are_normalised_as_one(shape, sizes, affine):
    kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    x, grad = (RNG.normal(3, 2, size=shape).astype(np.float32) for _ in range(2))
    model = kind(shape[1], momentum=0.3, affine=affine)
    for parameter in model.parameters():
        parameter.data = RNG.normal(size=shape[1])
    plain = copy.deepcopy(model)
    wanted = plain(x)
    (y, grad_x), (model,) = whole(model, x, grad, sizes)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(grad_x, plain.backward(grad), rtol=1e-4, atol=2e-5)
    for name, value in plain.state_dict().items():
        np.testing.assert_allclose(model.state_dict()[name], value, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(model.parameters(), plain.parameters(), strict=True):
        np.testing.assert_allclose(ours.grad, theirs.grad, rtol=1e-4, atol=2e-3)
    assert model.num_batches_tracked == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_micro_batches_give_the_same_bits_wherever_they_run(shape):
    kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
    x, grad = (RNG.normal(1, 2, size=shape).astype(np.float32) for _ in range(2))
    sizes = (2, 1, 3, 1, 0, 2, 3, 0)
    results = []
    for writers in [(0,), (0, 4), (0, 3, 5), tuple(range(8))]:
        model = made_of(kind, shape[1])
        arrays, models = whole(model, x, grad, sizes, writers)
        for one in models:
            results.append([*arrays, one.running_mean, one.running_var, one.num_batches_tracked])
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def made_of(kind, size):
    model = kind(size, momentum=None)
    model.weight.data, model.bias.data = np.linspace(-1, 2, size), np.linspace(0, 1, size)
    return model


def test_micro_batches_see_a_large_mean_and_a_nan_as_one_call_does():
    x = (RNG.normal(1000, 1, size=(9, 2))).astype(np.float32)
    x[4:] += 3
    model, plain = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    wanted, _ = twin.batch_norm(x, None, None, None, None, training=True, eps=1e-5)
    (y, _), _ = whole(model, x, x, (4, 5))
    np.testing.assert_allclose(y, wanted, atol=1e-3)
    x[1, 1] = np.nan
    (y, _), _ = whole(model, x, x, (4, 5))
    np.testing.assert_array_equal(np.isnan(y), np.isnan(plain(x)))
    x[1, 1] = 1e30
    with pytest.raises(ValueError, match="variance float32 can hold"):
        whole(model, x, x, (4, 5))


@pytest.mark.parametrize("sizes", [(1,), (0, 1, 0)])
def test_one_value_among_all_micro_batches_has_no_variance(sizes):
    model, x = nn.BatchNorm1d(3), np.ones((1, 3), np.float32)
    xs = parts_of(x, sizes)

    def work(shard):
        with pytest.raises(ValueError, match="more than one value"):
            model.trace(xs[shard])

    assert together.run(work, len(sizes)) == [None] * len(sizes)
    assert model.num_batches_tracked == 0
    np.testing.assert_array_equal(model.running_mean, np.zeros(3))


def test_micro_batches_of_nothing_are_as_a_batch_of_nothing():
    model, plain, x = nn.BatchNorm1d(3), nn.BatchNorm1d(3), np.ones((0, 3), np.float32)
    plain(x)
    (y, grad_x), _ = whole(model, x, x, (0, 0))
    assert y.shape == grad_x.shape == (0, 3)
    for name, value in plain.state_dict().items():
        np.testing.assert_array_equal(model.state_dict()[name], value)


def test_what_does_not_see_the_batch_exchanges_nothing():
    x = RNG.normal(size=(6, 3)).astype(np.float32)
    frozen, untracked = nn.BatchNorm1d(3).eval(), nn.BatchNorm1d(3, track_running_stats=False).eval()
    wanted = frozen(x[:2]), untracked(x[:2])

    def work(shard):
        part = together.together.get()
        part.fold = None
        return (frozen(x[:2]), untracked(x[:2])) if shard else None

    np.testing.assert_array_equal(together.run(work, 2)[1], wanted)


def test_without_running_statistics_micro_batches_are_normalised_as_one():
    model, x = nn.BatchNorm1d(2, track_running_stats=False), RNG.normal(size=(6, 2)).astype(np.float32)
    (y, grad_x), _ = whole(model, x, x, (2, 4))
    close(y, model(x))
    close(grad_x, model.backward(x))
