"""The one thread of a team that works beside the caller's."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable


class Pending:
    """What was begun in the background: ``wait`` until it is done."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._error: BaseException | None = None

    @classmethod
    def done(cls) -> Pending:
        """Return one that is done already."""
        pending = cls()
        pending._ended.set()
        return pending

    def wait(self) -> None:
        """Return when it is done; raise what went wrong. Ctrl-C is heard.

        Raises
        ------
        TeamError
            As :meth:`Team.sum_arrays`, which is what runs; its limit bounds this wait as well.
        """
        self._ended.wait()
        if self._error is not None:
            raise self._error

    def ended(self, seconds: float) -> bool:
        """Wait for some seconds; return whether it is done, well or not."""
        return self._ended.wait(seconds)

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            self._error = error
        self._ended.set()


class Background:
    """A thread that does one thing after another. It does not keep the interpreter from its end."""

    def __init__(self, name: str) -> None:
        self._queue: queue.SimpleQueue[tuple[Pending, Callable[[], None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            job[0]._run(job[1])
            # No array is held until the next one comes.
            del job

    def submit(self, work: Callable[[], None]) -> Pending:
        """Do something behind what was submitted before."""
        pending = Pending()
        self._queue.put((pending, work))
        return pending

    def finish(self, limit: float) -> None:
        """End the thread when all that was submitted is done; wait for that for some seconds."""
        self._queue.put(None)
        self._thread.join(limit)
