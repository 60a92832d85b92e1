"""Decoded pictures, and helpers of the decoders: opening files and checking their limits."""

from __future__ import annotations

import dataclasses
import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeGuard

import numpy as np
from PIL import Image

from stylekit import _checks

Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | BinaryIO
"""A picture file: the path of a file, the content of a file, or an open binary file."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A decoded picture in sRGB, with the EXIF orientation applied.

    Parameters
    ----------
    pixels : numpy.ndarray, float32 [H, W, 3] in [0, 1]
        Colours, not multiplied by alpha.
    alpha : numpy.ndarray or None, float32 [H, W] in [0, 1]
        Opacity, or None if the source has no alpha channel.
    exif : dict
        EXIF values by tag number. The Exif and GPS directories are nested dicts.
    stored : numpy.ndarray or None, uint8 or uint16 [H, W]
        The integers that a grey or palette file stores. None for other files.
    mode : str
        Pillow's mode of the source, such as "P" for a palette. Empty if Pillow did not decode the
        picture.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    exif: dict[int, Any]
    stored: np.ndarray | None = None
    mode: str = ""


def check_pixel_count(name: str, count: int) -> None:
    """Raise `FileError` if a file has more pixels than `PIL.Image.MAX_IMAGE_PIXELS`."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and count > limit:
        raise _checks.FileError(
            _checks.explain(
                f"{name} has too many pixels",
                expected=f"at most {limit}",
                received=str(count),
                hint="make it smaller with another program, or raise Pillow's limit",
            )
        )


def check_tile(name: str, size: tuple[int, int], tile: tuple[int, int]) -> None:
    """Raise `FileError` if a file's tiles are far larger than its picture."""
    if tile[0] * tile[1] > 4 * size[0] * size[1] + 2**20:
        raise _checks.FileError(
            _checks.explain(
                f"{name} has tiles that are much larger than the picture",
                expected=f"tiles for {size[0]}x{size[1]} pixels",
                received=f"{tile[0]}x{tile[1]}",
                hint="save it again with another program",
            )
        )


def is_source(value: Any) -> TypeGuard[Source]:
    """Return whether a value is a picture file and not pixels; see `Source`."""
    return isinstance(value, str | os.PathLike | bytes | bytearray) or hasattr(value, "read")


@contextmanager
def opened(source: Source, name: str) -> Iterator[tuple[BinaryIO, str]]:
    """Open a picture file at its beginning, and yield the file and a name for messages.

    Parameters
    ----------
    source : path, bytes, bytearray or binary file
        An open file is not closed. If a file does not support seeking, it is read into memory.
    name : str
        Name of a source that is not a path, for messages.

    Yields
    ------
    file : binary file
    name : str
        The path of the file, or `name` if the source is not a path.

    Raises
    ------
    InputTypeError, FileError
        As raised by `existing_file`. Also if the file is open in text mode, or its content cannot
        be read.
    """
    if isinstance(source, bytes | bytearray):
        file: BinaryIO = io.BytesIO(source)
    elif isinstance(source, str | os.PathLike) or not hasattr(source, "read"):
        path = existing_file(source)
        with path.open("rb") as own:
            yield own, str(path)
        return
    else:
        file = _seekable(source, name)
    if not file.seek(0, os.SEEK_END):
        raise _empty(name)
    file.seek(0)
    yield file, name


def _seekable(source: BinaryIO, name: str) -> BinaryIO:
    """Return an open file if it supports seeking, else a file in memory with the same content."""
    try:
        content = source.read(0)
        if isinstance(content, bytes):
            return source if source.seekable() else io.BytesIO(source.read())
    except (OSError, ValueError, AttributeError) as error:  # ValueError: the file is closed
        raise _checks.FileError(
            _checks.explain(f"{name} cannot be read", received=str(error), hint="open it again")
        ) from error
    raise _checks.InputTypeError(
        _checks.explain(
            f"{name} is not a binary file",
            expected="a file opened with mode 'rb'",
            received=f"a file whose content is {type(content).__name__}",
        )
    )


def existing_file(path: Any) -> Path:
    """Return `path` if it is a readable file that is not empty.

    Raises
    ------
    InputTypeError
        If `path` is not a path.
    FileError
        If the file does not exist, is a folder, a pipe or a device, is empty, or is not readable.
    """
    if not isinstance(path, str | os.PathLike):
        raise _checks.InputTypeError(
            _checks.explain(
                "`path` is not a path",
                expected="a string or os.PathLike",
                received=type(path).__name__,
                hint="use as_image for PIL images and arrays",
            ),
            argument="path",
        )
    path = Path(os.fsdecode(path))
    status = _checks.status(path)
    if status is None:
        raise _checks.absent(path, str(path), "a picture file", "path")
    if stat.S_ISDIR(status.st_mode):
        raise _checks.FileError(
            _checks.explain(
                f"{path} is a folder", expected="a picture file", hint="name a file in it"
            )
        )
    if not stat.S_ISREG(status.st_mode):  # reading from it may block, or never end
        raise _checks.FileError(
            _checks.explain(
                f"{path} is a pipe or a device",
                expected="a picture file",
                hint="write its content to a file first",
            )
        )
    if status.st_size == 0:
        raise _empty(str(path))
    try:
        path.open("rb").close()
    except OSError as error:
        raise _checks.unusable(str(path), "read", error) from error
    return path


def _empty(name: str) -> _checks.FileError:
    return _checks.FileError(
        _checks.explain(
            f"{name} is empty",
            expected="a picture file",
            received="0 bytes",
            hint="get the file again",
        )
    )
