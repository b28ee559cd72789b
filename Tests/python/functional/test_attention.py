"""attention: ragged batches, extreme scores, forms of input, threads, and messages."""

import numpy as np
import pytest
from reference import attention as twin
from support import FORMS, SIZES, close, form_of, normal, same, sizes_of, with_threads

from seriatim import functional as F

RAGGED = [300, 17, 17, 9, 3, 1, 1]


def run(library, query, h, sizes, grad):
    (context, weights), cache = library.attention(query, h, sizes)
    context, weights = np.array(context), np.array(weights)
    return [context, weights, *library.attention_backward(grad, cache)]


def case(lengths, size):
    batch = len(lengths)
    return normal(batch, size), normal(sum(lengths), size, seed=1), sizes_of(lengths), normal(batch, size, seed=2)


@pytest.mark.parametrize("lengths", [[1], [1] * 9, [300], RAGGED, [3] * 17, [6, 4, 3, 3, 1]])
@pytest.mark.parametrize("size", SIZES)
def test_twin(lengths, size):
    given = case(lengths, size)
    names = ("context", "weights", "grad query", "grad h")
    for name, ours, wanted in zip(names, run(F, *given), run(twin, *given), strict=True):
        close(ours, wanted, what=name)


def test_weights_of_each_sequence_sum_to_one():
    query, h, sizes, _ = case(RAGGED, 5)
    (_, weights), _ = F.attention(query, h, sizes)
    assert np.all(weights > 0)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    for i, length in enumerate(RAGGED):
        assert weights[offsets[:length] + i].sum() == pytest.approx(1, abs=1e-5)


def test_large_scores_do_not_overflow():
    query, h = np.full((2, 4), 1e4, np.float32), normal(7, 4) * 1e4
    sizes = np.array([2, 2, 2, 1])
    for array in run(F, query, h, sizes, np.ones((2, 4))):
        assert np.all(np.isfinite(array))
    close(run(F, query, h, sizes, np.ones((2, 4)))[1], run(twin, query, h, sizes, np.ones((2, 4)))[1])


def test_a_sequence_has_the_same_bits_alone():
    query, h, sizes, grad = case([9, 4, 1], 10)
    together = run(F, query, h, sizes, grad)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    for i, length in enumerate([9, 4, 1]):
        rows = offsets[:length] + i
        alone = run(F, query[i : i + 1], h[rows], np.ones(length, np.int64), grad[i : i + 1])
        same(alone, [together[0][[i]], together[1][rows], together[2][[i]], together[3][rows]])


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_input(form):
    query, h, sizes, grad = case([4, 2, 2], 6)
    wanted = run(F, query, h, sizes, grad)
    given = [form_of(a, form) for a in (query, h, grad)]
    before = [np.array(a) for a in given]
    same(run(F, given[0], given[1], sizes, given[2]), wanted)
    same([np.array(a) for a in given], before)
    same(run(F, query, h, sizes.astype(np.int32), grad), wanted)


def test_same_bits_with_one_and_two_threads():
    given = case([200] * 40 + [3] * 30, 70)
    with_threads(lambda: run(F, *given))


def test_wrong_arguments_are_named():
    query, h, sizes, grad = case([4, 2, 2], 6)
    with pytest.raises(ValueError, match=r"^query: "):
        F.attention(query[:2], h, sizes)
    with pytest.raises(ValueError, match=r"^(query|h): "):
        F.attention(query[:, :5], h, sizes)
    with pytest.raises(ValueError, match=r"^batch_sizes: "):
        F.attention(query, h[:-1], sizes)
    with pytest.raises(TypeError, match=r"^h: "):
        F.attention(query, h.astype(complex), sizes)
    _, cache = F.attention(query, h, sizes)
    with pytest.raises(ValueError, match=r"^grad_context: "):
        F.attention_backward(grad[:2], cache)
