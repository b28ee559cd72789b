"""Files of safetensors: what one says of itself is compared with its size before anything is made of it.

safetensors' own reader maps a file into memory, and the process dies of SIGBUS when another one cuts it meanwhile; it
also takes a name twice. So files are written by it and read here.
"""

from __future__ import annotations

import io
import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seriatim._files._json import parsed
from seriatim._files._paths import naming
from seriatim._typing import AnyArray

# safetensors' own limits: bytes of a header; bits of an element by the name of its type.
_LONGEST = 100_000_000
_AXES = 32
_BITS = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
         "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32,
         "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64}  # fmt: skip
# Those that NumPy has.
KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
         "U8": "|u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "|b1"}  # fmt: skip


# How many times as large as a file what is unpacked of it may be, and from what size on that is looked at.
_TIMES, _LEAST = 100, 1 << 26


def at_most(path: Path, asked: int) -> None:
    """Raise ValueError if what is to be unpacked is far larger than the file that it is in."""
    size = os.stat(path).st_size
    if asked > max(_LEAST, _TIMES * size):
        raise ValueError(f"{path}: {asked} bytes are to be unpacked of {size}: expected {_TIMES} times as many at most")


def refuse_no_file(path: Path) -> None:
    """Raise for what is no file with a content of its own: a folder, a pipe, a device, or nothing."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such file") from None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"{path}: expected the path of a file, got that of a folder")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path}: expected the path of a file, got that of a pipe or a device")


class Entry(NamedTuple):
    """Where a tensor is, and what."""

    kind: str
    shape: tuple[int, ...]
    start: int
    end: int


class TensorFile:
    """An open file of safetensors whose header has been looked at.

    Parameters
    ----------
    path : Path
    file : FileIO
        At its beginning.
    size : int

    Attributes
    ----------
    texts : dict of str to str
        The metadata.
    entries : dict of str to Entry
    """

    def __init__(self, path: Path, file: io.FileIO, size: int) -> None:
        self.path, self._file = path, file
        length = int.from_bytes(self._bytes(8), "little") if size >= 8 else 0
        if not 2 <= length <= size - 8 or length > _LONGEST:
            self._refuse(f"{size} bytes, whose header is to have {length}" if size >= 8 else f"{size} bytes")
        self._start = 8 + length
        content = self._bytes(length).tobytes()
        try:
            header = parsed(content)
            self.texts = _texts(header.pop("__metadata__", {}))
            self.entries = {name: _entry(name, said) for name, said in header.items()}
        except ValueError as error:
            self._refuse(f"its header {error}" if content[:1] == b"{" else "its header is no JSON object")
        self._refuse_gaps(size - self._start)

    def _refuse_gaps(self, size: int) -> None:
        end = 0
        for name, entry in sorted(self.entries.items(), key=lambda item: item[1][2:]):
            if entry.start != end:
                self._refuse(f"{name!r:.60} begins at {entry.start}, where {end} is expected")
            end = entry.end
        if end != size:
            self._refuse(f"its tensors have {end} bytes, and it has {size}")

    def _refuse(self, text: str) -> None:
        raise ValueError(f"{self.path}: not a whole safetensors file: {text}")

    def raw(self, name: str) -> AnyArray:
        """Return the bytes of a tensor, in memory of their own."""
        entry = self.entries[name]
        self._file.seek(self._start + entry.start)
        return self._bytes(entry.end - entry.start)

    def array(self, name: str) -> AnyArray:
        """Return a tensor of a type that NumPy has; raises ValueError for others."""
        kind, shape, _, _ = self.entries[name]
        if kind not in KINDS:
            raise ValueError(f"{self.path}: expected one of {', '.join(KINDS)} for {name}, got {kind}")
        held = self.raw(name)
        if kind == "BOOL" and held.max(initial=0) > 1:
            raise ValueError(f"{self.path}: {name!r:.60} has bytes that are neither True nor False")
        try:
            return held.view(KINDS[kind]).reshape(shape)
        except ValueError as error:
            raise ValueError(f"{self.path}: {name!r:.60}: {error}") from None

    def _bytes(self, size: int) -> AnyArray:
        held = np.empty(size, np.uint8)
        rest = held.data
        while rest:
            read = self._file.readinto(rest)
            if not read:
                self._refuse("it was cut while it was read")
            rest = rest[read:]
        return held


@contextmanager
def opened(path: Path) -> Iterator[TensorFile]:
    """Open a file of safetensors.

    Parameters
    ----------
    path : Path

    Raises
    ------
    FileNotFoundError, IsADirectoryError
    ValueError
        It is not a whole one.
    """
    refuse_no_file(path)
    with naming(path), open(path, "rb", buffering=0) as file:
        yield TensorFile(path, file, os.fstat(file.fileno()).st_size)


def _texts(said: Any) -> dict[str, str]:
    if not isinstance(said, dict) or not all(isinstance(value, str) for value in said.values()):
        raise ValueError("has metadata other than texts by their names")
    return said


def _entry(name: str, said: Any) -> Entry:
    if not isinstance(said, dict) or set(said) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"says of {name!r:.60} {said!r:.60}: expected dtype, shape and data_offsets")
    kind, shape, offsets = said["dtype"], said["shape"], said["data_offsets"]
    bits = _BITS.get(kind) if isinstance(kind, str) else None
    if bits is None:
        raise ValueError(f"has the type {kind!r:.60} for {name!r:.60}: expected one of {', '.join(_BITS)}")
    if not _are_sizes(shape) or len(shape) > _AXES:
        raise ValueError(f"has the shape {shape!r:.60} for {name!r:.60}")
    if not _are_sizes(offsets) or len(offsets) != 2 or bits * math.prod(shape) != 8 * (offsets[1] - offsets[0]):
        raise ValueError(f"has {name!r:.60} at {offsets!r:.60}, which is not what {kind} of {shape!r:.60} takes")
    return Entry(kind, tuple(shape), *offsets)


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)
