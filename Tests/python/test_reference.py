"""The float64 twins against known answers, and their gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from reference import activation, attention, dropout, gru, linear, loss, normalization

BATCH_SIZES = np.array([3, 2, 2, 1])
ROWS, INPUT, HIDDEN = 8, 3, 4


def numeric(function, array, step=1e-6):
    """The gradient of a function of no arguments that reads ``array``."""
    gradient = np.zeros(array.shape)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + step
        above = function()
        array[place] = kept - step
        below = function()
        array[place] = kept
        gradient[place] = (above - below) / (2 * step)
    return gradient


def same(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


@pytest.mark.parametrize(("counter", "key", "words"), dropout.KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(counter, key, words):
    assert dropout.philox(counter, key) == words


def test_linear(rng):
    x, weight, bias = rng.normal(size=(4, 3)), rng.normal(size=(2, 3)), rng.normal(size=2)
    cotangent = rng.normal(size=(4, 2))

    def value():
        return np.sum(linear.linear(x, weight, bias)[0] * cotangent)

    _, cache = linear.linear(x, weight, bias)
    found = linear.linear_backward(cotangent, cache, weight)
    for gradient, array in zip(found, (x, weight, bias), strict=True):
        same(gradient, numeric(value, array))


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("reverse", [True, False])
def test_gru(rng, reset_after, reverse):
    x, h0 = rng.normal(size=(ROWS, INPUT)), rng.normal(size=(3, HIDDEN))
    parameters = [
        rng.normal(size=(3 * HIDDEN, INPUT)),
        rng.normal(size=(3 * HIDDEN, HIDDEN)),
        rng.normal(size=3 * HIDDEN),
        rng.normal(size=3 * HIDDEN),
    ]
    of_y, of_h = rng.normal(size=(ROWS, HIDDEN)), rng.normal(size=(3, HIDDEN))
    settings = {"hidden_size": HIDDEN, "reverse": reverse, "reset_after": reset_after}

    def value():
        (y, h_n), _ = gru.gru(x, BATCH_SIZES, gru.gru_pack(*parameters), h0, **settings)
        return np.sum(y * of_y) + np.sum(h_n * of_h)

    _, cache = gru.gru(x, BATCH_SIZES, gru.gru_pack(*parameters), h0, training=True, **settings)
    found = [np.zeros(p.shape) for p in parameters]
    packed = gru.gru_pack_backward(*parameters[:2], reset_after=reset_after)
    names = ("grad_weight_ih", "grad_weight_hh", "grad_bias_ih", "grad_bias_hh")
    grad_x, grad_h0 = gru.gru_backward(of_y, of_h, cache, packed, **dict(zip(names, found, strict=True)))
    for gradient, array in zip([grad_x, grad_h0, *found], [x, h0, *parameters], strict=True):
        same(gradient, numeric(value, array))


def test_attention(rng):
    query, h = rng.normal(size=(3, HIDDEN)), rng.normal(size=(ROWS, HIDDEN))
    cotangent = rng.normal(size=(3, HIDDEN))

    def value():
        return np.sum(attention.attention(query, h, BATCH_SIZES)[0][0] * cotangent)

    (_, weights), cache = attention.attention(query, h, BATCH_SIZES)
    for rows in gru.rows_of_sequences(BATCH_SIZES):
        assert weights[rows].sum() == pytest.approx(1)
    grad_query, grad_h = attention.attention_backward(cotangent, cache)
    same(grad_query, numeric(value, query))
    same(grad_h, numeric(value, h))


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(rng, training):
    x, weight, bias = rng.normal(size=(5, 3)), rng.normal(size=3), rng.normal(size=3)
    cotangent = rng.normal(size=(5, 3))

    def run():
        return normalization.batch_norm(x, weight, bias, np.zeros(3), np.ones(3), training=training)

    def value():
        return np.sum(run()[0] * cotangent)

    grad_weight, grad_bias = np.zeros(3), np.zeros(3)
    grad_x = normalization.batch_norm_backward(cotangent, run()[1], grad_weight=grad_weight, grad_bias=grad_bias)
    for gradient, array in ((grad_x, x), (grad_weight, weight), (grad_bias, bias)):
        same(gradient, numeric(value, array))


@pytest.mark.parametrize("name", ["relu", "softmax", "log_softmax"])
def test_activation(rng, name):
    forward, backward = getattr(activation, name), getattr(activation, f"{name}_backward")
    x, cotangent = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    found = backward(cotangent, forward(x)[1])
    same(found, numeric(lambda: np.sum(forward(x)[0] * cotangent), x))


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_nll_loss(rng, reduction):
    x, target = rng.normal(size=(4, 3)), np.array([0, 2, 2, 1])
    settings = (target, np.array([1.0, 2.0, 0.5]), np.array([1.0, 0.0, 3.0, 2.0]), reduction)
    _, cache = loss.nll_loss(x, *settings)
    same(loss.nll_loss_backward(cache), numeric(lambda: loss.nll_loss(x, *settings)[0], x))
