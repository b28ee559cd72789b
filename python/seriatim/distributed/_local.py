"""Ranks that are threads of one process: for tests, and to see what a team does without starting processes."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from seriatim._typing import AnyArray
from seriatim.distributed._engine import HEAD_SIZE, SLICE, Call, Came, TeamError
from seriatim.distributed._team import Team

T = TypeVar("T")


class _Room:
    """What the ranks share: messages on their way, and who has failed or left."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.messages: dict[tuple[int, int, int], deque[bytes]] = {}
        self.failed: dict[int, str] = {}
        self.left: set[int] = set()

    def box(self, channel: int, source: int, target: int) -> deque[bytes]:
        return self.messages.setdefault((channel, source, target), deque())


class LocalEngine:
    """One rank among threads; :func:`local_engines` makes them all."""

    parallel = True

    def __init__(self, room: _Room, rank: int, size: int) -> None:
        self._room, self.rank, self.size = room, rank, size

    def exchange(
        self,
        call: Call,
        outgoing: Mapping[int, AnyArray],
        incoming: Mapping[int, AnyArray],
        channel: int,
        limit: float,
    ) -> dict[int, Came]:
        """Send to and receive from other ranks: :meth:`Engine.exchange`."""
        room, came = self._room, dict[int, Came]()
        deadline = time.monotonic() + limit
        with room.changed:
            for rank, data in outgoing.items():
                room.box(channel, self.rank, rank).append(call.head(data.size) + data.tobytes())
            room.changed.notify_all()
            while len(came) < len(incoming):
                for rank in incoming.keys() - came.keys():
                    box = room.box(channel, rank, self.rank)
                    if box:
                        came[rank] = self._take(call, box.popleft(), rank, incoming[rank])
                        deadline = time.monotonic() + limit
                    else:
                        self._look(rank)
                for rank, reason in room.failed.items():
                    if rank != self.rank and len(came) < len(incoming):
                        raise TeamError.heard(rank, reason)
                if len(came) < len(incoming):
                    if time.monotonic() > deadline:
                        raise TeamError.late(incoming.keys() - came.keys(), limit, call.operation)
                    room.changed.wait(SLICE)
        return came

    def _take(self, call: Call, message: bytes, rank: int, buffer: AnyArray) -> Came:
        came = call.check(message[:HEAD_SIZE], rank, buffer.size)
        buffer[: came.n_bytes] = np.frombuffer(message, np.uint8, came.n_bytes, HEAD_SIZE)
        return came

    def _look(self, rank: int) -> None:
        if self.rank in self._room.left:
            raise TeamError("the team was closed while it waited")
        if rank in self._room.left and rank not in self._room.failed:
            raise TeamError.gone(rank)

    def fail(self, reason: str) -> None:
        """Tell the others that this rank has failed."""
        with self._room.changed:
            self._room.failed.setdefault(self.rank, reason)
            self._room.changed.notify_all()

    def close(self) -> None:
        """Leave."""
        with self._room.changed:
            self._room.left.add(self.rank)
            self._room.changed.notify_all()


def local_engines(size: int) -> list[LocalEngine]:
    """Return the engines of a team whose ranks are threads of this process.

    Parameters
    ----------
    size : int
        Ranks, at least 1.

    Returns
    -------
    list of LocalEngine
        One for each rank; each is used by one thread (and by its team's thread in the background).

    Raises
    ------
    ValueError
        For less than one rank.
    """
    if size < 1:
        raise ValueError(f"a team has at least one rank, not {size}")
    room = _Room()
    return [LocalEngine(room, rank, size) for rank in range(size)]


def run_threads(size: int, function: Callable[[Team], T], *, timeout: float = 300.0) -> list[T]:
    """Run a function by every rank of a team of threads; for tests.

    Parameters
    ----------
    size : int
        Ranks, at least 1.
    function : callable
        Is called with each rank's :class:`Team`, in a thread of its own, within ``team.wrap()`` and in a copy of this
        thread's context.
    timeout : float, default 300.0
        The team's.

    Returns
    -------
    list
        What each rank returned.

    Raises
    ------
    ValueError
        For less than one rank.
    BaseException
        What a rank raised: the first that is not a TeamError that others caused.
    """
    results: list[Any] = [None] * size
    errors: list[BaseException] = []

    def work(engine: LocalEngine) -> None:
        team = Team(engine, timeout=timeout)
        try:
            with team.wrap():
                results[engine.rank] = function(team)
        except BaseException as error:
            errors.append(error)
        finally:
            team.close()

    engines = local_engines(size)
    threads = [
        threading.Thread(target=contextvars.copy_context().run, args=(work, engine), name=f"rank {engine.rank}")
        for engine in engines
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        for engine in engines:
            engine.close()
        for thread in threads:
            thread.join()
        raise
    for error in sorted(errors, key=lambda error: isinstance(error, TeamError) and error.told):
        raise error
    return results
