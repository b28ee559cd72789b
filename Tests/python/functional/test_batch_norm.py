"""batch_norm: torch's rules, both modes, forms of input, threads, and messages."""

import numpy as np
import pytest
from reference import normalization as twin
from support import FORMS, SIZES, close, form_of, normal, same, with_threads

from seriatim import functional as F


def run(library, x, grad, *, training, affine=True, running=True, eps=1e-5, momentum=0.1):
    columns = np.shape(x)[1]
    kind = np.float32 if library is F else np.float64
    weight, bias = (normal(columns, seed=3), normal(columns, seed=4)) if affine else (None, None)
    mean, variance = (np.full(columns, 0.25, kind), np.full(columns, 1.5, kind)) if running else (None, None)
    y, cache = library.batch_norm(x, weight, bias, mean, variance, training=training, eps=eps, momentum=momentum)
    slots = np.zeros(columns, kind), np.zeros(columns, kind)
    grad_x = library.batch_norm_backward(grad, cache, grad_weight=slots[0], grad_bias=slots[1])
    return [y, mean, variance, grad_x, *slots]


@pytest.mark.parametrize("rows", [2, 3, 7, 8, 9, 12, 17, 300])
@pytest.mark.parametrize("columns", SIZES)
@pytest.mark.parametrize("training", [True, False])
def test_twin(rows, columns, training):
    x, grad = 3 * normal(rows, columns) + 1, normal(rows, columns, seed=1)
    for ours, wanted in zip(run(F, x, grad, training=training), run(twin, x, grad, training=training), strict=True):
        close(ours, wanted, 2e-4 if rows == 2 else 5e-5)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("running", [True, False])
def test_what_may_be_left_out(affine, running):
    x, grad = normal(9, 5), normal(9, 5, seed=1)
    options = {"training": True, "affine": affine, "running": running, "eps": 0.1, "momentum": 0.7}
    for ours, wanted in zip(run(F, x, grad, **options), run(twin, x, grad, **options), strict=True):
        if wanted is None:
            assert ours is None
        else:
            close(ours, wanted, 3e-5)


def test_a_single_row_outside_training():
    x = normal(1, 5)
    y, cache = F.batch_norm(x, None, None, np.zeros(5, np.float32), np.ones(5, np.float32), training=False)
    close(y, x, 2e-5)
    close(F.batch_norm_backward(x, cache), x, 2e-5)
    assert F.batch_norm_backward(x, cache, need_input=False) is None


def test_a_large_mean_does_not_eat_the_variance():
    x = normal(64, 8) + 1000
    y, _ = F.batch_norm(x, None, None, None, None, training=True)
    wanted, _ = twin.batch_norm(x, None, None, None, None, training=True)
    close(y, wanted, 1e-3)


def test_a_constant_column_is_finite():
    x = np.full((6, 2), 3.0, np.float32)
    y, cache = F.batch_norm(x, None, None, None, None, training=True)
    np.testing.assert_array_equal(y, np.zeros((6, 2)))
    assert np.all(np.isfinite(F.batch_norm_backward(normal(6, 2), cache)))


def test_gradients_are_added_where_asked():
    x, grad = normal(9, 5), normal(9, 5, seed=1)
    slots = [np.zeros(5, np.float32) for _ in range(2)], [np.full(5, 2, np.float32) for _ in range(2)]
    for accumulate, (weight, bias) in enumerate(slots):
        _, cache = F.batch_norm(x, np.ones(5, np.float32), None, None, None, training=True)
        F.batch_norm_backward(grad, cache, grad_weight=weight, grad_bias=bias, accumulate=bool(accumulate))
    for first, added in zip(*slots, strict=True):
        close(added, first + 2, 1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("training", [True, False])
def test_forms_of_input(form, training):
    x, grad = normal(6, 5), normal(6, 5, seed=1)
    given = form_of(x, form), form_of(grad, form)
    before = [np.array(a) for a in given]
    same(run(F, *given, training=training), run(F, x, grad, training=training))
    same([np.array(a) for a in given], before)


@pytest.mark.parametrize("training", [True, False])
def test_same_bits_with_one_and_two_threads(training):
    x, grad = normal(1500, 130), normal(1500, 130, seed=1)
    with_threads(lambda: run(F, x, grad, training=training))


def test_wrong_arguments_are_named():
    x, ones = normal(6, 5), np.ones(5, np.float32)
    with pytest.raises(ValueError, match="x: expected more than one value per feature in training"):
        F.batch_norm(x[:1], None, None, None, None, training=True)
    with pytest.raises(ValueError, match="running_mean, running_var: expected arrays outside training"):
        F.batch_norm(x, None, None, None, None, training=False)
    with pytest.raises(ValueError, match=r"^weight: "):
        F.batch_norm(x, ones[:4], None, ones, ones, training=False)
    with pytest.raises(ValueError, match=r"^bias: "):
        F.batch_norm(x, None, ones[:4], ones, ones, training=False)
    with pytest.raises(ValueError, match=r"^running_mean: "):
        F.batch_norm(x, None, None, ones[:4], ones, training=True)
    with pytest.raises((ValueError, TypeError), match=r"^running_var: "):
        F.batch_norm(x, None, None, ones.copy(), np.ones(5), training=True)
    with pytest.raises(ValueError, match=r"^x: "):
        F.batch_norm(x[0], None, None, ones, ones, training=False)
    _, cache = F.batch_norm(x, None, None, None, None, training=True)
    with pytest.raises(ValueError, match=r"^grad_y: "):
        F.batch_norm_backward(x[:5], cache)
