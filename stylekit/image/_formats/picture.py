"""What a source holds once decoded, and what every decoder needs."""

from __future__ import annotations

import dataclasses
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stylekit import _checks

# What Pillow's plug-ins raise for damaged data, by experience; struct's and zlib's errors are
# neither OSError nor ValueError.
PILLOW_ERRORS = (
    *(OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError),
    *(struct.error, zlib.error),
)


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
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    exif: dict[int, Any]


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


def existing_file(path: str | os.PathLike[str]) -> Path:
    """Return `path` if it is a file with content.

    Raises
    ------
    InputTypeError
        If it is no path.
    FileError
        If there is no such file, or it is a folder, or empty.
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
    path = Path(path)
    if path.is_dir():
        raise _checks.FileError(
            _checks.explain(
                f"{path} is a folder", expected="a picture file", hint="name a file in it"
            )
        )
    try:
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        raise _checks.absent(path, str(path), "a picture file", "path") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        raise _checks.FileError(
            _checks.explain(
                f"{path} cannot be read",
                expected="a picture file",
                received=getattr(error, "strerror", None) or str(error),
                hint="check its name and its permissions",
            )
        ) from error
    if path.stat().st_size == 0:
        raise _checks.FileError(
            _checks.explain(
                f"{path} is empty",
                expected="a picture file",
                received="0 bytes",
                hint="fetch the file again",
            )
        )
    return path
