"""The team that trains, where one does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from seriatim.distributed._team import Team

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
