"""Micro-batches that meet: each in a thread of its own, of which one runs at a time, in their order.

Where one asks for something of the whole mini-batch (:meth:`Member.fold`), the turn goes to the next; when all have
asked, the calling thread exchanges with the other processes and all go on with the answer. Nothing runs side by side:
what each does is what it would do alone, in the same order on every run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from queue import SimpleQueue
from typing import Any

from seriatim._typing import Doubles
from seriatim.distributed import Team
from seriatim.nn.base._together import together

Combine = Callable[[Doubles, Doubles], Doubles]


class _LeftAlone(BaseException):
    """Another micro-batch has failed, or the mini-batch was given up."""


class Member:
    """One micro-batch; it is a :class:`seriatim.nn.base._together.Together`.

    Parameters
    ----------
    shard, of : int
    first : bool
        Whether it is the one of this process that writes what all would write.
    """

    def __init__(self, shard: int, of: int, *, first: bool) -> None:
        self.shard, self.of, self._first = shard, of, first
        self._draws: dict[int, int] = {}
        self._meeting: _Meeting | None = None

    def fold(self, leaf: Doubles | None, combine: Combine) -> Doubles | None:
        """Return the root of the tree over the leaves of all micro-batches."""
        if self._meeting is None:
            raise RuntimeError("a module asked for the whole mini-batch that was not known to see it")
        return self._meeting.fold(leaf, combine)

    def draw(self, module: Any) -> int:
        """Return how many masks were drawn with a module before, and count one more."""
        number = self._draws.get(id(module), 0)
        self._draws[id(module)] = number + 1
        return number

    def once(self, owner: Any) -> bool:
        """Return True in one micro-batch of this process."""
        return self._first


class _Meeting:
    """What a thread and the one that directs it hand to each other."""

    def __init__(self) -> None:
        self.turn: SimpleQueue[Any] = SimpleQueue()
        self.said: SimpleQueue[tuple[Doubles | None, Combine] | None] = SimpleQueue()
        self.future: Future[None] | None = None

    def fold(self, leaf: Doubles | None, combine: Combine) -> Doubles | None:
        self.said.put((leaf, combine))
        found: Doubles | None = self._await()
        return found

    def _await(self) -> Any:
        given = self.turn.get()
        if given is _LeftAlone:
            raise _LeftAlone
        return given

    def run(self, member: Member, work: Callable[[Member], None]) -> None:
        try:
            self._await()
            token = together.set(member)
            try:
                work(member)
            finally:
                together.reset(token)
        except _LeftAlone:
            pass
        finally:
            self.said.put(None)


class Lockstep:
    """Runs micro-batches of one mini-batch.

    Parameters
    ----------
    team : Team
    n_shards : int
        Micro-batches in all processes.
    """

    def __init__(self, team: Team, n_shards: int) -> None:
        self.team, self.n_shards = team, n_shards
        self._workers: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Let the threads go."""
        if self._workers is not None:
            self._workers.shutdown()
            self._workers = None

    def run(self, members: Sequence[Member], work: Callable[[Member], None]) -> None:
        """Return when every member's work is done; raise what the first that failed has raised."""
        meetings = [_Meeting() for _ in members]
        if self._workers is None:
            # As many as there will ever be: each waits for all others.
            self._workers = ThreadPoolExecutor(self.n_shards, "seriatim-micro")
        for member, meeting in zip(members, meetings, strict=True):
            member._meeting = meeting
            meeting.future = self._workers.submit(copy_context().run, meeting.run, member, work)
        try:
            answer = None
            while True:
                asked = []
                for meeting in meetings:
                    meeting.turn.put(answer)
                    asked.append(meeting.said.get())
                    if asked[-1] is None and meeting.future is not None:
                        meeting.future.result()
                if all(one is None for one in asked):
                    return
                leaves = {member.shard: one[0] for member, one in zip(members, asked, strict=True) if one is not None}
                if len(leaves) < len(members):
                    raise RuntimeError("micro-batches of one mini-batch have taken different ways through the module")
                combine = next(one[1] for one in asked if one is not None)
                answer = self.team.fold(leaves, self.n_shards, combine)
        finally:
            # Behind an error or Ctrl-C none goes on.
            for meeting in meetings:
                meeting.turn.put(_LeftAlone)
            wait([meeting.future for meeting in meetings if meeting.future is not None])
