"""Files that one running training holds, and others leave alone until it ends or dies.

A held file is locked (``flock``), which ends with the process that has it open, however that ends. Where the file
system knows no locks, the file itself says whose it is: a process of this machine is looked for, and one of another
machine is taken for dead when it has not written for ten times as long as it last took.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from seriatim._files import is_at, lock, naming, put

_PATIENCE, _LEAST = 10, 60.0
# What a file of no owner says.
NOBODY = ""

# What this process holds: some network file systems give a second lock to the process that has the first.
_held: set[str] = set()
_guard = threading.Lock()
_claims: weakref.WeakSet[Claim] = weakref.WeakSet()


class Claim:
    """A file that this training holds.

    Parameters
    ----------
    path : Path
        Noted as held.
    descriptor : int
        Of the open file.
    locked : bool
        Whether it has a lock.

    Attributes
    ----------
    descriptor : int or None
        None in a process that was forked from the one that holds the file.
    """

    def __init__(self, path: Path, descriptor: int, locked: bool) -> None:
        self.path, self.locked = path, locked
        self.descriptor: int | None = descriptor
        _claims.add(self)

    def release(self) -> None:
        """Let go of the file, wherever it is by now."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None
        _let_go(self.path)


def take(path: Path, owner: Callable[[Path], str] | None = None) -> Claim | None:
    """Return the claim to a file that nobody holds, None if somebody does or it is gone.

    Parameters
    ----------
    path : Path
    owner : callable, optional
        Gives what a file says of its owner, of :func:`me`: asked where there are no locks. The file then is moved,
        which one process alone can do: the claim says where to.
    """
    with _guard:
        if str(path) in _held:
            return None
        _held.add(str(path))
    claim = None
    try:
        descriptor = os.open(path, os.O_RDWR)
        try:
            claim = _claimed(path, descriptor, owner)
        finally:
            if claim is None:
                os.close(descriptor)
    except OSError:
        pass
    finally:
        if claim is None or claim.path != path:
            _let_go(path)
    return claim


def _claimed(path: Path, descriptor: int, owner: Callable[[Path], str] | None) -> Claim | None:
    locked = lock(descriptor)
    if locked is None and owner is not None and not _is_alive(owner(path), path):
        moved = _unlike(path)
        os.rename(path, moved)
        return Claim(moved, descriptor, False)
    # Another one may have been put in its place, or the file been removed, before the lock was had.
    return Claim(path, descriptor, True) if locked and is_at(descriptor, path) else None


def write(path: Path, content: bytes) -> Claim:
    """Write a file that is held from its first moment on, or replace one that is ours.

    Parameters
    ----------
    path : Path
    content : bytes
    """
    with _guard:
        is_new = str(path) not in _held
        _held.add(str(path))
    try:
        with naming(path):
            descriptor = put(path, content)
    except BaseException:
        if is_new:
            _let_go(path)
        raise
    return Claim(path, descriptor, bool(lock(descriptor)))


def is_held(path: Path, owner: Callable[[Path], str]) -> bool:
    """Return whether a running training holds a file, as far as can be said without taking it.

    Parameters
    ----------
    path : Path
    owner : callable
        As of :func:`take`.
    """
    try:
        return str(path) in _held or _is_alive(owner(path), path)
    except OSError:
        return True


def clear(folder: Path, pattern: str) -> None:
    """Remove what writers that were killed left half written.

    Parameters
    ----------
    folder : Path
    pattern : str
        Of the whole files' names.
    """
    for left in folder.glob(f".{pattern}.*"):
        claim = take(left)
        if claim is not None:
            left.unlink(missing_ok=True)
            claim.release()


def me(seconds: float) -> str:
    """Return what a file says of its owner, who last took so many seconds."""
    return "|".join([socket.gethostname(), _boot(), str(os.getpid()), _started(os.getpid()), repr(seconds)])


def _unlike(path: Path) -> Path:
    """Return a hidden name beside a file that no other file has."""
    return path.with_name(f".{path.name}.{os.urandom(4).hex()}")


def _let_go(path: Path) -> None:
    with _guard:
        _held.discard(str(path))


def _is_alive(owner: str, path: Path) -> bool:
    said = owner.split("|")
    # Of nobody, or no owner of ours.
    if len(said) != 5 or not said[2].isdecimal() or not re.fullmatch(r"\d+(\.\d+)?(e[+-]?\d+)?", said[4]):
        return False
    host, boot, process, started, seconds = said
    if host != socket.gethostname():
        return time.time() - path.stat().st_mtime < _LEAST + _PATIENCE * float(seconds)
    return boot == _boot() and process != str(os.getpid()) and started == _started(process) != ""


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def _started(process: int | str) -> str:
    """Return when a process was started, empty of one that is not there: numbers of processes come again."""
    with suppress(OSError, IndexError):
        state, *rest = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return "" if state in "ZX" else rest[18]
    return ""


def _forked() -> None:
    """Leave the parent's files to the parent: its locks are to end with it."""
    global _guard
    _guard = threading.Lock()
    for claim in list(_claims):
        if claim.descriptor is not None:
            os.close(claim.descriptor)
            claim.descriptor = None


os.register_at_fork(after_in_child=_forked)
