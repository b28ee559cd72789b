"""Pooling over time: ragged batches, kinds, ties, forms of input, threads, and messages."""

from itertools import combinations

import numpy as np
import pytest
from reference import sequence_pooling as twin
from support import FORMS, close, form_of, normal, same, sizes_of, with_threads

from seriatim import functional as F

RAGGED = [300, 17, 17, 9, 3, 1, 1]
KINDS = [kinds for count in (1, 2, 3) for kinds in combinations(twin.KINDS, count)]


def run(library, h, sizes, grad, kinds=twin.KINDS):
    pooled, cache = library.sequence_pool(h, sizes, kinds)
    return [np.array(pooled), library.sequence_pool_backward(grad, cache)]


def case(lengths, size, count=3):
    return normal(sum(lengths), size), sizes_of(lengths), normal(len(lengths), count * size, seed=1)


@pytest.mark.parametrize("lengths", [[1], [1] * 9, [300], RAGGED, [3] * 17])
@pytest.mark.parametrize("size", [1, 16, 17, 100])
def test_twin(lengths, size):
    given = case(lengths, size)
    for name, ours, wanted in zip(("pooled", "grad h"), run(F, *given), run(twin, *given), strict=True):
        close(ours, wanted, what=name)


@pytest.mark.parametrize("kinds", KINDS)
def test_kinds_come_in_one_order(kinds):
    given = case(RAGGED, 5, len(kinds))
    for ours, wanted in zip(run(F, *given, kinds[::-1]), run(twin, *given, kinds), strict=True):
        close(ours, wanted)


def test_no_sequences():
    pooled, _ = F.sequence_pool(np.zeros((0, 3), np.float32), np.zeros(0, np.int64), ["mean"], batch=0)
    assert pooled.shape == (0, 3)


def test_a_tie_goes_to_its_first_step():
    h = np.array([[1.0], [2.0], [2.0], [0.0]])
    _, grad = run(F, h, np.ones(4, np.int64), [[5.0]], ("max",))
    assert grad[:, 0].tolist() == [0, 5, 0, 0]


def test_a_sequence_has_the_same_bits_alone():
    h, sizes, grad = case([9, 4, 1], 40)
    pooled, grad_h = run(F, h, sizes, grad)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    for i, length in enumerate([9, 4, 1]):
        rows = offsets[:length] + i
        same(run(F, h[rows], np.ones(length, np.int64), grad[i : i + 1]), [pooled[[i]], grad_h[rows]])


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_input(form):
    h, sizes, grad = case([4, 2, 2], 6)
    wanted = run(F, h, sizes, grad)
    given = [form_of(a, form) for a in (h, grad)]
    before = [np.array(a) for a in given]
    same(run(F, given[0], sizes, given[1]), wanted)
    same([np.array(a) for a in given], before)


def test_same_bits_with_one_and_two_threads():
    given = case([200] * 40 + [3] * 30, 70)
    with_threads(lambda: run(F, *given))


def test_wrong_arguments_are_named():
    h, sizes, grad = case([4, 2, 2], 6)
    with pytest.raises(ValueError, match=r"^batch_sizes: "):
        F.sequence_pool(h[:-1], sizes)
    with pytest.raises(TypeError, match=r"^h: "):
        F.sequence_pool(h.astype(complex), sizes)
    for kinds in ((), ("last",), ("mean", "mean")):
        with pytest.raises(ValueError, match=r"^kinds: expected some of"):
            F.sequence_pool(h, sizes, kinds)
    _, cache = F.sequence_pool(h, sizes, twin.KINDS)
    for wrong in (grad[:2], grad[:, :-1]):
        with pytest.raises(ValueError, match=r"^grad_pooled: "):
            F.sequence_pool_backward(wrong, cache)
