"""Functions of observations applied to sequences."""

from __future__ import annotations

import numpy as np
import pytest

from seriatim import nn
from seriatim.sequences import (
    batch_to_time,
    elementwise_apply,
    pack_sequence,
    seq_wise,
    time_to_batch,
    unpack_sequence,
)

VIDEO = np.random.default_rng(3).normal(size=(3, 4, 5, 6, 7)).astype(np.float32)


def test_elementwise_apply_keeps_the_order():
    arrays = [np.full((n, 2), n, np.float32) for n in (2, 5, 3)]
    packed = pack_sequence(arrays, enforce_sorted=False)
    model = nn.Linear(2, 3, rng=0).eval()
    applied = elementwise_apply(model, packed)
    assert applied.sorted_indices is packed.sorted_indices
    assert applied.batch_sizes is packed.batch_sizes
    for found, array in zip(unpack_sequence(applied), arrays, strict=True):
        np.testing.assert_allclose(found, model(array), rtol=1e-6)


def test_time_goes_into_the_batch_and_back():
    flat, n = time_to_batch(VIDEO)
    assert n == 4
    np.testing.assert_array_equal(flat, VIDEO.reshape(12, 5, 6, 7))
    np.testing.assert_array_equal(batch_to_time(flat, n), VIDEO)


def test_seq_wise_applies_to_every_image():
    seen = []

    def mean(images, axes):
        seen.append(images.shape)
        return images.mean(axes)

    found = seq_wise(mean)(VIDEO, axes=(2, 3))
    assert seen == [(12, 5, 6, 7)]
    np.testing.assert_allclose(found, VIDEO.mean((3, 4)))
    np.testing.assert_allclose(seq_wise(mean)(VIDEO[0], (2, 3)), VIDEO[0].mean((2, 3)))


@pytest.mark.parametrize("n", [0, 5])
def test_a_batch_that_does_not_divide(n):
    with pytest.raises(ValueError, match="n: expected a batch size that divides"):
        batch_to_time(np.zeros((12, 2)), n)
