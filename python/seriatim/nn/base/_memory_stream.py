"""Streams of what runs on sequences of images: modules whose memories go on from call to call.

A stream has a copy of the module. In it every recurrent layer that begins anew with each call is one that goes on
(:class:`Carried`): what runs frames is what runs whole sequences, by the rule of :mod:`seriatim.nn.base._steps`.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from seriatim._arrays import as_numbers
from seriatim._typing import AnyArray, Array, ArrayLike, Integers
from seriatim.nn.base import _contexts, _init
from seriatim.nn.base._memory import Memory, States
from seriatim.nn.base._module import Module
from seriatim.nn.base._stages import below
from seriatim.nn.base._stream import Stream, read_mask
from seriatim.sequences import PackedSequence, pack_sequence, unpack_sequence


class Kept(NamedTuple):
    """An array that a layer keeps: of B streams ``(*before, B, *behind)``, None for what the images say."""

    name: str
    before: tuple[int, ...]
    behind: tuple[int | None, ...]

    def shape(self, batch: int) -> tuple[int | None, ...]:
        """Return the whole shape."""
        return (*self.before, batch, *self.behind)


class Carried(Module):
    """A recurrent layer that goes on where its last call ended, and gives its outputs alone."""

    _over_time = _remembers = True

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer, self.memory = layer, Memory()

    def trace(self, x: Any) -> tuple[Any, None]:
        """Run all steps."""
        kept = self.memory.kept
        if kept is not None and kept[0].ndim == 4:
            rows = x.data if isinstance(x, PackedSequence) else x
            kept = self.memory.recall((*kept[0].shape[:2], *rows.shape[-2:]))
        y, states = self.layer._run_on(x, kept)
        self.memory.keep(states)
        return y, None


def _says(module: Module, name: str) -> bool:
    """Whether a module's class says something of itself, and computes nothing of its own below that."""
    for owner in type(module).__mro__:
        own = vars(owner)
        if name in own:
            return bool(own[name])
        if "trace" in own:
            return False
    return False


def _going_on(module: Module, name: str, found: list[tuple[Memory, tuple[Kept, ...]]]) -> Module:
    """Return what runs in a module's place and goes on from call to call; adds its memories to those found."""
    memory = module.__dict__.get("memory")
    layer = module._layer_that_runs_on() if memory is None else None
    if layer is not None:
        carried = Carried(layer)
        found.append((carried.memory, layer._kept(name)))
        return carried
    if memory is not None:
        own: Any = module
        if any(memory is other for other, _ in found):
            raise TypeError(
                f"{type(module).__name__}: expected a memory in one place, got it in several: in a stream each frame "
                "would pass it several times in turn, which whole sequences do not. Make two modules."
            )
        memory.kept = None
        found.append((memory, own._kept(name)))
        return module
    inside = [one for one in module.modules() if one._over_time or one._gives_states or one._remembers]
    if not inside or (_says(module, "_streams_frames") and inside == [module]):
        return module
    if not _says(module, "_streams_parts"):
        raise TypeError(
            f"{type(module).__name__}: has no stream: how it looks at several frames is not known. Convolutional "
            "recurrences have one, GRU, LSTM and the like, and VideoSequential, Sequential, Residual and Concat of "
            "these and of modules of frames."
        )
    for place, child in list(module._modules.items()):
        if child is not None:
            module._modules[place] = _going_on(child, below(name, place), found)
    return module


def _part(y: Any, which: Any) -> Any:
    """Return ``y[which]`` of an array, or of each of a tuple's, in memory of its own."""
    if type(y) in (tuple, list):
        return type(y)(_part(one, which) for one in y)
    return np.ascontiguousarray(y[which])


def _unpacked(y: Any) -> list[Any]:
    """Return each sequence's output."""
    if isinstance(y, PackedSequence):
        return unpack_sequence(y)
    return [type(y)(parts) for parts in zip(*[_unpacked(one) for one in y], strict=True)]


class MemoryStream(Stream):
    """Streams of a module that runs on sequences ``(T, B, ...)``.

    Parameters
    ----------
    module : Module
        Copied: later changes of its weights are not seen.
    batch_size : int
    axes : sequence of int, default (3,)
        How many a frame may have.
    """

    def __init__(self, module: Module, batch_size: int, axes: Sequence[int] = (3,)) -> None:
        _init.positive(batch_size=batch_size)
        self.batch_size, self._axes, self._of = int(batch_size), tuple(axes), type(module).__name__
        own, self._memories = copy.deepcopy(module), []
        for one in own.modules():
            # Streams are time-major.
            if getattr(one, "batch_first", False):
                one.batch_first = False
        if own._is_cell and not own._remembers:
            layer: Any = own
            own = Carried(layer)
            self._memories.append((own.memory, layer._kept()))
        else:
            own = _going_on(own, "", self._memories)
        self._module: Any = own
        self._frames: Integers = np.zeros(self.batch_size, np.int64)
        # Of a frame, where some have been seen.
        self._shape: tuple[int, ...] | None = None
        self._lock = threading.Lock()

    def step(self, x_t: Any) -> Any:
        """Run one frame of every stream; as of :meth:`Stream.step`."""
        x = as_numbers("x_t", x_t)
        single = self.batch_size == 1 and x.ndim in self._axes
        if not single and (x.ndim - 1 not in self._axes or len(x) != self.batch_size):
            raise ValueError(f"x_t: expected shape {self._wanted()}, got {x.shape}")
        y = self._run(x[None, None] if single else x[None], 1)
        return _part(y, (0, 0) if single else 0)

    def push(self, frames: Any) -> Any:
        """Run several frames of every stream; as of :meth:`Stream.push`."""
        if isinstance(frames, (list, tuple)):
            return self._push_each(frames)
        x = as_numbers("frames", frames)
        single = self.batch_size == 1 and x.ndim - 1 in self._axes
        if not single and (x.ndim - 2 not in self._axes or x.shape[1] != self.batch_size):
            raise ValueError(f"frames: expected shape {self._wanted('T')}, or a list of arrays, got {x.shape}")
        y = self._run(x[:, None] if single else x, len(x))
        return _part(y, (slice(None), 0)) if single else y

    def _wanted(self, *time: Any) -> str:
        """Return the shapes that are taken, as text."""
        first = ", ".join(map(str, (*time, self.batch_size)))
        images, rows = f"({first}, C, H, W)", f"({first}, features)"
        known = {3: images, 1: rows}
        return " or ".join([known.get(axes, f"({first}, ...) with {axes} axes a frame") for axes in self._axes])

    def _push_each(self, frames: Sequence[Any]) -> list[Any]:
        """Run frames of which each stream has its own number."""
        if len(frames) != self.batch_size:
            raise ValueError(f"frames: expected a list of {self.batch_size} arrays, one a stream, got {len(frames)}")
        given = [as_numbers(f"frames[{index}]", one) for index, one in enumerate(frames)]
        for index, one in enumerate(given):
            if one.ndim - 1 not in self._axes or one.shape[1:] != given[0].shape[1:]:
                of_first = "" if index == 0 else f" with frames of {given[0].shape[1:]}, as frames[0] has"
                raise ValueError(
                    f"frames[{index}]: expected shape (T, ...) with {' or '.join(map(str, self._axes))} axes a frame"
                    f"{of_first}, got {one.shape}"
                )
        lengths = np.array([len(one) for one in given], np.int64)
        if (lengths == lengths[0]).all():
            y = self._run(np.stack(given, axis=1), lengths)
            return [_part(y, (slice(None), index)) for index in range(self.batch_size)]
        return _unpacked(self._run(pack_sequence(given, enforce_sorted=False), lengths))

    def _run(self, x: AnyArray | PackedSequence, counts: int | Integers) -> Any:
        """Return the outputs of sequences; nothing has changed after an error."""
        with self._hold():
            rows = x.data if isinstance(x, PackedSequence) else x
            shape = rows.shape[1 if rows is not x else 2 :]
            before = [memory.kept for memory, _ in self._memories], self._frames, self._shape
            if self._shape not in (None, shape):
                raise ValueError(
                    f"x: expected frames of shape {self._shape}, as those before, got {shape}: reset() all streams "
                    "before images of another size"
                )
            try:
                if not np.any(counts):
                    # A frame that never was says what shape the outputs have.
                    some: Any = np.zeros((1, *x.shape[1:]), x.dtype)  # type: ignore[union-attr]
                    y = _part(_contexts.evaluated(self._module.trace, some)[0], slice(0))
                    self._put_back(*before)
                    return y
                y = _contexts.evaluated(self._module.trace, x)[0]
                self._frames, self._shape = self._frames + counts, shape
            except BaseException:
                self._put_back(*before)
                raise
        return y

    def _put_back(self, states: list[States | None], frames: Integers, shape: tuple[int, ...] | None) -> None:
        for (memory, _), kept in zip(self._memories, states, strict=True):
            memory.kept = kept
        self._frames, self._shape = frames, shape

    def reset(self, mask: ArrayLike | None = None) -> None:
        """Begin anew: all streams, which may have images of another size then, or those where ``mask`` is True."""
        meant = read_mask(mask, self.batch_size)
        with self._hold():
            states: list[States | None] = []
            for memory, names in self._memories:
                if memory.kept is None or meant.all():
                    states.append(None)
                    continue
                parts = []
                for kept, array in zip(names, memory.kept, strict=True):
                    new: Array = np.array(array)
                    new[(slice(None),) * len(kept.before) + (meant,)] = 0
                    parts.append(new)
                states.append(tuple(parts))
            self._put_back(states, np.where(meant, 0, self._frames), None if meant.all() else self._shape)

    @property
    def frames(self) -> Integers:
        """How many frames each stream has seen."""
        return self._frames.copy()

    @property
    def state(self) -> dict[str, Any]:
        """What the streams keep between frames: arrays of their own; may be set.

        ``frames (batch_size,)``; of a cell ``h`` and ``c (batch_size, channels, height, width)``, of a GRU and the like
        ``h`` and ``c (layers, batch_size, size)``, behind their names in the module. Streams that have seen no frame
        since they were made, or since all were reset, have ``frames`` alone: nothing has said how large images are.
        """
        found: dict[str, Any] = {}
        for memory, names in self._memories:
            for kept, array in zip(names, memory.kept or (), strict=False):
                found[kept.name] = np.array(array)
        return {**found, "frames": self._frames.copy()}

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        wanted: dict[str, tuple[int, ...]] = {"frames": (self.batch_size,)}
        started = isinstance(state, Mapping) and (len(state) > 1 or np.any(state.get("frames", 0)))
        for _, names in self._memories if started else ():
            # Images are as large as the first array of a memory says, in all of them.
            pixels = np.shape(state.get(names[0].name, 0.0))[2:]
            for kept in names:
                sizes = iter(pixels if len(pixels) == 2 else (1, 1))
                shape = kept.shape(self.batch_size)
                wanted[kept.name] = tuple([next(sizes) if size is None else size for size in shape])
        read = self._read_state(state, wanted)
        states: list[States | None] = [None] * len(self._memories)
        if started:
            states = [tuple([np.array(read[kept.name]) for kept in names]) for _, names in self._memories]
        with self._hold():
            self._put_back(states, np.array(read["frames"], np.int64), None)
