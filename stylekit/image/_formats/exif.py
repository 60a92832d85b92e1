"""EXIF data: what is worth carrying from a source to a new file."""

from __future__ import annotations

import re
import warnings
from typing import Any

from PIL import ExifTags, Image

# Description, maker, model, software, date, artist, copyright.
TEXT_TAGS = (270, 271, 272, 305, 306, 315, 33432)

# What tifffile, ImageJ and OME write into the description: shapes, axes, counts of pages.
_DESCRIPTION = ExifTags.Base.ImageDescription
_LAYOUT = re.compile(r'\s*(\{"shape"|shape=\(|ImageJ=|(<\?xml.*?)?<OME)', re.DOTALL)

# Tags that describe the picture rather than the layout of the file it came from: resolution, host,
# Windows' title to subject, rating.
_KEPT_TAGS = (*TEXT_TAGS, 282, 283, 296, 316, *range(40091, 40096), 18246, 18249)
_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)

_JPEG_LIMIT = 65533  # bytes: one segment of a JPEG file


def read(im: Image.Image, name: str) -> tuple[dict[int, Any], int, str | None]:
    """Return the tags worth carrying to another file, the orientation, and the colour space.

    The space is "adobe" for Adobe RGB, "unknown" if it is another than sRGB, else None.
    """
    try:
        exif = im.getexif()
        tags: dict[int, Any] = {tag: _text(exif[tag]) for tag in _KEPT_TAGS if tag in exif}
        tags = carried(tags)
        for ifd in _DIRECTORIES:
            if found := _directory(exif, exif, ifd):
                tags[int(ifd)] = {tag: _text(value) for tag, value in found.items()}
        return tags, exif.get(ExifTags.Base.Orientation, 1), _space(exif)
    except Exception as error:  # whatever foreign software has written
        warnings.warn(
            f"The EXIF data of {name} cannot be read ({error}) and is left aside.", stacklevel=2
        )
        return {}, 1, None


def _space(exif: Image.Exif) -> str | None:
    """Return which colours EXIF data tell; see `read`.

    By the design rule for cameras (DCF 2.0), Adobe RGB is the interoperability index R03 with the
    colour space 65535, "uncalibrated". Some programs write 2 instead.
    """
    details = _directory(exif, exif, ExifTags.IFD.Exif)
    space = details.get(ExifTags.Base.ColorSpace)
    index = ""
    if ExifTags.IFD.Interop in details:
        interop = _directory(exif, details, ExifTags.IFD.Interop)
        index = str(interop.get(ExifTags.Interop.InteropIndex, "")).strip("\0 ")
    if space == 2 or (space in (None, 65535) and index == "R03"):
        return "adobe"
    return "unknown" if space == 65535 and index != "R98" else None


def _directory(exif: Image.Exif, parent: Any, ifd: int) -> dict[int, Any]:
    """Return a directory; one that was set by hand is a dict already, without a file to read."""
    return parent[ifd] if isinstance(parent.get(ifd), dict) else exif.get_ifd(ifd)


def carried(tags: dict[int, Any]) -> dict[int, Any]:
    """Return tags without a description of the file's own layout, which another file has not."""
    if _LAYOUT.match(str(tags.get(_DESCRIPTION, ""))):
        return {tag: value for tag, value in tags.items() if tag != _DESCRIPTION}
    return tags


def build(tags: dict[int, Any], shape: tuple[int, int], kind: str) -> Image.Exif | None:
    """Return the tags as EXIF data that is true of the new file, or None if there are none."""
    if not tags:
        return None
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = _utf8(value)
    exif[ExifTags.Base.Orientation] = 1
    details = _utf8(tags.get(ExifTags.IFD.Exif, {}))
    details.pop(ExifTags.IFD.Interop, None)  # may say Adobe RGB
    details |= {
        ExifTags.Base.ColorSpace: 1,  # sRGB
        ExifTags.Base.ExifImageWidth: shape[1],
        ExifTags.Base.ExifImageHeight: shape[0],
    }
    exif[ExifTags.IFD.Exif] = details
    try:
        length = len(exif.tobytes())
        if kind == "JPEG" and length > _JPEG_LIMIT:
            raise ValueError(f"{length} bytes are too many for JPEG")
    except Exception as error:  # the tags come from foreign software: any type may be wrong
        warnings.warn(f"The EXIF data cannot be carried over ({error}).", stacklevel=3)
        return None
    return exif


def _text(value: Any) -> Any:
    """Return EXIF text, which Pillow takes for Latin-1, as the UTF-8 that it mostly is."""
    if not isinstance(value, str):
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _utf8(value: Any) -> Any:
    """Encode text beyond ASCII, of which Pillow would make question marks."""
    if isinstance(value, dict):
        return {tag: _utf8(item) for tag, item in value.items()}
    return value.encode() if isinstance(value, str) and not value.isascii() else value
