"""BatchNorm1d against its twin and torch."""

from __future__ import annotations

import numpy as np
import pytest
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
