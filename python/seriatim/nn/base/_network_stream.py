"""Streams of a network of stages: one call of the kernels a step."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from seriatim import functional as F
from seriatim._arrays import as_floats, as_numbers
from seriatim._typing import Array, Integers
from seriatim.functional import _stream as engine
from seriatim.functional._stream import Stage
from seriatim.nn.base import _init
from seriatim.nn.base._stages import below
from seriatim.nn.base._stream import Stream, read_mask
from seriatim.sequences import pack_sequence

# Rows of a call in `push`: a signal waits for its end.
_ROWS = 8192
# Without a lock around all Python code counts of references say too little.
_COUNTS = getattr(sys, "_is_gil_enabled", lambda: True)()


def _entry(shape: tuple[int, ...], rows: int) -> tuple[Array, Array]:
    """Return a new array, and the same as a matrix."""
    whole = np.empty(shape, np.float32)
    return whole, whole.reshape(rows, -1)


def _references(entry: tuple[Array, Array]) -> int:
    whole, _ = entry
    return sys.getrefcount(whole)


# Of an array that nobody but its entry holds.
_UNHELD = _references(_entry((1, 1), 1))


class _Outputs:
    """Arrays to put out: one that nobody holds any more is used again."""

    __slots__ = ("_entries", "_rows", "_shape")

    def __init__(self, shape: tuple[int, ...], rows: int) -> None:
        self._shape, self._rows = shape, rows
        self._entries: list[tuple[Array, Array]] = []

    def next(self) -> tuple[Array, Array]:
        """Return an array, and the same as a matrix."""
        if _COUNTS:
            for entry in self._entries:
                if _references(entry) == _UNHELD:
                    return entry
        # Two are enough for one that is held until the next is there.
        self._entries = [_entry(self._shape, self._rows), *self._entries[:1]]
        return self._entries[0]


# A number of Python would be converted at every step.
_add, _ONE = np.add, np.array([1])


class NetworkStream(Stream):
    """Streams of a network of stages.

    Parameters
    ----------
    stages : sequence of Stage
        Those of the module, with its weights as they are now.
    batch_size : int
    """

    def __init__(self, stages: Sequence[Stage], batch_size: int) -> None:
        _init.positive(batch_size=batch_size)
        self.batch_size = int(batch_size)
        self._network = engine.network(stages)
        self._window = next((one.span for one in stages if one.kind == "attention"), 0)
        sizes = engine.stream_sizes(self._network, self.batch_size, self.batch_size, 1)
        self._inputs, self.n_outputs, self._attends = stages[0].inputs, sizes.outputs, sizes.history
        self._state = np.zeros(sizes.state, np.float32) if sizes.state else None
        self._frames = engine.no_frames(self.batch_size)
        # Only pools and attention ask, at every step, how many frames there were.
        self._needs_frames = any([one.kind in ("pool", "attention") for one in stages])
        self._uncounted = self._longest = 0
        self._history: Array | None = None
        if self._attends:
            self._history = np.zeros((self.batch_size, self._window or 64, self._attends), np.float32)
        self._one_step = np.array([self.batch_size], np.int64)
        self._of_step = (self.batch_size, self._inputs), _Outputs((self.batch_size, self.n_outputs), self.batch_size)
        self._of_frame = (self._inputs,), _Outputs((self.n_outputs,), 1)
        self._fit_scratch()
        self._lock = threading.Lock()

    def _count(self) -> Integers:
        """Return how many frames each stream has seen: the array that is kept."""
        if self._uncounted:
            self._frames += self._uncounted
            self._uncounted = 0
        return self._frames

    def _fit_scratch(self) -> None:
        capacity = 0 if self._history is None else self._history.shape[1]
        sizes = engine.stream_sizes(self._network, self.batch_size, self.batch_size, 1, capacity)
        self._scratch = np.empty(sizes.scratch, np.float32)

    def step(self, x_t: Any) -> Array:
        """Run one frame of every stream; as of :meth:`Stream.step`.

        An array that the last step gave and that nobody holds any more is used again, so nothing is allocated.
        """
        x = x_t if type(x_t) is np.ndarray else as_numbers("x_t", x_t)
        wanted, outputs = self._of_frame if x.ndim == 1 and self.batch_size == 1 else self._of_step
        if x.shape != wanted:
            single = f" or ({self._inputs},)" if self.batch_size == 1 else ""
            raise ValueError(f"x_t: expected shape ({self.batch_size}, {self._inputs}){single}, got {x.shape}")
        with self._hold():
            if self._attends and not self._window:
                self._grow(self._longest + 1)
            whole, rows = outputs.next()
            kept = (self._state, self._frames, self._history)
            if x.ndim == 1:
                x = x[None]
            engine.stream(self._network, x, self._one_step, None, kept, self._scratch, rows)
            if self._needs_frames:
                _add(self._frames, _ONE, self._frames)
            else:
                self._uncounted += 1
            self._longest += 1
        return whole

    def push(self, frames: Any) -> Any:
        """Run several frames of every stream; as of :meth:`Stream.push`."""
        if isinstance(frames, (list, tuple)):
            return self._push_each(frames)
        x = as_floats("frames", frames)
        single = self.batch_size == 1 and x.ndim == 2
        if x.shape[1:] != ((self._inputs,) if single else (self.batch_size, self._inputs)):
            also = f" or (T, {self._inputs})" if self.batch_size == 1 else ""
            raise ValueError(
                f"frames: expected shape (T, {self.batch_size}, {self._inputs}){also}, or a list of {self.batch_size} "
                f"arrays (T, {self._inputs}), got {x.shape}"
            )
        rows = np.ascontiguousarray(x).reshape(-1, self._inputs)
        found = self._run(rows, np.full(len(x), self.batch_size, np.int64), None)
        return found.reshape(*x.shape[:-1], self.n_outputs)

    def _push_each(self, frames: Sequence[Any]) -> list[Array]:
        """Run frames of which each stream has its own number."""
        if len(frames) != self.batch_size:
            raise ValueError(f"frames: expected a list of {self.batch_size} arrays, one a stream, got {len(frames)}")
        given = [as_floats(f"frames[{index}]", one) for index, one in enumerate(frames)]
        for index, one in enumerate(given):
            if one.ndim != 2 or one.shape[1] != self._inputs:
                raise ValueError(f"frames[{index}]: expected shape (T, {self._inputs}), got {one.shape}")
        lengths = np.array([len(one) for one in given], np.int64)
        order = np.argsort(-lengths, kind="stable")[: int((lengths > 0).sum())]
        found = [np.empty((length, self.n_outputs), np.float32) for length in lengths]
        if not len(order):
            return found
        steps = int(lengths.max())
        batch_sizes = (lengths[:, None] > np.arange(steps)).sum(axis=0)
        rows = np.asarray(pack_sequence([given[index] for index in order]).data)
        y = self._run(rows, batch_sizes, order)
        first = np.concatenate([[0], np.cumsum(batch_sizes)[:-1]])
        for place, index in enumerate(order):
            found[index][...] = y[first[: lengths[index]] + place]
        return found

    def _run(self, rows: Array, batch_sizes: Integers, order: Integers | None) -> Array:
        """Return the outputs of packed rows; nothing has changed after an error."""
        found = np.empty((len(rows), self.n_outputs), np.float32)
        if not len(rows):
            return found
        steps = len(batch_sizes)
        with self._hold():
            before = None if self._state is None else self._state.copy(), self._count().copy(), self._longest
            ring = self._history.copy() if self._history is not None and self._window else None
            if self._attends and not self._window:
                self._grow(self._longest + steps)
            capacity = 0 if self._history is None else self._history.shape[1]
            ends = np.concatenate([[0], np.cumsum(batch_sizes)])
            try:
                first = 0
                while first < steps:
                    last = max(first + 1, int(np.searchsorted(ends, ends[first] + _ROWS, side="right")) - 1)
                    sizes = batch_sizes[first:last]
                    here = slice(int(ends[first]), int(ends[last]))
                    some = None if order is None else order[: sizes[0]]
                    needs = engine.stream_sizes(
                        self._network, self.batch_size, here.stop - here.start, last - first, capacity
                    )
                    kept = (self._state, self._frames, self._history)
                    scratch = F.empty(1, needs.scratch)[0]
                    engine.stream(self._network, rows[here], sizes, some, kept, scratch, found[here])
                    lengths = (sizes[:, None] > np.arange(sizes[0])).sum(axis=0)
                    self._frames[slice(sizes[0]) if some is None else some] += lengths
                    self._longest = int(self._frames.max())
                    first = last
            except BaseException:
                if self._state is not None:
                    self._state[...] = before[0]
                if ring is not None:
                    self._history = ring
                self._frames[...], self._longest = before[1:]
                raise
        return found

    def _grow(self, frames: int) -> None:
        """Make room for so many frames of each stream, twice as many as before at least."""
        assert self._history is not None
        capacity = self._history.shape[1]
        if frames <= capacity:
            return
        wider = np.zeros((self.batch_size, max(frames, 2 * capacity), self._attends), np.float32)
        wider[:, :capacity] = self._history
        self._history = wider
        self._fit_scratch()

    def reset(self, mask: Any = None) -> None:
        """Begin anew: all streams, or those where ``mask (batch_size,)`` is True."""
        meant = read_mask(mask, self.batch_size)
        with self._hold():
            for _, array, axis in self._arrays():
                array[(slice(None),) * axis + (meant,)] = 0
            self._count()[meant] = 0
            self._longest = int(self._frames.max())

    def _arrays(self) -> Iterator[tuple[str, Array, int]]:
        """Yield what stages keep, in the order of memory: public name, a view, and its axis of streams."""
        place = 0
        for one in self._network.stages:
            for field, before, behind in one.kept:
                shape = (*before, self.batch_size, *behind)
                size = int(np.prod(shape))
                assert self._state is not None
                yield below(one.name, field), self._state[place : place + size].reshape(shape), len(before)
                place += size

    def _named(self) -> dict[str, list[Array]]:
        """Return the views by name: those of a stack's layers together."""
        found: dict[str, list[Array]] = {}
        for name, view, _ in self._arrays():
            found.setdefault(name, []).append(view)
        return found

    @property
    def frames(self) -> Integers:
        """How many frames each stream has seen."""
        return self._count().copy()

    @property
    def state(self) -> dict[str, Any]:
        """What the streams keep between frames.

        ``frames (batch_size,)``; of recurrent layers ``h`` and ``c (layers, batch_size, size)``; of a window the
        ``last`` frames, of pools sums, greatest values and counts; of attention the ``history`` it looks back at.
        In a network of several parts the names begin with the part's. May be set to what another stream of the same
        sizes gave.
        """
        found = {name: _together(name, views) for name, views in self._named().items()}
        if self._history is not None:
            kept = self._window or self._longest
            found["history"] = self._history[:, :kept].copy()
        return {**found, "frames": self._count().copy()}

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        wanted = {name: _together(name, views).shape for name, views in self._named().items()}
        wanted["frames"] = (self.batch_size,)
        if self._history is not None:
            kept = self._window
            if not kept and isinstance(state, Mapping) and "frames" in state:
                kept = int(np.max(np.asarray(state["frames"]), initial=0))
            wanted["history"] = (self.batch_size, kept, self._attends)
        read = self._read_state(state, wanted)
        with self._hold():
            longest = int(read["frames"].max())
            if self._history is not None:
                if not self._window:
                    self._grow(longest)
                self._history[:, : read["history"].shape[1]] = read["history"]
            for name, views in self._named().items():
                for layer, view in enumerate(views):
                    view[...] = read[name][layer] if _is_layered(name) else read[name]
            self._count()[...], self._longest = read["frames"], longest


def _is_layered(name: str) -> bool:
    """Whether a state has an axis of layers in front, as torch's have."""
    return name.rsplit(".", 1)[-1] in ("h", "c")


def _together(name: str, views: Sequence[Array]) -> Array:
    """Return what a stream keeps under one name, as an array of its own."""
    return np.stack(views) if _is_layered(name) else views[0].copy()
