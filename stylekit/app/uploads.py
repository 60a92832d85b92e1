"""Reading of uploaded pictures and writing of pictures for the page, both in memory.

Gradio's own picture fields write each upload to a file, open it with every reader of Pillow, and
do not limit the number of pixels.
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
"""Formats that an upload may have. Pillow's other readers are not used, because one of them starts
another program."""

NARROWEST = 16
"""Smallest shorter side in pixels. A smaller picture has no features in the deepest layers."""


def read_picture(content: bytes, limits: Limits) -> np.ndarray:
    """Return the picture in the content of a file. The file's name and type are not used.

    Parameters
    ----------
    content : bytes
    limits : Limits

    Returns
    -------
    ndarray [H, W, 3]
        float32 in [0, 1], with a longer side of at most `limits.side`.

    Raises
    ------
    FileError
        If the file is not a picture of one of the `FORMATS`, is damaged or empty, or exceeds a
        limit.
    """
    if not content:
        raise FileError(explain("The file is empty", hint="choose another file"))
    if len(content) > limits.upload_bytes:
        raise FileError(
            explain(
                "The file is too large",
                expected=f"at most {limits.upload_bytes / 1e6:.4g} MB",
                received=f"{len(content) / 1e6:.4g} MB",
                hint="reduce the picture, or save it as JPEG",
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
                    expected=f"at least {NARROWEST} pixels on each side, after it is reduced to "
                    f"{limits.side} pixels",
                    received=f"{picture.width}x{picture.height} pixels",
                    hint="choose a larger picture, or crop it",
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
    """Turn errors of readers into `FileError` without their text, which may contain addresses."""
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
                    "The file is not a picture that can be read",
                    expected="JPEG, PNG, WebP, GIF, BMP or TIFF",
                    hint="the format is determined from the content, not from the name",
                )
            ) from cause
        raise FileError(
            explain(
                "The picture is damaged or incomplete, or its text is too large",
                hint="save it again with another program",
            )
        ) from cause


def _too_many(limits: Limits, size: tuple[int, int] | None = None) -> FileError:
    return FileError(
        explain(
            "The picture has too many pixels",
            expected=f"at most {limits.pixels / 1e6:.4g} million",
            received=f"{size[0]}x{size[1]}" if size else "many more",
            hint="reduce it",
        )
    )
