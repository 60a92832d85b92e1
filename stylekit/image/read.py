"""Read pictures from files, and convert PIL images and arrays to pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt
from PIL import Image

from stylekit import _checks
from stylekit.image._formats.decode import decode_file, decode_pil
from stylekit.image._formats.picture import Picture, Source, is_source
from stylekit.image.arrays import fit_shape, resample_values, rgb_values, unit_values

PictureLike: TypeAlias = Source | Image.Image | npt.ArrayLike
"""What `as_image` accepts: a path, the bytes of a file, an open file, a PIL image or an array."""


def read_image(path: Source, size: int | None = None) -> np.ndarray:
    """Read a picture file as an sRGB array.

    Parameters
    ----------
    path : str, os.PathLike, bytes or binary file
        Path or content of a PNG, JPEG, WebP, AVIF, TIFF or BMP file, or of a file in another format
        that Pillow reads. HEIC needs the package pillow-heif. If a file has several frames or
        pages, the first one is read. In a HEIC file, the primary picture is read.
    size : int, optional
        Longer side in pixels, at least 1, to which the picture is resized with antialiasing.
        Default: the size of the file.

    Returns
    -------
    numpy.ndarray, float32 [H, W, 3]
        sRGB values in [0, 1].

    Raises
    ------
    FileError
        If the file is missing, a folder, empty, damaged or not a picture, or has more pixels than
        `PIL.Image.MAX_IMAGE_PIXELS`.
    InputError, InputTypeError
        If `size` is not an integer of at least 1, or `path` is not a path.

    Notes
    -----
    Grey, palette, 1-bit and CMYK pictures are converted to RGB. The EXIF orientation is applied.
    Colours are converted to sRGB according to an embedded profile, the PNG chunks cICP, gAMA and
    cHRM, or the EXIF tag of Adobe RGB. If the conversion fails, for example because the profile is
    damaged, a warning is shown and the values are treated as sRGB. Alpha is dropped: a transparent
    pixel keeps the colour that the file stores.

    The full precision is kept for grey and RGB TIFF files of 16 bits or of floats in [0, 1], and
    for grey 16-bit PNG files, unless their colour profile contains lookup tables. All other files
    are read at 8 bits per channel, including 16-bit RGB PNG files and 16-bit CMYK TIFF files.
    """
    if size is not None:
        size = _checks.integer(size, "size", low=1)
    name = str(path) if isinstance(path, str | os.PathLike) else "picture"
    with _checks.caused_by("path"):
        return _sized(decode_file(path).pixels, size, name)


def as_image(picture: PictureLike, name: str = "picture", size: int | None = None) -> np.ndarray:
    """Convert a picture, given as a file, a PIL image or an array, to an sRGB array.

    Parameters
    ----------
    picture : path, PIL image, or array_like
        A path is read by `read_image`. The colour profile and the orientation of a PIL image are
        applied in the same way. An array or tensor is ``[H, W]`` or ``[H, W, C]`` with C from 1 to
        4. Grey is repeated, and alpha is dropped. uint8 is divided by 255 and uint16 by 65535.
        Other integers must be in [0, 255] and are divided by 255. Booleans become 0 and 1. Floats
        must be finite and in [0, 1]. Values up to 1e-4 outside this range are treated as rounding
        errors and clipped.
    name : str
        Name of the picture in error messages.
    size : int, optional
        Longer side in pixels, as in `read_image`.

    Returns
    -------
    numpy.ndarray, float32 [H, W, 3]
        A new array with values in [0, 1], which shares no memory with `picture`.

    Raises
    ------
    FileError
        As `read_image`.
    InputTypeError
        If `picture` is not a path, a PIL image or an array of real numbers.
    InputError
        If values are out of range or not finite, if an array does not have the shape of a picture,
        or if a picture with a side of one pixel would have to be enlarged.
    """
    if size is not None:
        size = _checks.integer(size, "size", low=1)
    with _checks.caused_by(name):
        return _sized(decoded(picture, name).pixels, size, name)


def is_file(picture: Any) -> TypeGuard[Source | Image.Image]:
    """Return True for a path, file content or PIL image, and False for an array."""
    return isinstance(picture, Image.Image) or is_source(picture)


def decoded(picture: PictureLike, name: str) -> Picture:
    """Return a decoded picture with its alpha channel. Input and errors are as in `as_image`."""
    if isinstance(picture, Image.Image):
        return decode_pil(picture, name)
    if is_source(picture):
        return decode_file(picture, name)
    values: Any = picture
    pixels, shape = rgb_values(values, name), np.shape(values)
    has_alpha = len(shape) == 3 and shape[-1] in (2, 4)
    alpha = unit_values(np.asarray(values)[..., -1], name) if has_alpha else None
    return Picture(pixels, alpha, {})


def as_batch(picture: PictureLike | Sequence[PictureLike], name: str = "picture") -> np.ndarray:
    """Return one or several pictures as a batch.

    Parameters
    ----------
    picture : path, PIL image, array_like, or list or tuple of these
        One picture as in `as_image`, an array ``[B, H, W, C]``, or a list or tuple of pictures of
        the same shape. A list is always a list of pictures, not the rows of one picture.
    name : str
        Name of the picture in error messages.

    Returns
    -------
    numpy.ndarray, float32 [B, H, W, 3]
        Values in [0, 1]. If `picture` is already such an array and is read-only, the result is a
        view of it. Otherwise it is a new array. Read-only means that ``flags.writeable`` is False
        for the array and for the owner of its memory.

    Raises
    ------
    FileError, InputTypeError, InputError
        As `as_image`. Also `InputError` for an empty list and for pictures of different shapes.
    """
    if isinstance(picture, list | tuple):
        if not picture:
            _checks.fail(
                f"{name} is empty", expected="at least one picture", received="[]", argument=name
            )
        images = [as_image(item, f"{name}[{index}]") for index, item in enumerate(picture)]
        for index, image in enumerate(images):
            if image.shape != images[0].shape:
                _checks.fail(
                    f"{name} holds pictures of different shapes",
                    expected=f"{images[0].shape[:2]} like {name}[0]",
                    received=f"{image.shape[:2]} for {name}[{index}]",
                    hint="resize them to the same shape with stylekit.image.resize",
                    argument=name,
                )
        return np.stack(images)
    if is_file(picture):
        return as_image(picture, name)[np.newaxis]
    values: Any = picture
    if not _is_final(values):
        values = rgb_values(values, name, batch=True)
    return values if values.ndim == 4 else values[np.newaxis]


def _is_final(picture) -> bool:
    """Return whether an array is a valid picture or batch that cannot be changed."""
    owner = picture
    while isinstance(owner, np.ndarray) and not owner.flags.writeable:
        if owner.base is None:
            rgb = picture.ndim in (3, 4) and picture.shape[-1] == 3 and picture.size > 0
            return rgb and picture.dtype == np.float32 and 0 <= picture.min() <= picture.max() <= 1
        owner = owner.base
    return False


def with_map(
    picture: PictureLike, color_map: PictureLike, name: str = "picture"
) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture and its colour map as arrays, after checking that their sizes agree.

    Parameters
    ----------
    picture, color_map : path, PIL image or array
        See `as_image`.
    name : str
        Name of the picture in error messages.

    Returns
    -------
    picture, color_map : numpy.ndarray, float32 [H, W, 3]

    Raises
    ------
    FileError, InputError, InputTypeError
        If the picture or the map cannot be used, or their sizes differ.
    """
    picture = as_image(picture, name)
    with _checks.caused_by(f"{name}_map"):
        color_map = as_image(color_map, f"{name} map")
    if color_map.shape != picture.shape:
        (height, width), (map_height, map_width) = picture.shape[:2], color_map.shape[:2]
        _checks.fail(
            f"the {name} map has another size than the {name} picture",
            expected=f"{width}x{height} pixels",
            received=f"{map_width}x{map_height}",
            hint="paint the map over the picture, or check whether the files are swapped",
            argument=f"{name}_map",
        )
    return picture, color_map


def _sized(image: np.ndarray, size: int | None, name: str) -> np.ndarray:
    if size is None:
        return image
    if min(image.shape[:2]) == 1 and size > max(image.shape[:2]):
        _checks.fail(
            f"{name} is too small to be enlarged",
            expected="at least 2 pixels a side",
            received=f"{image.shape[1]}x{image.shape[0]} pixels",
            hint="use a larger picture",
            argument=name,
        )
    return resample_values(image, fit_shape(image.shape, size))
