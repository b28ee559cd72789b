"""What runs in a worker: a rank of a team, in a thread of its own, which ends when nobody wants its result any more."""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from dask.distributed import Worker, get_worker, secede
from distributed.comm import get_address_host
from distributed.core import Status

from seriatim import _core
from seriatim._config import __version__
from seriatim._typing import AnyArray
from seriatim._warnings import heard_by
from seriatim.dask._placing import bounds_of
from seriatim.dask._sequences import joined_sequences, joined_values
from seriatim.dask._threads import kernel_threads
from seriatim.distributed import Team, TeamError, alone, connect, listen
from seriatim.distributed._mesh import Address
from seriatim.distributed._tree import own
from seriatim.training._progress import shown_by

TOPIC = "seriatim"
# How often a rank looks whether it is still wanted, and tells how far it is at most, in seconds.
_LOOK = 0.2
_TELL = 0.25
# Tells processes apart, whatever they are called.
_PROCESS = uuid.uuid4().hex


class Door(NamedTuple):
    """Where a rank listens, and in which process, of which version."""

    address: Address
    process: str
    version: str
    level: str


@dataclass(frozen=True)
class Task:
    """What a rank has to do.

    Attributes
    ----------
    fit, key : str
        Of the fit, and of this rank's task in Dask.
    rank : int
    doors : list of (str, int)
        Of all ranks, in their order.
    authkey : bytes
    estimator : a plain estimator, unfitted
    n, n_shards : int
        Sequences and shards of all ranks.
    timeout : float
    """

    fit: str
    key: str
    rank: int
    doors: Sequence[Address]
    authkey: bytes
    estimator: Any
    n: int
    n_shards: int
    timeout: float


# Names of what belongs to the sequences, in the order in which a rank is given its chunks behind theirs.
COLUMNS = ("y", "sample_weight", "groups")
# Chunks of a column; None where it is not given.
Chunks = Sequence[Any] | None


_doors: dict[str, tuple[socket.socket, threading.Timer]] = {}


def open_door(fit: str, limit: float) -> Door:
    """Listen for the other ranks of a fit, for as long as the limit says."""
    host = str(get_address_host(get_worker().contact_address or get_worker().address))
    if get_worker().address.startswith("inproc"):
        host = "127.0.0.1"
    try:
        listener, address = listen(host)
    except OSError:
        # The others know this machine by a name that is none of its own.
        listener, (_, port) = listen("0.0.0.0")
        address = (host, port)
    timer = threading.Timer(limit, _close_door, [fit])
    timer.daemon = True
    _doors[fit] = listener, timer
    timer.start()
    return Door(address, _PROCESS, __version__, str(_core.level()))


def _close_door(fit: str) -> None:
    door = _doors.pop(fit, None)
    if door is not None:
        door[0].close()


def train(
    task: Task, sample: AnyArray, X: Sequence[Any], columns: Sequence[Chunks], held: Sequence[Chunks] | None
) -> tuple[Any, list[Any]]:
    """Train a rank's shards with the other ranks; return the fitted estimator, and what the first has warned of.

    Parameters
    ----------
    task : Task
    sample : ndarray
        The first sequence of all.
    X : sequence of chunks
        The rank's sequences.
    columns : sequence of sequences of chunks, or None
        What belongs to them: targets, weights, groups.
    held : (chunks of sequences, chunks of targets) or None
        What is validated on, whole.
    """
    worker = get_worker()
    reporter = _Reporter(worker, task)
    reporter.tell(begun=True)
    try:
        # The thread is not one of the pool's any more: ranks of several fits do not wait for each other's end.
        secede()
        validation = None if held is None else (joined_sequences(held[0] or ()), joined_values(held[1] or ()))
        return _train(task, sample, _by_shard(task, X, columns), validation, worker, reporter)
    finally:
        reporter.tell(ended=True)


def _train(
    task: Task, sample: AnyArray, mine: Sequence[Any], validation: Any, worker: Worker, reporter: _Reporter
) -> tuple[Any, list[Any]]:
    warned: list[Any] = []
    with (
        kernel_threads(worker.state.nthreads),
        _while_wanted(worker, task.key, reporter),
        heard_by(lambda *warning: warned.append(warning)),
        shown_by(reporter.bar, reporter.say),
    ):
        team = _join(task, reporter)
        try:
            with team.wrap():
                fitted = task.estimator._fit_own(team, sample, *mine, validation)
        finally:
            team.close()
    return fitted, warned


def _by_shard(task: Task, X: Sequence[Any], columns: Sequence[Chunks]) -> list[dict[int, Any] | None]:
    """Return of each of a rank's shards its sequences, targets, weights and groups."""
    bounds = bounds_of(task.n, task.n_shards)
    mine = own(task.rank, len(task.doors), task.n_shards)
    ends = [bounds[number] - bounds[mine.start] for number in (*mine, mine.stop)]
    joined = [joined_sequences(X), *(None if column is None else joined_values(column) for column in columns)]
    return [
        None
        if column is None
        else {n: column[first:last] for n, (first, last) in zip(mine, pairwise(ends), strict=True)}
        for column in joined
    ]


def _join(task: Task, reporter: _Reporter) -> Team:
    door = _doors.pop(task.fit, None)
    if door is None:
        raise TeamError(
            "the worker has been restarted since the fit began, or the other ranks were waited for too long"
        )
    listener, timer = door
    timer.cancel()
    if len(task.doors) == 1:
        listener.close()
        return alone()
    reporter.closes(listener)
    team = Team(connect(task.rank, task.doors, listener, task.authkey, task.timeout), timeout=task.timeout)
    reporter.closes(team)
    return team


@contextmanager
def _while_wanted(worker: Worker, key: str, reporter: _Reporter) -> Iterator[None]:
    """Look, in a thread, whether Dask still wants a task; end what the task does if not.

    It is not wanted when its future was cancelled, or its client has gone: a notebook that was closed, say.
    """
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK):
            known = worker.state.tasks.get(key)
            left = known is None or known.state in ("cancelled", "released", "forgotten")
            if left or worker.status in (Status.closing, Status.closed, Status.failed):
                reporter.stop()
                return

    thread = threading.Thread(target=look, name=f"seriatim: is {key} wanted", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _Reporter:
    """Tells the client how far a rank is, and ends the rank where that is asked for."""

    def __init__(self, worker: Worker, task: Task) -> None:
        self._worker, self._fit, self._rank = worker, task.fit, task.rank
        self._verbose = task.rank == 0 and task.estimator.verbose > 0
        self._stopped = False
        self._open: Any = None

    def tell(self, **what: Any) -> None:
        self._worker.log_event(TOPIC, {"fit": self._fit, "rank": self._rank, **what})

    def show(self, bar: _Bar) -> None:
        if self._verbose:
            self.tell(total=bar.total, n=bar.n, text=bar.text, postfix=bar.postfix, how=bar.how if bar.closed else None)

    def say(self, text: str) -> None:
        if self._verbose:
            self.tell(said=text)

    def bar(self, total: int) -> _Bar:
        return _Bar(total, self)

    def closes(self, thing: Any) -> None:
        """Say what there is to close when the rank is to end."""
        self._open = thing
        self.refuse_stopped()

    def stop(self) -> None:
        self._stopped = True
        if self._open is not None:
            # Who waits for other ranks hears of it.
            self._open.close()

    def refuse_stopped(self) -> None:
        if self._stopped:
            raise TeamError("the fit was cancelled, or its client has gone")


class _Bar:
    """What a training tells a progress bar of tqdm, told to the client."""

    def __init__(self, total: int, reporter: _Reporter) -> None:
        self.total, self.n, self.text, self.how, self.closed = total, 0, "", "success", False
        self.postfix: dict[str, str] = {}
        self._reporter, self._told = reporter, time.monotonic()

    def update(self) -> None:
        self._reporter.refuse_stopped()
        self.n += 1
        if time.monotonic() - self._told > _TELL:
            self.refresh()

    def set_description(self, text: str, refresh: bool = True) -> None:
        self.text = text
        if refresh:
            self.refresh()

    def set_postfix(self, values: dict[str, str], refresh: bool = True) -> None:
        self.postfix = values
        if refresh and time.monotonic() - self._told > _TELL:
            self.refresh()

    def refresh(self) -> None:
        self._told = time.monotonic()
        self._reporter.show(self)

    def close(self) -> None:
        self.closed = True
        self.refresh()
