"""What a user gives as a path, and the file that it leads to."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# As many links as Linux follows.
_LINKS = 40


def as_path(path: Any) -> Path:
    """Return a path as one: of a string, of bytes, of what has ``__fspath__``.

    Raises
    ------
    TypeError
        It is none.
    ValueError
        It has a null character, which no name has.
    """
    if not isinstance(path, (str, bytes, os.PathLike)):
        got = type(path).__name__
        raise TypeError(f"path: expected a string or a pathlib.Path, got {got}: a file has a name of its own")
    found = os.fsdecode(path)
    if "\0" in found:
        raise ValueError(f"path: expected a name without null characters, got {found!r:.60}")
    return Path(found)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let errors of the system name the file that they are about, not a temporary one, and not none."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def followed(path: Path) -> Path | int:
    """Return where a path leads through all links; of one of this process's descriptors (/dev/stdout) its number."""
    where = os.path.join(os.getcwd(), path)
    for _ in range(_LINKS):
        folder, name = os.path.split(where)
        folder = os.path.realpath(folder)
        where = os.path.join(folder, name)
        own = folder.startswith(f"/proc/{os.getpid()}/") and folder.endswith("/fd")
        if name.isdecimal() and (own or folder == "/dev/fd"):
            return int(name)
        if not os.path.islink(where):
            return Path(where)
        where = os.path.join(folder, os.readlink(where))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
