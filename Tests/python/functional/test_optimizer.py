"""Optimisers, the moving average and the norm against their twins, at sizes around the register."""

from __future__ import annotations

import numpy as np
import pytest
import support
from reference import optimizer as twin
from support import normal

from seriatim import functional as F

SIZES = [*support.SIZES, 5000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("centred", [False, True])
def test_rmsprop_at_sizes_around_the_register(size, momentum, centred):
    rng = np.random.default_rng(size)
    data, gradients = rng.normal(size=size), rng.normal(size=(3, size)).astype(np.float32)
    results = []
    for library, kind in ((F, np.float32), (twin, np.float64)):
        values, state = data.astype(np.float32).astype(kind), [np.zeros(size, kind) for _ in range(3)]
        given = [state[0], state[1] if momentum else None, state[2] if centred else None]
        for gradient in gradients.astype(kind):
            library.rmsprop_step(
                values, gradient, *given, lr=0.01, alpha=0.9, eps=1e-3, weight_decay=0.1, momentum=momentum
            )
        results.append([values, *state])
    for ours, wanted in zip(*results, strict=True):
        support.close(ours, wanted, 1e-5)
    assert momentum or not results[0][2].any()
    assert centred or not results[0][3].any()


@pytest.mark.parametrize("size", SIZES)
def test_adam_sgd_and_the_norm(size):
    results = []
    for library, kind in ((F, np.float32), (twin, np.float64)):
        data, grad = normal(size).astype(kind), normal(size, seed=1).astype(kind)
        state = [np.zeros(size, kind) for _ in range(3)]
        for step in (1, 2, 3):
            library.adam_step(
                data, grad, *state[:2], lr=0.1, beta1=0.9, beta2=0.99, eps=1e-8, weight_decay=0.1,
                decoupled=step == 2, step=step,
            )  # fmt: skip
            library.sgd_step(
                data, grad, state[2], lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01, nesterov=False,
                first=step == 1,
            )  # fmt: skip
        results.append([data, *state])
    for ours, wanted in zip(*results, strict=True):
        support.close(ours, wanted, 1e-5)
    x = normal(size)
    assert F.sum_of_squares(x) == pytest.approx(np.sum(x.astype(float) ** 2), rel=1e-6)


@pytest.mark.parametrize("size", [0, *SIZES])
@pytest.mark.parametrize("decay", [0.0, 0.3, 0.9999, 1.0])
def test_average_at_sizes_around_the_register(size, decay):
    rng = np.random.default_rng(size)
    start, data = rng.normal(size=size).astype(np.float32), rng.normal(size=(3, size)).astype(np.float32)
    results = []
    for library, kind in ((F, np.float32), (twin, np.float64)):
        average = start.astype(kind)
        for values in data.astype(kind):
            library.average_step(average, values, decay)
        results.append(average)
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6, atol=3e-7)


def test_decays_near_one_keep_their_digits():
    """1 - 0.9999 in float32 has lost four of them."""
    data, average, square = np.full(3, 2.0, np.float32), np.zeros(3, np.float32), np.zeros(3, np.float32)
    F.average_step(average, data, 0.9999)
    np.testing.assert_allclose(average, 2e-4, rtol=2e-7)
    F.rmsprop_step(data.copy(), data, square, lr=0.1, alpha=0.9999, eps=1e-8)
    np.testing.assert_allclose(square, 4e-4, rtol=2e-7)


def test_functions_name_what_is_wrong():
    good, short = np.zeros(3, np.float32), np.zeros(2, np.float32)
    numbers = {"lr": 0.1, "alpha": 0.9, "eps": 1e-8}
    for arrays, word in (([good, good, short], "square_avg"), ([good, short, good], "gradients")):
        with pytest.raises(ValueError, match=f"^{word}: expected"):
            F.rmsprop_step(*arrays, **numbers)
    with pytest.raises(ValueError, match=r"^momentum_buffer: expected"):
        F.rmsprop_step(good, good, good.copy(), short, **numbers)
    with pytest.raises(ValueError, match=r"^grad_avg: expected"):
        F.rmsprop_step(good, good, good.copy(), None, short, **numbers)
    with pytest.raises(ValueError, match=r"^data: expected"):
        F.average_step(good, short, 0.5)
    with pytest.raises(ValueError, match=r"^average: expected"):
        F.average_step(np.zeros(3), good, 0.5)
    with pytest.raises(TypeError, match=r"^decay: expected a number"):
        F.average_step(good, good.copy(), "half")
