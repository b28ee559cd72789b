"""Pooling against its float64 twins."""

from __future__ import annotations

import numpy as np
import pytest
from reference import pooling as twin
from support import close, normal, with_threads

from seriatim import functional as F

# kernel, stride, padding, dilation, ceil_mode
WINDOWS = [
    ((2, 2), (2, 2), (0, 0), (1, 1), False),
    ((3, 3), (2, 2), (1, 1), (1, 1), False),
    ((3, 2), (1, 3), (1, 0), (1, 1), True),
    ((2, 2), (2, 2), (0, 0), (1, 1), True),
    ((3, 3), (2, 2), (1, 1), (2, 1), False),
    ((1, 1), (1, 1), (0, 0), (1, 1), False),
]
SHAPES = [(1, 1, 5, 5), (2, 3, 9, 34), (3, 8, 9), (70, 2, 6, 7)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("windows", WINDOWS)
def test_max_pool2d(windows, shape):
    x = normal(*shape)
    kernel, stride, padding, dilation, ceil_mode = windows

    def run(training=True):
        y, cache = F.max_pool2d(x, kernel, stride, padding, dilation, ceil_mode, training=training)
        if not training:
            return (y,)
        return y, F.max_pool2d_backward(normal(*y.shape, seed=1), cache), cache.places

    with_threads(run)
    y, grad_x, places = run()
    wanted, grads = twin.max_pool2d(x, y.shape[-2:], kernel, stride, padding, dilation)
    close(y, wanted, 0)
    np.testing.assert_array_equal(run(False)[0], y)
    right = np.zeros(x.shape)
    grad_y = normal(*y.shape, seed=1)
    for of_y, of_x in grads:
        right[of_x] += grad_y[of_y]
        assert places[of_y] == of_x[-2] * shape[-1] + of_x[-1]
    close(grad_x, right, 1e-6)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("windows", [w for w in WINDOWS if w[3] == (1, 1)])
@pytest.mark.parametrize(("include", "divisor"), [(True, None), (False, None), (True, 7)])
def test_avg_pool2d(windows, shape, include, divisor):
    x = normal(*shape)
    kernel, stride, padding, _, ceil_mode = windows

    def run():
        y, cache = F.avg_pool2d(x, kernel, stride, padding, ceil_mode, include, divisor)
        return y, F.avg_pool2d_backward(normal(*y.shape, seed=1), cache)

    with_threads(run)
    y, grad_x = run()
    wanted, grads = twin.avg_pool2d(x, y.shape[-2:], kernel, stride, padding, include, divisor)
    close(y, wanted)
    close(grad_x, twin.avg_pool2d_backward(normal(*y.shape, seed=1), x.shape, grads))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("out", [(1, 1), (2, 3), (7, 7), (None, 1), 4])
def test_adaptive_avg_pool2d(shape, out):
    x = normal(*shape)

    def run():
        y, cache = F.adaptive_avg_pool2d(x, out)
        return y, F.adaptive_avg_pool2d_backward(normal(*y.shape, seed=1), cache)

    with_threads(run)
    y, grad_x = run()
    wanted, grads = twin.adaptive_avg_pool2d(x, y.shape[-2:])
    close(y, wanted)
    close(grad_x, twin.avg_pool2d_backward(normal(*y.shape, seed=1), x.shape, grads))


def test_same_bits_with_one_and_two_threads():
    x = normal(60, 40, 50)
    for pool, back in (
        (lambda: F.max_pool2d(x, 3, 2, 1), F.max_pool2d_backward),
        (lambda: F.avg_pool2d(x, 3, 2, 1), F.avg_pool2d_backward),
        (lambda: F.adaptive_avg_pool2d(x, (7, 9)), F.adaptive_avg_pool2d_backward),
    ):

        def run(pool=pool, back=back):
            y, cache = pool()
            return y, back(normal(*y.shape, seed=1), cache)

        with_threads(run)
    with_threads(lambda: F.max_pool2d(x, 2, training=False)[:1])


def test_nan_is_the_largest():
    x = np.zeros((1, 1, 4, 64), np.float32)
    x[0, 0, 1, [1, 40]] = np.nan
    for training in (True, False):
        y, _ = F.max_pool2d(x, 2, training=training)
        assert np.isnan(y[0, 0, 0, [0, 20]]).all()
        assert np.isnan(y).sum() == 2


def test_errors():
    with pytest.raises(ValueError, match="padding: expected at most half the kernel"):
        F.max_pool2d(np.zeros((1, 1, 4, 4)), 2, padding=2)
    with pytest.raises(ValueError, match="x: expected planes that a window of"):
        F.max_pool2d(np.zeros((1, 1, 1, 4)), 2)
    with pytest.raises(ValueError, match="x: expected shape"):
        F.avg_pool2d(np.zeros((4, 4)), 2)
    with pytest.raises(ValueError, match="kernel_size: expected an integer"):
        F.avg_pool2d(np.zeros((1, 4, 4)), 0)
    _, cache = F.max_pool2d(np.zeros((1, 1, 4, 4)), 2, training=False)
    with pytest.raises(ValueError, match="cache: expected one of a call with training=True"):
        F.max_pool2d_backward(np.zeros((1, 1, 2, 2)), cache)
    _, cache = F.avg_pool2d(np.zeros((1, 1, 4, 4)), 2)
    with pytest.raises(ValueError, match="grad_y: expected shape"):
        F.avg_pool2d_backward(np.zeros((1, 1, 2, 3)), cache)
