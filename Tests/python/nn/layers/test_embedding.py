"""Embedding: rows, their gradients, and what is refused."""

import numpy as np
import pytest

from seriatim import nn


def test_embedding():
    table = nn.Embedding(5, 3, padding_idx=0, rng=0)
    index = np.array([[1, 4, 0], [1, 1, 2]])
    y = table(index)
    np.testing.assert_array_equal(y, table.weight.data[index])
    assert table.backward(np.ones_like(y)) is None
    np.testing.assert_array_equal(table.weight.grad[:, 0], [0, 3, 1, 0, 1])
    with pytest.raises(ValueError, match="x: expected integers from 0 to 4, got 0 to 5"):
        table(np.array([0, 5]))
    with pytest.raises(TypeError, match="x: expected integers, got float64"):
        table(np.zeros(2))
