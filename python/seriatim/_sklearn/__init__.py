"""scikit-learn's manners, for estimators and transformers alike: forms of X, features' names, parameters, fitted state.

Everything that reads users' input with scikit-learn's validation is here, so that :mod:`seriatim.sequences` is data and
nothing else.
"""

from seriatim._sklearn._features import Remembers, check_features, known_of, remember
from seriatim._sklearn._finite import as_finite
from seriatim._sklearn._forms import Known, Reading, read_sequences, read_videos
from seriatim._sklearn._looks import shortened
from seriatim._sklearn._mistakes import exchanged, other_targets, refuse_other_order, warn_of_axes, warn_of_frames
from seriatim._sklearn._parameters import (
    AUTO,
    Choice,
    Kind,
    Number,
    Rules,
    Some,
    check_parameters,
    check_value,
    has_method,
    is_auto,
    keep,
)
from seriatim._sklearn._state import Stored
from seriatim._sklearn._whole import answers, learns

__all__ = [
    "AUTO",
    "Choice",
    "Kind",
    "Known",
    "Number",
    "Reading",
    "Remembers",
    "Rules",
    "Some",
    "Stored",
    "answers",
    "as_finite",
    "check_features",
    "check_parameters",
    "check_value",
    "exchanged",
    "has_method",
    "is_auto",
    "keep",
    "known_of",
    "learns",
    "other_targets",
    "read_sequences",
    "read_videos",
    "refuse_other_order",
    "remember",
    "shortened",
    "warn_of_axes",
    "warn_of_frames",
]
