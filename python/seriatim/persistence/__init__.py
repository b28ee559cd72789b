"""Files: one safetensors file a model, with its configuration inside. Nothing in it is ever executed.

The header's metadata has ``seriatim`` (JSON: format, library version, and the model as a tree of plain values); arrays
are the file's tensors, under names that say where they belong (``module_.gru1.weight_ih_l0``). Only classes of
``seriatim.nn``, ``seriatim.models``, ``seriatim.preprocessing`` and ``seriatim.recipes``, and scikit-learn's
``Pipeline``, can be in it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from seriatim._config import __version__
from seriatim.persistence._files import read, write
from seriatim.persistence._registry import UnknownClassError, not_known
from seriatim.persistence._values import Reader, Writer

__all__ = ["load", "save"]


def __dir__() -> list[str]:
    return sorted(__all__)


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted estimator, a pipeline, or a module.

    Parameters
    ----------
    model : estimator or transformer of seriatim, Pipeline of these, or module of seriatim.nn
        ``Sequential`` and other modules that are made of modules of ``seriatim.nn`` as well. A module of your own: save
        its ``state_dict()`` with ``safetensors.numpy.save_file``.
    path : str or path
        Replaced as a whole once everything is written: a crash leaves the old file.

    Raises
    ------
    TypeError
        Something in the model is of a class that a file cannot hold.
    sklearn.exceptions.NotFittedError
    FileNotFoundError
        The path's folder is not there.
    """
    if isinstance(model, (str, os.PathLike)):
        raise TypeError(f"model: expected a model, got a path: the model comes first, save(model, {str(model)!r})")
    writer = Writer()
    tree = writer.encode(model, "", type(model).__name__)
    if not (isinstance(tree, dict) and "class" in tree):
        raise TypeError(not_known(model, "model"))
    write(path, tree, writer.tensors)


def load(path: str | os.PathLike[str]) -> Any:
    """Load what :func:`save` wrote; modules come back in evaluation mode.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    estimator, transformer, Pipeline or module
        Of the class that was saved.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
    ValueError
        The file is cut short, or not one of ours, or in another format than this version's.
    """
    header, tensors = read(Path(path))
    try:
        return Reader(tensors).decode(header["model"])
    except UnknownClassError as error:
        raise ValueError(f"{path}: holds a {error}, which this version ({__version__}) does not know") from None
