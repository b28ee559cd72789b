"""What the client asks workers for, with a limit of time: a worker that hangs would let it wait for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from dask.distributed import Client, Future, wait

from seriatim.distributed import TeamError

T = TypeVar("T")

# What a slow network moves in a second: what is large may take so much longer.
BYTES = 10e6


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
    except TimeoutError:
        late = [future for future in futures if future.status == "pending"]
        there = sorted({one for some in client.processing().items() for one in [some[0]] if _has(some[1], late)})
        raise TeamError(
            f"{what}: {named(there)} did not answer within {limit:.3g} seconds: all threads are busy with other tasks, "
            "or the worker is paused or hangs. Give a larger timeout, or name other workers in workers="
        ) from None
    found: list[Any] = client.gather(list(futures))
    return found


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
    (future,) = _in_time(
        lambda: client.scatter([value], hash=False, **where),
        timeout + n_bytes / BYTES,
        f"{n_bytes / 1e6:.3g} MB to {'all workers' if workers is None else named(workers)}",
    )
    return future


def _in_time(ask: Callable[[], T], limit: float, what: str) -> T:
    found: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            found.append(ask())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="seriatim: to workers", daemon=True)
    thread.start()
    thread.join(limit)
    if errors:
        raise errors[0]
    if not found:
        raise TeamError(
            f"{what}: not there within {limit:.3g} seconds; a worker is paused or hangs, or timeout is too short"
        )
    return found[0]
