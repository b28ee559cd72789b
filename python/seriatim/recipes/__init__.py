"""Recipes: estimators with the preparation and the augmentation that a kind of data wants.

A recipe is a function that returns an unfitted estimator, and the pieces that it is made of are public: transformers
and augmentations that stand beside those of :mod:`seriatim.preprocessing`, which know what a recording, a skeleton, a
sensor or a stroke is. Keywords that a recipe does not know itself are the classifier's.
"""

from seriatim.recipes._skeletons import Bodies, Facing, Mirror, skeletons
from seriatim.recipes._speech import Cepstra, Microphone, PadEnds, Room, log_mel, speech
from seriatim.recipes._strokes import EvenStroke, Slant, strokes
from seriatim.recipes._wearables import Orientation, SensorNoise, wearables

__all__ = [
    "Bodies",
    "Cepstra",
    "EvenStroke",
    "Facing",
    "Microphone",
    "Mirror",
    "Orientation",
    "PadEnds",
    "Room",
    "SensorNoise",
    "Slant",
    "log_mel",
    "skeletons",
    "speech",
    "strokes",
    "wearables",
]
