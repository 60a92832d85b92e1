"""Uploaded bytes to pictures, and pictures to what a page can show; nothing touches the disk.

Gradio's own picture fields write each upload to the disk, open it with every reader that Pillow
has, and do not limit its pixels.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import numpy as np
from PIL import Image, UnidentifiedImageError

from stylekit._checks import FileError, explain
from stylekit.app.limits import Limits
from stylekit.image import as_image, fit_shape
from stylekit.image._formats.decode import decoding

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""What Pillow may take an upload for. Its other readers stay shut: one starts a program."""

NARROWEST = 16
"""Shorter side, in pixels, below which a picture says nothing to a network."""


def read_picture(content: bytes, limits: Limits) -> np.ndarray:
    """Return the picture in a file's content, whatever its name or declared type says.

    Parameters
    ----------
    content : bytes
    limits : Limits

    Returns
    -------
    ndarray [H, W, 3]
        float32 in [0, 1], its longer side at most `limits.side`.

    Raises
    ------
    FileError
        If it is no picture of `FORMATS`, damaged, empty, or beyond a limit.
    """
    if not content:
        raise FileError(explain("The file is empty", hint="choose another file"))
    if len(content) > limits.upload_bytes:
        raise FileError(
            explain(
                "The file is too large",
                expected=f"at most {limits.upload_bytes / 1e6:.4g} MB",
                received=f"{len(content) / 1e6:.4g} MB",
                hint="save the picture smaller, or as JPEG",
            )
        )
    with _decoding(limits):
        picture = Image.open(io.BytesIO(content), formats=FORMATS)
    with picture:
        if picture.width * picture.height > limits.pixels:
            raise _too_many(limits, picture.size)
        longer = min(max(picture.size), limits.side)
        if min(fit_shape(picture.size, longer)) < NARROWEST:
            raise FileError(
                explain(
                    "The picture is too small or too narrow",
                    expected=f"{NARROWEST} pixels a side, also where its longer one is at most "
                    f"{limits.side}",
                    received=f"{picture.width}x{picture.height} pixels",
                    hint="take a larger picture, or crop it",
                )
            )
        with _decoding(limits):
            return as_image(picture, "The picture", longer)


def jpeg(image: np.ndarray, size: int | None = None) -> bytes:
    """Return a picture as a JPEG file, reduced to a longer side of `size`."""
    longer = max(image.shape[:2])
    image = as_image(image, size=longer if size is None else min(size, longer))
    buffer = io.BytesIO()
    Image.fromarray((image * 255 + 0.5).astype(np.uint8)).save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


@contextlib.contextmanager
def _decoding(limits: Limits) -> Iterator[None]:
    """Turn what readers raise into `FileError`, without their words: those may name an address."""
    try:
        with decoding("The picture"):
            yield
    except FileError as error:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, Image.DecompressionBombError):
            raise _too_many(limits) from cause
        if isinstance(cause, UnidentifiedImageError):
            raise FileError(
                explain(
                    "The file is no picture that can be read",
                    expected="JPEG, PNG, WebP, GIF, BMP or TIFF",
                    hint="its name does not count, its content does",
                )
            ) from cause
        raise FileError(
            explain(
                "The picture is damaged or cut short, or its text is too large",
                hint="save it anew from another program",
            )
        ) from cause


def _too_many(limits: Limits, size: tuple[int, int] | None = None) -> FileError:
    return FileError(
        explain(
            "The picture has too many pixels",
            expected=f"at most {limits.pixels / 1e6:.4g} million",
            received=f"{size[0]}x{size[1]}" if size else "far more",
            hint="save it smaller",
        )
    )
