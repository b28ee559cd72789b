"""Writing files so that a crash, a full disk, a loss of power or another writer leaves a whole one.

Everything is written into a new file beside the old one, which then takes its place. The new one is locked (``flock``)
from its first moment on, and the lock ends with the process: what has a name of this kind and no lock was left by a
writer that died, and the next one removes it.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

from seriatim._files._paths import as_path, followed, naming

_BUSY = {errno.EAGAIN, errno.EACCES}
# What file systems say that have no such thing.
_UNKNOWN = {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}
# Between two pieces Ctrl-C is heard.
_PIECE = 1 << 24
# Of names that stand whole in those of unfinished files; some file systems end at 143 bytes.
_LONGEST = 100
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def replace_file(path: str | bytes | os.PathLike[Any], content: bytes) -> None:
    """Replace a file as a whole once everything is written and on the disk; nothing else is left behind.

    A link is followed. The mode of a file that is there is kept, and its owner where that is allowed. Pipes, devices
    and descriptors (``/dev/stdout``) are written to.

    Parameters
    ----------
    path : str, bytes or path
    content : bytes

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        The file's folder is not there, or the path is a folder's.
    OSError
        The system refuses: no permission, no space. The old file is as it was.
    """
    path = as_path(path)
    with naming(path):
        there, target = _looked_at(path), followed(path)
        if isinstance(target, int):
            _write(target, content)
        elif there is not None and not stat.S_ISREG(there.st_mode):
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY)
            try:
                _write(descriptor, content)
            finally:
                os.close(descriptor)
        else:
            if not target.parent.is_dir():
                raise FileNotFoundError(f"{path}: there is no folder {target.parent} to write it to: make it first")
            if there is not None and not os.access(target, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            os.close(put(target, content, there))


def _looked_at(path: Path) -> os.stat_result | None:
    """Return what is there, None for nothing; raises for what nobody means to write a model to."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(there.st_mode):
        raise IsADirectoryError(f"{path}: expected the path of a file, got that of a folder")
    if stat.S_ISBLK(there.st_mode) or stat.S_ISSOCK(there.st_mode):
        raise OSError(f"{path}: expected the path of a file, got that of a disk or a socket")
    return there


def put(path: Path, content: bytes, like: os.stat_result | None = None) -> int:
    """Write a file that is locked from its first moment on, and let it take the place of the one that is there.

    Parameters
    ----------
    path : Path
        No link.
    content : bytes
    like : stat_result, optional
        Of the file whose mode and owner it has; else they are as those of any new file.

    Returns
    -------
    int
        The open descriptor; what file systems without locks have is not locked.
    """
    _sweep(path)
    temporary: Path | None = None
    descriptor: int | None = None
    try:
        # A writer that sweeps may be faster than the lock: then it is made anew.
        while descriptor is None or lock(descriptor) is False or not is_at(descriptor, temporary or path):
            if descriptor is not None:
                os.close(descriptor)
            temporary = path.with_name(f"{_beginning(path)}{os.urandom(8).hex()}.unfinished")
            descriptor = os.open(temporary, _NEW, 0o666 if like is None else 0o600)
        assert temporary is not None
        if like is not None:
            _become_like(descriptor, like)
        _write(descriptor, content)
        _sync(descriptor)
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException:
        if descriptor is not None:
            os.close(descriptor)
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise
    return descriptor


def _beginning(path: Path) -> str:
    """Return what the names of unfinished files for a path begin with."""
    name = path.name
    if len(os.fsencode(name)) > _LONGEST:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return f".{name}."


def _sweep(path: Path) -> None:
    """Remove what writers to a path left unfinished that are dead."""
    ours = re.compile(re.escape(_beginning(path)) + r"[0-9a-f]{16}\.unfinished")
    with suppress(OSError), os.scandir(path.parent) as entries:
        for left in [entry.path for entry in entries if ours.fullmatch(entry.name)]:
            with suppress(OSError):
                descriptor = os.open(left, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                try:
                    if lock(descriptor):
                        os.unlink(left)
                finally:
                    os.close(descriptor)


def _become_like(descriptor: int, like: os.stat_result) -> None:
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (like.st_uid, like.st_gid):
        with suppress(PermissionError):
            os.fchown(descriptor, like.st_uid, like.st_gid)
    with suppress(PermissionError):
        os.fchmod(descriptor, stat.S_IMODE(like.st_mode))


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest[:_PIECE]) :]


def _sync(descriptor: int) -> None:
    """Wait until what was written is on the disk."""
    try:
        if hasattr(fcntl, "F_FULLFSYNC"):
            # What macOS calls so; its fsync ends at the disk's own memory.
            fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
        else:
            os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNKNOWN:
            raise


def _sync_folder(folder: Path) -> None:
    """Wait until a name is on the disk; where a folder may be written to and not be read nobody can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return
    try:
        _sync(descriptor)
    finally:
        os.close(descriptor)


def lock(descriptor: int) -> bool | None:
    """Return whether a file could be locked, None where there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in _BUSY else None
    return True


def is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is the one at a path."""
    ours = os.fstat(descriptor)
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino)
