"""What ``"auto"`` becomes: one documented rule from the number of sequences, their lengths and their features.

The rule was chosen on development sets and is held against others: docs/accuracy.md has both tables and what was tried.
A parameter that is given is never changed by it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import make_pipeline

from seriatim.preprocessing import Compose, Crop, Deltas, Jitter, LevelAndShape, Stack, Standardize, Tempo
from seriatim.sequences import Sequences


@dataclass(frozen=True)
class Effort:
    """What an effort buys.

    Attributes
    ----------
    steps : int
        Of the optimiser.
    stacks, deep, frames : int
        Networks whose probabilities are averaged: plain stacks, DeepGRUs, of which each costs as much as three, and
        networks of frames, of which one alone is what streams run.
    """

    steps: int
    stacks: int
    deep: int
    frames: int


EFFORTS = {"fast": Effort(800, 1, 1, 1), "balanced": Effort(2000, 3, 1, 1), "best": Effort(3000, 8, 4, 3)}

# Mini-batches are small so that few sequences still make many steps; they grow once an epoch has more than enough.
_BATCH, _MOST_BATCH, _MANY = 16, 64, 2000
# Few sequences want as many steps as many do (48 of them: 77 % with 200 epochs, 79 % with 667); nothing below the least
# is trained on enough.
_MOST_EPOCHS, _LEAST_EPOCHS = 1000, 15
LABEL_SMOOTHING = 0.1
FRAME_JITTER, FRAME_SMOOTHING = 0.1, 0.0
# Of a plain stack and of DeepGRU.
HIDDEN_SIZE, POOLING, STACK_LEARNING_RATE = 64, ("last", "mean", "max"), 3e-3
DIMS, DEEPGRU_LEARNING_RATE = {"gru1": 48, "gru2": 32, "gru3": 32, "fc": 64}, 3e-3
DEEPGRU_DROPOUT, DEEPGRU_POOLING = 0.2, ("mean", "max")
# Longer sequences are joined to about so many steps, at most so many observations a step.
_GOOD_STEPS, _MOST_JOINED = 64, 8
# Steps of all sequences together that are predicted at a time: those of the kernels' liking, and the numbers that is.
LEAST_ROWS, _MOST_NUMBERS = 4096, 1 << 22
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
    """16; from 4,000 sequences on n // 2,000 times as many, up to 64."""
    return int(min(_MOST_BATCH, _BATCH * max(1, facts.n // _MANY)))


def max_epochs(facts: Facts, size: int, effort: Effort) -> int:
    """As many as make the effort's steps, a third of them where there is next to no time; from 15 to 1,000."""
    batches = -(-facts.n // size)
    steps = effort.steps if facts.length >= _LEAST_STEPS else effort.steps // 3
    return int(np.clip(round(steps / batches), _LEAST_EPOCHS, _MOST_EPOCHS))


def scaling(facts: Facts, learn: Callable[[Any], Any]) -> Any:
    """Standardise; before that part level and shape where units differ from sequence to sequence; leave symbols.

    ``learn`` gives a fitted copy of a transformer, of the training sequences.
    """
    if facts.symbols:
        return None
    found = learn(LevelAndShape())
    return make_pipeline(LevelAndShape(), Standardize()) if len(found.wide_) else Standardize()


def preprocessing(facts: Facts) -> Any:
    """Slopes beside the features, scaled again, not for symbols and not for a few steps; long sequences are joined."""
    steps: list[Any] = []
    if not facts.symbols and facts.length >= _LEAST_STEPS:
        steps += [Deltas(), Standardize()]
    factor = min(_MOST_JOINED, round(facts.length / _GOOD_STEPS))
    if factor > 1:
        steps.append(Stack(factor))
    return make_pipeline(*steps) if steps else None


def augmentation(facts: Facts) -> Any:
    """Another tempo, a part of the sequence, some noise: of standardised features; nothing for symbols."""
    if facts.symbols or facts.length < _LEAST_STEPS:
        return None
    return Compose([Tempo(0.8, 1.25), Crop(0.9), Jitter(0.1)])


def frame_scaling(facts: Facts) -> Any:
    """Standardise, which can be done while frames arrive; leave symbols."""
    return None if facts.symbols else Standardize()


def frame_augmentation(facts: Facts) -> Any:
    """Add some noise to standardised features, so that each frame keeps its target; nothing for symbols."""
    return None if facts.symbols else Jitter(FRAME_JITTER)


def predict_rows(longest: Sequences, batch_size: int, least: int = LEAST_ROWS) -> int:
    """As many as training's largest batch has, enough for the kernels; of what the network reads at most 16 MiB."""
    numbers = int(np.prod(longest.X.shape[1:]))
    return min(max(least, batch_size * int(longest.lengths[0])), max(1, _MOST_NUMBERS // numbers))


def reservoir_size(facts: Facts) -> int:
    """1,024 units for up to 1,000 sequences, 512 up to 4,000, 256 beyond, where solving for the readout takes long."""
    return 1024 if facts.n <= 1000 else 512 if facts.n <= 4000 else 256
