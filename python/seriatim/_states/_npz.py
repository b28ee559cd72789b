"""Archives of NumPy's arrays: what they say is compared with their size before anything is unpacked."""

from __future__ import annotations

import errno
import math
import zipfile
from pathlib import Path

import numpy as np

from seriatim._files import at_most
from seriatim._typing import AnyArray


def read_npz(path: Path) -> dict[str, AnyArray]:
    """Return the arrays of a file that ``numpy.savez`` wrote.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ValueError
        It is not a whole one, has objects, or arrays that are larger than they can be.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            at_most(path, sum(one.file_size for one in members))
            found = {one.filename.removesuffix(".npy"): _array(archive, one) for one in members}
            if len(found) < len(members):
                raise ValueError("two arrays have one name")
    except MemoryError:
        raise
    except Exception as error:
        # Of the system; the other ones are of what is asked for by numbers in the file.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(f"{path}: not a whole file of numpy.savez: {error}") from error
    return found


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> AnyArray:
    with archive.open(member) as file:
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = read[np.lib.format.read_magic(file)](file)
        if math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise ValueError(f"{member.filename} is not as large as its {shape} numbers of {dtype}")
    with archive.open(member) as file:
        array: AnyArray = np.lib.format.read_array(file, allow_pickle=False)
    return array
