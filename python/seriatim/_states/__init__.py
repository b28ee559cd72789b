"""State dicts as people have them: files, checkpoints, whole modules, wrapped and parametrised, read in one place."""

from seriatim._states._fit import Fit, fit, hints
from seriatim._states._manner import Converted, other_manner, without_made_up
from seriatim._states._safetensors import read_safetensors
from seriatim._states._source import StateDict, as_floats_of, as_weight, read_state

__all__ = [
    "Converted",
    "Fit",
    "StateDict",
    "as_floats_of",
    "as_weight",
    "fit",
    "hints",
    "other_manner",
    "read_safetensors",
    "read_state",
    "without_made_up",
]
