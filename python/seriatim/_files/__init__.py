"""Files: written so that a crash leaves the old one, read so that a stranger's costs no more than its size."""

from seriatim._files._json import parsed
from seriatim._files._paths import as_path, naming
from seriatim._files._reading import TensorFile, at_most, opened, refuse_no_file
from seriatim._files._tensors import read_tensors, read_texts, to_bytes
from seriatim._files._writing import is_at, lock, put, replace_file

__all__ = [
    "TensorFile",
    "as_path",
    "at_most",
    "is_at",
    "lock",
    "naming",
    "opened",
    "parsed",
    "put",
    "read_tensors",
    "read_texts",
    "refuse_no_file",
    "replace_file",
    "to_bytes",
]
