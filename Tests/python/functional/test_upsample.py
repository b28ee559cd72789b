"""Upsampling against its float64 twin."""

from __future__ import annotations

import numpy as np
import pytest
from reference import upsample as twin
from support import close, normal, with_threads

from seriatim import functional as F

SHAPES = [(1, 1, 1, 1), (2, 3, 5, 7), (1, 2, 16, 33), (3, 1, 1, 9)]
MODES = [("nearest", None), ("nearest-exact", None), ("bilinear", None), ("bilinear", True)]
SIZES = [{"size": (6, 11)}, {"size": 4}, {"scale_factor": 2}, {"scale_factor": (2.5, 1.25)}]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("mode", "align"), MODES)
@pytest.mark.parametrize("sizes", SIZES)
def test_upsample(sizes, mode, align, shape):
    x = normal(*shape)

    def run():
        y, cache = F.upsample(x, mode=mode, align_corners=align, **sizes)
        return y, F.upsample_backward(normal(*y.shape, seed=1), cache)

    y, grad_x = run()
    factor = sizes.get("scale_factor")
    factors = factor if isinstance(factor, tuple) else (factor, factor)
    wanted, matrices = twin.upsample(x, y.shape[-2:], mode, align, factors)
    close(y, wanted, 1e-5)
    close(grad_x, twin.upsample_backward(normal(*y.shape, seed=1), matrices), 1e-5)


def test_smaller():
    x = normal(2, 2, 8, 6)
    y, _ = F.upsample(x, scale_factor=0.5, mode="bilinear")
    close(y, x.reshape(2, 2, 4, 2, 3, 2).mean(axis=(3, 5)))
    y, _ = F.upsample(x, scale_factor=0.5)
    np.testing.assert_array_equal(y, x[..., ::2, ::2])


def test_factor_or_sizes_say_the_places():
    x = np.arange(5, dtype=np.float32).reshape(1, 1, 5)
    by_factor, _ = F.upsample(x, scale_factor=1.5, mode="linear")
    by_sizes, _ = F.upsample(x, scale_factor=1.5, mode="linear", recompute_scale_factor=True)
    close(by_factor[0, 0], np.minimum(np.maximum((np.arange(7) + 0.5) / 1.5 - 0.5, 0), 4))
    close(by_sizes[0, 0], np.minimum(np.maximum((np.arange(7) + 0.5) * 5 / 7 - 0.5, 0), 4))


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_sequences_are_images_of_one_row(mode):
    x = normal(2, 3, 9)
    y, cache = F.upsample(x, 13, mode=mode)
    images, of_images = F.upsample(x[:, :, None], (1, 13), mode="bilinear" if mode == "linear" else mode)
    np.testing.assert_array_equal(y, images[:, :, 0])
    grad = normal(2, 3, 13)
    np.testing.assert_array_equal(
        F.upsample_backward(grad, cache), F.upsample_backward(grad[:, :, None], of_images)[:, :, 0]
    )


def test_same_bits_with_one_and_two_threads():
    x = normal(4, 9, 70, 50)
    for mode in ("nearest", "bilinear"):

        def run(mode=mode):
            y, cache = F.upsample(x, (99, 101), mode=mode)
            return y, F.upsample_backward(normal(*y.shape, seed=1), cache)

        with_threads(run)


def test_what_is_not_finite_stays_where_it_counts():
    x = normal(1, 1, 3, 3)
    x[0, 0, 1, 1] = np.nan
    y, _ = F.upsample(x, (5, 5), mode="bilinear", align_corners=True)
    assert np.isnan(y).sum() == 9  # Within less than a pixel of it.
    assert np.isnan(F.upsample(x, 3, mode="bilinear")[0]).sum() == 1


def test_batches_of_none():
    y, cache = F.upsample(np.zeros((0, 2, 3, 3)), scale_factor=2)
    assert y.shape == (0, 2, 6, 6)
    assert F.upsample_backward(y, cache).shape == (0, 2, 3, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "size, scale_factor: expected one of them, got None and None"),
        ({"size": 2, "scale_factor": 2}, "size, scale_factor: expected one"),
        ({"size": 2, "mode": "bicubic"}, "mode: expected one of 'nearest'"),
        ({"size": 2, "align_corners": False}, "align_corners: expected None"),
        ({"size": 2, "recompute_scale_factor": True}, "recompute_scale_factor"),
        ({"size": 2, "mode": "linear"}, r"x: expected shape \(N, C, length\) for mode 'linear'"),
        ({"size": (2, 2, 2)}, "size: expected a positive integer, or one for each of 2 axes"),
        ({"size": 0}, "size: expected a positive integer"),
        ({"size": 2.5}, "size: expected a positive integer"),
        ({"scale_factor": -1}, "scale_factor: expected a positive number"),
        ({"scale_factor": float("nan")}, "scale_factor: expected a positive number"),
        ({"scale_factor": 0.1}, "scale_factor: no output is left"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        F.upsample(np.zeros((1, 1, 4, 4)), **options)


def test_a_gradient_of_another_shape():
    _, cache = F.upsample(np.zeros((1, 1, 4, 4)), 2)
    with pytest.raises(ValueError, match=r"grad_y: expected shape \(1, 1, 2, 2\), got \(1, 1, 2, 3\)"):
        F.upsample_backward(np.zeros((1, 1, 2, 3)), cache)
