"""scikit-learn's manners, for estimators and transformers alike: forms of X, features' names, parameters, fitted state.

Everything that reads users' input with scikit-learn's validation is here, so that :mod:`seriatim.sequences` is data and
nothing else.
"""

from seriatim._sklearn._features import check_features, keep_feature_names
from seriatim._sklearn._forms import is_list_of_arrays, read_sequences, read_videos, rows_of_table
from seriatim._sklearn._looks import shortened
from seriatim._sklearn._parameters import (
    AUTO,
    Choice,
    HasMethod,
    Number,
    Rules,
    check_parameters,
    check_value,
    is_auto,
    keep,
)
from seriatim._sklearn._state import Stored

__all__ = [
    "AUTO",
    "Choice",
    "HasMethod",
    "Number",
    "Rules",
    "Stored",
    "check_features",
    "check_parameters",
    "check_value",
    "is_auto",
    "is_list_of_arrays",
    "keep",
    "keep_feature_names",
    "read_sequences",
    "read_videos",
    "rows_of_table",
    "shortened",
]
