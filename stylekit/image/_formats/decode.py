"""Decode picture files and PIL images to `Picture`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, JpegImagePlugin, TiffImagePlugin, UnidentifiedImageError

from stylekit import _checks
from stylekit.image._formats import exif as _exif
from stylekit.image._formats import heif as _heif
from stylekit.image._formats import profile as _profile
from stylekit.image._formats import spaces as _spaces
from stylekit.image._formats import tiff as _tiff
from stylekit.image._formats.picture import Picture, Source, check_pixel_count, check_tile, opened
from stylekit.image.arrays import rgb_values, upright

# Formats that raise an error. For EPS, Pillow starts another program. FITS data is decompressed
# without a limit.
_SHUT = ("EPS", "FITS")

_MOST_SCANS = 100  # of a JPEG file: libtiff has the same limit, and 10 scans are usual
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")  # except markers inside the data of a scan

# Maps modes to modes without alpha or palette that represent them without loss. Other modes are
# converted to RGB.
_OPAQUE = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK", "LAB": "LAB"}


def decode_file(source: Source, name: str = "picture") -> Picture:
    """Decode the picture in a file, which is given by its path, its content or as an open file.

    Raises
    ------
    InputTypeError
        If `source` is not a path, the content of a file or an open file.
    FileError
        If the file cannot be read, is damaged or too large, or is not a picture.
    """
    with opened(source, name) as (file, called), decoding(called):
        deep = _tiff.read_deep(file, called)
        if deep is not None:
            return deep
        file.seek(0)
        kind = _heif.kind(file)
        if kind == "AVIF":
            _heif.check_avif(called)
        with _heif.open_heic(file, called) if kind == "HEIC" else Image.open(file) as im:
            if im.format in _SHUT:
                raise UnidentifiedImageError(f"{im.format} is not supported")
            check_pixel_count(called, im.width * im.height)
            return decode_pil(im, called)


def decode_pil(im: Image.Image, name: str) -> Picture:
    """Decode a PIL image. The image is not changed.

    Raises
    ------
    FileError
        If the image is not loaded yet and its file is damaged.
    InputError
        If the image has no pixels, or has mode I or F and values out of range.
    """
    if 0 in im.size:
        _checks.fail(f"{name} is empty", expected="at least one pixel", received=f"{im.size}")
    with decoding(name):
        _check_claims(im, name)
        codes = _spaces.code_points(im)
        im.load()
        tags, orientation, space = _exif.read(im, name)
        icc = _spaces.profile_of(im.info, codes, space, name)
        alpha, stored = _alpha(im), _stored(im, name)
        return Picture(
            upright(_pixels(im, icc, name), orientation),
            None if alpha is None else upright(alpha, orientation),
            tags,
            None if stored is None else upright(stored, orientation),
            im.mode,
        )


def _check_claims(im: Image.Image, name: str) -> None:
    """Raise an error if decoding would need far more memory or time than the pixels require.

    Missing strips of a TIFF file also raise an error, because Pillow would leave them black. Only
    images that are not loaded yet are checked.
    """
    if isinstance(im, TiffImagePlugin.TiffImageFile) and im.tile:
        check_tile(name, im.size, (im.tag_v2.get(322, 0), im.tag_v2.get(323, 0)))
        places = [tile[1] for tile in im.tile if tile[1]]
        covered = sum((right - left) * (low - top) for left, top, right, low in places)
        if covered < im.width * im.height:
            raise ValueError("strips or tiles are missing")
    file = getattr(im, "fp", None)
    if isinstance(im, JpegImagePlugin.JpegImageFile) and file is not None and im.tile:
        place = file.tell()
        file.seek(0)
        count = _scans(file.read())
        file.seek(place)
        if count > _MOST_SCANS:
            raise _checks.FileError(
                _checks.explain(
                    f"{name} is a progressive JPEG with too many scans",
                    expected=f"at most {_MOST_SCANS} scans",
                    received=f"more than {_MOST_SCANS}",
                    hint="save it again with another program",
                )
            )


def _scans(content: bytes) -> int:
    """Return the number of scans of a JPEG file. Each scan is a pass over all pixels."""
    count, place = 0, 2
    while (found := _MARKER.search(content, place)) and count <= _MOST_SCANS:
        kind, place = found[0][1], found.end()
        if kind == 0xD9:  # the end of the picture; a second picture or a video may follow
            break
        count += kind == 0xDA
        place += int.from_bytes(content[place : place + 2], "big")
    return count


def _pixels(im: Image.Image, icc: bytes | None, name: str) -> np.ndarray:
    if im.mode.startswith(("I", "F")):  # grey: I;16, I (16 bits in 32), F (floats)
        values = np.asarray(im)
        if im.mode == "I":
            values = _sixteen_bits(values, name)
        return _profile.values_to_srgb(rgb_values(values, name)[..., :1], icc, name)
    # The image is converted to straight alpha first. A direct conversion would keep premultiplied
    # colours, and Pillow would warn about palettes with transparency.
    if im.mode in ("P", "PA", "RGBa"):
        im = im.convert("RGBA")
    elif im.mode == "La":
        im = im.convert("LA")
    rgb = _profile.to_srgb(im.convert(_OPAQUE.get(im.mode, "RGB")), icc, name)
    return np.divide(np.asarray(rgb), 255, dtype=np.float32)


def _stored(im: Image.Image, name: str) -> np.ndarray | None:
    """Return the stored integers of a grey or palette image of more than one bit, else None."""
    if im.mode == "I":
        return _sixteen_bits(np.asarray(im), name)
    if im.mode in ("LA", "PA"):
        return np.asarray(im.getchannel(0))
    return np.asarray(im) if im.mode in ("L", "P") or im.mode.startswith("I;16") else None


def _sixteen_bits(values: np.ndarray, name: str) -> np.ndarray:
    low, high = values.min(), values.max()
    if low < 0 or high > 65535:
        _checks.fail(
            f"{name} has values out of range",
            expected="0 to 65535 for a PIL image of mode I",
            received=f"{low} to {high}",
            hint="convert it to an array of floats in [0, 1]",
        )
    return values.astype(np.uint16)


def _alpha(im: Image.Image) -> np.ndarray | None:
    if not im.has_transparency_data or im.mode.startswith(("I", "F")):
        return None
    alpha = np.asarray(im.convert("RGBA").getchannel("A"))
    return np.divide(alpha, 255, dtype=np.float32)


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Convert the exceptions of a decoder to `FileError`.

    Damaged data can make Pillow, tifffile and the codecs raise exceptions of any type. Errors of
    stylekit are not converted, and neither are warnings that a warning filter turned into errors.
    """
    try:
        yield
    except _checks.StylekitError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Pillow raises an error above twice its pixel limit. Above the limit it issues a warning,
        # which a warning filter may turn into an error.
        count = re.search(r"\d+", str(error))
        check_pixel_count(name, int(count.group()) if count else 2 * (Image.MAX_IMAGE_PIXELS or 0))
        raise
    except UnidentifiedImageError as error:
        raise _checks.FileError(
            _checks.explain(
                f"{name} is not a picture that can be read",
                expected="PNG, JPEG, WebP, TIFF, BMP or another format that Pillow reads",
                hint="if it is a picture, convert it with another program",
            )
        ) from error
    except Exception as error:
        if isinstance(error, Warning):
            raise
        problem = "is damaged or truncated"
        hint = "get the file again, or save it again with another program"
        if isinstance(error, MemoryError):
            problem, hint = "needs more memory than is available", "make it smaller"
        elif "MAX_TEXT_" in str(error):  # Pillow's limits for decompressed chunks of a PNG file
            problem, hint = "has a text or profile that is too long", "save it without"
        raise _checks.FileError(
            _checks.explain(
                f"{name} {problem}", received=f"{type(error).__name__}: {error}", hint=hint
            )
        ) from error
