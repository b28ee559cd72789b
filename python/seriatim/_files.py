"""Writing files so that a crash leaves the old one."""

from __future__ import annotations

import os
from pathlib import Path


def replace_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Replace a file as a whole once everything is written; nothing else is left behind.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        The file's folder is not there, or the path is a folder's.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{target}: there is no folder {target.parent} to write it to: make it first")
    if target.is_dir():
        raise IsADirectoryError(f"{target}: expected the path of a file, got that of a folder")
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
