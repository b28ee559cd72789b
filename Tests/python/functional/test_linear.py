"""linear: every form of input, what may be left out, accumulation, threads, and messages."""

import numpy as np
import pytest
from reference import linear as twin
from support import FORMS, SIZES, close, form_of, normal, same, with_threads

from seriatim import functional as F


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 7, 8, 9, 17, 19])
@pytest.mark.parametrize("sizes", [(1, 1), (1, 48), (300, 1), (17, 49), *((11, size) for size in SIZES)])
def test_twin(rows, sizes):
    inner, outer = sizes
    x, weight, bias, grad = normal(rows, inner), normal(outer, inner), normal(outer), normal(rows, outer, seed=1)
    for given in (bias, None):
        (y, cache), (wanted, twin_cache) = F.linear(x, weight, given), twin.linear(x, weight, given)
        close(y, wanted)
    for ours, other in zip(
        F.linear_backward(grad, cache, weight), twin.linear_backward(grad, twin_cache, weight), strict=True
    ):
        close(ours, other)


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_input(form):
    x, weight, bias, grad = normal(5, 7), normal(9, 7), normal(9), normal(5, 9, seed=1)
    wanted, cache = F.linear(x, weight, bias)
    given = [form_of(a, form) for a in (x, bias, grad)]
    before = [np.array(a) for a in given]
    y, own = F.linear(given[0], np.asarray(form_of(weight, form)), given[1])
    np.testing.assert_array_equal(y, wanted)
    same(F.linear_backward(given[2], own, weight), F.linear_backward(grad, cache, weight))
    same([np.array(a) for a in given], before)


def test_integers_and_empty_batches():
    weight = normal(4, 3)
    np.testing.assert_array_equal(F.linear(np.ones((2, 3), int), weight)[0], F.linear(np.ones((2, 3)), weight)[0])
    assert F.linear(np.zeros((0, 3)), weight)[0].shape == (0, 4)


def test_what_is_not_needed_is_not_computed():
    x, weight, grad = normal(5, 7), normal(9, 7), normal(5, 9, seed=1)
    _, cache = F.linear(x, weight)
    grad_x, grad_weight, grad_bias = F.linear_backward(grad, cache, weight, need_parameters=False)
    assert grad_weight is None
    assert grad_bias is None
    close(grad_x, grad @ weight)
    assert F.linear_backward(grad, cache, weight, need_input=False)[0] is None


@pytest.mark.parametrize("accumulate", [False, True])
def test_gradients_are_written_or_added_to_given_arrays(accumulate):
    x, weight, grad = normal(5, 7), normal(9, 7), normal(5, 9, seed=1)
    _, cache = F.linear(x, weight)
    _, for_weight, for_bias = F.linear_backward(grad, cache, weight)
    slots = np.full((9, 7), 2, np.float32), np.full(9, 3, np.float32)
    F.linear_backward(grad, cache, weight, grad_weight=slots[0], grad_bias=slots[1], accumulate=accumulate)
    close(slots[0], for_weight + 2 * accumulate, 1e-6)
    close(slots[1], for_bias + 3 * accumulate, 1e-6)


def test_packing_once_changes_no_bit():
    x, weight, grad = normal(5, 7), normal(9, 7), normal(5, 9, seed=1)
    y, cache = F.linear(x, weight)
    np.testing.assert_array_equal(F.linear(x, weight, packed=F.linear_pack(weight))[0], y)
    packed = F.linear_pack_backward(weight)
    same(F.linear_backward(grad, cache, weight, packed=packed), F.linear_backward(grad, cache, weight))


def test_same_bits_with_one_and_two_threads():
    x, weight, grad = normal(301, 70), normal(130, 70), normal(301, 130, seed=1)

    def run():
        y, cache = F.linear(x, weight)
        return [y, *F.linear_backward(grad, cache, weight)]

    with_threads(run)


def test_wrong_arguments_are_named():
    x, weight = normal(5, 7), normal(9, 7)
    _, cache = F.linear(x, weight)
    with pytest.raises(ValueError, match=r"^x: "):
        F.linear(normal(7), weight)
    with pytest.raises(ValueError, match=r"^(x|packed): "):
        F.linear(normal(5, 60), weight)
    with pytest.raises(ValueError, match=r"^bias: "):
        F.linear(x, weight, normal(8))
    with pytest.raises(ValueError, match=r"^(grad_y|x): "):
        F.linear_backward(normal(4, 9), cache, weight)
    with pytest.raises(ValueError, match=r"^grad_weight: "):
        F.linear_backward(normal(5, 9), cache, weight, grad_weight=np.zeros((9, 8), np.float32))
    for wrong in (np.zeros((9, 7)), np.zeros((9, 14), np.float32)[:, ::2], np.zeros((9, 7), ">f4")):
        with pytest.raises((ValueError, TypeError), match=r"^grad_weight: "):
            F.linear_backward(normal(5, 9), cache, weight, grad_weight=wrong)
    frozen = np.zeros((9, 7), np.float32)
    frozen.setflags(write=False)
    with pytest.raises((ValueError, TypeError), match=r"^grad_weight: "):
        F.linear_backward(normal(5, 9), cache, weight, grad_weight=frozen)
    with pytest.raises(TypeError, match=r"^x: "):
        F.linear(np.full((5, 7), "a"), weight)
