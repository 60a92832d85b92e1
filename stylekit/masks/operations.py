"""Masks from arrays, files, colours and ramps, and the operations on them.

A mask is ``float32 [H, W]`` in [0, 1]; 1 means "here". Every function takes whatever `as_mask`
takes, returns a new mask and leaves its arguments alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeAlias

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
from stylekit.image import PictureLike
from stylekit.image._formats.picture import Picture
from stylekit.image.read import decoded, is_file

MaskLike: TypeAlias = PictureLike | Callable[[np.ndarray], PictureLike]
"""A path, a PIL image, an array ``[H, W]`` in [0, 1], or a callable from a picture to one."""

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709
_FULL = {"uint8": 255, "uint16": 65535}  # the value that is white
_VOID = 255  # what label maps call pixels without a label
_MOST_LABELS = 32  # different values; a soft edge has more
_COLOR = 8 / 255  # between channels: above it a pixel is no grey that JPEG has changed
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
    label: int | None = None,
) -> np.ndarray:
    """Return anything that can stand for a mask as ``float32 [H, W]`` in [0, 1].

    Parameters
    ----------
    mask : array_like, PIL.Image.Image, path, bytes or binary file
        An array is ``[H, W]`` or ``[H, W, 1]``. Floats must lie in [0, 1] (1e-4 beyond is taken for
        rounding and clipped); bools become 0 and 1. Integers whose maximum is 0 or 1 are taken as
        they are; beyond that uint8 is divided by 255 and uint16 by 65535, and other integers are
        refused, for their full scale is unknown. Files and PIL images are read as `from_image`
        does, and grey ones as arrays of their integers. Alpha counts: a transparent pixel is 0.
    shape : (int, int), optional
        The height and width that the mask must have.
    name : str, optional
        What error messages call the mask.
    allow_empty : bool, optional
        Whether a mask of zeros only is right.
    label : int, optional
        Take `mask` as a map of labels: the mask is 1 where its integer, or the number of its
        palette's colour, is this one.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1], a new array.

    Raises
    ------
    InputTypeError
        If `mask` is not an array of numbers.
    InputError
        If it has another shape, NaN, values outside [0, 1], is empty, or has its region in its
        alpha alone, under black. If it is a map of labels and none was asked for, or one that is
        not in it.

    Notes
    -----
    Integers are taken for labels where they are beyond 1 and at most 32 different ones, all below
    a quarter of white, such as 0 and 15: as a mask they would have nearly no effect. With 0 among
    them, 255 in addition may be the border that label maps call void; it is taken for it where the
    others are at most 32 and cover more than it does. Files with a palette of colours hold labels
    always. Integers of 0 and 1 are a mask, whose 1 is also its label 1.

    Examples
    --------
    >>> as_mask([[True, False]])
    array([[1., 0.]], dtype=float32)
    >>> as_mask(np.array([[0, 51, 255]], "uint8"))
    array([[0. , 0.2, 1. ]], dtype=float32)
    >>> as_mask(np.array([[0, 15, 2]], "uint8"), label=15)
    array([[0., 1., 0.]], dtype=float32)
    """
    if is_file(mask):
        values = _from_file(mask, name, label)
    else:
        array = _plane(mask, name)
        values = _shares(array, name) if label is None else _labelled(array, label, name)
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
    """Return an array-like of numbers as an array [H, W]."""
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
    return array


def _shares(array: np.ndarray, name: str) -> np.ndarray:
    """Return an array as ``float32 [H, W]`` in [0, 1], by the rules of `as_mask`."""
    low, high = array.min(), array.max()
    full = _FULL.get(array.dtype.name, 1)
    if full > 1 and high > 1:
        _refuse_labels(array, full, name)
        low, high, array = low / full, high / full, np.divide(array, full, dtype=np.float32)
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
            hint="divide by the full scale, or add the `label` that is meant",
            argument=name,
        )
    return np.clip(array, 0, 1, dtype=np.float32, casting="unsafe")


def _refuse_labels(values: np.ndarray, full: int, name: str) -> None:
    """Raise `InputError` if unsigned integers look like labels rather than shares of white."""
    counts = np.bincount(values.ravel())
    present = np.flatnonzero(counts)
    few = [present] if present[-1] < full / 4 else []
    if present[0] == 0 and present[-1] == _VOID and counts[_VOID] < counts[1:_VOID].sum():
        few += [present[:-1]] if present[-2] <= _MOST_LABELS else []
    if any(len(labels) <= _MOST_LABELS for labels in few):
        _ask_label(present, name)


def _ask_label(present: np.ndarray, name: str) -> NoReturn:
    fail(
        f"{name} holds labels rather than shares",
        expected="values from black to white",
        received=_listing(present),
        hint="add `label`, the number of the one that is meant, to `as_mask`",
        argument=name,
    )


def _labelled(values: np.ndarray, label: int, name: str) -> np.ndarray:
    """Return where integers are a label."""
    label = integer(label, "label", low=-(2**63), high=2**64)
    if values.dtype.kind not in "iu":
        fail(
            f"{name} holds no labels",
            expected="integers, such as those of a grey picture or one with a palette",
            received=f"values of type {values.dtype}",
            hint="leave `label` out",
            argument="label",
        )
    found = values == label
    if not found.any():
        fail(
            f"`label` is not in {name}",
            expected=f"one of {_listing(np.unique(values))}",
            received=label,
            argument="label",
        )
    return found.astype(np.float32)


def _listing(labels: np.ndarray) -> str:
    more = f" and {len(labels) - 12} more" if len(labels) > 12 else ""
    return ", ".join(map(str, labels[:12])) + more


def _from_file(mask: PictureLike, name: str, label: int | None) -> np.ndarray:
    """Return a file or PIL image as a mask, by the rules of `as_mask`."""
    with caused_by(name):
        picture = decoded(mask, name)
    grey, stored = _grey(picture), picture.stored
    red, green, blue = np.moveaxis(picture.pixels, -1, 0)
    colored = max(np.abs(one - green).max() for one in (red, blue)) > _COLOR
    # A palette of greys is read by them, unless its indices are asked for.
    grey_modes = ("RGB", "RGBA") if label is not None else ("RGB", "RGBA", "P", "PA")
    if picture.mode in grey_modes and not colored:
        stored = np.round(255 * grey).astype(np.uint8)
    if label is not None:
        grey = _labelled(grey if stored is None else stored, label, name)
    elif stored is not None:
        if colored:  # a palette of colours
            _ask_label(np.unique(stored), name)
        grey = _shares(stored, name)
    return _seen(grey, picture, name)


def _seen(values: np.ndarray, picture: Picture, name: str) -> np.ndarray:
    """Return a picture's values times its alpha."""
    if picture.alpha is None:
        return values
    result = values * picture.alpha
    if not result.any() and np.ptp(picture.alpha):
        fail(
            f"{name} is black wherever it is not transparent",
            expected="white where something is to happen",
            received="a picture whose alpha channel alone shows a region",
            hint="fill the region with white, or make a mask of the alpha channel",
            argument=name,
        )
    return result


def _grey(picture: Picture) -> np.ndarray:
    return np.clip(picture.pixels @ _LUMINANCE, 0, 1)


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
    so that a grey value of 128 becomes 128 / 255, and multiplied by the alpha channel, if there is
    one.
    """
    with caused_by("picture"):
        source = decoded(picture, "picture")
    return _seen(_grey(source), source, "picture")
