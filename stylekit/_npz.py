"""Read arrays from untrusted `.npz` archives: each header is checked before its data is read."""

from __future__ import annotations

import math
import zipfile

import numpy as np


def array_header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and dtype of an array from its header.

    `read_array` allocates an array of this shape, so the caller must check the shape first: against
    the expected shape or, if nothing in the archive is compressed, against the size of the archive.

    Parameters
    ----------
    archive : zipfile.ZipFile
        An archive in the format of `numpy.savez`.
    name : str
        Name of the array, without the suffix ``.npy``.

    Raises
    ------
    KeyError
        If the archive has no such array.
    ValueError
        If the entry is not an array of numbers or text, or if its size in the archive is wrong.
    Exception
        Any exception that `zipfile` and `zlib` raise for a damaged archive.
    """
    entry = archive.getinfo(f"{name}.npy")
    # Other compression methods can request a dictionary of gigabytes.
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed by a method other than deflate")
    with archive.open(entry) as file:
        # A header of version 1.0 has at most 64 kB. Headers of later versions can have gigabytes.
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name} has an unknown version of the .npy format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        size = file.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects")
    if size != entry.file_size:
        raise ValueError(f"{name} declares {size} bytes but has {entry.file_size}")
    return shape, dtype


def read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Return an array whose header has been checked. Its checksum is verified."""
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)
