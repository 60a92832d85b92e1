"""Read EXIF data, and copy the useful part of it to new files."""

from __future__ import annotations

import re
import warnings
from typing import Any

from PIL import ExifTags, Image

# Tags of the texts: description, maker, model, software, date, artist, copyright.
TEXT_TAGS = (270, 271, 272, 305, 306, 315, 33432)

# Start of descriptions that tifffile, ImageJ and OME write. They specify the shape, the axes and
# the number of pages.
_DESCRIPTION = ExifTags.Base.ImageDescription
_LAYOUT = re.compile(r'\s*(\{"shape"|shape=\(|ImageJ=|(<\?xml.*?)?<OME)', re.DOTALL)

# Tags that describe the picture and not the layout of its file: the texts, the resolution, the host
# computer, the tags of Windows from title to subject, and the rating.
_KEPT_TAGS = (*TEXT_TAGS, 282, 283, 296, 316, *range(40091, 40096), 18246, 18249)
_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)

_JPEG_LIMIT = 65533  # bytes that fit into a segment of a JPEG file


def read(im: Image.Image, name: str) -> tuple[dict[int, Any], int, str | None]:
    """Return the tags to copy to a new file, the orientation, and the colour space.

    The colour space is "adobe" for Adobe RGB, None for sRGB or if none is declared, and "unknown"
    for any other space.
    """
    try:
        exif = im.getexif()
        tags: dict[int, Any] = {tag: _text(exif[tag]) for tag in _KEPT_TAGS if tag in exif}
        tags = carried(tags)
        for ifd in _DIRECTORIES:
            if found := _directory(exif, exif, ifd):
                tags[int(ifd)] = {tag: _text(value) for tag, value in found.items()}
        return tags, exif.get(ExifTags.Base.Orientation, 1), _space(exif)
    except Exception as error:  # malformed data can raise any exception
        warnings.warn(
            f"The EXIF data of {name} cannot be read ({error}) and is ignored.", stacklevel=2
        )
        return {}, 1, None


def _space(exif: Image.Exif) -> str | None:
    """Return the colour space according to the EXIF data; see `read`.

    The design rule for camera file systems (DCF 2.0) marks Adobe RGB by the interoperability index
    R03 and the colour space 65535, "uncalibrated". Some programs write the colour space 2 instead.
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
    """Return an EXIF directory as a dict. A directory that the user has set is already a dict."""
    return parent[ifd] if isinstance(parent.get(ifd), dict) else exif.get_ifd(ifd)


def carried(tags: dict[int, Any]) -> dict[int, Any]:
    """Return the tags, without a description that specifies the layout of the file."""
    if _LAYOUT.match(str(tags.get(_DESCRIPTION, ""))):
        return {tag: value for tag, value in tags.items() if tag != _DESCRIPTION}
    return tags


def build(tags: dict[int, Any], shape: tuple[int, int], kind: str) -> Image.Exif | None:
    """Return the tags as EXIF data for a new file of `shape`, or None if there are no tags."""
    if not tags:
        return None
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = _utf8(value)
    exif[ExifTags.Base.Orientation] = 1
    details = _utf8(tags.get(ExifTags.IFD.Exif, {}))
    details.pop(ExifTags.IFD.Interop, None)  # may declare Adobe RGB
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
    except Exception as error:  # tags that other programs wrote may have wrong types
        warnings.warn(f"The EXIF data cannot be copied ({error}).", stacklevel=3)
        return None
    return exif


def _text(value: Any) -> Any:
    """Return EXIF text decoded as UTF-8 if possible. Pillow has decoded it as Latin-1."""
    if not isinstance(value, str):
        return value
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _utf8(value: Any) -> Any:
    """Encode non-ASCII text as UTF-8. Pillow would replace its characters by question marks."""
    if isinstance(value, dict):
        return {tag: _utf8(item) for tag, item in value.items()}
    return value.encode() if isinstance(value, str) and not value.isascii() else value
