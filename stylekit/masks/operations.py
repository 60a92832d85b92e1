"""Convert arrays and files to masks, and combine and change masks.

A mask is a ``float32 [H, W]`` array in [0, 1]. Every function accepts all input that `as_mask`
accepts, returns a new mask and does not modify its arguments.
"""

from __future__ import annotations

import warnings
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
"""A path, a PIL image, an array ``[H, W]`` in [0, 1], or a callable that returns one of them for a
picture."""

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709
_FULL = {"uint8": 255, "uint16": 65535}  # the value of white by dtype
_VOID = 255  # the value of pixels without a label in label maps
_MOST_LABELS = 32  # number of distinct values. A mask with a soft edge has more
_COLOR = 8 / 255  # least difference between a colour's channels. JPEG changes grey pixels by less
_COLORFUL = 0.1  # mean difference between the channels of a picture that is hardly a mask
_ROUNDING = 1e-4  # tolerance outside [0, 1] for rounding, as in 1 - a - b. Pictures have the same


def made_of(mask: MaskLike, picture: np.ndarray) -> PictureLike:
    """Return a mask. A callable is called with the picture, and errors name the callable."""
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
    """Return an array, file or PIL image as a mask, ``float32 [H, W]`` in [0, 1].

    Parameters
    ----------
    mask : array_like, PIL.Image.Image, path, bytes or binary file
        An array is ``[H, W]`` or ``[H, W, 1]``. Floats must be in [0, 1]. Values up to 1e-4 outside
        this range are treated as rounding errors and clipped. Bools become 0 and 1. Integers with a
        maximum of 0 or 1 are used as they are. Otherwise uint8 is divided by 255 and uint16 by
        65535. Other integer types raise `InputError`, because their full scale is unknown. Colour
        files and PIL images are converted to luminance as in `from_image`. Grey ones are converted
        like integer arrays. Values are multiplied by the alpha channel, so a transparent pixel is
        0.
    shape : (int, int), optional
        The height and width that the mask must have. Default: any shape is accepted.
    name : str, optional
        Name of the mask in error messages.
    allow_empty : bool, optional
        Whether a mask that is 0 everywhere is allowed.
    label : int, optional
        If given, `mask` is a label map: a picture or array with an integer, or the index of a
        palette colour, at each pixel. The result is 1 where this number is equal to `label`, and 0
        elsewhere.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1], a new array.

    Raises
    ------
    InputTypeError
        If `mask` is not an array of numbers.
    InputError
        If the mask does not have the required shape, contains NaN or values outside [0, 1], is 0
        everywhere, or is black wherever it is not transparent. Also if the mask is a label map and
        `label` is None, or if `label` does not occur in the label map.

    Notes
    -----
    Unsigned integers above 1 are recognised as labels if they have at most 32 distinct values that
    are all below a quarter of white, such as 0 and 15. As a mask such values would have almost no
    effect. They raise `InputError` if `label` is None. The value 255 is recognised as the "void"
    border of a label map if three conditions are met: 0 is among the values, the other values are
    at most 32, and the labels other than 0 cover more pixels than 255. Files with a palette of
    colours are always label maps. An array of the integers 0 and 1 is a mask. ``label=1`` returns
    the same mask.

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
            f"{name} has the wrong size",
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
            hint="check the label, colour or threshold that it was made with",
            argument=name,
        )
    return values


def mask_of(
    mask: Any, picture: np.ndarray, *, name: str = "mask", allow_empty: bool = False
) -> np.ndarray:
    """Return a checked mask of the picture's size. A callable is called with the picture."""
    mask = made_of(mask, picture)
    return as_mask(mask, picture.shape[:2], name=name, allow_empty=allow_empty)


def _in_pixels(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]} pixels"


def _plane(mask: Any, name: str) -> np.ndarray:
    """Return an array-like of numbers as an array ``[H, W]``."""
    try:
        array = np.asarray(mask)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputTypeError(
            explain(
                f"{name} must be an array",
                expected="a mask [H, W]",
                received=str(error).rstrip("."),
            ),
            argument=name,
        ) from error
    kind = array.dtype.kind
    if kind not in "biuf":
        raise InputTypeError(
            explain(
                f"{name} must be an array of numbers",
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
            f"{name} must have two dimensions",
            expected="shape [H, W] or [H, W, 1]",
            received=f"shape {array.shape}",
            hint="use masks.from_image or masks.from_colors for a colour picture" if color else "",
            argument=name,
        )
    return array


def _shares(array: np.ndarray, name: str) -> np.ndarray:
    """Return an array as ``float32 [H, W]`` in [0, 1], scaled and checked as in `as_mask`."""
    low, high = array.min(), array.max()
    full = _FULL.get(array.dtype.name, 1)
    if full > 1 and high > 1:
        _refuse_labels(array, full, name)
        low, high, array = low / full, high / full, np.divide(array, full, dtype=np.float32)
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # also for NaN
        if np.isnan(low):
            fail(f"{name} must have values in [0, 1]", received="NaN", argument=name)
        fail(
            f"{name} must have values in [0, 1]",
            received=f"{array.dtype} values from {low:g} to {high:g}",
            hint="divide it by its full scale, or select a label with `label`",
            argument=name,
        )
    return np.clip(array, 0, 1, dtype=np.float32, casting="unsafe")


def _refuse_labels(values: np.ndarray, full: int, name: str) -> None:
    """Raise `InputError` if unsigned integers look like labels; see the notes of `as_mask`."""
    counts = np.bincount(values.ravel())
    present = np.flatnonzero(counts)
    few = [present] if present[-1] < full / 4 else []
    if present[0] == 0 and present[-1] == _VOID and counts[_VOID] < counts[1:_VOID].sum():
        few += [present[:-1]] if present[-2] <= _MOST_LABELS else []
    if any(len(labels) <= _MOST_LABELS for labels in few):
        _ask_label(present, name)


def _ask_label(present: np.ndarray, name: str) -> NoReturn:
    fail(
        f"{name} is a label map",
        expected="grey values from black to white",
        received=f"labels {_listing(present)}",
        hint="add `label`, the number of one of these labels, to `as_mask`",
        argument=name,
    )


def _labelled(values: np.ndarray, label: int, name: str) -> np.ndarray:
    """Return a float32 mask that is 1 where integers equal `label`."""
    label = integer(label, "label", low=-(2**63), high=2**64)
    if values.dtype.kind not in "iu":
        fail(
            f"{name} must be a label map if `label` is given",
            expected="integers, as in a grey picture or a picture with a palette",
            received=f"values of type {values.dtype}",
            hint="omit `label`",
            argument="label",
        )
    found = values == label
    if not found.any():
        fail(
            f"`label` must be a value of {name}",
            expected=f"one of {_listing(np.unique(values))}",
            received=label,
            argument="label",
        )
    return found.astype(np.float32)


def _listing(labels: np.ndarray) -> str:
    more = f" and {len(labels) - 12} more" if len(labels) > 12 else ""
    return ", ".join(map(str, labels[:12])) + more


def _from_file(mask: PictureLike, name: str, label: int | None) -> np.ndarray:
    """Return a file or PIL image as a mask; see `as_mask`."""
    with caused_by(name):
        picture = decoded(mask, name)
    grey, stored = _grey(picture), picture.stored
    red, green, blue = np.moveaxis(picture.pixels, -1, 0)
    colored = max(np.abs(one - green).max() for one in (red, blue)) > _COLOR
    # A palette of greys is read as grey values, unless `label`, an index into it, is given.
    grey_modes = ("RGB", "RGBA") if label is not None else ("RGB", "RGBA", "P", "PA")
    if picture.mode in grey_modes and not colored:
        stored = np.round(255 * grey).astype(np.uint8)
    if label is not None:
        grey = _labelled(grey if stored is None else stored, label, name)
    elif stored is not None:
        if colored:  # a palette of colours
            _ask_label(np.unique(stored), name)
        grey = _shares(stored, name)
    elif np.ptp(picture.pixels, axis=-1).mean() > _COLORFUL:
        warnings.warn(
            f"{name} is a coloured picture. Its luminance is used as the mask. Check whether it is "
            "the right file, and convert it to grey to use it without this warning.",
            stacklevel=3,
        )
    return _seen(grey, picture, name)


def _seen(values: np.ndarray, picture: Picture, name: str) -> np.ndarray:
    """Return values multiplied by the picture's alpha channel, if it has one."""
    if picture.alpha is None:
        return values
    result = values * picture.alpha
    if not result.any() and np.ptp(picture.alpha):
        fail(
            f"{name} is black wherever it is not transparent",
            expected="white in the region",
            received="a picture with the region in its alpha channel only",
            hint="fill the region with white, or use the alpha channel as the mask",
            argument=name,
        )
    return result


def _grey(picture: Picture) -> np.ndarray:
    return np.clip(picture.pixels @ _LUMINANCE, 0, 1)


def _stack(masks: Iterable[Any] | Mapping[str, Any]) -> np.ndarray:
    """Return masks of one shape as ``float32 [N, H, W]``."""
    items = listed(masks.values() if isinstance(masks, Mapping) else masks, "masks")
    if not items:
        fail("`masks` must have at least one mask", received="none", argument="masks")
    first = as_mask(items[0], name="masks[0]", allow_empty=True)
    rest = (
        as_mask(item, first.shape, name=f"masks[{i}]", allow_empty=True)
        for i, item in enumerate(items[1:], start=1)
    )
    return np.stack([first, *rest])


def listed(values: Any, name: str) -> list[Any]:
    """Return an iterable as a list. Strings and single values raise `InputTypeError`."""
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputTypeError(
            explain(f"`{name}` must be a list or another iterable", received=f"{values!r:.60}"),
            argument=name,
        )
    return list(values)


def pair(shape: Any) -> tuple[int, int]:
    """Return a checked (height, width)."""
    height, width = two_numbers(shape, "shape", "(height, width), such as picture.shape[:2]")
    with caused_by("shape"):
        return integer(height, "height", low=1), integer(width, "width", low=1)


def two_numbers(values: Any, name: str, expected: str) -> tuple[Any, Any]:
    """Return the two values of a pair. The types of the values are not checked."""
    try:
        first, second = values
    except (TypeError, ValueError):
        raise InputTypeError(
            explain(f"`{name}` must be a pair", expected=expected, received=f"{values!r:.60}"),
            argument=name,
        ) from None
    return first, second


def feather(mask: Any, radius: float) -> np.ndarray:
    """Return a mask with edges softened by a Gaussian of standard deviation ``radius / 2`` pixels.

    Values at the border of the picture are repeated outwards, so a region that touches the border
    stays 1 there. The sum of the mask is preserved if the region is more than ``2 * radius`` pixels
    from the border.

    Parameters
    ----------
    mask : array_like [H, W], path or PIL image
        See `as_mask`.
    radius : float
        Radius in pixels, at least 0. With 0 the mask is not changed.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].
    """
    sigma = number(radius, "radius", low=0) / 2
    values = as_mask(mask, allow_empty=True)
    if sigma == 0:
        return values
    return np.clip(ndimage.gaussian_filter(values, sigma, mode="nearest"), 0, 1)


def erode(mask: Any, radius: int) -> np.ndarray:
    """Return a mask shrunk by `radius` pixels: the minimum over squares of ``2 * radius + 1``.

    The mask is not shrunk at the border of the picture. If the square is the receptive field of a
    layer, the result is 1 where the features of this layer depend only on the region.

    Parameters
    ----------
    mask : array_like [H, W], path or PIL image
        See `as_mask`.
    radius : int
        Radius in pixels, at least 0.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].
    """
    side = 2 * integer(radius, "radius", low=0) + 1
    return ndimage.minimum_filter(as_mask(mask, allow_empty=True), side, mode="nearest")


def dilate(mask: Any, radius: int) -> np.ndarray:
    """Return a mask grown by `radius` pixels: the maximum over squares of ``2 * radius + 1``.

    The parameters are those of `erode`.
    """
    side = 2 * integer(radius, "radius", low=0) + 1
    return ndimage.maximum_filter(as_mask(mask, allow_empty=True), side, mode="nearest")


def invert(mask: Any) -> np.ndarray:
    """Return ``1 - mask``."""
    return 1 - as_mask(mask, allow_empty=True)


def threshold(mask: Any, level: float = 0.5) -> np.ndarray:
    """Return a mask that is 1 where `mask` is at least `level` and 0 elsewhere. 0 < level <= 1."""
    level = number(level, "level", low=0, high=1, open_low=True)
    return (as_mask(mask, allow_empty=True) >= np.float32(level)).astype(np.float32)


def resize(mask: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return a mask resized to ``(height, width)``. The values stay within their range.

    Along an axis that becomes shorter, each new pixel is the exact mean of the area that it covers,
    so the mean of the mask does not change. Along an axis that becomes longer, the interpolation is
    linear.

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
    """Return the union, intersection, difference or sum of masks as fuzzy sets.

    Parameters
    ----------
    masks : iterable or mapping of masks
        One or more masks of the same shape.
    how : {"union", "intersection", "difference", "sum"}, optional
        ``"union"``: the maximum. ``"intersection"``: the minimum. ``"difference"``: the first minus
        the maximum of the others, at least 0. ``"sum"``: the sum, at most 1.

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
    """Return masks scaled so that they sum to 1 and do not overlap.

    Parameters
    ----------
    masks : iterable or mapping of masks
        One or more masks of the same shape.
    remainder : bool, optional
        If False, the masks are divided by their sum wherever the sum is above 0. The soft outer
        edge of their union then becomes a hard edge. If True, masks are scaled only where they sum
        to more than 1, and a last mask is added, which is 1 minus the sum of the other masks. All
        masks then sum to 1 everywhere.
    strict : bool, optional
        If True, masks that do not sum to 1 within 1/255 raise `InputError`. If `remainder` is True,
        only masks that sum to more than 1 do.

    Returns
    -------
    list of ndarray
        ``float32 [H, W]`` in [0, 1], in the order of `masks`.

    Raises
    ------
    InputError
        If `strict` is True and the masks overlap or leave pixels uncovered. The message contains
        the shares of the picture where this is the case.

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
                "`masks` must sum to " + ("at most 1" if remainder else "1") + " at each pixel",
                received=f"a sum above 1 in {over:.1%} of the picture and below 1 in {under:.1%}",
                hint="scale them by masks.partition without strict",
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

    The luminance is the sum of the encoded RGB values with the Rec. 709 weights
    (0.2126, 0.7152, 0.0722), so a grey value of 128 becomes 128 / 255. The luminance is multiplied
    by the alpha channel, if there is one.

    Parameters
    ----------
    picture : path, PIL image or array_like

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].
    """
    with caused_by("picture"):
        source = decoded(picture, "picture")
    return _seen(_grey(source), source, "picture")
