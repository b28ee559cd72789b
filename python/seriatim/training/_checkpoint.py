"""Checkpoints: the whole state of a training run in one safetensors file, so that it goes on with the same bits.

A file belongs to one training: its name is a fingerprint of the data, the labels and the settings. So several runs may
share a folder (a search with ``n_jobs``), and a run never takes up another's state. It is replaced as a whole after an
epoch, so a kill at any moment leaves the last one, and removed when the training is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from seriatim._files import replace_file
from seriatim._typing import AnyArray

_ARRAYS = "arrays"


def fingerprint(parts: Iterable[Any]) -> str:
    """Return a short name for arrays and for what has a stable ``repr``."""
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        if isinstance(part, np.ndarray) and part.dtype != object:
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
        else:
            # Addresses are another process's.
            digest.update(re.sub(r" at 0x[0-9a-f]+", "", repr(part)).encode())
        digest.update(b"|")
    return digest.hexdigest()


class Checkpoint:
    """One training's file.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    name : str
        From ``fingerprint``.
    every : int
        Epochs from file to file.
    """

    def __init__(self, folder: str | os.PathLike[str], name: str, every: int) -> None:
        self.path = Path(folder) / f"training-{name}.safetensors"
        self.every = every

    def save(self, state: dict[str, Any]) -> None:
        """Write a nested state of arrays, numbers, strings, lists, dicts and None.

        Parameters
        ----------
        state : dict
        """
        from safetensors.numpy import save as to_bytes

        arrays: dict[str, AnyArray] = {}
        described = _take_apart(state, arrays)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(self.path, to_bytes(arrays, metadata={"training": json.dumps(described)}))

    def load(self) -> dict[str, Any] | None:
        """Return the state that :meth:`save` wrote, None if there is none.

        Returns
        -------
        dict or None

        Raises
        ------
        ValueError
            The file cannot be read as a checkpoint.
        """
        from safetensors import SafetensorError, safe_open

        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="numpy") as file:
                described = json.loads((file.metadata() or {})["training"])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, KeyError, ValueError) as error:
            raise ValueError(
                f"{self.path}: expected a checkpoint of a training, got a file that cannot be read as one ({error}). "
                "Remove it to train from the beginning."
            ) from error
        state: dict[str, Any] = _put_together(described, arrays)
        return state

    def remove(self) -> None:
        """Remove the file, of a training that is complete."""
        self.path.unlink(missing_ok=True)


def _take_apart(value: Any, arrays: dict[str, AnyArray]) -> Any:
    """Return what JSON can hold, and put the arrays aside."""
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.asarray(value, order="C")
        return {_ARRAYS: name}
    if isinstance(value, dict):
        return {key: _take_apart(item, arrays) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_take_apart(item, arrays) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def _put_together(value: Any, arrays: dict[str, AnyArray]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAYS}:
            return arrays[value[_ARRAYS]]
        return {key: _put_together(item, arrays) for key, item in value.items()}
    if isinstance(value, list):
        return [_put_together(item, arrays) for item in value]
    return value
