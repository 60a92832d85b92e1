"""Arrays in `.npz` archives from anywhere: nothing is read before its header is checked."""

from __future__ import annotations

import math
import zipfile

import numpy as np


def array_header(archive: zipfile.ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype]:
    """Return the shape and the dtype of an array, from its header alone.

    What `read_array` allocates is the array of this header. The caller bounds it: by the shape that
    it expects, or by the archive's own size, where nothing in it is compressed.

    Parameters
    ----------
    archive : zipfile.ZipFile
        As `numpy.savez` writes it.
    name : str
        Without its ending ``.npy``.

    Raises
    ------
    KeyError
        If there is no such array.
    ValueError
        If it is no array of numbers or text, or does not fill its place in the archive.
    Exception
        Whatever the modules for archives raise for one that is damaged.
    """
    entry = archive.getinfo(f"{name}.npy")
    # The other methods may ask for a dictionary of gigabytes.
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is compressed by another method than deflate")
    with archive.open(entry) as file:
        # Of the first version a header has at most 64 kB; of the others it may have gigabytes.
        if np.lib.format.read_magic(file) != (1, 0):
            raise ValueError(f"{name} has an unknown version of the .npy format")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        size = file.tell() + math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects")
    if size != entry.file_size:
        raise ValueError(f"{name} claims {size} bytes and has {entry.file_size}")
    return shape, dtype


def read_array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Return an array whose header has been checked; its checksum is, too."""
    with archive.open(f"{name}.npy") as file:
        return np.lib.format.read_array(file, allow_pickle=False)
