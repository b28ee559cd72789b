"""conv2d against its float64 twin: every method, at sizes around every tile."""

from __future__ import annotations

import numpy as np
import pytest
from reference import convolution as twin
from support import FORMS, close, form_of, normal, with_threads

from seriatim import functional as F

# kernel, stride, padding, dilation
KERNELS = [
    ((3, 3), (1, 1), (1, 1), (1, 1)),
    ((3, 3), (1, 1), (0, 2), (1, 1)),
    ((5, 5), (1, 1), (2, 2), (1, 1)),
    ((5, 5), (1, 1), (0, 4), (1, 1)),
    ((1, 1), (1, 1), (0, 0), (1, 1)),
    ((1, 1), (2, 2), (0, 0), (1, 1)),
    ((3, 3), (2, 2), (1, 1), (1, 1)),
    ((3, 3), (1, 1), (2, 2), (2, 2)),
    ((2, 3), (2, 1), (0, 1), (1, 2)),
    ((4, 4), (3, 2), (2, 3), (1, 1)),
    ((7, 1), (1, 3), (3, 0), (1, 1)),
]
# batch, channels in, channels out, height, width, groups
SIZES = [
    (1, 1, 1, 7, 7, 1),
    (2, 3, 5, 8, 9, 1),
    (1, 8, 8, 9, 50, 1),
    (3, 9, 17, 13, 10, 1),
    (1, 16, 24, 7, 17, 1),
    (7, 8, 16, 7, 7, 1),
    (2, 6, 4, 9, 8, 2),
    (1, 16, 32, 11, 13, 2),
    (2, 5, 5, 9, 21, 5),
    (1, 3, 6, 9, 70, 3),
]


def arguments(kernel, stride, padding, dilation, size):
    n, c, k, h, w, groups = size
    x, weight = normal(n, c, h, w), normal(k, c // groups, *kernel, seed=1)
    return x, weight, normal(k, seed=2), {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", KERNELS)
def test_conv2d_and_its_gradients(kernel, size):
    x, weight, bias, given = arguments(*kernel, size)
    wanted = twin.conv2d(x, weight, bias, **given)
    grad_y = normal(*wanted.shape, seed=3)

    def run():
        y, cache = F.conv2d(x, weight, bias, **given)
        return (y, *F.conv2d_backward(grad_y, cache, weight))

    with_threads(run)
    found = run()
    close(found[0], wanted, 1e-5, "y")
    names = ("grad_x", "grad_weight", "grad_bias")
    for name, ours, right in zip(names, found[1:], twin.conv2d_backward(grad_y, x, weight, **given), strict=True):
        close(ours, right, 1e-5, name)


@pytest.mark.parametrize("kernel", [3, 5])
def test_winograds_error_is_below_a_hundred_thousandth_of_the_largest_output(kernel):
    x, weight = normal(1, 64, 40, 40), normal(64, 64, kernel, kernel, seed=1)
    pad = kernel // 2
    y, _ = F.conv2d(x, weight, padding=pad)
    wanted = twin.conv2d(x, weight[:4], None, stride=(1, 1), padding=(pad, pad), dilation=(1, 1), groups=1)
    assert np.abs(y[:, :4] - wanted).max() < 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("activation", list(twin.ACTIVATIONS))
@pytest.mark.parametrize(("kernel", "channels"), [(3, 8), (3, 3), (1, 8)])
def test_activations_at_the_end(activation, kernel, channels):
    x, weight, bias = normal(2, channels, 9, 20), normal(11, channels, kernel, kernel, seed=1), normal(11, seed=2)
    given = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
    y, _ = F.conv2d(x, weight, bias, **given, activation=activation, slope=0.3)
    close(y, twin.conv2d(x, weight, bias, **given, activation=activation, slope=0.3))
    depthwise = normal(channels, 1, kernel, kernel, seed=4)
    given["groups"] = channels
    y, _ = F.conv2d(x, depthwise, None, **given, activation=activation, slope=0.3)
    close(y, twin.conv2d(x, depthwise, None, **given, activation=activation, slope=0.3))


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_arrays(form):
    x, weight, bias = normal(2, 8, 9, 9), normal(9, 8, 3, 3, seed=1), normal(9, seed=2)
    wanted, _ = F.conv2d(x, weight, bias, padding=1)
    given = form_of(x, form)
    before = np.array(given)
    np.testing.assert_array_equal(F.conv2d(given, weight, form_of(bias, form), padding=1)[0], wanted)
    np.testing.assert_array_equal(np.array(given), before)


def test_gradients_are_added_to_where_asked():
    for groups in (1, 8):
        x, weight = normal(2, 8, 6, 6), normal(8, 8 // groups, 3, 3, seed=1)
        y, cache = F.conv2d(x, weight, groups=groups, padding=1)
        _, grad_weight, grad_bias = F.conv2d_backward(y, cache, weight)
        slots = np.ones_like(weight), np.ones(8, np.float32)
        grad_x, *_ = F.conv2d_backward(
            y, cache, weight, need_input=False, need_parameters=False, grad_weight=slots[0], grad_bias=slots[1],
            accumulate=True,
        )  # fmt: skip
        assert grad_x is None
        close(slots[0], grad_weight + 1)
        close(slots[1], grad_bias + 1)


def test_a_batch_is_its_images():
    """The same bits for an image alone and in a batch."""
    for channels, kernel in ((8, 3), (3, 3), (16, 1)):
        x, weight = normal(5, channels, 7, 9), normal(9, channels, kernel, kernel, seed=1)
        y, _ = F.conv2d(x, weight, padding=1)
        np.testing.assert_array_equal(np.concatenate([F.conv2d(image[None], weight, padding=1)[0] for image in x]), y)


def test_empty_batch():
    y, _ = F.conv2d(np.zeros((0, 3, 8, 8)), normal(4, 3, 3, 3))
    assert y.shape == (0, 4, 6, 6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": 0}, "stride: expected an integer of at least 1"),
        ({"padding": -1}, "padding: expected an integer of at least 0"),
        ({"dilation": (1, 2, 3)}, "dilation: expected"),
        ({"groups": 3}, "groups: expected a divisor of the 4 output channels, got 3"),
        ({"x": np.zeros((1, 5, 8, 8))}, r"x: expected shape \(N, 3, height, width\), got \(1, 5, 8, 8\)"),
        ({"x": np.zeros((1, 3, 2, 8))}, "x: expected images that the kernel of 3 x 3 fits into, got 2 x 8"),
        ({"bias": np.zeros(5)}, "bias: expected a float32 array of shape"),
        ({"activation": "gelu"}, "activation: expected one of identity, relu"),
    ],
)
def test_errors(change, message):
    given = {"x": np.zeros((1, 3, 8, 8)), "weight": np.zeros((4, 3, 3, 3)), "bias": np.zeros(4), **change}
    with pytest.raises(ValueError, match=message):
        F.conv2d(**given)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e2, 1e5, 1e30])
@pytest.mark.parametrize(("kernel", "size"), [(3, 24), (3, 7), (5, 18)])
def test_a_bad_pixel_touches_what_sees_it_alone(kernel, size, value, transposed):
    """By Winograd's method, too: as if it were not there, next to what a float's rounding does anyway."""
    x, weight, bias = normal(2, 10, size, size), normal(10, 10, kernel, kernel, seed=1), normal(10, seed=2)
    row, column, reach = size // 2, size - 2, kernel // 2
    bad = x.copy()
    bad[1, 3, row, column] = value

    def run(x):
        y, cache = F.conv2d(normal(2, 10, size, size) if transposed else x, weight, bias, padding=reach)
        return F.conv2d_backward(x, cache, weight)[0] if transposed else y

    with_threads(lambda: [run(bad)])
    clean, found = run(x), run(bad)
    np.testing.assert_array_equal(found[0], clean[0])
    seen = np.zeros((size, size), bool)
    seen[max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1] = True
    close(found[1][:, ~seen], clean[1][:, ~seen], 2e-5)
    if not np.isfinite(value):
        assert not np.isfinite(found[1][:, seen]).any()
        assert np.isnan(found[1][:, seen]).all() == np.isnan(value)


def test_bad_rows_and_several_bad_pixels():
    """One that is beyond all bounds hides no other; numbers below the bound keep their bits."""
    weight = normal(8, 8, 3, 3, seed=1)
    x = normal(1, 8, 32, 32)
    clean = F.conv2d(x, weight, padding=1)[0]
    bad = x.copy()
    bad[0, 2, 4], bad[0, 5, 16, 3], bad[0, 0, 28, 28] = 1e30, 1e5, np.nan
    found = F.conv2d(bad, weight, padding=1)[0]
    seen = np.zeros((32, 32), bool)
    seen[3:6], seen[15:18, 2:5], seen[27:30, 27:30] = True, True, True
    close(found[..., ~seen], clean[..., ~seen], 2e-5)
    mild = x.copy()
    mild[0, 2, 4, 4] = 20
    far = F.conv2d(mild, weight, padding=1)[0]
    np.testing.assert_array_equal(far[..., 12:, :], clean[..., 12:, :])


def test_sparse_images_and_planes_of_zeros_are_no_outliers():
    """Zeros say nothing about what is usual."""
    x, weight = normal(1, 8, 16, 16), normal(8, 8, 3, 3, seed=1)
    x[:, ::2] = 0
    x[:, :, ::3] = 0
    whole = F.conv2d(x, weight, padding=1)[0]
    close(F.conv2d(x * np.float32(1e-20), weight, padding=1)[0], whole * np.float32(1e-20), 1e-6)
    assert not F.conv2d(np.zeros_like(x), weight, padding=1)[0].any()


def test_an_outlier_changes_nothing_far_from_it():
    """Rows that see nothing large are computed as without it, bit for bit."""
    x, weight = normal(1, 16, 40, 40), normal(16, 16, 3, 3, seed=1)
    usual = F.conv2d(x, weight, padding=1)[0]
    x[0, 3, 0, 0] = 1e6
    np.testing.assert_array_equal(F.conv2d(x, weight, padding=1)[0][:, :, 12:], usual[:, :, 12:])


def test_the_gradient_of_depthwise_weights_reads_nothing_behind_a_row():
    """A tap that never sees the last column has its gradient although that column is NaN."""
    x, weight = normal(1, 4, 9, 9), normal(4, 1, 3, 3, seed=1)
    x[0, 2, :, -1] = np.nan
    y, cache = F.conv2d(x, weight, padding=1, groups=4)
    grad_weight = np.zeros_like(weight)
    F.conv2d_backward(np.ones_like(y), cache, weight, grad_weight=grad_weight)
    wanted = np.zeros((4, 3, 3), bool)
    wanted[2, :, 1:] = True
    np.testing.assert_array_equal(np.isnan(grad_weight[:, 0]), wanted)
