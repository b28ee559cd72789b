"""Streams of VideoRNN."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from seriatim._arrays import as_numbers
from seriatim._typing import AnyArray, Array, ArrayLike, Integers
from seriatim.nn.base import _contexts
from seriatim.nn.base._network_stream import NetworkStream
from seriatim.nn.base._stream import Stream


class VideoStream(Stream):
    """Streams whose frames are embedded first.

    Parameters
    ----------
    embed : callable
        Takes frames ``(N, C, H, W)`` and gives their embeddings.
    behind : NetworkStream
        What runs on those.
    """

    def __init__(self, embed: Callable[[AnyArray], Array], behind: NetworkStream) -> None:
        self.batch_size, self._embed, self._behind = behind.batch_size, embed, behind

    def _embedded(self, frames: AnyArray) -> Array:
        """Return the embeddings of frames ``(..., C, H, W)``."""
        rows = frames.reshape(int(np.prod(frames.shape[:-3])), *frames.shape[-3:])
        # Of no frames, one that never was says what is wrong with them.
        some = rows if len(rows) else np.zeros((1, *rows.shape[1:]), np.float32)
        found: Array = _contexts.evaluated(self._embed, some)[: len(rows)]
        return found.reshape(*frames.shape[:-3], found.shape[1])

    def step(self, x_t: Any) -> Array:
        """Return the logits behind this frame of every stream; as of :meth:`Stream.step`."""
        x = as_numbers("x_t", x_t)
        single = self.batch_size == 1 and x.ndim == 3
        if not single and (x.ndim != 4 or len(x) != self.batch_size):
            also = " or (C, H, W)" if self.batch_size == 1 else ""
            raise ValueError(f"x_t: expected shape ({self.batch_size}, C, H, W){also}, got {x.shape}")
        return self._behind.step(self._embedded(x))

    def push(self, frames: Any) -> Any:
        """Return the logits behind every frame; as of :meth:`Stream.push`."""
        if isinstance(frames, (list, tuple)):
            return self._behind.push(self._embedded_each(frames))
        x = as_numbers("frames", frames)
        single = self.batch_size == 1 and x.ndim == 4
        if not single and (x.ndim != 5 or x.shape[1] != self.batch_size):
            also = " or (T, C, H, W)" if self.batch_size == 1 else ""
            raise ValueError(
                f"frames: expected shape (T, {self.batch_size}, C, H, W){also}, or a list of {self.batch_size} arrays "
                f"(T, C, H, W), got {x.shape}"
            )
        return self._behind.push(self._embedded(x))

    def _embedded_each(self, frames: Sequence[Any]) -> list[Array]:
        """Return the embeddings of each stream's frames, which run together."""
        given = [as_numbers(f"frames[{index}]", one) for index, one in enumerate(frames)]
        for index, one in enumerate(given):
            if one.ndim != 4 or one.shape[1:] != given[0].shape[1:]:
                like = "" if index == 0 else f" with frames of {given[0].shape[1:]}, as frames[0] has"
                raise ValueError(f"frames[{index}]: expected shape (T, C, H, W){like}, got {one.shape}")
        if not given:
            return []
        return np.split(self._embedded(np.concatenate(given)), np.cumsum([len(one) for one in given])[:-1])

    def reset(self, mask: ArrayLike | None = None) -> None:
        """Begin anew: all streams, or those where ``mask (batch_size,)`` is True."""
        self._behind.reset(mask)

    @property
    def frames(self) -> Integers:
        """How many frames each stream has seen."""
        return self._behind.frames

    @property
    def state(self) -> dict[str, Array]:
        """The recurrent layers' states, ``rnn.h`` and ``rnn.c``, and ``frames``; may be set."""
        return self._behind.state

    @state.setter
    def state(self, state: Mapping[str, Any]) -> None:
        self._behind.state = state
