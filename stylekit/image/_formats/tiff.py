"""Read and write TIFF files of more than 8 bits per sample. Pillow reduces them to 8 bits."""

from __future__ import annotations

import lzma
import math
import warnings
import zlib
from typing import Any, BinaryIO

import numpy as np

from stylekit import _checks
from stylekit.image._formats import profile as _profile
from stylekit.image._formats.exif import TEXT_TAGS, carried
from stylekit.image._formats.picture import Picture, check_pixel_count, check_tile
from stylekit.image.arrays import quantise, unit_values, upright

_ORIENTATION, _ICC = 274, 34675
_COLOURS = {0: 1, 1: 1, 2: 3}  # colour samples by photometric interpretation
_MOST_SAMPLES = 8  # per pixel; files with more are not pictures
_DEFLATE = (8, 32946)
# Compressions that tifffile decompresses without a limit if imagecodecs is not installed.
_INFLATING: dict[int, Any] = {
    **dict.fromkeys(_DEFLATE, zlib.decompressobj),
    34925: lambda: lzma.LZMADecompressor(memlimit=2**28),
}
_SMALL = 2**26  # up to this number of decompressed bytes no check is needed
_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # classic and BigTIFF, either byte order


def read_deep(file: BinaryIO, name: str) -> Picture | None:
    """Return the first page of a TIFF file of more than 8 bits per sample.

    Parameters
    ----------
    file : binary file
        The file, at its beginning.
    name : str
        Name of the file in messages.

    Returns
    -------
    Picture or None
        None if Pillow should read the file. This is the case if it is not a TIFF file, has 8 bits,
        is neither grey nor RGB, or has a compression that only Pillow supports. In the last case a
        warning says that the file is read at 8 bits.

    Raises
    ------
    FileError
        If the file is damaged, too large or of an unsupported kind.
    """
    if file.read(4) not in _MAGIC:
        return None
    import tifffile  # slow to import, and needed for few files only

    file.seek(0)
    with tifffile.TiffFile(file, name=name) as tiff:
        page: Any = tiff.pages[0]
        if page.bitspersample <= 8 or page.photometric not in _COLOURS:
            return None
        _check(name, page, file)
        try:
            samples = page.asarray()
        except (KeyError, ValueError, ImportError, NotImplementedError) as error:
            if isinstance(error, KeyError | ValueError) and "imagecodecs" not in str(error):
                raise
            _leave_to_pillow(name, page)
            return None
        return _picture(name, page, samples)


def write_deep(
    file: BinaryIO, image: np.ndarray, alpha: np.ndarray | None, exif: dict[int, Any]
) -> None:
    """Write a picture as a 16-bit TIFF file in sRGB.

    Parameters
    ----------
    file : binary file
        The file to write to.
    image : numpy.ndarray, float32 [H, W, 3] in [0, 1]
        The picture.
    alpha : numpy.ndarray or None, float32 [H, W] in [0, 1]
        Opacity.
    exif : dict
        EXIF tags by number. Only the tags in `TEXT_TAGS` are written.
    """
    import tifffile

    samples = image if alpha is None else np.dstack([image, alpha])
    text = [
        (tag, "s", 0, str(exif[tag]).encode() + b"\0", True) for tag in TEXT_TAGS if tag in exif
    ]
    tifffile.imwrite(
        file,
        quantise(samples, 16),
        photometric="rgb",
        compression="zlib",
        predictor=True,
        extrasamples=None if alpha is None else ["unassalpha"],
        iccprofile=_profile.srgb_profile(),
        extratags=[(_ORIENTATION, "H", 1, 1, True), *text],
        software=False,
        metadata=None,
    )


def _check(name: str, page: Any, file: BinaryIO) -> None:
    """Raise an error if a page is not a picture, or needs more memory than its pixels require."""
    check_pixel_count(name, page.imagewidth * page.imagelength)
    check_tile(name, (page.imagewidth, page.imagelength), (page.tilewidth, page.tilelength))
    least = _COLOURS[page.photometric]
    if not least <= page.samplesperpixel <= _MOST_SAMPLES:
        received = f"{page.samplesperpixel} samples per pixel"
        raise _cannot(name, received, f"from {least} to {_MOST_SAMPLES}")
    if page.imagedepth != 1:
        raise _cannot(name, f"axes {page.axes}", "a flat picture")
    if len(page.dataoffsets) < math.prod(page.chunked):
        raise ValueError("strips or tiles are missing")
    if page.compression not in _INFLATING:
        return
    most = 2 * math.prod(page.chunks) * page.dtype.itemsize
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        if page.compression in _DEFLATE and count * 1032 <= max(most, _SMALL):
            continue  # deflate expands data by a factor of at most 1032
        file.seek(offset)
        if len(_INFLATING[page.compression]().decompress(file.read(count), most + 1)) > most:
            raise ValueError("a strip or tile decompresses to more data than its pixels need")


def _picture(name: str, page: Any, samples: np.ndarray) -> Picture:
    if page.axes == "SYX":  # planar: one plane per sample
        samples = np.moveaxis(samples, 0, -1)
    elif page.axes == "YX":
        samples = samples[..., np.newaxis]
    colours = _COLOURS[page.photometric]
    if samples.shape != (page.imagelength, page.imagewidth, page.samplesperpixel):
        raise _cannot(name, f"axes {page.axes}", "a flat picture")
    extra = int(page.extrasamples[0]) if page.extrasamples else 0
    has_alpha = extra in (1, 2) and samples.shape[-1] > colours
    values = _unit(name, page, samples[..., : colours + has_alpha])
    values, alpha = values[..., :colours], values[..., colours] if has_alpha else None
    if page.photometric == 0:  # zero means white
        values = 1 - values
    if alpha is not None and extra == 1:  # premultiplied alpha
        opacity = alpha[..., np.newaxis]
        straight = np.divide(values, opacity, out=np.zeros_like(values), where=opacity > 0)
        values = np.clip(straight, 0, 1)
    values = _profile.values_to_srgb(values, page.tags.valueof(_ICC), name)
    orientation = page.tags.valueof(_ORIENTATION, default=1)
    stored = None
    if colours == 1 and samples.dtype == np.uint16 and page.bitspersample == 16:
        stored = upright(
            65535 - samples[..., 0] if page.photometric == 0 else samples[..., 0], orientation
        )
    return Picture(
        upright(values, orientation),
        None if alpha is None else upright(alpha, orientation),
        carried({tag: page.tags.valueof(tag) for tag in TEXT_TAGS if tag in page.tags}),
        stored,
    )


def _unit(name: str, page: Any, samples: np.ndarray) -> np.ndarray:
    if samples.dtype.kind == "u":
        return np.divide(samples, 2.0**page.bitspersample - 1, dtype=np.float32)
    if samples.dtype.kind == "f":
        try:
            return unit_values(samples, name)
        except _checks.InputError as error:
            raise _checks.FileError(str(error)) from error
    raise _cannot(name, f"samples of type {samples.dtype}", "unsigned integers or floats")


def _leave_to_pillow(name: str, page: Any) -> None:
    if page.bitspersample != 16 or page.photometric == 0 or page.planarconfig != 1:
        raise _cannot(name, f"compression {page.compression.name}", "no compression, or deflate")
    if page.photometric == 2:
        warnings.warn(
            f"{name} is read at 8 of its 16 bits, because its compression {page.compression.name} "
            "needs the package imagecodecs. Run `pip install imagecodecs` to keep all bits.",
            stacklevel=2,
        )


def _cannot(name: str, received: str, expected: str) -> _checks.FileError:
    return _checks.FileError(
        _checks.explain(
            f"{name} is a TIFF file of an unsupported kind",
            expected=expected,
            received=received,
            hint="save it as an uncompressed 16-bit RGB TIFF, or if the compression is not "
            "supported, run pip install imagecodecs",
        )
    )
