"""Locks of what several threads write to when they train one module: gradients, running statistics.

Kernels add to arrays without the interpreter's lock. A few hundred locks are shared by all objects, so that none is
part of an object's state, and a forked process can make them anew: the thread that held one is not in it.
"""

from __future__ import annotations

import os
import threading
from typing import Any

_COUNT = 257
_guards = [threading.RLock() for _ in range(_COUNT)]


def guard_of(thing: Any) -> threading.RLock:
    """Return the lock of an object; another object may have the same one.

    Parameters
    ----------
    thing : object
    """
    return _guards[(id(thing) >> 4) % _COUNT]


def _forked() -> None:
    _guards[:] = [threading.RLock() for _ in range(_COUNT)]


os.register_at_fork(after_in_child=_forked)
