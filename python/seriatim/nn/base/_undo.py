"""What a call that fails leaves behind: nothing.

The outermost call of a module, forward or backward, holds a journal. Whoever is about to change what outlives the
call (a memory, running statistics, the number of a dropout's call, gradients, open forwards) notes how it was. After an
error, or an interrupt, anywhere inside, all that was noted is put back.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any

import numpy as np

from seriatim._typing import AnyArray


class _Journal(dict[tuple[int, str], tuple[Any, Callable[[], None]]]):
    """How things were before they changed first: the thing, which lives as long as this, and what puts it back."""

    __slots__ = ("composed", "is_open")

    def __init__(self, composed: bool) -> None:
        super().__init__()
        self.composed = composed
        # False once its call has ended: a thread that it has started may have a copy of its context.
        self.is_open = True

    def undo(self) -> None:
        for _, put_back in self.values():
            put_back()


_journal: ContextVar[_Journal | None] = ContextVar("journal", default=None)


def _current() -> _Journal | None:
    journal = _journal.get()
    return journal if journal is not None and journal.is_open else None


def note(owner: Any, name: str, how: Callable[[], Callable[[], None]] | None = None) -> None:
    """Note how an attribute is, before it is assigned to; or what ``how`` returns, which puts another thing back."""
    journal = _current()
    if journal is not None and (id(owner), name) not in journal:
        put_back = functools.partial(setattr, owner, name, getattr(owner, name)) if how is None else how()
        journal[id(owner), name] = owner, put_back


def note_entry(store: dict[str, Any], name: str) -> None:
    """Note what a dictionary has under a name."""
    note(store, name, lambda: functools.partial(store.__setitem__, name, store[name]))


def is_noting() -> bool:
    """Whether a module's call runs, which may have to be undone."""
    return _current() is not None


def is_composed() -> bool:
    """Whether other modules of the outermost call may refuse when one has written its values."""
    journal = _current()
    return journal is not None and journal.composed


def note_values(array: AnyArray) -> None:
    """Note the values of an array that is written to next, where other modules may refuse after that."""
    if is_composed():
        note(array, "values", lambda: functools.partial(np.copyto, array, array.copy()))


def whole(call: Callable[..., Any]) -> Any:
    """Make a module's method one that changes everything or, when it raises, nothing."""

    @functools.wraps(call)
    def called(self: Any, *inputs: Any, **options: Any) -> Any:
        if _current() is not None:
            return call(self, *inputs, **options)
        journal, context = _Journal(bool(self._modules)), copy_context()
        try:
            # What the call sets ends with it, wherever Ctrl-C arrives.
            context.run(_journal.set, journal)
            return context.run(call, self, *inputs, **options)
        except BaseException:
            journal.undo()
            raise
        finally:
            journal.is_open = False

    return called
