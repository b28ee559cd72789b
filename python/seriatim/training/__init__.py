"""The training loop, once: mini-batches of similar length, steps, progress, early stopping, checkpoints, Ctrl-C.

It knows modules, losses and optimisers; what the labels mean is the estimators' business.
"""

from seriatim.training._batches import POOL, Batch, bucketed, bucketed_by_shard, by_length, collate
from seriatim.training._checkpoint import Checkpoint
from seriatim.training._loop import Training
from seriatim.training._patience import Measured, Patience
from seriatim.training._progress import Progress
from seriatim.training._reservoir import fit_reservoir, is_reservoir, make_reservoir

__all__ = [
    "POOL",
    "Batch",
    "Checkpoint",
    "Measured",
    "Patience",
    "Progress",
    "Training",
    "bucketed",
    "bucketed_by_shard",
    "by_length",
    "collate",
    "fit_reservoir",
    "is_reservoir",
    "make_reservoir",
]
