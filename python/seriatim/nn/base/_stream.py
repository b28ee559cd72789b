"""What every stream can do: a module that runs while its frames arrive.

:mod:`_network_stream` has those of networks of stages, :mod:`_memory_stream` those of modules that remember.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from seriatim._arrays import as_floats
from seriatim._typing import Array


def hold(lock: threading.Lock) -> threading.Lock:
    """Return a stream's lock, to be entered; RuntimeError if another call holds it."""
    if lock.locked():
        raise RuntimeError("stream: expected one call at a time, got one during another: give each thread its own")
    return lock


def read_mask(mask: Any, count: int) -> Any:
    """Return which of so many streams are meant; None means all."""
    if mask is None:
        return np.ones(count, bool)
    found = np.asarray(mask)
    if found.dtype != bool or found.shape != (count,):
        raise ValueError(f"mask: expected {count} booleans, one a stream, got {found.dtype} of shape {found.shape}")
    return found


class Stream(ABC):
    """Sequences whose frames arrive one by one, or some at a time; made by :meth:`Module.stream`.

    Attributes
    ----------
    batch_size : int
        Sequences that run side by side.
    n_outputs : int
        Numbers, or channels, that are put out behind a frame of one.

    Raises
    ------
    ValueError
        From its methods: frames, a mask or a state of another shape. The streams are then as they were.
    RuntimeError
        From its methods: another call of the same stream is running, on another thread.
    """

    batch_size: int
    n_outputs: int
    _lock: threading.Lock

    @abstractmethod
    def step(self, x_t: Any) -> Array:
        """Run one frame of every stream.

        Parameters
        ----------
        x_t : array_like, shape (batch_size, ...)
            Of one stream also without the first axis.

        Returns
        -------
        ndarray of float32, shape (batch_size, ...)
            The output behind this frame; without the first axis where x_t has none.
        """

    @abstractmethod
    def push(self, frames: Any) -> Any:
        """Run several frames of every stream.

        Parameters
        ----------
        frames : array_like, shape (T, batch_size, ...), or a list of batch_size arrays (T_b, ...)
            An array: as many of every stream; of one stream also ``(T, ...)``. A list: of each stream its own, which
            may be none.

        Returns
        -------
        ndarray of float32, shape (T, batch_size, ...), or list of ndarrays
            The outputs behind every frame, in the form of the input.
        """

    @abstractmethod
    def reset(self, mask: Any = None) -> None:
        """Begin anew: all streams, or those where ``mask (batch_size,)`` is True."""

    @property
    @abstractmethod
    def state(self) -> dict[str, Any]:
        """What the streams keep between frames, as arrays of their own; may be set to such a dict."""

    @state.setter
    @abstractmethod
    def state(self, state: Mapping[str, Any]) -> None: ...

    def __reduce__(self) -> Any:
        raise TypeError(f"{type(self).__name__}: cannot be pickled or copied: keep its `state` for another stream")

    # ---- What streams share

    def _hold(self) -> threading.Lock:
        """Return the lock, to be entered; RuntimeError if another call holds it."""
        return hold(self._lock)

    def _read_state(self, state: Mapping[str, Any], wanted: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
        """Return a state's arrays, those of ``wanted``, whose names and shapes are checked."""
        if not isinstance(state, Mapping):
            raise TypeError(f"state: expected a dict of arrays, as `stream.state` gives, got {type(state).__name__}")
        if set(state) != set(wanted):
            raise ValueError(f"state: expected {sorted(wanted)}, got {sorted(map(str, state))}")
        found = {}
        for name, shape in wanted.items():
            array = np.asarray(state[name]) if name == "frames" else as_floats(f"state[{name!r}]", state[name])
            if array.shape != shape:
                raise ValueError(f"state[{name!r}]: expected shape {shape}, got {array.shape}")
            found[name] = array
        if "frames" in found:
            counts = found["frames"]
            if counts.dtype.kind not in "iu" or (counts < 0).any():
                raise ValueError("state['frames']: expected the numbers of frames seen, whole and not below 0")
        return found
