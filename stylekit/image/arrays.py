"""Convert arrays to pictures, resize them with antialiasing, and hash them."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from stylekit import _checks

RESAMPLING = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}

TILES = ("x", "y", "both")
"""Axes along which a picture can be periodic: the width, the height, or both."""

_SUPPORT = 3  # radius in pixels of the widest filter, Lanczos

_ROUNDING = 1e-4  # distance outside [0, 1] that is treated as a rounding error


def unit_values(values: npt.ArrayLike, name: str) -> np.ndarray:
    """Return values as a new float32 array in [0, 1] of the same shape.

    Parameters
    ----------
    values : array_like
        uint8 is divided by 255 and uint16 by 65535. Other integers must be in [0, 255] and are
        divided by 255. Booleans become 0 and 1. Floats must be finite and in [0, 1]. Values up to
        1e-4 outside this range are treated as rounding errors and clipped.
    name : str
        Name of the values in error messages.

    Returns
    -------
    numpy.ndarray
        float32, never a view of `values`.

    Raises
    ------
    InputTypeError
        If the values are not real numbers.
    InputError
        If the array is empty, or values are out of range or not finite.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, symbolic tensors
        raise _checks.InputError(
            _checks.explain(f"{name} cannot be converted to an array", received=str(error)),
            argument=name,
        ) from error
    if array.dtype.kind not in "buif":
        raise _checks.InputTypeError(
            _checks.explain(
                f"{name} is not a picture",
                expected="a path, a PIL image, or an array of real numbers",
                received=f"{type(values).__name__} of dtype {array.dtype}",
            ),
            argument=name,
        )
    if array.size == 0:
        _checks.fail(
            f"{name} is empty",
            expected="at least one pixel",
            received=f"shape {array.shape}",
            argument=name,
        )
    if array.dtype.kind == "b":
        return array.astype(np.float32)
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:  # in either byte order
        return np.divide(array, np.iinfo(array.dtype).max, dtype=np.float32)
    low, high = array.min(), array.max()
    if array.dtype.kind in "ui":
        if low < 0 or high > 255:
            _checks.fail(
                f"{name} has values out of range",
                expected=f"0 to 255 for dtype {array.dtype}",
                received=f"{low} to {high}",
                hint="convert it to uint8 or uint16, or to floats in [0, 1]",
                argument=name,
            )
        return np.divide(array, 255, dtype=np.float32)
    if not (np.isfinite(low) and np.isfinite(high)):
        count = array.size - np.count_nonzero(np.isfinite(array))
        _checks.fail(
            f"{name} has values that are not finite",
            expected="values in [0, 1]",
            received=f"{count} of {array.size} values NaN or infinite",
            hint="replace them, for example with numpy.nan_to_num",
            argument=name,
        )
    if low < -_ROUNDING or high > 1 + _ROUNDING:
        _checks.fail(
            f"{name} has values out of range",
            expected="floats in [0, 1]",
            received=f"{low:g} to {high:g}",
            hint=_range_hint(float(low), float(high)),
            argument=name,
        )
    return np.clip(array, 0, 1).astype(np.float32)


def rgb_values(values: npt.ArrayLike, name: str, *, batch: bool = False) -> np.ndarray:
    """Return an array as RGB. Grey is repeated, and alpha is dropped.

    Parameters
    ----------
    values : array_like, [H, W] or [H, W, C] with C from 1 to 4
        If `batch` is True, ``[B, H, W, C]`` is also accepted. Dtypes and ranges are as in
        `unit_values`.
    name : str
        Name of the array in error messages.
    batch : bool
        If True, a leading batch axis is allowed.

    Returns
    -------
    numpy.ndarray, float32 [H, W, 3] or [B, H, W, 3]
        A new array in [0, 1].

    Raises
    ------
    InputTypeError, InputError
        As raised by `unit_values`. Also `InputError` if the array does not have the shape of a
        picture.
    """
    array = unit_values(values, name)
    shape = array.shape
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.ndim not in ((3, 4) if batch else (3,)) or array.shape[-1] > 4:
        hint = ""
        if len(shape) == 4 and not batch:
            hint = f"use one picture of the batch, such as {name}[0]"
        elif len(shape) == 3 and shape[0] <= 4:
            hint = f"move the channels to the last axis with numpy.moveaxis({name}, 0, -1)"
        _checks.fail(
            f"{name} has a wrong shape",
            expected="[H, W] or [H, W, C] with C from 1 to 4"
            + (" or [B, H, W, C]" if batch else ""),
            received=str(shape),
            hint=hint,
            argument=name,
        )
    if array.shape[-1] < 3:  # grey, or grey and alpha
        return np.repeat(array[..., :1], 3, axis=-1)
    return np.ascontiguousarray(array[..., :3])


def fit_shape(shape: Sequence[int], size: int) -> tuple[int, int]:
    """Return the (height, width) with a given longer side and the aspect ratio of `shape`.

    Parameters
    ----------
    shape : sequence of int
        (height, width), or the shape of an array, whose first two entries are used.
    size : int
        The longer side in pixels, at least 1.

    Returns
    -------
    tuple of int
        Height and width, at least 1.

    Raises
    ------
    InputError, InputTypeError
        If a number is not an integer of at least 1.

    Examples
    --------
    >>> fit_shape((600, 800), 400)
    (300, 400)
    """
    height, width = _height_width(shape)
    size = _checks.integer(size, "size", low=1)
    longer = max(height, width)
    return _scaled(height, size, longer), _scaled(width, size, longer)


def resize(
    image: npt.ArrayLike,
    shape: Sequence[int],
    resample: str = "lanczos",
    *,
    tile: str | None = None,
) -> np.ndarray:
    """Return a resized picture or mask. Reducing the size uses antialiasing.

    Each channel is resampled in float32. The result is clipped to [0, 1], because the Lanczos and
    bicubic filters overshoot at edges.

    Parameters
    ----------
    image : array_like, [H, W] or [H, W, C]
        A picture or mask in [0, 1], or integers as in `as_image`.
    shape : sequence of int
        (height, width), or the shape of an array, whose first two entries are used.
    resample : {"lanczos", "bicubic", "bilinear", "box", "nearest"}
        The filter. "nearest" uses no antialiasing and keeps the values of a binary mask.
    tile : {"x", "y", "both"}, optional
        Axes along which the picture is periodic: the width, the height or both. A picture that
        tiles then still tiles after resizing. Default: none.

    Returns
    -------
    numpy.ndarray, float32 [h, w] or [h, w, C]
        A new array. Its values are equal to the input if the shape does not change.

    Raises
    ------
    InputError, InputTypeError
        If the image, the shape, the filter or `tile` is invalid.
    """
    values = unit_values(image, "image")
    if values.ndim not in (2, 3):
        _checks.fail(
            "image has a wrong shape",
            expected="[H, W] or [H, W, C]",
            received=str(values.shape),
            argument="image",
        )
    return resample_values(values, _height_width(shape), resample, tile)


def tiled_axes(tile: str | None) -> tuple[bool, bool]:
    """Return whether a picture is periodic along its height and along its width.

    Parameters
    ----------
    tile : {"x", "y", "both"} or None
        "x": copies of the picture fit side by side. "y": copies fit one above the other. "both":
        copies fit in both directions. None: the picture does not tile.

    Returns
    -------
    height, width : bool

    Raises
    ------
    InputError
        If `tile` has another value.
    """
    if tile is not None:
        _checks.choice(tile, "tile", TILES)
    return tile in ("y", "both"), tile in ("x", "both")


def resample_values(
    values: np.ndarray,
    shape: tuple[int, int],
    resample: str = "lanczos",
    tile: str | None = None,
) -> np.ndarray:
    """Resize as `resize` does, without checks. The values must be float32 in [0, 1]."""
    resampling = RESAMPLING[_checks.choice(resample, "resample", RESAMPLING)]
    height, width = shape
    if values.shape[:2] == (height, width):
        return values
    planes = values if values.ndim == 3 else values[..., np.newaxis]
    # Pillow's filters also read pixels outside the box that is resized, so the picture is padded
    # periodically by the radius of the filter.
    margins = [
        wraps * math.ceil(_SUPPORT * max(1, old / new))
        for wraps, old, new in zip(tiled_axes(tile), planes.shape, shape, strict=False)
    ]
    rows, columns = margins
    box = (columns, rows, columns + planes.shape[1], rows + planes.shape[0])
    if any(margins):
        planes = np.pad(planes, ((rows, rows), (columns, columns), (0, 0)), "wrap")
    result = np.empty((height, width, planes.shape[-1]), np.float32)
    for channel in range(planes.shape[-1]):
        plane = Image.fromarray(np.ascontiguousarray(planes[..., channel]))
        result[..., channel] = np.asarray(plane.resize((width, height), resampling, box))
    np.clip(result, 0, 1, out=result)
    return result.reshape((height, width, *values.shape[2:]))


def upright(values: np.ndarray, orientation: int) -> np.ndarray:
    """Return values [H, W, ...] rotated and flipped according to the EXIF `orientation`.

    If the orientation is not in 2 to 8, the values are unchanged. Some cameras write 0 for
    "unknown".
    """
    if orientation in (5, 6, 7, 8):  # the rows of the file are the columns of the picture
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


def quantise(values: np.ndarray, bits: int) -> np.ndarray:
    """Return values in [0, 1] as uint8 or uint16, rounded to the nearest level."""
    levels = 2**bits - 1
    return np.floor(values * np.float32(levels) + np.float32(0.5)).astype(f"<u{bits // 8}")


def picture_hash(image: npt.ArrayLike) -> str:
    """Return a hash of a picture's content, which manifests record.

    Parameters
    ----------
    image : array_like
        A picture as in `as_image` (but not a path), or a batch of pictures. A batch of one picture
        has the same hash as the picture.

    Returns
    -------
    str
        The first 16 hexadecimal digits of the SHA-256 hash of the shape and of the values rounded
        to 16 bits. The hash is the same on all machines. Because of the rounding, differences
        smaller than a 16-bit level usually do not change it.

    Raises
    ------
    InputError, InputTypeError
        If `image` is not a picture.
    """
    values = rgb_values(image, "image", batch=True)
    if values.ndim == 4 and len(values) == 1:
        values = values[0]
    digest = hashlib.sha256(str(values.shape).encode())
    digest.update(quantise(values, 16).tobytes())
    return digest.hexdigest()[:16]


def _scaled(side: int, size: int, longer: int) -> int:
    # Integer arithmetic is used, so that halves are always rounded up.
    return max(1, (2 * side * size + longer) // (2 * longer))


def _height_width(shape: Sequence[int]) -> tuple[int, int]:
    try:
        height, width = shape[0], shape[1]
    except (TypeError, IndexError, KeyError):
        raise _checks.InputTypeError(
            _checks.explain("shape is invalid", expected="(height, width)", received=repr(shape)),
            argument="shape",
        ) from None
    with _checks.caused_by("shape"):
        return _checks.integer(height, "height", low=1), _checks.integer(width, "width", low=1)


def _range_hint(low: float, high: float) -> str:
    if low >= 0 and 16 < high <= 256:  # a smaller maximum is more likely a high dynamic range
        return "divide by 255"
    if low >= -1 - _ROUNDING and high <= 1 + _ROUNDING:
        return "if its range is [-1, 1], use (x + 1) / 2; otherwise clip it"
    return "scale it, or clip it with numpy.clip(x, 0, 1)"
