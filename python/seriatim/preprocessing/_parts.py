"""Transformers that are fitted on parts of the training sequences, wherever these are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sklearn.base import clone
from sklearn.pipeline import Pipeline

from seriatim.preprocessing._base import SequenceTransformer
from seriatim.sequences import Sequences


def whole_only(transformer: Any) -> Any:
    """Return what of a transformer can be fitted on all sequences together alone, None if nothing.

    Parameters
    ----------
    transformer : transformer
        One of :mod:`seriatim.preprocessing`, a pipeline of such, or another.

    Returns
    -------
    transformer or None
    """
    if type(transformer) is Pipeline:
        found = (whole_only(step) for _, step in transformer.steps if not _passes(step))
        return next((step for step in found if step is not None), None)
    can = isinstance(transformer, SequenceTransformer) and type(transformer)._fits_in_parts()
    return None if can else transformer


def fitted_in_parts(transformer: Any, parts: Mapping[int, Sequences], n_parts: int, fold: Callable[..., Any]) -> Any:
    """Return a copy of a transformer that is fitted on parts.

    Parameters
    ----------
    transformer : transformer
        One of :mod:`seriatim.preprocessing`, or a pipeline of such.
    parts : dict of int to Sequences
        Those of all parts that are here, none of them empty.
    n_parts : int
        How many there are everywhere.
    fold : callable
        ``fold(leaves, n_parts, combine)`` combines what all have in one order, as that of a team does: every process
        calls this at once, and gets the same bits however many there are.

    Returns
    -------
    transformer

    Raises
    ------
    TypeError
        It can be fitted on all sequences together alone.
    ValueError
        As of its ``fit``.
    """
    unfit = whole_only(transformer)
    if unfit is not None:
        raise TypeError(
            f"{type(unfit).__name__}: expected transformers of seriatim.preprocessing, which can be fitted where the "
            "sequences are, or a Pipeline of such; apply this one before, and give what it makes of the sequences"
        )
    made = clone(transformer)
    _fit(made, parts, lambda leaves, combine: fold(leaves, n_parts, combine))
    return made


def _fit(transformer: Any, parts: Mapping[int, Sequences], fold: Any) -> None:
    if type(transformer) is not Pipeline:
        transformer._fit_in_parts(parts, fold)
        return
    steps = [step for _, step in transformer.steps if not _passes(step)]
    for before, step in zip([None, *steps], steps, strict=False):
        if before is not None:
            parts = {number: before.transform(part) for number, part in parts.items()}
        _fit(step, parts, fold)


def _passes(step: Any) -> bool:
    return step is None or (isinstance(step, str) and step == "passthrough")
