"""What ``"auto"`` becomes: one documented rule from the number of sequences, their lengths and their features.

The rule was chosen on development sets and is held against others: docs/accuracy.md has both tables and what was tried.
A parameter that is given is never changed by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline

from seriatim.preprocessing import Compose, Crop, Deltas, Jitter, LevelAndShape, Standardize, Tempo
from seriatim.sequences import Sequences

AUTO = "auto"


@dataclass(frozen=True)
class Effort:
    """What an effort buys.

    Attributes
    ----------
    steps : int
        Of the optimiser.
    members : int
        Networks whose probabilities are averaged.
    """

    steps: int
    members: int


EFFORTS = {"fast": Effort(1000, 1), "balanced": Effort(2000, 4), "best": Effort(3000, 10)}

# Mini-batches are small so that few sequences still make many steps; they grow once an epoch has more than enough.
_BATCH, _MOST_BATCH, _MANY = 16, 64, 2000
# An epoch more brings little beyond this many of them, and nothing below the least is trained on enough.
_MOST_EPOCHS, _LEAST_EPOCHS = 200, 15
LABEL_SMOOTHING = 0.1
# Of a plain stack and of DeepGRU.
HIDDEN_SIZE, POOLING, STACK_LEARNING_RATE = 64, ("last", "mean", "max"), 3e-3
DIMS, DEEPGRU_LEARNING_RATE = {"gru1": 64, "gru2": 64, "gru3": 64, "fc": 64}, 2e-3
# Slopes and changes of tempo want sequences of at least so many steps.
_LEAST_STEPS = 4


@dataclass(frozen=True)
class Facts:
    """What the rule looks at.

    Attributes
    ----------
    n : int
        Training sequences.
    length : float
        Their median length.
    features : int
    symbols : bool
        Whether all values are 0 or 1: symbols, one of them a row, or flags.
    """

    n: int
    length: float
    features: int
    symbols: bool

    @classmethod
    def of(cls, sequences: Sequences) -> Facts:
        """Look at training sequences."""
        X = sequences.X
        symbols = X.ndim == 2 and bool(np.all((X == 0) | (X == 1)))
        return cls(len(sequences), float(np.median(sequences.lengths)), int(np.prod(X.shape[1:])), symbols)


def batch_size(facts: Facts) -> int:
    """16; beyond 2,000 sequences as many times more, up to 64."""
    return int(min(_MOST_BATCH, _BATCH * max(1, facts.n // _MANY)))


def max_epochs(facts: Facts, size: int, effort: Effort) -> int:
    """As many as make the effort's steps; from 15 to 200."""
    batches = -(-facts.n // size)
    return int(np.clip(round(effort.steps / batches), _LEAST_EPOCHS, _MOST_EPOCHS))


def scaling(facts: Facts, sequences: Sequences) -> Any:
    """Standardise; before that part level and shape where units differ from sequence to sequence; leave symbols."""
    if facts.symbols:
        return None
    found = LevelAndShape().fit(sequences)
    return make_pipeline(LevelAndShape(), Standardize()) if len(found.wide_) else Standardize()


def preprocessing(facts: Facts) -> Any:
    """Slopes beside the features, scaled again; nothing for symbols and for sequences of a few steps."""
    if facts.symbols or facts.length < _LEAST_STEPS:
        return None
    return make_pipeline(Deltas(), Standardize())


def augmentation(facts: Facts) -> Any:
    """Another tempo, a part of the sequence, some noise: of standardised features; nothing for symbols."""
    if facts.symbols or facts.length < _LEAST_STEPS:
        return None
    return Compose([Tempo(0.8, 1.25), Crop(0.9), Jitter(0.1)])
