"""How many threads the kernels may use while tasks run in a worker; the number is one for the whole process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from seriatim._config import get_num_threads, set_num_threads

_lock = threading.Lock()
_bounds: list[int] = []
_before = 1


@contextmanager
def kernel_threads(number: int) -> Iterator[None]:
    """Let the kernels use at most so many threads; of several tasks at once the least holds.

    What was set before the first of them holds again behind the last, whatever the order in which they end.
    """
    global _before
    with _lock:
        if not _bounds:
            _before = get_num_threads()
        _bounds.append(number)
        set_num_threads(min(_bounds))
    try:
        yield
    finally:
        with _lock:
            _bounds.remove(number)
            set_num_threads(min(_bounds, default=_before))
