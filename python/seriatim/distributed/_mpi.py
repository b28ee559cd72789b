"""Ranks that an MPI launcher has started, by mpi4py."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import numpy as np

from seriatim._typing import AnyArray
from seriatim.distributed._engine import HEAD_SIZE, Call, Came, TeamError

# Bytes that go in one message with the head; the rest comes in a second one.
_FIRST = 1 << 12
# Seconds between two looks: MPI itself would keep a core busy, which another rank or the training needs.
_NAPS = (0.0, 1e-4)
# Tags of a team: exchanges of channels 0 and 1, and news of failures. Teams follow each other by number.
_NEWS = 2
_TAGS = 3
_TEAMS = 10_000

# Of each communicator: the copy that teams use, and how many have been made. What others send cannot meet it.
_copies: dict[int, list[Any]] = {}
# What a broken exchange has left with MPI, which may still touch it.
_unfinished: list[object] = []


class _Arrival:
    """A message on its way in: a first part with its head, then the rest."""

    def __init__(self, comm: Any, rank: int, tag: int, room: AnyArray, call: Call) -> None:
        self._comm, self._rank, self._tag, self._room, self._call = comm, rank, tag, room, call
        self._first = np.empty(HEAD_SIZE + _FIRST, np.uint8)
        self.request = comm.Irecv(self._first, rank, tag)
        self.came: Came | None = None
        self.done = False

    def test(self) -> bool:
        """Return whether something has come."""
        if self.done or not self.request.Test():
            return False
        if self.came is not None:
            self.done = True
            return True
        self.came = self._call.check(self._first[:HEAD_SIZE].tobytes(), self._rank, self._room.size)
        count = min(self.came.n_bytes, _FIRST)
        self._room[:count] = self._first[HEAD_SIZE : HEAD_SIZE + count]
        if self.came.n_bytes > count:
            self.request = self._comm.Irecv(self._room[count : self.came.n_bytes], self._rank, self._tag)
        else:
            self.done = True
        return True


class MPIEngine:
    """One rank of a communicator; :func:`mpi` makes it."""

    def __init__(self, MPI: Any, comm: Any, number: int) -> None:
        self._MPI, self._comm = MPI, comm
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.parallel = MPI.Query_thread() == MPI.THREAD_MULTIPLE
        self._tag = number % _TEAMS * _TAGS
        self._trouble: tuple[int, str] | None = None
        self._closed = False
        self._lock = threading.Lock()

    def exchange(
        self,
        call: Call,
        outgoing: Mapping[int, AnyArray],
        incoming: Mapping[int, AnyArray],
        channel: int,
        limit: float,
    ) -> dict[int, Came]:
        """Send to and receive from other ranks: :meth:`Engine.exchange`."""
        tag = self._tag + channel
        arrivals = {rank: _Arrival(self._comm, rank, tag, room, call) for rank, room in incoming.items()}
        sends: list[tuple[int, Any, AnyArray]] = []
        for rank, data in outgoing.items():
            head = np.frombuffer(call.head(data.size), np.uint8)
            parts = [np.concatenate([head, data[:_FIRST]])] + [data[_FIRST:]] * (data.size > _FIRST)
            sends += [(rank, self._comm.Isend(part, rank, tag), part) for part in parts]
        try:
            self._wait(arrivals, sends, limit, call.operation)
        except BaseException as error:
            self._abandon(arrivals, sends)
            if isinstance(error, self._MPI.Exception):
                raise TeamError(f"{call.operation}: MPI ends with {error}") from error
            raise
        return {rank: one.came for rank, one in arrivals.items() if one.came is not None}

    def _wait(
        self, arrivals: Mapping[int, _Arrival], sends: list[tuple[int, Any, AnyArray]], limit: float, operation: str
    ) -> None:
        deadline = time.monotonic() + limit
        nap = 0
        while True:
            moved = [one.test() for one in arrivals.values()]
            left = [send for send in sends if not send[1].Test()]
            if not left and all(one.done for one in arrivals.values()):
                return
            if any(moved) or len(left) < len(sends):
                deadline, nap = time.monotonic() + limit, 0
            else:
                self._listen()
                if time.monotonic() > deadline:
                    waiting = {rank for rank, one in arrivals.items() if not one.done} | {rank for rank, *_ in left}
                    raise TeamError.late(waiting, limit, operation)
                time.sleep(_NAPS[min(nap // 20, 1)])
                nap += 1
            sends = left

    def _listen(self) -> None:
        """Raise if another rank has said that it failed, or this one has closed."""
        if self._closed:
            raise TeamError("the team was closed while it waited")
        with self._lock:
            status = self._MPI.Status()
            tag = self._tag + _NEWS
            if self._trouble is None and self._comm.Iprobe(self._MPI.ANY_SOURCE, tag, status):
                words = np.empty(status.Get_count(self._MPI.BYTE), np.uint8)
                self._comm.Recv(words, status.Get_source(), tag)
                self._trouble = status.Get_source(), words.tobytes().decode()
        if self._trouble is not None:
            raise TeamError.heard(*self._trouble)

    def _abandon(self, arrivals: Mapping[int, _Arrival], sends: list[tuple[int, Any, AnyArray]]) -> None:
        """Take back what has not come. What cannot be taken back keeps its memory for as long as the process lives."""
        for one in arrivals.values():
            # A request that is complete is none any more.
            if one.request != self._MPI.REQUEST_NULL:
                one.request.Cancel()
        _unfinished.append((arrivals, sends))

    def fail(self, reason: str) -> None:
        """Tell the others that this rank has failed."""
        words = np.frombuffer(reason.encode()[:10_000] or b"?", np.uint8)
        tells = [self._comm.Isend(words, rank, self._tag + _NEWS) for rank in range(self.size) if rank != self.rank]
        # It goes at once, in general, but only while MPI is looked at.
        for _ in range(20):
            if self._MPI.Request.Testall(tells):
                return
            time.sleep(0.01)
        _unfinished.append((tells, words))

    def close(self) -> None:
        """Leave."""
        self._closed = True


def mpi(comm: Any = None, *, limit: float = 300.0) -> MPIEngine:
    """Return the engine of ranks that ``mpirun``, ``srun`` or another launcher of MPI has started.

    All ranks call it, as often as each other. From then on an exception that nobody catches in one of them ends all
    processes of the launch, after its traceback: MPI by itself would let the others wait for ever.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm, optional
        The ranks; all of the launch by default.
    limit : float, default 300.0
        Seconds until all ranks have to be here, the first time.

    Returns
    -------
    MPIEngine
        For :class:`Team`. Sums run in the background where MPI was started with ``MPI_THREAD_MULTIPLE``, as mpi4py
        does by default.

    Raises
    ------
    ImportError
        Without mpi4py, or without a library of MPI below it.
    TeamError
        When not all ranks come within the limit.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ImportError(
            "training over mpi needs mpi4py and a library of MPI: pip install 'seriatim[mpi]', and 'pip install mpich' "
            f"where the system has none ({error})"
        ) from error
    comm = MPI.COMM_WORLD if comm is None else comm
    known = _copies.get(comm.handle)
    # A handle may have been given to another communicator since.
    if known is None or MPI.Comm.Compare(known[0], comm) != MPI.CONGRUENT:
        copy, request = comm.Idup()
        deadline = time.monotonic() + limit
        while not request.Test():
            if time.monotonic() > deadline:
                raise TeamError.late(set(range(comm.Get_size())) - {comm.Get_rank()}, limit, "mpi")
            time.sleep(_NAPS[1])
        known = _copies[comm.handle] = [copy, 0]
        _end_all_with_one(MPI, copy)
    known[1] += 1
    return MPIEngine(MPI, known[0], known[1])


def _end_all_with_one(MPI: Any, comm: Any) -> None:
    """End all processes of the launch behind an exception that ends one."""
    if getattr(sys.excepthook, "ends_all", False) or comm.Get_size() == 1:
        return
    before: Callable[[type[BaseException], BaseException, TracebackType | None], object] = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        before(kind, error, trace)
        sys.stderr.flush()
        sys.stdout.flush()
        # Whoever only heard of it lets the other say what it was.
        if isinstance(error, TeamError) and error.told:
            time.sleep(1)
        MPI.COMM_WORLD.Abort(1)

    hook.ends_all = True  # type: ignore[attr-defined]
    sys.excepthook = hook
