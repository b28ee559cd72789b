"""Predictions of collections of Dask: lazily, a chunk for a chunk, where the sequences lie."""

from __future__ import annotations

from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.distributed import Client

from seriatim._typing import AnyArray, ArrayLike
from seriatim.dask._asking import sent
from seriatim.dask._collections import sequences_of
from seriatim.dask._sequences import sequences_in
from seriatim.dask._threads import kernel_threads


def predicted(
    client: Client,
    model: Any,
    method: str,
    X: Any,
    lengths: ArrayLike | None,
    shape: tuple[int, ...],
    dtype: Any,
    timeout: float,
) -> da.Array:
    """Return what a method of a fitted plain estimator gives, as a lazy array with a chunk for each chunk of X.

    Parameters
    ----------
    client : Client
    model : a plain estimator, fitted
        Sent to every worker once.
    method : str
    X, lengths
        As of ``fit``.
    shape : tuple of int
        Of what is given for a sequence.
    dtype : dtype
    timeout : float
        Seconds that workers have to take the model.
    """
    chunks, counts = sequences_of(X, lengths)
    everywhere = sent(client, model, None, sum(one.data.nbytes for one in model.module_.parameters()), timeout)
    run = dask.delayed(_of_chunk, pure=False)
    blocks = [
        da.from_delayed(run(chunk, everywhere, method, shape, dtype), (_whole(count), *shape), dtype)
        for chunk, count in zip(chunks, counts, strict=True)
    ]
    return da.concatenate(blocks, allow_unknown_chunksizes=True)


def _whole(count: float) -> float | int:
    return count if np.isnan(count) else int(count)


def _of_chunk(chunk: Any, model: Any, method: str, shape: tuple[int, ...], dtype: Any) -> AnyArray:
    sequences = sequences_in(chunk)
    if not sequences:
        return np.empty((0, *shape), dtype)
    # Chunks run side by side: a thread each is what there is.
    with kernel_threads(1):
        found: AnyArray = getattr(model, method)(sequences)
    return found.astype(dtype, copy=False)
