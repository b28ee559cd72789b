"""Sizes of `_core` that do not fit each other, or that no kernel can reckon with: an error that says which."""

import numpy as np
import pytest
from core_arguments import GOOD, floats, grouped

from seriatim import _core


@pytest.mark.parametrize("kernel", [(1, 99), (99, 1), (3, 5)])
def test_a_size_that_stands_twice_is_one(kernel):
    with pytest.raises(ValueError, match=r"weight: expected .* \(gates \* hidden_size, hidden_size, kernel_size"):
        _core.conv_recurrent_pack(floats(6, 2, *kernel), 0, False)


def test_averages_are_not_spread():
    windows = (2, 2, 2, 2, 1, 1, 0, 0)
    for name, rest in (("average_pool_forward", ()), ("average_pool_backward", (4, 4))):
        with pytest.raises(ValueError, match="windows: expected dilations of 1 for averages, got 2 and 1"):
            getattr(_core, name)(floats(1, 4, 4) if not rest else floats(1, 2, 2), *rest, (*windows, 2, 1), -1.0)


def test_places_in_a_plane_are_of_32_bits():
    windows = (1, 1, 1, 1, 1, 1, 0, 0, 1, 1)
    with pytest.raises(ValueError, match=r"x: expected planes of fewer than 2\*\*31 places, got 65536 x 65536"):
        _core.max_pool_backward(floats(1, 1, 1), 2**16, 2**16, windows, np.zeros(1, np.int32))


@pytest.mark.parametrize(
    ("name", "place", "value", "error"),
    [
        ("empty", 0, 2**31, "rows: expected a positive integer below 2**31, got 2147483648"),
        ("empty", 1, -1, "columns: expected a positive integer, got -1"),
        ("empty", 1, 2**64, "columns: expected a positive integer below 2**31, got one of more than 63 bits"),
        ("convolution_pack", 1, (4, 3, 3, 2**62, 2, 1, 1, 1, 1, 2), f"geometry, stride y: expected a positive integer "
         f"below 2**31, got {2**62}"),
        ("convolution_pack", 1, (4, 3, 3, 1, 2, 1, -1, 1, 1, 2), "geometry, padding x: expected zero or a positive "
         "integer, got -1"),
    ],
)  # fmt: skip
def test_numbers_that_are_too_large_or_too_small(name, place, value, error):
    arguments = grouped(name, GOOD[name][0]())
    arguments[place] = value
    with pytest.raises((ValueError, OverflowError)) as raised:
        getattr(_core, name)(*arguments)
    assert str(raised.value) == error
