"""What the client does of a fit: it says who trains what, waits for the ranks, and ends them all where one fails."""

from __future__ import annotations

import logging
import queue
import secrets
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dask.distributed import Client, Future
from distributed.scheduler import KilledWorker

from seriatim._warnings import warn
from seriatim.dask._asking import BYTES, in_time, named
from seriatim.dask._bar import Shown
from seriatim.dask._data import Data
from seriatim.dask._placing import Plan
from seriatim.dask._rank import TOPIC, Door, Task, open_door, train
from seriatim.distributed import TeamError

_logger = logging.getLogger("seriatim")
# How long the client waits for news before it looks itself, in seconds.
_SLICE = 0.1
_LOOK = 1.0
# How long it waits for what other ranks say when one has failed, and for ranks to end that are told to.
_GRACE = 2.0
_ENDING = 3.0

_fits: dict[str, queue.SimpleQueue[dict[str, Any]]] = {}


def _hear(event: tuple[float, dict[str, Any]]) -> None:
    """Hand what a rank tells to its fit, if that is one of this process."""
    message = event[1]
    waiting = _fits.get(message.get("fit", ""))
    if waiting is not None:
        waiting.put(message)


def lead(client: Client, estimator: Any, data: Data, plan: Plan, n_shards: int, timeout: float) -> Any:
    """Return a plain estimator, fitted by a cluster.

    Parameters
    ----------
    client : Client
    estimator : a plain estimator, unfitted
    data : Data
    plan : Plan
    n_shards : int
    timeout : float
        Seconds.

    Raises
    ------
    TeamError
        A worker has died, does not answer, or was not to be had in time.
    Exception
        What the fit of a rank has raised.
    """
    run = _Run(client, plan, timeout, estimator)
    client.subscribe_topic(TOPIC, _hear)
    _fits[run.fit] = run.news
    try:
        doors = run.doors()
        fitted, warned = run.train(doors, data, n_shards)
    except BaseException as error:
        run.end(error)
        raise
    finally:
        del _fits[run.fit]
    for text, category in warned:
        warn(text, category)
    return fitted


class _Run:
    """One fit."""

    def __init__(self, client: Client, plan: Plan, timeout: float, estimator: Any) -> None:
        self.client, self.plan, self.timeout, self.estimator = client, plan, timeout, estimator
        self.fit = uuid.uuid4().hex
        self.news: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._shown = Shown(len(plan.workers))
        self._futures: list[Future] = []
        self._begun: set[int] = set()
        self._ended: set[int] = set()

    # ---- The two parts

    def doors(self) -> list[Door]:
        """Return where each rank listens."""
        # They stay open until the ranks are there, which first get what they train on.
        limit = 2 * self.timeout + self._moving
        self._submit("door", open_door, [(self.fit, limit)] * len(self.plan.workers))
        self._wait(self.timeout, list)
        doors: list[Door] = self._fetch(range(len(self.plan.workers)))
        alike = {door.process for door in doors}
        if len(alike) < len(doors):
            raise ValueError(
                f"client: expected workers that are processes of their own, got {len(doors)} in {len(alike)}: "
                "start them as processes, or name one of each process in workers="
            )
        versions = sorted({door.version for door in doors})
        if len(versions) > 1:
            raise TeamError(f"the workers have different versions of seriatim: {', '.join(versions)}")
        levels = sorted({door.level for door in doors})
        if len(levels) > 1:
            raise TeamError(
                f"the workers compute at different instruction-set levels, {', '.join(levels)}, and would not agree on "
                f"the last bits: SERIATIM_LEVEL={levels[0]} in the environment of all makes them alike"
            )
        return doors

    def train(self, doors: Sequence[Door], data: Data, n_shards: int) -> tuple[Any, list[Any]]:
        """Return the fitted estimator, and what was warned of."""
        key, authkey = f"seriatim-fit-{self.fit}", secrets.token_bytes(32)
        addresses = [door.address for door in doors]
        given = []
        for rank, worker in enumerate(self.plan.workers):
            task = Task(
                self.fit, f"{key}-{rank}", rank, addresses, authkey, self.estimator, data.n, n_shards, self.timeout
            )  # fmt: skip
            given.append((task, data.sample, *data.of(self.plan.parts[rank], worker), data.held))
        self._submit("fit", train, given)
        error: TeamError | None = None
        try:
            self._wait(self.timeout + self._moving, lambda: self._begun)
        except TeamError as found:
            error = found
            self._settle()
        # All have the same: one that has come to the end is enough, though others died meanwhile.
        for rank, future in enumerate(self._futures):
            if future.status == "finished":
                try:
                    (found_by_it,) = self._fetch([rank])
                    return found_by_it  # type: ignore[no-any-return]
                except TeamError as found:
                    error = error or found
        raise error or TeamError(f"what the ranks have learned was lost with their workers. {self._advice()}")

    @property
    def _moving(self) -> float:
        return self.plan.moved / BYTES

    # ---- Waiting

    def _submit(self, name: str, function: Callable[..., Any], given: Sequence[tuple[Any, ...]]) -> None:
        """Begin to run a function once in each worker."""
        self._futures = [
            self.client.submit(
                function, *arguments, key=f"seriatim-{name}-{self.fit}-{rank}", workers=[worker],
                allow_other_workers=False, pure=False, retries=0, priority=10,
            )
            for rank, (worker, arguments) in enumerate(zip(self.plan.workers, given, strict=True))
        ]  # fmt: skip

    def _wait(self, limit: float, begun: Callable[[], Any]) -> None:
        """Wait until all have results; raise what one has raised, or if one has not begun in time."""
        start = looked = time.monotonic()
        while not all(future.status == "finished" for future in self._futures):
            self._listen(_SLICE)
            gone: list[int] = []
            if time.monotonic() - looked > _LOOK:
                gone, looked = self._gone(), time.monotonic()
            if gone or any(future.status not in ("pending", "finished") for future in self._futures):
                raise self._failure()
            if time.monotonic() - start > limit:
                self._refuse_late(set(begun()), limit)
        self._listen(0.0)

    def _settle(self) -> None:
        """Give the ranks that live a moment to come to an end, good or bad."""
        end, lost = time.monotonic() + _GRACE, set(self._gone())
        while time.monotonic() < end and any(
            future.status == "pending" and rank not in lost for rank, future in enumerate(self._futures)
        ):
            self._listen(_SLICE)

    def _fetch(self, ranks: Sequence[int]) -> list[Any]:
        """Return results that are there; raise TeamError if a worker goes with its own."""
        asked = [self._futures[rank] for rank in ranks]

        def look() -> None:
            lost = [self.plan.workers[rank] for rank in self._gone() if rank in ranks]
            if lost:
                raise TeamError(f"{named(lost)} died at the end of the fit, or has left the cluster. {self._advice()}")

        return in_time(lambda: self.client.gather(asked), float("inf"), "what was learned", look)

    def _listen(self, seconds: float) -> None:
        """Take what ranks have told, after waiting for it for some time."""
        while True:
            try:
                message = self.news.get(timeout=seconds) if seconds else self.news.get_nowait()
            except queue.Empty:
                return
            seconds = 0.0
            rank = message["rank"]
            if "begun" in message:
                self._begun.add(rank)
            elif "ended" in message:
                self._ended.add(rank)
            else:
                self._shown.take(message)

    def _gone(self) -> list[int]:
        """Return the ranks whose workers the scheduler no longer knows."""
        known = self.client.nthreads()
        return [rank for rank, worker in enumerate(self.plan.workers) if worker not in known]

    def _refuse_late(self, begun: set[int], limit: float) -> None:
        """Raise if a rank has not begun."""
        there = begun | {rank for rank, future in enumerate(self._futures) if future.status == "finished"}
        late = [worker for rank, worker in enumerate(self.plan.workers) if rank not in there]
        if late:
            raise TeamError(
                f"{named(late)} did not begin within {limit:.3g} seconds: all threads are busy with other tasks, or "
                "the worker is paused or hangs. Fit when they are free (a fit within a task holds a thread "
                "of its worker, unless by worker_client()), give a larger timeout, or name other workers in workers="
            )

    # ---- Failures

    def _failure(self) -> BaseException:
        """Return the error of the rank that failed first, as far as can be told."""
        deadline = time.monotonic() + _GRACE
        while True:
            errors = self._errors()
            own = [error for error in errors.values() if not isinstance(error, (TeamError, KilledWorker))]
            if own:
                # What the fit itself raised: the others only heard of it.
                return own[0]
            gone = sorted({*self._gone(), *(n for n, error in errors.items() if isinstance(error, KilledWorker))})
            if gone:
                lost = [self.plan.workers[rank] for rank in gone]
                return TeamError(f"{named(lost)} died during the fit, or has left the cluster. {self._advice()}")
            if time.monotonic() > deadline or len(errors) == len(self._futures):
                break
            self._listen(_SLICE)
        told = sorted(errors.items(), key=lambda item: bool(getattr(item[1], "told", False)))
        if not told:
            return TeamError(f"the tasks of the fit were cancelled. {self._advice()}")
        rank, error = told[0]
        ranks = ", ".join(f"rank {rank} is {worker}" for rank, worker in enumerate(self.plan.workers))
        return TeamError(f"{self.plan.workers[rank]}: {error} ({ranks}). {self._advice()}")

    def _errors(self) -> dict[int, BaseException]:
        return {
            rank: future.exception() for rank, future in enumerate(self._futures) if future.status == "error"
        }  # fmt: skip

    def _advice(self) -> str:
        where = self.estimator.checkpoint_dir
        if where is None:
            return "Call fit again; with checkpoint_dir, a folder that all workers see, it would go on where it was."
        return f"Call fit again: it goes on from the last checkpoint in {where}, on any number of workers."

    def end(self, error: BaseException) -> None:
        """End all ranks, and wait until they have ended: the next fit is to find their checkpoint free."""
        self._shown.fail(error)
        if self.client.status != "running":
            # Then Dask ends them, and nobody would tell of it.
            return
        self.client.cancel(self._futures, force=True)
        deadline = time.monotonic() + _ENDING
        looked = 0.0
        gone: list[int] = []
        while self._begun - self._ended - set(gone) and time.monotonic() < deadline:
            self._listen(_SLICE)
            if time.monotonic() - looked > _LOOK:
                gone, looked = self._gone(), time.monotonic()


def crew(client: Client, wanted: Sequence[str] | None) -> Mapping[str, int]:
    """Return the workers that may take part, with their threads: of each process one.

    Raises
    ------
    ValueError
        There are none, or one that is wanted is not there.
    """
    known = {address: info for address, info in _infos(client).items() if info.get("status", "running") == "running"}
    if wanted is not None:
        names = {str(info.get("name")): address for address, info in known.items()}
        missing = [one for one in wanted if one not in known and str(one) not in names]
        if missing:
            raise ValueError(f"workers: expected some of {sorted(known)}, or of their names, got {missing}")
        chosen = {one if one in known else names[str(one)] for one in wanted}
        known = {address: info for address, info in known.items() if address in chosen}
    if not known:
        raise ValueError(
            "client: expected workers that are running, got none: client.wait_for_workers(n) waits for them"
        )
    processes: dict[str, str] = {}
    for address in sorted(known):
        # inproc://host/process/number
        process = "/".join(address.split("/")[:4]) if address.startswith("inproc") else address
        processes.setdefault(process, address)
    if len(processes) < len(known):
        _logger.info("%d workers are threads of one process, which is one rank", len(known))
    return {address: int(known[address]["nthreads"]) for address in processes.values()}


def _infos(client: Client) -> dict[str, Any]:
    try:
        found: dict[str, Any] = client.scheduler_info(n_workers=-1)["workers"]
    except TypeError:
        # Of a version that always tells of all.
        found = client.scheduler_info()["workers"]
    return found
