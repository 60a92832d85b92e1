"""Pictures from files, PIL images and arrays."""

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
"""What `as_image` takes: a path, a file's content, an open file, a PIL image, or an array."""


def read_image(path: Source, size: int | None = None) -> np.ndarray:
    """Read a picture file: by its path, or from its content or an open file.

    Parameters
    ----------
    path : str, os.PathLike, bytes or binary file
        A PNG, JPEG, WebP, AVIF, TIFF or BMP file, or another that Pillow reads; with the package
        pillow-heif also HEIC. Of several frames or pages it is the first, and of a HEIC file the
        primary one. Grey, palette, 1-bit and CMYK pictures become RGB. The EXIF orientation
        is applied. Colours are converted to sRGB from what tells them: an embedded profile, PNG
        chunks (cICP, gAMA, cHRM), or EXIF data of Adobe RGB. What cannot be converted, such as
        with a broken profile, gives a warning and counts as sRGB. Alpha is dropped and straight
        colours are kept: a transparent pixel has the colour that the file gives it.
    size : int, optional
        The longer side in pixels, at least 1: the picture is resized to it, antialiased. None
        keeps its size.

    Returns
    -------
    numpy.ndarray, float32 [H, W, 3]
        RGB in sRGB, in [0, 1].

    Raises
    ------
    FileError
        If the file is missing, a folder, empty, no picture, damaged, or has more pixels than
        `PIL.Image.MAX_IMAGE_PIXELS`.
    InputError, InputTypeError
        If `size` is no whole number of at least 1, or `path` no path.

    Notes
    -----
    Grey and RGB TIFF files of 16 bits or of floats in [0, 1], and grey PNG files of 16 bits, keep
    their gradation, unless their colour profile holds tables rather than curves and a matrix.
    Everything else is read at 8 bits a channel, in particular PNG files of 16-bit RGB and TIFF
    files of 16-bit CMYK.
    """
    if size is not None:
        size = _checks.integer(size, "size", low=1)
    name = str(path) if isinstance(path, str | os.PathLike) else "picture"
    with _checks.caused_by("path"):
        return _sized(decode_file(path).pixels, size, name)


def as_image(picture: PictureLike, name: str = "picture", size: int | None = None) -> np.ndarray:
    """Return one picture, whatever form it comes in.

    Parameters
    ----------
    picture : path, PIL image, or array_like
        A path is read as by `read_image`, and a PIL image likewise, with its profile and its
        orientation. An array (or a tensor) is [H, W] or [H, W, C] with C in 1..4: grey is
        repeated, alpha is dropped. uint8 is divided by 255, uint16 by 65535; other integers must
        lie in 0..255 and are divided by 255; booleans are 0 and 1; floats must be finite and in
        [0, 1], where 1e-4 beyond counts as rounding and is clipped.
    name : str
        What messages call it.
    size : int, optional
        The longer side in pixels, as in `read_image`.

    Returns
    -------
    numpy.ndarray, float32 [H, W, 3]
        A new array in [0, 1]; changing it does not change `picture`.

    Raises
    ------
    FileError
        As `read_image`.
    InputTypeError
        If it is neither a path nor a PIL image nor an array of real numbers.
    InputError
        If values are out of range or not finite, the shape is no picture's, or a picture of one
        pixel a side is to be enlarged.
    """
    if size is not None:
        size = _checks.integer(size, "size", low=1)
    with _checks.caused_by(name):
        return _sized(decoded(picture, name).pixels, size, name)


def is_file(picture: Any) -> TypeGuard[Source | Image.Image]:
    """Return whether a picture is a file or a PIL image, which `decoded` takes, or an array."""
    return isinstance(picture, Image.Image) or is_source(picture)


def decoded(picture: PictureLike, name: str) -> Picture:
    """Return what `as_image` takes with its alpha; the errors are the same."""
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
    """Return a batch of pictures.

    Parameters
    ----------
    picture : path, PIL image, array_like, or list or tuple of these
        One picture as in `as_image`; an array [B, H, W, C]; or a list or tuple of pictures of
        one shape. A list is always a list of pictures, never one picture's rows.
    name : str
        What messages call it.

    Returns
    -------
    numpy.ndarray, float32 [B, H, W, 3]
        In [0, 1]: a new array, but of one that is this already and that nobody can write to
        (``flags.writeable``, its own and that of the memory's owner) a view.

    Raises
    ------
    FileError, InputTypeError, InputError
        As `as_image`; `InputError` also for an empty list and for pictures of several shapes.
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
                    f"{name} holds pictures of several shapes",
                    expected=f"{images[0].shape[:2]} as {name}[0]",
                    received=f"{image.shape[:2]} as {name}[{index}]",
                    hint="bring them to one shape with resize",
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
    """Return whether an array is what `as_batch` would return, and stays so."""
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
    """Return a picture and its colour map, both as they are, as by `as_image`.

    Raises
    ------
    FileError, InputError, InputTypeError
        If one cannot be used, or their sizes differ.
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
            hint="draw it over the picture, or check which of the files is which",
            argument=f"{name}_map",
        )
    return picture, color_map


def _sized(image: np.ndarray, size: int | None, name: str) -> np.ndarray:
    if size is None:
        return image
    if min(image.shape[:2]) == 1 and size > max(image.shape[:2]):
        _checks.fail(
            f"{name} has nothing that could be enlarged",
            expected="at least 2 pixels a side",
            received=f"{image.shape[1]}x{image.shape[0]} pixels",
            hint="take a larger picture",
            argument=name,
        )
    return resample_values(image, fit_shape(image.shape, size))
