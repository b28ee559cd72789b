"""The team that trains, where one does."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar

from seriatim._config import get_num_threads, set_num_threads
from seriatim.distributed._engine import Engine
from seriatim.distributed._gloo import gloo
from seriatim.distributed._mpi import mpi
from seriatim.distributed._team import Team, checked_timeout

_current: ContextVar[Team | None] = ContextVar("team", default=None)


def current() -> Team | None:
    """Return the team that fits of this thread train with, None where each process trains for itself.

    Returns
    -------
    Team or None
    """
    return _current.get()


@contextmanager
def use(team: Team) -> Iterator[Team]:
    """Let fits within train with a team, which stays open behind it.

    Parameters
    ----------
    team : Team

    Yields
    ------
    Team
        The one that was given.
    """
    token = _current.set(team)
    try:
        yield team
    finally:
        _current.reset(token)


@contextmanager
def team(engine: Engine | str, *, timeout: float = 300.0) -> Iterator[Team]:
    """Make a team for fits within, and close it behind them.

    Every rank runs the same program. Of an exception the others are told before it goes on up: what they wait for
    then raises :class:`TeamError`. Ranks of a launcher that have the same processors part them among each other, unless
    ``OMP_NUM_THREADS`` or ``SERIATIM_NUM_THREADS`` is set.

    Parameters
    ----------
    engine : "mpi", "gloo" or Engine
        What carries bytes between the processes: "mpi" if ``mpirun`` or another launcher of MPI has started them,
        "gloo" if ``torchrun`` has, or an engine of one's own, as :func:`connect` makes.
    timeout : float, default 300.0
        Seconds that a rank waits for others, while nothing comes from them, before it raises TeamError.

    Yields
    ------
    Team
        The team, of one rank where nothing has launched several.

    Raises
    ------
    ValueError
        For another name, and a time limit that is not above zero.
    ImportError
        Without the package that the name stands for.
    TeamError
        When not all ranks come within the limit.

    Examples
    --------
    >>> with seriatim.distributed.team("mpi") as ranks:
    ...     model = DeepGRUClassifier(micro_shards=8).fit(X, y)
    """
    seconds = checked_timeout(timeout)
    launched = engine in ("mpi", "gloo")
    if engine == "mpi":
        engine = mpi(limit=seconds)
    elif engine == "gloo":
        engine = gloo(limit=seconds)
    elif isinstance(engine, str):
        raise ValueError(f"engine is 'mpi', 'gloo' or an object that exchanges bytes, not {engine!r}")
    made = Team(engine, timeout=seconds)
    try:
        with use(made), made.wrap(), _fair_share(made) if launched else nullcontext():
            yield made
    finally:
        made.close()


@contextmanager
def _fair_share(team: Team) -> Iterator[None]:
    """Part the processors among the ranks that have the same ones, where nobody has said how many threads there are."""
    processors = tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    place = (socket.gethostname(), processors)
    said = "OMP_NUM_THREADS" in os.environ or "SERIATIM_NUM_THREADS" in os.environ
    neighbours = team.gather(place).count(place)
    threads = get_num_threads()
    try:
        if not said:
            set_num_threads(max(1, threads // neighbours))
        yield
    finally:
        set_num_threads(threads)
