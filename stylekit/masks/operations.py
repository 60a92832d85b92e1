"""Masks from arrays, files, colours and ramps, and the operations on them.

A mask is ``float32 [H, W]`` in [0, 1]; 1 means "here". Every function takes whatever `as_mask`
takes, returns a new mask and leaves its arguments alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.transform import resize_local_mean

from stylekit._checks import (
    InputTypeError,
    caused_by,
    choice,
    explain,
    fail,
    integer,
    name_of,
    naming,
    number,
)
from stylekit.image import PictureLike, as_image

MaskLike: TypeAlias = PictureLike | Callable[[np.ndarray], PictureLike]
"""A path, a PIL image, an array ``[H, W]`` in [0, 1], or a callable from a picture to one."""

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # Rec. 709
_ROUNDING = 1e-4  # what arithmetic such as 1 - a - b may leave outside [0, 1]; as for pictures


def made_of(mask: MaskLike, picture: np.ndarray) -> PictureLike:
    """Return a mask, or what a callable makes of a picture; an error names the callable."""
    if not callable(mask):
        return mask
    with naming(f"in mask {name_of(mask)!r}"):
        return mask(picture)


def as_mask(
    mask: PictureLike,
    shape: tuple[int, int] | None = None,
    *,
    name: str = "mask",
    allow_empty: bool = False,
) -> np.ndarray:
    """Return anything that can stand for a mask as ``float32 [H, W]`` in [0, 1].

    Parameters
    ----------
    mask : array_like, PIL.Image.Image or path
        ``[H, W]`` or ``[H, W, 1]``. Floats must lie in [0, 1] (1e-4 beyond is taken for rounding
        and clipped); bools become 0 and 1. Integers whose maximum is 0 or 1 are taken as they are;
        beyond that uint8 is divided by 255 and uint16 by 65535, and other integers are refused, for
        their full scale is unknown. Files and PIL images are read as `from_image` does, except that
        a brightest value of one grey step means that the file holds 0 and 1.
    shape : (int, int), optional
        The height and width that the mask must have.
    name : str, optional
        What error messages call the mask.
    allow_empty : bool, optional
        Whether a mask of zeros only is right.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1], a new array.

    Raises
    ------
    InputTypeError
        If `mask` is not an array of numbers.
    InputError
        If it has another shape, NaN, values outside [0, 1], or is empty.

    Examples
    --------
    >>> as_mask([[True, False]])
    array([[1., 0.]], dtype=float32)
    >>> as_mask(np.array([[0, 51, 255]], "uint8"))
    array([[0. , 0.2, 1. ]], dtype=float32)
    """
    if isinstance(mask, (str, os.PathLike, Image.Image)):
        values = _grey(mask, name)
        if any(np.isclose(values.max(), step, rtol=1e-3, atol=0) for step in (1 / 255, 1 / 65535)):
            values /= values.max()
    else:
        values = _plane(mask, name)
    if shape is not None and values.shape != (shape := pair(shape)):
        fail(
            f"{name} has another size",
            expected=_in_pixels(shape),
            received=_in_pixels(values.shape),
            hint="draw it over the picture itself, or resize it",
            argument=name,
        )
    if not allow_empty and not values.any():
        fail(
            f"{name} is empty",
            expected="at least one pixel above 0",
            received=f"zeros only, {_in_pixels(values.shape)}",
            hint="check the label, colour or level that it was made with",
            argument=name,
        )
    return values


def mask_of(
    mask: Any, picture: np.ndarray, *, name: str = "mask", allow_empty: bool = False
) -> np.ndarray:
    """Return a mask of a picture's size, or what a callable makes of the picture, checked."""
    mask = made_of(mask, picture)
    return as_mask(mask, picture.shape[:2], name=name, allow_empty=allow_empty)


def _in_pixels(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]} pixels"


def _plane(mask: Any, name: str) -> np.ndarray:
    """Return an array-like as ``float32 [H, W]`` in [0, 1], by the rules of `as_mask`."""
    try:
        array = np.asarray(mask)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputTypeError(
            explain(
                f"{name} is not an array", expected="a mask [H, W]", received=str(error).rstrip(".")
            ),
            argument=name,
        ) from error
    kind = array.dtype.kind
    if kind not in "biuf":
        raise InputTypeError(
            explain(
                f"{name} does not hold numbers",
                expected="bools, integers or floats [H, W]",
                received=f"{type(mask).__name__} of dtype {array.dtype}",
            ),
            argument=name,
        )
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 2 or 0 in array.shape:
        color = array.ndim == 3 and array.shape[-1] in (3, 4)
        fail(
            f"{name} is not one plane",
            expected="shape [H, W] or [H, W, 1]",
            received=f"shape {array.shape}",
            hint="use masks.from_image or masks.from_colors for a colour picture" if color else "",
            argument=name,
        )
    low, high = array.min(), array.max()
    full = {"u1": 255, "u2": 65535}.get(f"{kind}{array.dtype.itemsize}", 1)
    if kind in "bu" and high > 1:
        low, high, array = low / full, high / full, array.astype(np.float64) / full
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # false for NaN, too
        if np.isnan(low):
            fail(
                f"{name} has values that are not numbers",
                expected="[0, 1]",
                received="NaN",
                argument=name,
            )
        fail(
            f"{name} has values outside [0, 1]",
            expected="0 for elsewhere to 1 for here",
            received=f"{array.dtype} values from {low:g} to {high:g}",
            hint="divide by the full scale, or compare with a label (labels == 3)",
            argument=name,
        )
    return np.clip(array, 0, 1).astype(np.float32)


def _grey(picture: PictureLike, name: str) -> np.ndarray:
    return np.clip(as_image(picture, name=name) @ _LUMINANCE, 0, 1).astype(np.float32)


def _stack(masks: Iterable[Any] | Mapping[str, Any]) -> np.ndarray:
    """Return masks of one shape as ``float32 [N, H, W]``."""
    items = listed(masks.values() if isinstance(masks, Mapping) else masks, "masks")
    if not items:
        fail("masks is empty", expected="at least one mask", argument="masks")
    first = as_mask(items[0], name="masks[0]", allow_empty=True)
    rest = (
        as_mask(item, first.shape, name=f"masks[{i}]", allow_empty=True)
        for i, item in enumerate(items[1:], start=1)
    )
    return np.stack([first, *rest])


def listed(values: Any, name: str) -> list[Any]:
    """Return an iterable as a list; text and single values are errors."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputTypeError(
            explain(
                f"{name} is not a list", expected="several of them", received=f"{values!r:.60}"
            ),
            argument=name,
        )
    return list(values)


def pair(shape: Any) -> tuple[int, int]:
    """Return a checked (height, width)."""
    height, width = two_numbers(shape, "shape", "(height, width), such as picture.shape[:2]")
    with caused_by("shape"):
        return integer(height, "height", low=1), integer(width, "width", low=1)


def two_numbers(values: Any, name: str, expected: str) -> tuple[Any, Any]:
    """Return the two values of a pair of anything."""
    try:
        first, second = values
    except (TypeError, ValueError):
        raise InputTypeError(
            explain(f"{name} is not a pair", expected=expected, received=f"{values!r:.60}"),
            argument=name,
        ) from None
    return first, second


def feather(mask: Any, radius: float) -> np.ndarray:
    """Soften the edges of a mask with a Gaussian of standard deviation ``radius / 2`` pixels.

    The picture's border is repeated outwards, so that a region that touches it stays 1 there. The
    mask's mass is kept where the region is further than twice `radius` from the border.
    """
    sigma = number(radius, "radius", low=0) / 2
    values = as_mask(mask, allow_empty=True)
    if sigma == 0:
        return values
    return np.clip(ndimage.gaussian_filter(values, sigma, mode="nearest"), 0, 1)


def erode(mask: Any, radius: int) -> np.ndarray:
    """Shrink a mask by `radius` pixels: the minimum over a square of side ``2 * radius + 1``.

    The picture's border does not eat into the mask. With a network's receptive field as the square,
    1 remains where a feature sees nothing but the region.
    """
    side = 2 * integer(radius, "radius", low=0) + 1
    return ndimage.minimum_filter(as_mask(mask, allow_empty=True), side, mode="nearest")


def dilate(mask: Any, radius: int) -> np.ndarray:
    """Grow a mask by `radius` pixels: the maximum over a square of side ``2 * radius + 1``."""
    side = 2 * integer(radius, "radius", low=0) + 1
    return ndimage.maximum_filter(as_mask(mask, allow_empty=True), side, mode="nearest")


def invert(mask: Any) -> np.ndarray:
    """Return ``1 - mask``."""
    return 1 - as_mask(mask, allow_empty=True)


def threshold(mask: Any, level: float = 0.5) -> np.ndarray:
    """Return 1 where the mask is at least `level`, a number in (0, 1], and 0 elsewhere."""
    level = number(level, "level", low=0, high=1, open_low=True)
    return (as_mask(mask, allow_empty=True) >= np.float32(level)).astype(np.float32)


def resize(mask: Any, shape: tuple[int, int]) -> np.ndarray:
    """Resize a mask to `shape`, ``(height, width)``, without overshoot.

    Along an axis that shrinks, each new pixel is the exact mean of the area that it covers, so the
    mask's share of the picture does not change; an axis that grows is interpolated linearly.

    Examples
    --------
    >>> resize([[0.0, 0.0, 1.0, 1.0]], (1, 3))
    array([[0. , 0.5, 1. ]], dtype=float32)
    """
    values = as_mask(mask, allow_empty=True)
    height, width = pair(shape)
    shrunk = (min(height, values.shape[0]), min(width, values.shape[1]))
    values = resize_local_mean(values.astype(np.float64), shrunk).astype(np.float32)
    if shrunk != (height, width):
        grown = Image.fromarray(values).resize((width, height), Image.Resampling.BILINEAR)
        values = np.asarray(grown)
    return np.clip(values, 0, 1)


def combine(masks: Iterable[Any] | Mapping[str, Any], how: str = "union") -> np.ndarray:
    """Combine masks of one shape into one, as soft sets.

    Parameters
    ----------
    masks : iterable or mapping of masks
        One or more masks of one shape.
    how : {"union", "intersection", "difference", "sum"}, optional
        The maximum; the minimum; the first less the union of the rest, at least 0; the sum, at
        most 1. The difference of two masks and their intersection add up to the first.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].
    """
    choice(how, "how", ("union", "intersection", "difference", "sum"))
    first, *rest = _stack(masks)
    if how == "union":
        return np.maximum.reduce([first, *rest])
    if how == "intersection":
        return np.minimum.reduce([first, *rest])
    if how == "difference":
        return np.maximum(first - np.maximum.reduce(rest), 0) if rest else first
    return np.minimum(np.sum([first, *rest], axis=0), 1)


def partition(
    masks: Iterable[Any] | Mapping[str, Any], remainder: bool = False, *, strict: bool = False
) -> list[np.ndarray]:
    """Scale masks so that no pixel is counted twice.

    Parameters
    ----------
    masks : iterable or mapping of masks
        One or more masks of one shape.
    remainder : bool, optional
        False: the masks sum to 1 wherever one of them is above 0, which widens the soft outer edge
        of their union to 1. True: masks are scaled only where they sum to more than 1, and one more
        mask, last, holds what is missing to 1: all of them sum to 1 everywhere.
    strict : bool, optional
        True: scale nothing, and refuse masks that do not sum to 1 already, to within 1/255; with
        `remainder`, those that sum to more.

    Returns
    -------
    list of ndarray
        ``float32 [H, W]`` in [0, 1], in the order of `masks`.

    Raises
    ------
    InputError
        If `strict` and the masks overlap or leave pixels uncovered; the message tells the shares.

    Examples
    --------
    >>> partition([[[1.0, 0.2, 0.0]], [[1.0, 0.2, 0.0]]])[0]
    array([[0.5, 0.5, 0. ]], dtype=float32)
    """
    values = _stack(masks).astype(np.float64)
    total = values.sum(axis=0)
    if strict:
        over, under = np.mean(total > 1 + 1 / 255), np.mean(total < 1 - 1 / 255)
        if over or (under and not remainder):
            fail(
                "the masks are no partition",
                expected="masks that sum to " + ("at most 1" if remainder else "1"),
                received=f"{over:.1%} of the picture above it and {under:.1%} below",
                hint="let masks.partition scale them, without strict",
                argument="masks",
            )
    if remainder:
        values /= np.maximum(total, 1)
        values = np.concatenate([values, 1 - np.minimum(total, 1)[np.newaxis]])
    else:
        values /= np.where(total > 0, total, 1)
    return list(values.astype(np.float32))


def from_image(picture: PictureLike) -> np.ndarray:
    """Return the luminance of a picture as a mask: white is 1, black is 0.

    The Rec. 709 weights (0.2126, 0.7152, 0.0722) are applied to the RGB values as they are stored,
    so that a grey value of 128 becomes 128 / 255.
    """
    return _grey(picture, "picture")
