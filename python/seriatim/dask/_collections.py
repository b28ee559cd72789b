"""Collections of Dask as lists of futures, one a chunk, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.bag import Bag
from dask.core import flatten
from dask.delayed import Delayed
from dask.distributed import Client, Future, futures_of

from seriatim._typing import Integers
from seriatim.dask._sequences import as_sequences

FORMS = (
    "a list of futures or of delayed objects (each a list of sequences), a bag of sequences, an array (n, T, ...), an "
    "array (sum T, ...) with lengths, or what the plain estimator takes"
)
_FRAME = (
    "X: expected {}, got a data frame. Each partition becomes a chunk of sequences by "
    "[dask.delayed(seriatim.Sequences.from_frame)(part, by='...') for part in frame.to_delayed()], if no sequence is "
    "divided between partitions, as after frame.set_index(...) on the column that names them."
)


def is_dask(value: Any) -> bool:
    """Return whether something lies on a cluster, or will."""
    if isinstance(value, Future) or dask.is_dask_collection(value):
        return True
    return isinstance(value, (list, tuple)) and any(isinstance(one, (Future, Delayed)) for one in value)


def _is_frame(value: Any) -> bool:
    # A delayed object says of every attribute that it has it.
    return dask.is_dask_collection(value) and not isinstance(value, Delayed) and hasattr(value, "columns")


def as_list(name: str, value: Any) -> list[Any]:
    """Return chunks, which are futures or delayed.

    Raises
    ------
    TypeError, ValueError
        It is nothing that has chunks of sequences, or of what belongs to them.
    """
    if isinstance(value, (Future, Delayed)):
        return [value]
    if isinstance(value, (list, tuple)):
        if all(isinstance(one, Future) for one in value) or all(isinstance(one, Delayed) for one in value):
            return list(value)
        kinds = sorted({type(one).__name__ for one in value})
        raise TypeError(
            f"{name}: expected a list of futures or one of delayed objects, got a list of {', '.join(kinds)}"
        )
    if isinstance(value, da.Array):
        others = {axis: -1 for axis in range(1, value.ndim) if value.numblocks[axis] > 1}
        return [*(value.rechunk(others) if others else value).to_delayed().ravel()]
    if isinstance(value, Bag) or hasattr(value, "to_delayed"):
        return list(value.to_delayed())
    raise TypeError(f"{name}: expected {FORMS}, got {type(value).__name__}")


def sequences_of(X: Any, lengths: Any) -> tuple[list[Any], list[float]]:
    """Return the chunks of sequences of a collection, futures or delayed, and how many each has (NaN: not known).

    Raises
    ------
    TypeError, ValueError
        As of :func:`as_list`; or a sequence is divided between chunks.
    """
    if _is_frame(X):
        raise TypeError(_FRAME.format(FORMS))
    if isinstance(X, da.Array) and lengths is not None:
        return _whole_blocks(X, lengths)
    if lengths is not None:
        raise ValueError(
            "lengths: expected none where X is a collection of sequences; they belong to a Dask array of observations "
            "(sum T, ...)"
        )
    if isinstance(X, da.Array) and X.ndim < 3:
        raise ValueError(
            f"X: expected a Dask array (n, T, ...), or (sum T, ...) with lengths, got one of shape {X.shape} without. "
            "Univariate series (n, T) become X[:, :, None]."
        )
    chunks = as_list("X", X)
    counts = list(map(float, X.chunks[0])) if isinstance(X, da.Array) else [float("nan")] * len(chunks)
    return chunks, counts


def _whole_blocks(X: da.Array, lengths: Any) -> tuple[list[Any], list[float]]:
    """Return the blocks of observations that are whole sequences."""
    each: Integers = np.asarray(lengths.compute() if dask.is_dask_collection(lengths) else lengths)
    ends = np.cumsum(each)
    if np.isnan(X.chunks[0]).any():
        raise ValueError(
            "X: expected chunks of known sizes, got some that are not: X.compute_chunk_sizes() finds them out"
        )
    if each.ndim != 1 or len(each) == 0 or ends[-1] != X.shape[0]:
        total = int(each.sum())
        raise ValueError(f"lengths: expected them to add up to the {X.shape[0]} observations of X, got {total}")
    blocks = np.array(list(accumulate(X.chunks[0])))
    divided = ~np.isin(blocks, ends)
    if divided.any():
        near = np.unique(ends[np.abs(ends[:, None] - blocks[None]).argmin(axis=0)])
        sizes = tuple(int(size) for size in np.diff([0, *near]))
        advice = f"X.rechunk({{0: {sizes}}})" if len(sizes) < 30 else "X.rechunk({0: sizes})"
        raise ValueError(
            f"X: expected every chunk to end where a sequence ends, got chunk {int(divided.argmax())} that ends within "
            f"one, at observation {int(blocks[divided][0])}: {advice} has such chunks"
        )
    places = np.searchsorted(ends, blocks) + 1
    chunks, first = [], 0
    for block, last in zip(as_list("X", X), places, strict=True):
        chunks.append(dask.delayed(as_sequences, pure=False)(block, each[first:last]))
        first = int(last)
    return chunks, list(map(float, np.diff([0, *places])))


def persisted(client: Client, chunks: Sequence[Any]) -> list[Future]:
    """Return the future of each chunk; what is not computed yet begins to be."""
    if all(isinstance(one, Future) for one in chunks):
        return list(chunks)
    held = []
    for one in client.persist(list(chunks)):
        keys = set(flatten(one.__dask_keys__()))
        held += [future for future in futures_of(one) if future.key in keys]
    return held


def values_of(name: str, value: Any, sizes: Sequence[int]) -> list[Any]:
    """Return the chunks of targets, weights or groups, cut as those of the sequences where they can be."""
    if isinstance(value, da.Array) and tuple(value.chunks[0]) != tuple(sizes):
        if np.isnan(value.chunks[0]).any():
            return as_list(name, value)
        if value.shape[0] != sum(sizes):
            raise ValueError(f"{name}: expected one for each of {sum(sizes)} sequences, got {value.shape[0]}")
        value = value.rechunk({0: tuple(sizes)})
    return as_list(name, value)
