"""What single functions of the kernels refuse of values, in words; shapes are in test_core_arguments.py."""

import numpy as np
import pytest
from core_arguments import floats, integers

from seriatim import _core

PROBABILITIES = np.full((3, 4), 0.25, np.float32)


@pytest.mark.parametrize("target", [None, integers(0, 2, 1)])
def test_labels_or_probabilities_but_not_both_and_not_neither(target):
    probabilities = None if target is None else PROBABILITIES
    with pytest.raises(ValueError, match="target: expected either it or probabilities"):
        _core.nll_forward(floats(3, 4), target, probabilities, None, None, 0.0, -100.0)
    with pytest.raises(ValueError, match="target: expected either it or probabilities"):
        _core.nll_backward(floats(3), target, probabilities, None, None, 0.0, -100.0, floats(3), 4)


@pytest.mark.parametrize("bound", [0.0, -1.0, float("nan"), 1e-60])
@pytest.mark.parametrize("kind", [2, 3])
def test_a_bound_is_positive(bound, kind):
    with pytest.raises(ValueError, match="bound: expected a positive number"):
        _core.point_loss(floats(9), floats(9), None, bound, kind)


@pytest.mark.parametrize("empty", [(0, 2), (3, 0)])
def test_no_rows_and_no_columns_are_interpolated(empty):
    rows, features = empty
    index, weight = np.zeros(rows, np.int64), np.zeros(rows, np.float32)
    assert _core.interpolate_rows(np.ones((2, features), np.float32), index, weight).shape == (rows, features)
