"""Files: one safetensors file a model, with its configuration inside. Nothing in it is ever executed.

The header's metadata has ``seriatim`` (JSON: format, library version, and the model as a tree of plain values); arrays
are the file's tensors, under names that say where they belong (``module_.gru1.weight_ih_l0``). ``metadata`` has what
the user gave. Only classes of ``seriatim.nn``, ``seriatim.models``, ``seriatim.preprocessing`` and
``seriatim.recipes``, scikit-learn's public estimators, and modules that a program has registered, can be in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from seriatim._files import as_path, parsed
from seriatim._typing import AnyArray
from seriatim.persistence._compare import Comparison
from seriatim.persistence._drafts import pruned
from seriatim.persistence._estimators import TRAINING
from seriatim.persistence._files import (
    FORMAT,
    NARROW_FORMAT,
    checked_metadata,
    read,
    read_metadata,
    write,
)
from seriatim.persistence._registry import not_known, register_module
from seriatim.persistence._values import Reader, Writer

__all__ = ["load", "read_metadata", "register_module", "save"]


def __dir__() -> list[str]:
    return sorted(__all__)


def save(
    model: Any,
    path: str | os.PathLike[str],
    metadata: Mapping[str, Any] | None = None,
    *,
    training: bool = True,
) -> None:
    """Save an estimator or a pipeline, fitted or not, or a module.

    Parameters
    ----------
    model : estimator or transformer of seriatim or scikit-learn, module or loss of seriatim.nn
        Pipelines, searches and others that are made of estimators as well, as far as what fit has left in each part is
        numbers, text and the like, which is not so of trees and other compiled objects. Modules made of such modules as
        well, and those of your own that :func:`register_module` was told of. Any other module: save its
        ``state_dict()`` with ``safetensors.numpy.save_file``.
    path : str or path
        Replaced as a whole once everything is written: a crash leaves the old file.
    metadata : dict, optional
        What you want to say of the model: None, bools, finite numbers, strings, lists and dicts of them.
        :func:`read_metadata` gives it back.
    training : bool, default True
        Whether the file has what more training goes on from: the optimiser's state, twice as large as the weights with
        Adam, and the generator. Without them ``warm_start`` and ``partial_fit`` begin with fresh ones.

    Raises
    ------
    TypeError
        Something in the model, or in ``metadata``, is of a class that a file cannot hold; or ``path`` is no path.
    ValueError
        :func:`load` would make another model: the message says where and in what. Or a number in ``metadata`` is not
        finite.
    FileNotFoundError
        The path's folder is not there.

    Notes
    -----
    Before anything is written, what the file makes is made and compared with the model. A module comes back with its
    structure as it is now, parts that were added, replaced or removed and settings that were changed included; with
    what is shared shared, and what is frozen (``requires_grad``) frozen; with the numbers of its dropout, so that one
    more training step gives the same bits; and with the memory that :class:`seriatim.nn.ConvRNN` and its like keep
    between calls (``reset_all()`` before saving clears it). Gradients, forwards that wait for their backward, and a
    module's optimiser stay behind, and so do the modes of parts: one that was held in evaluation mode is told so again
    after ``train()``.

    An estimator comes back with its parameters, with attributes that you have set (names that begin with an underscore
    aside), with all that ``fit`` has left, and with what training goes on from:
    ``partial_fit`` and ``fit`` with ``warm_start`` give the same bits as without the file. ``callbacks``,
    ``checkpoint_dir`` and scikit-learn's ``memory`` say where and how a run is kept and watched: they stay behind, and
    ``monitor`` is 'loss' if it was a function of your own. Other functions of your own, as ``augmentation`` or
    ``schedule``, are refused: they are code.
    """
    if isinstance(model, (str, os.PathLike)):
        raise TypeError(f"model: expected a model, got a path: the model comes first, save(model, {str(model)!r})")
    target, told = as_path(path), checked_metadata(metadata)
    left = frozenset() if training else TRAINING
    writer = Writer(left)
    tree = pruned(writer.encode(model, "", type(model).__name__))
    if not (isinstance(tree, dict) and "class" in tree):
        raise TypeError(not_known(model, "model"))
    tensors, form = writer.tensors, NARROW_FORMAT if writer.has_narrow else FORMAT
    # Its drafts are as large as the model.
    del writer
    _refuse_another(model, tree, tensors, left)
    write(target, tree, tensors, told, form)


def _refuse_another(model: Any, tree: dict[str, Any], tensors: dict[str, AnyArray], left: frozenset[str]) -> None:
    """Raise ValueError if the file would make another model."""
    kind = type(model).__name__
    try:
        again = Reader(tensors).whole(parsed(json.dumps(tree), finite=False))
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(f"{kind}: a file of it could not be loaded, and none is written: {error}") from error
    difference = Comparison(left=left).find(model, again, kind)
    if difference is not None:
        way_on = (
            "save the whole by joblib.dump, a pickle"
            if hasattr(model, "get_params")
            else "give a module as it is to the constructor of what contains it, or save state_dict() with "
            "safetensors.numpy.save_file"
        )
        raise ValueError(f"{difference}. Nothing was written: a file must not make another model; {way_on}")


def load(path: str | os.PathLike[str]) -> Any:
    """Load what :func:`save` wrote; modules come back in evaluation mode.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    estimator, transformer, Pipeline, module or loss
        Of the class that was saved. ``train()`` of a module goes on as it would have without the file, with every
        part in training mode.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
    TypeError
        ``path`` is no path.
    ValueError
        The file is cut short, or not one of ours, or in another format than this version's, or holds a module that is
        not registered, or something that this version does not know.
    """
    header, tensors = read(as_path(path))
    try:
        return Reader(tensors).whole(header["model"])
    except (MemoryError, Warning):
        raise
    except Exception as error:
        text = str(error) if isinstance(error, ValueError) else f"is not as save writes it: {error!r}"
        raise ValueError(f"{path}: {text}") from (None if isinstance(error, ValueError) else error)
