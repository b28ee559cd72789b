"""Peers in turns, so that they share what the machine does to them.

Thread pools go on spinning after a call (OpenMP's for 200 ms) and slow whoever runs next. So each turn begins with a
pause and one uncounted call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

PAUSE = 0.3


def in_turns(
    jobs: Mapping[str, Callable[[], object]], turns: int = 3, seconds: float = 0.15, most: int = 30
) -> dict[str, float]:
    """Return each job's median time of one call, in seconds."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(turns):
        for name, job in jobs.items():
            time.sleep(PAUSE)
            job()
            until = time.perf_counter() + seconds
            for _ in range(most):
                began = time.perf_counter()
                job()
                ended = time.perf_counter()
                times[name].append(ended - began)
                if ended > until:
                    break
    return {name: float(np.median(found)) for name, found in times.items()}
