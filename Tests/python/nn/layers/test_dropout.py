"""Dropout: reproducible masks, those of the twin."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import together
from reference import dropout as twin

from seriatim import functional as F
from seriatim import nn

X = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("seed", [0, 2**33 + 5, 2**64 - 1])
@pytest.mark.parametrize("offset", [0, 2**40 + 1])
def test_the_function_draws_the_twins_mask(p, seed, offset):
    np.testing.assert_allclose(F.dropout(X, p, seed, offset), twin.dropout(X, p, seed, offset), rtol=1e-6)


def test_backward_draws_the_same_mask():
    model = nn.Dropout(0.4, rng=1)
    kept = model(np.ones_like(X))
    np.testing.assert_array_equal(model.backward(np.ones_like(X)), kept)
    assert set(np.unique(kept)) == {np.float32(0), np.float32(1 / 0.6)}


def test_every_call_has_its_own_mask_and_backwards_run_in_reverse():
    model = nn.Dropout(0.5, rng=1)
    first, second = model(X), model(X)
    assert np.any(first != second)
    np.testing.assert_array_equal(model.backward(X), second)
    np.testing.assert_array_equal(model.backward(X), first)


def test_masks_are_reproducible():
    one, same, other = nn.Dropout(rng=1), nn.Dropout(rng=1), nn.Dropout(rng=2)
    for _ in range(2):
        y = one(X)
        np.testing.assert_array_equal(y, same(X))
        assert np.any(y != other(X))
    np.testing.assert_array_equal(copy.deepcopy(one)(X), one(X))


def test_evaluation_gives_the_input():
    model = nn.Dropout(0.5).eval()
    np.testing.assert_array_equal(model(X), X)
    assert model(X.astype(np.float64)).dtype == np.float32


def test_bounds():
    model = nn.Dropout(0.0)
    np.testing.assert_array_equal(model(X), X)
    np.testing.assert_array_equal(model.backward(X), X)
    model = nn.Dropout(1.0)
    np.testing.assert_array_equal(model(X), np.zeros_like(X))
    np.testing.assert_array_equal(model.backward(X), np.zeros_like(X))
    np.testing.assert_array_equal(model([np.nan, np.inf, 1]), [np.nan, np.nan, 0])


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_p_is_checked(p):
    with pytest.raises(ValueError, match="p: expected a probability"):
        nn.Dropout(p)


def test_the_share_of_what_is_dropped():
    y = nn.Dropout(0.3, rng=0)(np.ones(100_000))
    assert np.mean(y == 0) == pytest.approx(0.3, abs=0.01)
    assert y.mean() == pytest.approx(1, abs=0.02)


def test_micro_batches_draw_by_their_place():
    model = nn.Dropout(0.5, rng=1)
    model.calls = 3
    first, second, third = together.run(lambda shard: [model(X), model(X)], 3)
    for shard, drawn in enumerate((first, second, third)):
        for number, y in enumerate(drawn):
            wanted = F.dropout(X, 0.5, model.seed, ((3 * 3 + shard) << 16) + number)
            np.testing.assert_array_equal(y, wanted)
    assert model.calls == 3
    # Outside of them nothing is as it is inside.
    np.testing.assert_array_equal(model(X), F.dropout(X, 0.5, model.seed, 3))
    assert model.calls == 4


@pytest.mark.parametrize(
    "stack",
    [
        lambda: nn.GRU(3, 4, 2, dropout=0.5, zoneout=0.3, rng=0),
        lambda: nn.LSTM(3, 4, recurrent_dropout=0.5, rng=0),
        lambda: nn.GRUCell(3, 4, zoneout=0.3, recurrent_dropout=0.2, rng=0),
    ],
)
def test_all_that_draws_in_micro_batches_numbers_by_them(stack):
    x = np.ones((2, 3) if isinstance(model := stack(), nn.GRUCell) else (4, 2, 3), np.float32)
    _, drawn = next(model._dropouts())
    ys = together.run(lambda shard: np.array(_first(model(x))), 2)
    assert drawn.calls == 0
    assert np.any(ys[0] != ys[1])
    again = together.run(lambda shard: np.array(_first(model(x))), 2)
    np.testing.assert_array_equal(ys, again)
    drawn.calls = 1
    assert np.any(together.run(lambda shard: np.array(_first(model(x))), 2)[0] != ys[0])


def _first(output):
    return output[0] if isinstance(output, tuple) else output


def test_a_micro_batch_has_numbers_for_so_many_draws():
    model = nn.Dropout(0.5, rng=1)

    def draw(shard):
        part = together.together.get()
        part._drawn[id(model)] = 65_535
        last = model.number()
        with pytest.raises(RuntimeError, match="more than 65,536 masks with one module"):
            model(X)
        return last

    assert together.run(draw, 1) == [65_535]
