"""The file itself: a safetensors file whose metadata has the header."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from seriatim._config import __version__
from seriatim._files import replace_file
from seriatim._typing import AnyArray

# 1, a file of one estimator or module without a tree, was never released.
FORMAT = 2


def write(path: str | os.PathLike[str], tree: dict[str, Any], tensors: dict[str, AnyArray]) -> None:
    """Replace a file as a whole by a model's tree and its tensors."""
    from safetensors.numpy import save as to_bytes

    header = {"format": FORMAT, "version": __version__, "class": tree["class"], "model": tree}
    replace_file(path, to_bytes(tensors, metadata={"seriatim": json.dumps(header)}))


def read(path: Path) -> tuple[dict[str, Any], dict[str, AnyArray]]:
    """Return the header and the tensors of a file."""
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected the path of a file, got that of a folder")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("seriatim")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from error
    if text is None:
        raise ValueError(f"{path}: a safetensors file, but not one of seriatim.save's")
    header: dict[str, Any] = json.loads(text)
    if header["format"] != FORMAT:
        todo = "a newer version reads it" if header["format"] > FORMAT else "fit and save the model again"
        raise ValueError(
            f"{path}: written by seriatim {header['version']} in format {header['format']}; this version "
            f"({__version__}) reads format {FORMAT}: {todo}"
        )
    return header, tensors
