"""Seriatim: recurrent sequence models with Swift kernels; NumPy arrays in and out.

``seriatim.models`` has scikit-learn classifiers, ``seriatim.nn`` the modules they are made of, ``seriatim.sequences``
the ragged data they take. Submodules are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from seriatim._config import __version__, get_num_threads, release_memory, set_num_threads, show_config

if TYPE_CHECKING:
    from seriatim.persistence import load, read_metadata, register_module, save
    from seriatim.quantization import quantize
    from seriatim.sequences import (
        PackedSequence,
        Sequences,
        batch_to_time,
        collate_fn,
        elementwise_apply,
        pack_padded_sequence,
        pack_sequence,
        pad_packed_sequence,
        pad_sequence,
        seq_wise,
        time_to_batch,
        unpack_sequence,
        unpad_sequence,
    )

    from . import compat as compat
    from . import convert as convert
    from . import distributed as distributed
    from . import export as export
    from . import functional as functional
    from . import metrics as metrics
    from . import models as models
    from . import mpi as mpi
    from . import nn as nn
    from . import optim as optim
    from . import persistence as persistence
    from . import plotting as plotting
    from . import preprocessing as preprocessing
    from . import quantization as quantization
    from . import recipes as recipes
    from . import sequences as sequences
    from . import training as training

_SUBMODULES = (
    "compat",
    "convert",
    "distributed",
    "export",
    "functional",
    "metrics",
    "models",
    "mpi",
    "nn",
    "optim",
    "persistence",
    "plotting",
    "preprocessing",
    "quantization",
    "recipes",
    "sequences",
    "training",
)
_FROM = {
    "seriatim.persistence": ("load", "read_metadata", "register_module", "save"),
    "seriatim.quantization": ("quantize",),
    "seriatim.sequences": (
        "PackedSequence",
        "Sequences",
        "batch_to_time",
        "collate_fn",
        "elementwise_apply",
        "pack_padded_sequence",
        "pack_sequence",
        "pad_packed_sequence",
        "pad_sequence",
        "seq_wise",
        "time_to_batch",
        "unpack_sequence",
        "unpad_sequence",
    ),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}

__all__ = [
    "PackedSequence",
    "Sequences",
    "__version__",
    "batch_to_time",
    "collate_fn",
    "elementwise_apply",
    "get_num_threads",
    "load",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "quantize",
    "read_metadata",
    "register_module",
    "release_memory",
    "save",
    "seq_wise",
    "set_num_threads",
    "show_config",
    "time_to_batch",
    "unpack_sequence",
    "unpad_sequence",
]


if not TYPE_CHECKING:
    # Checkers, which would take any name for one that is there, know those above.
    def __getattr__(name: str) -> Any:
        if name in _SUBMODULES:
            return importlib.import_module(f"seriatim.{name}")
        if name in _HOME:
            return getattr(importlib.import_module(_HOME[name]), name)
        raise AttributeError(f"module 'seriatim' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBMODULES])
