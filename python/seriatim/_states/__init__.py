"""State dicts as people have them: files, checkpoints, whole modules, wrapped and parametrised, read in one place."""

from seriatim._states._fit import Fit, fit, hints
from seriatim._states._safetensors import read_safetensors
from seriatim._states._source import StateDict, as_weight, read_state

__all__ = ["Fit", "StateDict", "as_weight", "fit", "hints", "read_safetensors", "read_state"]
