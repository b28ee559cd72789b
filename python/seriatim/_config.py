"""Version, threads, and what this installation is."""

from __future__ import annotations

from typing import Any

from seriatim import _core

__version__ = "0.1.0"

# Bytes that a fit or prediction leaves for the next: enough for small ones never to ask the system.
_KEPT = 64 << 20


def set_num_threads(n: int) -> None:
    """Set how many threads a call may use, the caller's included; results do not depend on it.

    Parameters
    ----------
    n : int
        At least 1. At import: the CPUs this process may use, at most ``OMP_NUM_THREADS``; ``SERIATIM_NUM_THREADS``
        sets it outright.
    """
    _core.set_num_threads(n)


def get_num_threads() -> int:
    """Return how many threads a call may use."""
    return _core.get_num_threads()


def release_memory() -> int:
    """Give the memory that is kept for reuse back to the system.

    Blocks of 64 KB and more that are no longer used are kept, so that the next batch need not ask the system for them:
    at most 1 GiB, or an eighth of the machine's memory, or of what a container may have of it, if that is less. A
    ``fit``, and a prediction, leave at most 64 MiB of them behind; what a training loop of one's own leaves, and that
    rest, go back here. When the system has no memory left for a request, they go back before it is tried again.

    Returns
    -------
    int
        Bytes given back. Arrays and models that are still alive keep theirs.

    Notes
    -----
    Any thread may call it at any time, also while others compute, and the child of a fork for its own copy. With glibc
    the rest of the heap goes back as well, as far as it is free (``malloc_trim``).

    Examples
    --------
    >>> del model
    >>> seriatim.release_memory()
    """
    return _core.release_memory(0)


def release_most_memory() -> None:
    """Give back what a large fit or prediction has left, all but 64 MiB."""
    _core.release_memory(_KEPT)


def level() -> str:
    """Return the instruction-set level in use: v4, v3, baseline or neon."""
    found: str = _core.level()
    return found


def show_config() -> dict[str, Any]:
    """Print and return what this installation is.

    Returns
    -------
    dict
        ``version``, ``level`` (instruction-set level in use: v4, v3, baseline, neon), ``levels`` (those this CPU can
        run, best first), ``num_threads``, ``caches`` (the data caches that plans are made for: bytes of a core's
        ``first`` and ``second`` and of the one that is ``shared`` beyond, 0 without; ``cores_per_second`` and
        ``cores_per_shared``, hardware threads; bytes of a ``line``), ``numpy``.

    Notes
    -----
    Caches are read once, at import. The environment variable ``SERIATIM_CACHES`` sets them for an experiment, as they
    are printed: ``48K,2M,300M``, or with the cores that share one, ``128K,16M/4,0``. Results do not depend on them.
    """
    import numpy as np

    config: dict[str, Any] = {
        "version": __version__,
        "level": _core.level(),
        "levels": _core.levels(),
        "num_threads": _core.get_num_threads(),
        "caches": _core.caches(),
        "numpy": np.__version__,
    }
    for name, value in config.items():
        print(f"{name:12} {format_caches(value) if name == 'caches' else value}")
    return config


def format_caches(caches: dict[str, int]) -> str:
    """Return caches as SERIATIM_CACHES takes them: 48K,2M/1,300M/2."""
    first, second, shared = (_format_size(caches[name]) for name in ("first", "second", "shared"))
    beyond = f"{shared}/{caches['cores_per_shared']}" if caches["shared"] else "0"
    return f"{first},{second}/{caches['cores_per_second']},{beyond}"


def _format_size(count: int) -> str:
    for size, unit in ((1 << 20, "M"), (1 << 10, "K")):
        if count and count % size == 0:
            return f"{count // size}{unit}"
    return str(count)
