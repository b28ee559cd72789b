"""Arrays and texts as a file of safetensors with a checksum over all of it, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from seriatim._files._reading import opened
from seriatim._typing import AnyArray

CHECKSUM = "sha256"


def to_bytes(arrays: Mapping[str, AnyArray], texts: Mapping[str, str]) -> bytes:
    """Return the file of arrays, which lie in the order of C, and texts."""
    from safetensors.numpy import save

    content: bytes = save(dict(arrays), metadata={**texts, CHECKSUM: _checksum(arrays, texts)})
    return content


def read_texts(path: Path) -> dict[str, str]:
    """Return a file's texts alone; what they say is not checked against the checksum, which is over all of it.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
    ValueError
        It is not a whole file of safetensors.
    """
    with opened(path) as file:
        return file.texts


def read_tensors(path: Path, *, wanted: bool = False) -> tuple[dict[str, str], dict[str, AnyArray]]:
    """Return a file's texts and arrays.

    Parameters
    ----------
    path : Path
    wanted : bool, default False
        Whether there has to be a checksum. One that is there has to be right.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
    ValueError
        It is not a whole file of safetensors, or not as it was written.
    """
    with opened(path) as file:
        texts, arrays = dict(file.texts), {name: file.array(name) for name in file.entries}
    said = texts.pop(CHECKSUM, None)
    if said is None and wanted:
        raise ValueError(f"{path}: has no checksum")
    if said is not None and said != _checksum(arrays, texts):
        raise ValueError(
            f"{path}: is damaged, or was changed since it was written: its content is not the one that its checksum is "
            "of. Take another copy of it, or save it again"
        )
    return texts, arrays


def _checksum(arrays: Mapping[str, AnyArray], texts: Mapping[str, str]) -> str:
    """Return a digest that does not depend on the order in which a file has its parts."""
    digest = hashlib.sha256()
    for name in sorted(texts):
        digest.update(json.dumps([name, texts[name]]).encode())
    for name in sorted(arrays):
        array = np.asarray(arrays[name], order="C")
        digest.update(json.dumps([name, array.dtype.newbyteorder("<").str, array.shape]).encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
