"""Numbers of 10^30 and near float32's end: finite where the exact answer is, or an error that says what to do."""

import numpy as np
import pytest
from reference import activation as activations
from reference import attention as attentions
from reference import loss as losses
from reference import normalization as norms
from reference import optimizer as rules
from reference import pooling, recurrent
from reference import sequence_pooling as sequence_pools
from support import normal

from seriatim import functional as F
from seriatim import optim
from seriatim.nn import Parameter

SIZES = np.array([3, 2, 1])
END = np.finfo(np.float32).max


def large(*shape, scale, seed=0):
    """Numbers whose greatest is `scale`, of both signs."""
    x = normal(*shape, seed=seed)
    return (x / np.abs(x).max() * np.float32(scale)).astype(np.float32)


def attention(scale):
    query, h, grad = normal(3, 5), large(6, 5, scale=scale), normal(3, 5, seed=2)
    for q, keys in ((query, h), (large(3, 5, scale=scale, seed=1), h)):
        got, cache = F.attention(q, keys, SIZES)
        wanted, kept = attentions.attention(q, keys, SIZES)
        yield from zip(got, wanted, strict=True)
        for upper in (grad, large(3, 5, scale=scale, seed=3)):
            # What is beyond float32 would be infinite: not part of it. Weights of 0 and 1 leave the rest.
            yield from zip(F.attention_backward(upper, cache), attentions.attention_backward(upper, kept), strict=True)


def ruled(step, scale, states, **numbers):
    data, twin = normal(9), normal(9).astype(np.float64)
    kept, kept_twin = ([np.zeros(9, kind) for _ in range(states)] for kind in (np.float32, np.float64))
    for number in range(1, 4):
        grad = large(9, scale=scale, seed=number) if number < 3 else normal(9, seed=number)
        more = {"step": number} if step == "adam_step" else {"first": number == 1} if step == "sgd_step" else {}
        getattr(F, step)(data, grad, *kept, **numbers, **more)
        getattr(rules, step)(twin, grad.astype(np.float64), *kept_twin, **numbers, **more)
        if number == 1 or step == "sgd_step":
            yield data.copy(), twin.copy()
        else:
            # Beyond 2^63 gradients count as that: the steps are as long, in other proportions.
            yield np.abs(data - twin) < 30 * numbers["lr"], np.ones(9)


def adam(scale):
    common = {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01}
    yield from ruled("adam_step", scale, 2, **common, decoupled=False)
    yield from ruled("adam_step", scale, 2, **common, decoupled=True)


def rmsprop(scale):
    yield from ruled("rmsprop_step", scale, 1, lr=1e-3, alpha=0.99, eps=1e-8)
    yield from ruled("rmsprop_step", scale, 2, lr=1e-3, alpha=0.99, eps=1e-8, momentum=0.5)


def sgd(scale):
    numbers = {"lr": 1e-3, "dampening": 0.0, "weight_decay": 0.0, "nesterov": False}
    data, twin = normal(9), normal(9).astype(np.float64)
    F.sgd_step(data, grad := large(9, scale=scale), None, **numbers, momentum=0.0, first=True)
    rules.sgd_step(twin, grad.astype(np.float64), None, **numbers, momentum=0.0, first=True)
    yield data, twin
    if scale < END / 4:
        yield from ruled("sgd_step", scale, 1, **numbers, momentum=0.9)
    else:
        # A momentum beyond float32 is held at its end.
        data, kept = np.zeros(1, np.float32), np.full(1, END, np.float32)
        F.sgd_step(data, kept.copy(), kept, **numbers, momentum=0.9, first=False)
        yield data, np.array([-1e-3 * END])


def clipping(scale):
    for parameters in ([Parameter(normal(40, 120))], [Parameter(normal(3)), Parameter(normal(5))]):
        for index, parameter in enumerate(parameters):
            parameter.zero_grad()
            parameter.grad = large(*parameter.shape, scale=scale, seed=index)
        wanted = np.concatenate([p.grad.astype(np.float64).ravel() for p in parameters])
        norm = np.sqrt(np.sum(wanted**2))
        yield np.float64(optim.clip_grad_norm_(parameters, 0.5)), norm
        yield np.concatenate([p.grad.ravel() for p in parameters]), wanted * (0.5 / norm)


def average(scale):
    kept, data = large(9, scale=scale), large(9, scale=scale, seed=1)
    data[:2], kept[:2] = (scale, -scale), (-scale, scale)
    twin = kept.astype(np.float64)
    F.average_step(kept, data, 0.75)
    rules.average_step(twin, data.astype(np.float64), 0.75)
    yield kept, twin


def point(kind):
    def run(scale):
        p, t = large(4, 5, scale=scale), large(4, 5, scale=scale, seed=1)
        p[0], t[1] = normal(5), normal(5)
        difference = p.astype(np.float64) - t
        size = np.abs(difference)
        inside = size <= 1
        loss, slope = {
            "mse": (difference**2, 2 * difference),
            "l1": (size, np.sign(difference)),
            "huber": (np.where(inside, difference**2 / 2, size - 0.5), np.clip(difference, -1, 1)),
            "smooth_l1": (np.where(inside, difference**2 / 2, size - 0.5), np.clip(difference, -1, 1)),
        }[kind]
        got, cache = F.point_loss(kind, p, t)
        yield got, loss.mean()
        yield F.point_loss_backward(cache), slope / slope.size

    return run


def logits_of_both_classes(scale):
    p, t = large(7, scale=scale), np.array([0, 1, 0, 1, 0, 1, 1], np.float32)
    got, cache = F.point_loss("bce_with_logits", p, t)
    exact = np.maximum(p.astype(np.float64), 0) - p * t.astype(np.float64) + np.log1p(np.exp(-np.abs(p.astype(float))))
    yield got, exact.mean()
    yield F.point_loss_backward(cache), (np.where(p > 0, 1.0, 0.0) - t) / 7


def softmaxes(scale):
    # At float32's end two logits are farther apart than it reaches: half of it.
    x, grad = large(4, 6, scale=scale / 2), large(4, 6, scale=scale, seed=1)
    for name in ("softmax", "log_softmax"):
        y, cache = getattr(F, name)(x)
        wanted, kept = getattr(activations, name)(x)
        yield y, wanted
        flat, flat_kept = getattr(F, name)(normal(4, 6)), getattr(activations, name)(normal(4, 6))
        yield (
            getattr(F, name + "_backward")(grad, flat[1]),
            getattr(activations, name + "_backward")(grad, flat_kept[1]),
        )
        yield (
            getattr(F, name + "_backward")(normal(4, 6), cache),
            getattr(activations, name + "_backward")(normal(4, 6), kept),
        )


def labels(scale):
    logs, _ = activations.log_softmax(large(5, 4, scale=scale / 2))
    given = logs.astype(np.float32)
    for smoothing in (0.0, 0.1):
        got, cache = F.nll_loss(given, np.array([0, 1, 2, 3, 0]), label_smoothing=smoothing)
        wanted, kept = losses.nll_loss(logs, [0, 1, 2, 3, 0], smoothing=smoothing)
        yield got, wanted
        yield F.nll_loss_backward(cache), losses.nll_loss_backward(kept)


def ctc(scale):
    # Classes that are all but impossible, and one that is sure.
    logs = np.full((4, 1, 3), -scale / 8, np.float32)
    logs[[0, 1, 2, 3], 0, [1, 0, 2, 2]] = 0
    got, cache = F.ctc_loss(logs, [[1, 2]])
    yield got, 0.0
    yield F.ctc_loss_backward(cache)[0, 0, 1], 0.0
    got, _ = F.ctc_loss(logs, [[2, 2]], reduction="sum")
    yield got, float(np.float32(scale / 8))


def batch_norms(scale):
    x, small = large(8, 3, scale=scale), normal(8, 3)
    mean, var = np.zeros(3, np.float32), np.ones(3, np.float32)
    for given in (x, np.stack([x, x]).transpose(1, 2, 0)):
        with pytest.raises(ValueError, match=r"x: expected values whose variance float32 can hold.*Standardize"):
            F.batch_norm(given, None, None, mean, var, training=True)
    assert mean.tolist() == [0, 0, 0]
    assert var.tolist() == [1, 1, 1]
    y, _ = F.batch_norm(x, None, None, mean, var, training=False)
    yield y, norms.batch_norm(x, None, None, mean.astype(float), var.astype(float), training=False)[0]
    # Gradients are sums of eight.
    grad = large(8, 3, scale=scale / 8, seed=5)
    _, cache = F.batch_norm(small, None, None, None, None, training=True)
    _, kept = norms.batch_norm(small, None, None, None, None, training=True)
    yield F.batch_norm_backward(grad, cache), norms.batch_norm_backward(grad, kept)


def pools(scale):
    x = np.abs(large(2, 4, 6, scale=scale)) / 2 + np.float32(scale / 2)
    y, cache = F.avg_pool2d(x, 2)
    wanted, kept = pooling.avg_pool2d(x, (2, 3), (2, 2), (2, 2), (0, 0))
    yield y, wanted
    yield F.avg_pool2d_backward(y, cache), pooling.avg_pool2d_backward(y.astype(np.float64), x.shape, kept)
    yield F.adaptive_avg_pool2d(x, (2, 2))[0], pooling.adaptive_avg_pool2d(x, (2, 2))[0]
    yield F.max_pool2d(x, 2)[0], pooling.max_pool2d(x, (2, 3), (2, 2), (2, 2), (0, 0), (1, 1))[0]


def sequence_pool(scale):
    h = np.abs(large(6, 19, scale=scale)) / 2 + np.float32(scale / 2)
    h[:, 3], h[0, 5] = normal(6), 1e-25
    y, cache = F.sequence_pool(h, SIZES, ("mean", "max"))
    wanted, kept = sequence_pools.sequence_pool(h, SIZES)
    yield y, wanted
    yield F.sequence_pool_backward(y, cache), sequence_pools.sequence_pool_backward(y, kept)
    # The other columns have the same bits as without the large ones.
    alone, _ = F.sequence_pool(np.where(np.arange(19) == 3, h, np.float32(1)), SIZES, ("mean", "max"))
    assert alone[:, 3].tobytes() == y[:, 3].tobytes()


def cells(scale):
    # Products stay below the end: what is beyond it float32 does not hold. Gates saturate, norms take the scale away.
    x = large(6, 4, scale=scale / 8)
    for name, step in sorted(recurrent.STEPS.items()):
        if name[0] not in ("gru", "lstm", "rnn") or "relu" in name:
            continue
        cell = F.cell(name[0], 4, 5, 0, name[1:])
        weights = {n: normal(*shape, seed=i) / 4 for i, (n, shape) in enumerate(cell.shapes().items())}
        packed = F.recurrent_pack(cell, [weights.get(n) for n in F.PARAMETERS])
        states = [np.zeros((3, size), np.float32) for size in cell.state_sizes]
        (y, _), _ = F.recurrent(cell, x, SIZES, packed, (*states, None)[:2], training=True)
        twin = {"weight_hr": None, "bias_c": 0.0, **{n: w.astype(np.float64) for n, w in weights.items()}}
        with np.errstate(over="ignore"):
            yield y, recurrent.recurrent(step, twin, x.astype(float), SIZES, (*map(np.float64, states), None)[:2])[0]


def moments(scale):
    x = large(9, 3, scale=scale)
    mean, spread = F.ragged_moments(x, np.array([0, 4, 9]))
    yield mean, [x[:4].mean(axis=0, dtype=np.float64), x[4:].mean(axis=0, dtype=np.float64)]
    yield spread, [x[:4].std(axis=0, dtype=np.float64), x[4:].std(axis=0, dtype=np.float64)]


CASES = [
    attention, adam, rmsprop, sgd, clipping, average, point("mse"), point("l1"), point("huber"), point("smooth_l1"),
    logits_of_both_classes, softmaxes, labels, ctc, batch_norms, pools, sequence_pool, cells, moments,
]  # fmt: skip


@pytest.mark.parametrize("scale", [1e30, 3e38], ids=["1e30", "3e38"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__qualname__)
def test_large_numbers(case, scale):
    for number, (got, wanted) in enumerate(case(scale)):
        got, wanted = np.asarray(got, np.float64), np.asarray(wanted, np.float64)
        # Beyond float32 is what no answer of it can be.
        there = np.abs(wanted) <= END if got.ndim else np.isfinite(wanted)
        assert np.isfinite(got[there]).all(), f"{number}: {got}, wanted {wanted}"
        bound = 1e-5 + 1e-3 * np.abs(wanted) + 1e-6 * np.max(np.abs(wanted), initial=0, where=there)
        assert (np.abs(got - wanted) <= bound)[there].all(), f"{number}: {got}, wanted {wanted}"
