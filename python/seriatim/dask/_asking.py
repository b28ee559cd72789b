"""What the client asks workers for, with a limit of time: a worker that hangs would let it wait for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from dask.distributed import CancelledError, Client, Future, wait
from dask.distributed import TimeoutError as Late
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker

from seriatim.distributed import TeamError

T = TypeVar("T")

# What a slow network moves in a second: what is large may take so much longer.
BYTES = 10e6
# How often is looked whether who is asked is there, in seconds.
_LOOK = 1.0


def named(workers: Sequence[str]) -> str:
    """Return workers in words."""
    return f"worker{'s' * (len(workers) != 1)} {', '.join(workers) or '(none)'}"


def results_of(client: Client, futures: Sequence[Future], limit: float, what: str) -> list[Any]:
    """Return what small tasks give.

    Raises
    ------
    TeamError
        Some do not end in time.
    """
    try:
        wait(list(futures), timeout=limit)
    except Late:
        late = [future for future in futures if future.status == "pending"]
        there = sorted({one for some in client.processing().items() for one in [some[0]] if _has(some[1], late)})
        raise TeamError(
            f"{what}: {named(there)} did not answer within {limit:.3g} seconds: all threads are busy with other tasks, "
            "or the worker is paused or hangs. Give a larger timeout, or name other workers in workers="
        ) from None
    return in_time(lambda: client.gather(list(futures)), limit, what)


def _has(keys: Sequence[Any], futures: Sequence[Future]) -> bool:
    return any(future.key in keys for future in futures)


def sent(client: Client, value: Any, workers: Sequence[str] | None, n_bytes: int, timeout: float) -> Future:
    """Return what is given as a future on some workers, on all of them for None.

    Raises
    ------
    TeamError
        It does not arrive in time.
    """
    where: dict[str, Any] = {"broadcast": True} if workers is None else {"workers": list(workers)}
    (future,) = in_time(
        lambda: client.scatter([value], hash=False, **where),
        timeout + n_bytes / BYTES,
        f"{n_bytes / 1e6:.3g} MB to {'all workers' if workers is None else named(workers)}",
    )
    return future


def in_time(ask: Callable[[], T], limit: float, what: str, look: Callable[[], None] = lambda: None) -> T:
    """Return what is asked for; meanwhile `look`, which may raise, every second.

    Raises
    ------
    TeamError
        It does not come in time, or is lost with a worker.
    """
    found: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            found.append(ask())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="seriatim: asks workers", daemon=True)
    thread.start()
    end = time.monotonic() + limit
    while thread.is_alive() and time.monotonic() < end:
        thread.join(min(_LOOK, max(end - time.monotonic(), 0.0)))
        if thread.is_alive():
            look()
    if errors and isinstance(errors[0], (CancelledError, KilledWorker, CommClosedError, Late)):
        raise TeamError(f"{what}: lost, with a worker that died or has left the cluster ({errors[0]!r})") from errors[0]
    if errors:
        raise errors[0]
    if not found:
        raise TeamError(
            f"{what}: not there within {limit:.3g} seconds; a worker is paused or hangs, or timeout is too short"
        )
    return found[0]
