"""Losses of packed batches in which sequences have no step, and of batches of none."""

from __future__ import annotations

import numpy as np
import pytest
from support import normal

from seriatim import PackedSequence, nn, pack_sequence
from seriatim import functional as F

SOME = pack_sequence([np.zeros((0, 3)), normal(3, 3)], enforce_sorted=False)
STEPLESS = pack_sequence([np.zeros((0, 3))])
NOTHING = PackedSequence(np.zeros((0, 3)), np.zeros(0, np.int64))


def test_weights_are_those_of_all_sequences():
    weighted = nn.MSELoss(reduction="sum")
    target = SOME._replace(data=np.zeros((3, 3)))
    assert weighted(SOME, target, [5, 2]) == pytest.approx(2 * (SOME.data**2).sum(), rel=1e-6)
    with pytest.raises(ValueError, match=r"sample_weight: expected shape \(2,\)"):
        weighted(SOME, target, [1])
    assert weighted(STEPLESS, STEPLESS, [1]) == 0


@pytest.mark.parametrize("packed", [STEPLESS, NOTHING])
def test_the_mean_of_nothing_is_nan(packed):
    labels = packed._replace(data=np.zeros(0, np.int64))
    for criterion, target in ((nn.MSELoss(), packed), (nn.CrossEntropyLoss(), labels), (nn.NLLLoss(), labels)):
        assert np.isnan(criterion(packed, target))
        assert criterion.backward().data.shape == (0, 3)


def test_ctc_counts_sequences_without_frames():
    rows, _ = F.log_softmax(SOME.data)
    packed = SOME._replace(data=rows)
    alone = nn.CTCLoss(reduction="none")(rows, [1, 2])
    criterion = nn.CTCLoss(reduction="none")
    found = criterion(packed, [[1, 1], [1, 2]], target_lengths=[0, 2])
    np.testing.assert_allclose(found, [0, alone], rtol=1e-6)
    assert criterion.backward(np.ones(2)).data.shape == (3, 3)
    np.testing.assert_array_equal(criterion(packed, [1, 1, 2], target_lengths=[1, 2]), [np.inf, found[1]])
    assert nn.CTCLoss(reduction="none")(STEPLESS, [[1]]).tolist() == [np.inf]
    assert np.isnan(nn.CTCLoss()(NOTHING, np.zeros((0, 1), np.int64), target_lengths=np.zeros(0, np.int64)))
