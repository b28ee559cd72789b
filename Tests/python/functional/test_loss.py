"""nll_loss: reductions, weights, and messages."""

import numpy as np
import pytest
from reference import loss as twin
from support import close, normal

from seriatim import functional as F


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_twin(reduction, weighted):
    logs = F.log_softmax(normal(9, 4))[0]
    target = np.arange(9) % 3
    weights = (np.array([1.0, 2.0, 0.5, 9.0]), np.linspace(0, 2, 9)) if weighted else (None, None)
    ours, cache = F.nll_loss(logs, target, *weights, reduction)
    wanted, twin_cache = twin.nll_loss(logs, target, *weights, reduction)
    close(ours, wanted)
    close(F.nll_loss_backward(cache), twin.nll_loss_backward(twin_cache))


def test_wrong_arguments_are_named():
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
