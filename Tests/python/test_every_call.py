"""No function of `_core` keeps memory or references, whether it gives a result or refuses its arguments."""

import core_arguments
import every_call
import pytest


@pytest.mark.parametrize(
    "name", [name for name in core_arguments.GOOD if name not in every_call.LEFT_OUT and name != "signatures"]
)
def test_nothing_is_left(name):
    for make in core_arguments.GOOD[name]:
        blocks, kept, held = every_call.lost(name, make, 120)
        assert blocks < 120, f"{blocks} blocks of Python's memory after 240 calls"
        assert kept == 0, f"{kept} bytes of arrays after 240 calls"
        assert held == 0, f"{held} references after 240 calls"
