"""Ranks of torch.distributed, by its gloo backend: what torchrun has started."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

import numpy as np

from seriatim._typing import AnyArray
from seriatim.distributed._background import Background, Pending
from seriatim.distributed._engine import HEAD_SIZE, SLICE, Call, Came, TeamError

# Bytes that go in one message with the head; the rest comes in a second one.
_FIRST = 1 << 12
# Seconds between two looks whether another rank has failed, and how long one whose connection ended may take to say so.
_NEWS = 0.2
_LAST_WORDS = 1.0
# How many teams each set of ranks has had: names of groups and of news.
_numbers: dict[tuple[int, ...], int] = {}


class _Transfer:
    """What one exchange has under way; its waits are a helper's, for nothing ends them but an answer."""

    def __init__(self, engine: GlooEngine, call: Call, channel: int, limit: float) -> None:
        self.engine, self.call, self.channel = engine, call, channel
        self.limit = timedelta(seconds=2 * limit + 60)
        self.came: dict[int, Came] = {}
        self.moved = time.monotonic()
        self.waiting: set[int] = set()
        self.current = 0

    def run(self, outgoing: Mapping[int, AnyArray], incoming: Mapping[int, AnyArray]) -> None:
        """Send and receive."""
        send, receive = self.engine.send, self.engine.receive
        self.waiting = {*outgoing, *incoming}
        firsts = {rank: np.empty(HEAD_SIZE + _FIRST, np.uint8) for rank in incoming}
        heads = {rank: receive(first, rank, self.channel) for rank, first in firsts.items()}
        sends = []
        for rank, data in outgoing.items():
            head = np.frombuffer(self.call.head(data.size), np.uint8)
            sends.append((rank, send(np.concatenate([head, data[:_FIRST]]), rank, self.channel)))
            if data.size > _FIRST:
                sends.append((rank, send(data[_FIRST:], rank, self.channel)))
        rests = {}
        for rank, work in heads.items():
            self._wait(rank, work)
            came = self.call.check(firsts[rank][:HEAD_SIZE].tobytes(), rank, incoming[rank].size)
            count = min(came.n_bytes, _FIRST)
            incoming[rank][:count] = firsts[rank][HEAD_SIZE : HEAD_SIZE + count]
            if came.n_bytes > count:
                rests[rank] = receive(incoming[rank][count : came.n_bytes], rank, self.channel)
            self.came[rank] = came
        for rank, work in rests.items():
            self._wait(rank, work)
        for rank, work in sends:
            self._wait(rank, work)

    def _wait(self, rank: int, work: Any) -> None:
        self.current = rank
        work.wait(self.limit)
        self.moved = time.monotonic()


class GlooEngine:
    """One rank of a process group; :func:`gloo` makes it."""

    parallel = True

    def __init__(self, group: Any, limit: float) -> None:
        import torch
        from torch import distributed as dist

        self._torch, self._dist = torch, dist
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        self._ranks = tuple(dist.get_process_group_ranks(group if group is not None else dist.group.WORLD))
        number = _numbers[self._ranks] = _numbers.get(self._ranks, 0) + 1
        whole = len(self._ranks) == dist.get_world_size()
        options: dict[str, Any] = {} if whole else {"ranks": self._ranks, "use_local_synchronization": True}
        self._groups = [dist.new_group(backend="gloo", timeout=timedelta(seconds=limit), **options) for _ in range(2)]
        self._store = dist.distributed_c10d._get_default_store()
        self._key = f"seriatim/{'-'.join(map(str, self._ranks))}/{number}"
        self._closed = self._failed = False
        self._trouble: TeamError | None = None
        self._helpers = [Background(f"gloo, channel {channel}") for channel in range(2)]
        # The store is asked by a thread of its own: it may take long where its host is gone.
        self._asker = Background("gloo, news")
        self._asked: Pending | None = None
        self._next_news = time.monotonic() + _NEWS

    def send(self, data: AnyArray, rank: int, channel: int) -> Any:
        """Begin to send."""
        # torch warns of memory that it may not write to.
        tensor = self._torch.from_numpy(data if data.flags.writeable else data.copy())
        return self._dist.isend(tensor, self._ranks[rank], group=self._groups[channel])

    def receive(self, room: AnyArray, rank: int, channel: int) -> Any:
        """Begin to receive."""
        return self._dist.irecv(self._torch.from_numpy(room), self._ranks[rank], group=self._groups[channel])

    def exchange(
        self,
        call: Call,
        outgoing: Mapping[int, AnyArray],
        incoming: Mapping[int, AnyArray],
        channel: int,
        limit: float,
    ) -> dict[int, Came]:
        """Send to and receive from other ranks: :meth:`Engine.exchange`."""
        transfer = _Transfer(self, call, channel, limit)
        pending = self._helpers[channel].submit(lambda: transfer.run(outgoing, incoming))
        try:
            while not pending.ended(SLICE):
                self._listen()
                if time.monotonic() > transfer.moved + limit:
                    late = {rank for rank in incoming if rank not in transfer.came} | {transfer.current}
                    raise TeamError.late(late, limit, call.operation)
            self._result(pending, transfer)
        except BaseException:
            self._interrupt(channel)
            pending.ended(_LAST_WORDS)
            raise
        return transfer.came

    def _result(self, pending: Pending, transfer: _Transfer) -> None:
        try:
            pending.wait()
        except TeamError:
            raise
        except RuntimeError as error:
            end = time.monotonic() + _LAST_WORDS
            # Where the store is gone, too, there is nobody to say why.
            while time.monotonic() < end and (self._trouble is None or self._trouble.told):
                self._next_news = 0
                self._listen()
                time.sleep(SLICE)
            raise TeamError(f"{TeamError.gone(transfer.current)} (gloo: {error})") from error

    def _interrupt(self, channel: int) -> None:
        """End the helper's wait: gloo closes all connections of a group when one wait is over its limit."""
        with suppress(RuntimeError, ValueError):
            other = self._ranks[(self.rank + 1) % self.size]
            group = self._groups[channel]
            self._dist.irecv(self._torch.zeros(1), other, group=group, tag=1).wait(timedelta(milliseconds=1))

    def _listen(self) -> None:
        """Raise if another rank has said that it failed, or this one has closed."""
        if self._closed:
            raise TeamError("the team was closed while it waited")
        if self._asked is not None and self._asked.ended(0):
            self._asked = None
        if self._trouble is not None:
            raise self._trouble
        if self._asked is None and time.monotonic() > self._next_news:
            self._next_news = time.monotonic() + _NEWS
            self._asked = self._asker.submit(self._ask)

    def _ask(self) -> None:
        try:
            if self._store.check([self._key]):
                rank, _, reason = self._store.get(self._key).decode().partition(" ")
                if int(rank) != self.rank:
                    self._trouble = TeamError.heard(int(rank), reason)
        except RuntimeError as error:
            self._trouble = TeamError(f"the store of torch.distributed, in general rank 0's, is gone: {error}")

    def fail(self, reason: str) -> None:
        """Tell the others that this rank has failed."""
        if not self._failed:
            self._failed = True
            told = self._asker.submit(lambda: self._store.set(self._key, f"{self.rank} {reason[:10_000]}"))
            told.ended(_LAST_WORDS)

    def close(self) -> None:
        """Leave."""
        if self._closed:
            return
        self._closed = True
        for channel, helper in enumerate(self._helpers):
            # One that waits is ended; else its answer comes at once.
            if not helper.submit(lambda: None).ended(SLICE):
                self._interrupt(channel)
            helper.finish(_LAST_WORDS)
        self._asker.finish(_LAST_WORDS)
        for group in self._groups:
            # The user may have ended all groups before.
            with suppress(RuntimeError, ValueError, AssertionError):
                self._dist.destroy_process_group(group)


def gloo(group: Any = None, *, limit: float = 300.0) -> GlooEngine:
    """Return the engine of ranks of ``torch.distributed``, which its launcher ``torchrun`` has started.

    All ranks of the group call it. The group may be of any backend; what a team sends goes by gloo.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup, optional
        The ranks; all of ``torch.distributed`` by default, which is initialised with gloo if it is not yet.
    limit : float, default 300.0
        Seconds until all ranks have to be here.

    Returns
    -------
    GlooEngine
        For :class:`Team`.

    Raises
    ------
    ImportError
        Without torch, or where torch has no gloo.
    """
    try:
        from torch import distributed as dist
    except ImportError as error:
        raise ImportError("training over gloo needs torch: pip install torch") from error
    if not (dist.is_available() and dist.is_gloo_available()):
        raise ImportError("this torch has no gloo; train over MPI or TCP instead")
    if not dist.is_initialized():
        dist.init_process_group("gloo", timeout=timedelta(seconds=limit))
    return GlooEngine(group, limit)
