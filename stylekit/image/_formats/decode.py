"""From files and PIL images to `Picture`."""

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

# What Pillow starts another program for, and what it decompresses without a limit.
_SHUT = ("EPS", "FITS")

_MOST_SCANS = 100  # of a JPEG file, as libtiff allows; usual are 10
_MARKER = re.compile(rb"\xff[\x02-\xcf\xd8-\xfe]")  # but those that belong to a scan's data

# The mode without alpha or palette that keeps all colours; any other becomes RGB.
_OPAQUE = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK", "LAB": "LAB"}


def decode_file(source: Source, name: str = "picture") -> Picture:
    """Decode a picture file: its path, its content, or an open file.

    Raises
    ------
    InputTypeError
        If it is none.
    FileError
        If it cannot be read, is no picture, damaged, or too large.
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
                raise UnidentifiedImageError(f"{im.format} is not read")
            check_pixel_count(called, im.width * im.height)
            return decode_pil(im, called)


def decode_pil(im: Image.Image, name: str) -> Picture:
    """Decode a PIL image, which is not changed.

    Raises
    ------
    FileError
        If its file, where it is not loaded yet, is damaged.
    InputError
        If its values are out of range (modes I and F only), or it has no pixels.
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
    """Raise an error if a file that is not loaded yet asks for far more than its pixels need.

    Also if strips of a TIFF file are missing, which Pillow leaves black.
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
                    f"{name} is a progressive JPEG that would take long",
                    expected=f"at most {_MOST_SCANS} scans",
                    received=f"more than {_MOST_SCANS}",
                    hint="save it anew from another program",
                )
            )


def _scans(content: bytes) -> int:
    """Return the number of scans of a JPEG file, each of which goes over all pixels."""
    count, place = 0, 2
    while (found := _MARKER.search(content, place)) and count <= _MOST_SCANS:
        kind, place = found[0][1], found.end()
        if kind == 0xD9:  # the end; what follows is another picture, or a film
            break
        count += kind == 0xDA
        place += int.from_bytes(content[place : place + 2], "big")
    return count


def _pixels(im: Image.Image, icc: bytes | None, name: str) -> np.ndarray:
    if im.mode.startswith(("I", "F")):  # deep grey: I;16, I (32 bits that hold 16), F (floats)
        values = np.asarray(im)
        if im.mode == "I":
            values = _sixteen_bits(values, name)
        return _profile.values_to_srgb(rgb_values(values, name)[..., :1], icc, name)
    # By way of the straight form: a plain conversion would keep premultiplied colours, and Pillow
    # warns of a palette's transparency unless it becomes alpha first.
    if im.mode in ("P", "PA", "RGBa"):
        im = im.convert("RGBA")
    elif im.mode == "La":
        im = im.convert("LA")
    rgb = _profile.to_srgb(im.convert(_OPAQUE.get(im.mode, "RGB")), icc, name)
    return np.divide(np.asarray(rgb), 255, dtype=np.float32)


def _stored(im: Image.Image, name: str) -> np.ndarray | None:
    """Return the integers of a grey image of more than one bit, or of one with a palette."""
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
            hint="scale it to an array of floats in [0, 1]",
        )
    return values.astype(np.uint16)


def _alpha(im: Image.Image) -> np.ndarray | None:
    if not im.has_transparency_data or im.mode.startswith(("I", "F")):
        return None
    alpha = np.asarray(im.convert("RGBA").getchannel("A"))
    return np.divide(alpha, 255, dtype=np.float32)


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into `FileError`.

    What damaged data makes Pillow, tifffile and the codecs raise has no end: any exception counts,
    but for our own and warnings that a filter made errors.
    """
    try:
        yield
    except _checks.StylekitError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Twice the limit is an error in Pillow, and so is its warning under some filters.
        count = re.search(r"\d+", str(error))
        check_pixel_count(name, int(count.group()) if count else 2 * (Image.MAX_IMAGE_PIXELS or 0))
        raise
    except UnidentifiedImageError as error:
        raise _checks.FileError(
            _checks.explain(
                f"{name} is no picture that can be read",
                expected="PNG, JPEG, WebP, TIFF, BMP or another format that Pillow reads",
                hint="convert it with another program if it is a picture",
            )
        ) from error
    except Exception as error:
        if isinstance(error, Warning):
            raise
        problem = "is damaged or cut short"
        hint = "fetch the file again, or save it anew from another program"
        if isinstance(error, MemoryError):
            problem, hint = "needs more memory than there is", "make it smaller"
        elif "MAX_TEXT_" in str(error):  # Pillow's limits on what a PNG file inflates to
            problem, hint = "holds a text or a profile that is too long", "save it anew without"
        raise _checks.FileError(
            _checks.explain(
                f"{name} {problem}", received=f"{type(error).__name__}: {error}", hint=hint
            )
        ) from error
