"""Preparing ragged sequences: scikit-learn transformers for any classifier, and augmentation for training.

Transformers take sequences in every form that Seriatim's estimators take and give them back in the same form; they
fit into scikit-learn's ``Pipeline``, before Seriatim's classifiers as before kNN and HMM. Augmentations change
mini-batches in training only: they are given to a classifier as ``augmentation=``.
"""

from seriatim.preprocessing._augment import (
    Augmentation,
    Compose,
    Crop,
    Jitter,
    MaskFeatures,
    MaskTime,
    Mix,
    Rotate,
    Scale,
    Shift,
    Tempo,
    TimeWarp,
    WarpFeatures,
)
from seriatim.preprocessing._base import SequenceTransformer
from seriatim.preprocessing._level import LevelAndShape
from seriatim.preprocessing._scaling import Center, MinMaxScale, Standardize
from seriatim.preprocessing._time import Deltas, Downsample, Filter, Pad, Resample, Stack, TrimConstants

__all__ = [
    "Augmentation",
    "Center",
    "Compose",
    "Crop",
    "Deltas",
    "Downsample",
    "Filter",
    "Jitter",
    "LevelAndShape",
    "MaskFeatures",
    "MaskTime",
    "MinMaxScale",
    "Mix",
    "Pad",
    "Resample",
    "Rotate",
    "Scale",
    "SequenceTransformer",
    "Shift",
    "Stack",
    "Standardize",
    "Tempo",
    "TimeWarp",
    "TrimConstants",
    "WarpFeatures",
]
