"""Empty lists say nothing of the type of what stands beside them."""

from __future__ import annotations

import numpy as np
import pytest

from seriatim import collate_fn, pack_sequence, pad_sequence

CODE = 2**24 + 1  # float32 has no such number.


@pytest.mark.parametrize("sequences", [[[CODE, 5], []], [[], [CODE, 5]], [[], np.array([CODE, 5])]])
def test_codes_stay_integers(sequences):
    found = [
        pack_sequence(sequences, enforce_sorted=False).data,
        pack_sequence(iter(sequences), enforce_sorted=False).data,
        pad_sequence(sequences),
        collate_fn([(sequence, 0) for sequence in sequences])[0],
    ]
    for array in found:
        assert array.dtype == np.int64
        assert CODE in array


def test_an_array_s_own_type_counts():
    assert pack_sequence([[CODE, 5], np.zeros(0)]).data.dtype == np.float32
    assert pack_sequence([[], []]).data.dtype == np.float32
    assert pack_sequence([[0.5], []]).data.dtype == np.float32
