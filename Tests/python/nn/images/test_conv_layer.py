"""What stands behind a ConvLayer's convolution."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from support import normal

from seriatim import load, nn, save

IMAGES = normal(2, 3, 4, 4)


@pytest.mark.parametrize("given", ["Softmax", nn.Softmax, nn.Softmax(dim=1), lambda: nn.Softmax(1)])
def test_softmax_goes_over_the_channels(given):
    layer = nn.ConvLayer(3, 5, norm="none", activation=given, rng=0)
    y = layer(IMAGES)
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-5)
    logits = layer[0](IMAGES)
    np.testing.assert_allclose(y, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), rtol=1e-5)
    logs = nn.ConvLayer(3, 5, norm="none", activation="LogSoftmax", rng=0)(IMAGES)
    np.testing.assert_allclose(np.exp(logs), y, rtol=1e-5)
    nn.gradcheck(nn.ConvLayer(3, 5, norm="none", activation=given, rng=0), IMAGES)
    video = nn.VideoSequential(nn.ConvLayer(3, 5, norm="none", activation=given, rng=0))(IMAGES[None])
    assert np.array_equal(video[0], y)


@pytest.mark.parametrize(
    ("given", "slope"),
    [("LeakyReLU", 0.01), (nn.LeakyReLU, 0.01), (nn.LeakyReLU(0.2), 0.2), (functools.partial(nn.LeakyReLU, 0.3), 0.3)],
)
def test_activations_by_name_class_module_and_callable(given, slope):
    for training in (True, False):
        layer = nn.ConvLayer(3, 2, norm="none", activation=given, rng=0).train(training)
        x = nn.Conv2d(3, 2, 3, padding=1, rng=0)(IMAGES)
        np.testing.assert_allclose(layer(IMAGES), np.where(x > 0, x, slope * x), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("given", "kinds"),
    [
        ("none", []),
        ("Identity", [nn.Identity]),
        ("BatchNorm2d", [nn.BatchNorm2d]),
        (nn.BatchNorm2d, [nn.BatchNorm2d]),
        (nn.BatchNorm2d(2, affine=False), [nn.BatchNorm2d]),
        (functools.partial(nn.BatchNorm2d, momentum=None), [nn.BatchNorm2d]),
    ],
)
def test_norms_by_name_class_module_and_callable(given, kinds):
    layer = nn.ConvLayer(3, 2, norm=given, rng=0)
    assert [type(module) for module in layer] == [nn.Conv2d, *kinds, nn.ReLU]
    y = layer(IMAGES)
    assert layer.backward(y).shape == IMAGES.shape


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"activation": "Relu"}, ValueError, "activation: expected one of ReLU"),
        ({"activation": np.tanh}, TypeError, "argument"),
        ({"activation": lambda: 3}, TypeError, "activation: expected a name, a module"),
        ({"activation": None}, TypeError, "activation: expected a name, a module"),
        ({"norm": "LayerNorm"}, ValueError, "norm: expected 'none' or one of BatchNorm2d"),
        ({"norm": lambda channels: channels}, TypeError, "norm: expected a name, a module"),
        ({"norm": 3}, TypeError, "norm: expected a name, a module"),
    ],
)
def test_others_are_refused(options, error, match):
    with pytest.raises(error, match=match):
        nn.ConvLayer(3, 2, **options)


def test_files_hold_modules_and_refuse_code(tmp_path):
    layer = nn.ConvLayer(3, 2, activation=nn.LeakyReLU(0.2), norm=nn.BatchNorm2d(2), rng=0).eval()
    save(layer, tmp_path / "layer.st")
    assert np.array_equal(load(tmp_path / "layer.st").eval()(IMAGES), layer(IMAGES))
    with pytest.raises(TypeError, match=r"ConvLayer\(activation\): expected a value, .* got type"):
        save(nn.ConvLayer(3, 2, activation=nn.LeakyReLU), tmp_path / "layer.st")
