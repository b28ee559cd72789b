"""Version, threads, and what this installation is."""

from __future__ import annotations

from typing import Any

from seriatim import _core

__version__ = "0.1.0"


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


def show_config() -> dict[str, Any]:
    """Print and return what this installation is.

    Returns
    -------
    dict
        ``version``, ``level`` (instruction-set level in use: v4, v3, baseline, neon), ``levels`` (those this CPU can
        run, best first), ``num_threads``, ``numpy``.
    """
    import numpy as np

    config: dict[str, Any] = {
        "version": __version__,
        "level": _core.level(),
        "levels": _core.levels(),
        "num_threads": _core.get_num_threads(),
        "numpy": np.__version__,
    }
    for name, value in config.items():
        print(f"{name:12} {value}")
    return config
