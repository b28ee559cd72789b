"""What is linear and its gradient are adjoint, <A x, g> = <x, A^T g>, whatever the shape; packing is undone exactly."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seriatim import functional as F
from seriatim import nn

FEW = settings(max_examples=25, deadline=None, derandomize=True, database=None)
sizes = st.integers(1, 9)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


def normal(shape, seed):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def check(module, x):
    y, context = module.trace(x)
    grad = normal(y.shape, 7)
    back = module.pullback(context, grad)
    ahead = np.vdot(y.astype(np.float64), grad)
    room = 1e-5 * (1 + np.abs(y.astype(np.float64) * grad).sum() + np.abs(x.astype(np.float64) * back).sum())
    assert abs(ahead - np.vdot(x.astype(np.float64), back)) < room


@FEW
@given(sizes, sizes, sizes, sizes, pairs, pairs, pairs, st.integers(0, 2), st.integers(1, 3))
def test_convolution(batch, channels, height, width, kernel, stride, dilation, padding, groups):
    conv = nn.Conv2d(channels * groups, 2 * groups, kernel, stride, padding, dilation, groups, bias=False, rng=0)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    shape = (batch, channels * groups, max(height, reach[0]), max(width, reach[1]))
    check(conv, normal(shape, 1))


@FEW
@given(sizes, sizes, sizes, pairs, pairs, st.booleans())
def test_average_pooling(planes, height, width, kernel, stride, ceil_mode):
    x = normal((1, planes, height + kernel[0], width + kernel[1]), 2)
    check(nn.AvgPool2d(kernel, stride, ceil_mode=ceil_mode), x)
    check(nn.AdaptiveAvgPool2d(kernel), x)


@FEW
@given(sizes, sizes, sizes, pairs, st.sampled_from(["nearest", "bilinear"]))
def test_upsampling(planes, height, width, size, mode):
    check(nn.Upsample((size[0] + 3, size[1] + 4), mode=mode), normal((2, planes, height, width), 3))


@FEW
@given(sizes, sizes, st.integers(1, 70))
def test_linear(rows, features, outputs):
    check(nn.Linear(features, outputs, bias=False, rng=0), normal((rows, features), 4))


@FEW
@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 5), st.booleans())
def test_packing_is_undone(lengths, features, batch_first):
    sequences = [normal((length, features), i) for i, length in enumerate(lengths)]
    order = np.argsort([-length for length in lengths], kind="stable")
    data, batch_sizes = F.collate(sequences, order, "packed")
    padded = F.unpack_rows(data, batch_sizes, order, total_length=max(lengths) + 1, batch_first=batch_first)
    rows = padded if batch_first else padded.swapaxes(0, 1)
    for sequence, row in zip(sequences, rows, strict=True):
        np.testing.assert_array_equal(row[: len(sequence)], sequence)
        assert not row[len(sequence) :].any()
    again, sizes_again = F.pack_rows(padded, np.array(lengths)[order], order, batch_first=batch_first)
    np.testing.assert_array_equal(again, data)
    np.testing.assert_array_equal(sizes_again, batch_sizes)
