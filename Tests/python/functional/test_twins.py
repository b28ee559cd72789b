"""Every other operator against its float64 twin, at sizes around the register and the tile."""

import numpy as np
import pytest
from reference import activation, attention, collate, dropout, linear, loss, normalization, optimizer

import seriatim
from seriatim import functional as F

SIZES = [1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 33, 47, 48, 49, 100]


def close(ours, wanted, tolerance=1e-5):
    wanted = np.asarray(wanted)
    np.testing.assert_allclose(ours, wanted, rtol=0, atol=tolerance * (1 + np.abs(wanted).max()))


def normal(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rows", [1, 8, 19])
def test_linear(size, rows):
    x, weight, bias, grad = normal(rows, 11), normal(size, 11), normal(size), normal(rows, size, seed=1)
    (y, cache), (wanted, twin_cache) = F.linear(x, weight, bias), linear.linear(x, weight, bias)
    close(y, wanted)
    for ours, other in zip(
        F.linear_backward(grad, cache, weight), linear.linear_backward(grad, twin_cache, weight), strict=True
    ):
        close(ours, other)


@pytest.mark.parametrize("size", SIZES)
def test_attention(size):
    sizes = np.array([5, 4, 4, 2, 1, 1])
    query, h, grad = normal(5, size), normal(17, size), normal(5, size, seed=1)
    (context, weights), cache = F.attention(query, h, sizes)
    (wanted, wanted_weights), twin_cache = attention.attention(query, h, sizes)
    close(context, wanted)
    close(weights, wanted_weights)
    for ours, other in zip(
        F.attention_backward(grad, cache), attention.attention_backward(grad, twin_cache), strict=True
    ):
        close(ours, other)


@pytest.mark.parametrize("columns", SIZES)
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(columns, training):
    x, grad, weight, bias = normal(12, columns), normal(12, columns, seed=1), normal(columns), normal(columns, seed=2)
    results = []
    for library, kind in ((F, np.float32), (normalization, np.float64)):
        mean, variance = np.full(columns, 0.25, kind), np.full(columns, 1.5, kind)
        grads = np.ones(columns, kind), np.ones(columns, kind)
        y, cache = library.batch_norm(x, weight, bias, mean, variance, training=training, momentum=0.3)
        grad_x = library.batch_norm_backward(grad, cache, grad_weight=grads[0], grad_bias=grads[1], accumulate=True)
        results.append([y, mean, variance, grad_x, *grads])
    for ours, wanted in zip(*results, strict=True):
        close(ours, wanted, 3e-5)


@pytest.mark.parametrize("shape", [(1,), (3, 5), (2, 3, 17), (4099,)])
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.999])
def test_dropout(shape, p):
    x = normal(*shape)
    for seed, offset in ((0, 0), (2**64 - 1, 2**40 + 3)):
        ours, wanted = F.dropout(x, p, seed, offset), dropout.dropout(x, p, seed, offset)
        np.testing.assert_array_equal(ours == 0, wanted == 0)
        np.testing.assert_allclose(ours, wanted, rtol=1e-6)
        np.testing.assert_array_equal(F.dropout_backward(x, p, seed, offset), ours)


@pytest.mark.parametrize("shape", [(1,), (2, 1), (3, 10), (2, 4, 33)])
@pytest.mark.parametrize("name", ["relu", "softmax", "log_softmax"])
def test_activations(name, shape):
    x, grad = 5 * normal(*shape), normal(*shape, seed=1)
    (y, cache), (wanted, twin_cache) = (getattr(library, name)(x) for library in (F, activation))
    close(y, wanted)
    back = f"{name}_backward"
    close(getattr(F, back)(grad, cache), getattr(activation, back)(grad, twin_cache))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_nll_loss(reduction, weighted):
    logs = F.log_softmax(normal(9, 4))[0]
    target = np.arange(9) % 3
    weights = (np.array([1.0, 2.0, 0.5, 9.0]), np.linspace(0, 2, 9)) if weighted else (None, None)
    ours, cache = F.nll_loss(logs, target, *weights, reduction)
    wanted, twin_cache = loss.nll_loss(logs, target, *weights, reduction)
    close(ours, wanted)
    close(F.nll_loss_backward(cache), loss.nll_loss_backward(twin_cache))


def test_nll_loss_names_what_is_wrong():
    logs = np.zeros((3, 2))
    for target in ([0, 1, 2], [0, -1, 0]):
        with pytest.raises(ValueError, match="target: expected classes from 0 to 1"):
            F.nll_loss(logs, np.array(target))
    with pytest.raises(ValueError, match="target"):
        F.nll_loss(logs, np.array([0, 1]))
    with pytest.raises(TypeError, match="target"):
        F.nll_loss(logs, np.array([0.5, 1, 0]))
    with pytest.raises(ValueError, match="reduction"):
        F.nll_loss(logs, np.array([0, 1, 0]), reduction="average")


@pytest.mark.parametrize("size", [*SIZES, 5000])
def test_optimisers(size):
    results = []
    for library, kind in ((F, np.float32), (optimizer, np.float64)):
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
        close(ours, wanted, 2e-5)
    x = normal(size)
    assert F.sum_of_squares(x) == pytest.approx(np.sum(x.astype(float) ** 2), rel=1e-6)


@pytest.mark.parametrize("features", [1, 3, 16, 17])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int32, "mixed"])
def test_collate(features, kind):
    rng = np.random.default_rng(0)
    kinds = [np.float64, np.float32, np.float64, np.float32] if kind == "mixed" else [kind] * 4
    sequences = [(10 * rng.normal(size=(n, features))).astype(k) for n, k in zip((2, 7, 7, 1), kinds, strict=True)]
    order = np.array([1, 2, 0, 3])
    data, sizes = F.collate(sequences, order, "packed")
    wanted, wanted_sizes = collate.collate(sequences, order, "packed")
    np.testing.assert_array_equal(data, np.asarray(wanted, np.float32))
    np.testing.assert_array_equal(sizes, wanted_sizes)
    padded = F.collate(sequences, order, "padded")
    np.testing.assert_array_equal(padded, np.asarray(collate.collate(sequences, order, "padded"), np.float32))
    lengths = np.array([7, 7, 2, 1])
    again, _ = F.pack_rows(padded, lengths, np.arange(4))
    np.testing.assert_array_equal(again, data)
    X = np.concatenate([s.astype(np.float64) for s in sequences])
    starts = np.array([2, 9, 0, 16])
    np.testing.assert_array_equal(F.collate_concatenated(X, starts, lengths, "packed")[0], data)
    unpacked = F.unpack_rows(data, sizes, order, total_length=9, padding_value=-1)
    for index, sequence in enumerate(sequences):
        np.testing.assert_array_equal(unpacked[index, : len(sequence)], sequence.astype(np.float32))
        assert np.all(unpacked[index, len(sequence) :] == -1)


def test_collate_names_what_is_wrong():
    good = np.zeros((3, 2))
    for sequences, words in (
        ([good, np.zeros((3, 3))], r"sequence 1: expected shape \(T, 2\)"),
        ([good, np.zeros((0, 2))], r"sequence 1: expected shape \(T, 2\) with T >= 1"),
        ([good, np.zeros((2, 2, 2))], "sequence 1"),
    ):
        with pytest.raises(ValueError, match=words):
            F.collate(sequences, np.array([0, 1]), "padded")
    with pytest.raises(IndexError, match="order: expected indices from 0 to 0, got 3"):
        F.collate([good], np.array([3]), "packed")
    with pytest.raises(ValueError, match="descending"):
        F.collate([good, np.zeros((5, 2))], np.array([0, 1]), "packed")
    with pytest.raises(ValueError, match="layout"):
        F.collate([good], np.array([0]), "ragged")
    with pytest.raises(ValueError, match="3 observations"):
        F.collate_concatenated(good, np.array([1]), np.array([3]), "packed")


def test_same_bits_with_one_and_two_threads():
    x, weight, grad = normal(300, 90), normal(120, 90), normal(300, 120, seed=1)
    results = []
    for threads in (1, 2):
        seriatim.set_num_threads(threads)
        y, cache = F.linear(x, weight)
        results.append([y, *F.linear_backward(grad, cache, weight)[:2], F.dropout(x, 0.5, 1, 2), F.log_softmax(x)[0]])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)
