"""What a source holds once decoded, and what every decoder needs."""

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
"""A picture file: its path, its content, or a binary file that is open."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A decoded source, upright and in sRGB.

    Parameters
    ----------
    pixels : numpy.ndarray, float32 [H, W, 3] in [0, 1]
        Straight colours, not multiplied by alpha.
    alpha : numpy.ndarray or None, float32 [H, W] in [0, 1]
        Opacity, where the source has it.
    exif : dict
        EXIF values by tag number; the Exif and GPS directories are nested dicts.
    stored : numpy.ndarray or None, uint8 or uint16 [H, W]
        The integers of a grey source, or of one with a palette, as they are in the file.
    mode : str
        Pillow's name of the source's kind, such as "P" for one with a palette; empty for others.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    exif: dict[int, Any]
    stored: np.ndarray | None = None
    mode: str = ""


def check_pixel_count(name: str, count: int) -> None:
    """Raise `FileError` if a file has more pixels than Pillow's limit, which None lifts."""
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
                f"{name} has tiles that are larger than its picture",
                expected=f"tiles for {size[0]}x{size[1]} pixels",
                received=f"{tile[0]}x{tile[1]}",
                hint="save it anew from another program",
            )
        )


def is_source(value: Any) -> TypeGuard[Source]:
    """Return whether a value is a picture file rather than pixels; see `Source`."""
    return isinstance(value, str | os.PathLike | bytes | bytearray) or hasattr(value, "read")


@contextmanager
def opened(source: Source, name: str) -> Iterator[tuple[BinaryIO, str]]:
    """Give a picture file to read from its beginning, and what messages call it.

    Parameters
    ----------
    source : path, bytes, bytearray or binary file
        A file stays open. One that cannot seek is read to its end.
    name : str
        What messages call the content of a file without a path.

    Raises
    ------
    InputTypeError, FileError
        As `existing_file`; also if it is a text file, or its content cannot be read.
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
    """Return an open file if it can seek, else its content."""
    try:
        content = source.read(0)
        if isinstance(content, bytes):
            return source if source.seekable() else io.BytesIO(source.read())
    except (OSError, ValueError, AttributeError) as error:  # ValueError: it is closed
        raise _checks.FileError(
            _checks.explain(f"{name} cannot be read", received=str(error), hint="open it anew")
        ) from error
    raise _checks.InputTypeError(
        _checks.explain(
            f"{name} is no binary file",
            expected="a file opened with mode 'rb'",
            received=f"one that gives {type(content).__name__}",
        )
    )


def existing_file(path: Any) -> Path:
    """Return `path` if it is a file with content that may be read.

    Raises
    ------
    InputTypeError
        If it is no path.
    FileError
        If there is no such file, or it is a folder, a pipe or a device, or empty.
    """
    if not isinstance(path, str | os.PathLike):
        raise _checks.InputTypeError(
            _checks.explain(
                "path is no path",
                expected="a string or os.PathLike",
                received=type(path).__name__,
                hint="as_image takes PIL images and arrays too",
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
    if not stat.S_ISREG(status.st_mode):  # reading one may wait for ever, or never end
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
            hint="fetch the file again",
        )
    )
