"""Read the parts of HEIC and AVIF pictures (HEIF files) that Pillow does not read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from PIL import Image, features

from stylekit import _checks
from stylekit.image._formats.picture import check_pixel_count

_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF = {b"avif", b"avis"}

_LONGEST = 1024  # number of bytes of the first box that are read. A brand has 4 bytes


def kind(file: BinaryIO) -> str | None:
    """Return "HEIC", "AVIF" or None for other files, from the brands in the first box of a file.

    After the call, the position of the file is at its beginning.
    """
    length, box = struct.unpack(">I4s", file.read(8).ljust(8, b"\0"))
    listed = file.read(min(length, _LONGEST) - 8) if box == b"ftyp" and length > 8 else b""
    file.seek(0)
    brands = {listed[place : place + 4] for place in range(0, len(listed), 4)}
    return "HEIC" if brands & _HEIC else "AVIF" if brands & _AVIF else None


def check_avif(name: str) -> None:
    """Raise `FileError` if Pillow has no codec for AVIF, as before version 11.3."""
    if not features.check("avif"):
        raise _checks.FileError(
            _checks.explain(
                f"{name} is an AVIF picture, and the installed Pillow has no codec for it",
                hint="run pip install 'pillow>=11.3', or save it as JPEG or PNG",
            )
        )


def open_heic(file: BinaryIO, name: str) -> Image.Image:
    """Return the primary picture of a HEIC file, with its orientation applied.

    pillow-heif is not registered with Pillow, because that would change the whole process.

    Raises
    ------
    FileError
        If pillow-heif is missing, or the picture has too many pixels.
    """
    try:
        import pillow_heif
    except ImportError as error:
        raise _checks.FileError(
            _checks.explain(
                f"{name} is a HEIC picture, and pillow-heif is not installed",
                expected="the package that reads HEIC",
                hint="run pip install pillow-heif, or save it as JPEG",
            )
        ) from error
    picture = pillow_heif.open_heif(file)
    check_pixel_count(name, picture.size[0] * picture.size[1])
    return picture.to_pillow()


def code_points(content: bytes) -> bytes | None:
    """Return the colour code points of an AVIF file, in the format of a PNG cICP chunk.

    The code points are in a colr box of the type nclx (ISO/IEC 14496-12, section 12.1.5). The first
    such box is used. Further boxes belong to a gain map or a preview.
    """
    for name, head in ((b"meta", 4), (b"iprp", 0), (b"ipco", 0)):
        content = next((inside[head:] for box, inside in _boxes(content) if box == name), b"")
    for box, inside in _boxes(content):
        if box == b"colr" and inside[:4] == b"nclx" and len(inside) >= 8:
            return made_points(*struct.unpack_from(">HH", inside, 4))
    return None


def made_points(primaries: int, transfer: int) -> bytes | None:
    """Return the code points of RGB colours, or None if one is unspecified (2) or invalid."""
    open_ = 2 in (primaries, transfer) or max(primaries, transfer) > 255
    return None if open_ else bytes([primaries, transfer, 0, 1])


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the type and the content of each box."""
    place = 0
    while place + 8 <= len(content):
        length, box = struct.unpack_from(">I4s", content, place)
        head = 8
        if length == 1 and place + 16 <= len(content):  # 64-bit length
            (length,), head = struct.unpack_from(">Q", content, place + 8), 16
        elif length == 0:  # the box extends to the end
            length = len(content) - place
        if length < head:
            return
        yield box, content[place + head : place + length]
        place += length
