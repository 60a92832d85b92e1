"""Masks from arrays, files, colours and ramps, and the operations on them.

A mask is ``float32 [H, W]`` in [0, 1]; 1 means "here". Every function takes whatever `as_mask`
takes, returns a new mask and leaves its arguments alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageColor
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage.transform import resize_local_mean

from stylekit._checks import InputTypeError, choice, explain, fail, integer, number
from stylekit.image import PictureLike, as_image

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # Rec. 709
_ROUNDING = 1e-4  # what arithmetic such as 1 - a - b may leave outside [0, 1]; as for pictures


def as_mask(
    mask: Any,
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
    if shape is not None and values.shape != (shape := _pair(shape)):
        fail(
            f"{name} has another size",
            expected=f"shape {shape}",
            received=f"shape {values.shape}",
            hint=f"use masks.resize({name}, {shape})",
        )
    if not allow_empty and not values.any():
        fail(
            f"{name} is empty",
            expected="at least one pixel above 0",
            received=f"zeros only, shape {values.shape}",
            hint="check the label, colour or level that it was made with",
        )
    return values


def _plane(mask: Any, name: str) -> np.ndarray:
    """Return an array-like as ``float32 [H, W]`` in [0, 1], by the rules of `as_mask`."""
    try:
        array = np.asarray(mask)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputTypeError(
            explain(
                f"{name} is not an array", expected="a mask [H, W]", received=str(error).rstrip(".")
            )
        ) from error
    kind = array.dtype.kind
    if kind not in "biuf":
        raise InputTypeError(
            explain(
                f"{name} does not hold numbers",
                expected="bools, integers or floats [H, W]",
                received=f"{type(mask).__name__} of dtype {array.dtype}",
            )
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
        )
    low, high = array.min(), array.max()
    full = {"u1": 255, "u2": 65535}.get(f"{kind}{array.dtype.itemsize}", 1)
    if kind in "bu" and high > 1:
        low, high, array = low / full, high / full, array.astype(np.float64) / full
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # false for NaN, too
        if np.isnan(low):
            fail(f"{name} has values that are not numbers", expected="[0, 1]", received="NaN")
        fail(
            f"{name} has values outside [0, 1]",
            expected="0 for elsewhere to 1 for here",
            received=f"{array.dtype} values from {low:g} to {high:g}",
            hint="divide by the full scale, or compare with a label (labels == 3)",
        )
    return np.clip(array, 0, 1).astype(np.float32)


def _grey(picture: PictureLike, name: str) -> np.ndarray:
    return np.clip(as_image(picture, name=name) @ _LUMINANCE, 0, 1).astype(np.float32)


def _stack(masks: Iterable[Any] | Mapping[str, Any]) -> np.ndarray:
    """Return masks of one shape as ``float32 [N, H, W]``."""
    items = _listed(masks.values() if isinstance(masks, Mapping) else masks, "masks")
    if not items:
        fail("masks is empty", expected="at least one mask")
    first = as_mask(items[0], name="masks[0]", allow_empty=True)
    rest = (
        as_mask(item, first.shape, name=f"masks[{i}]", allow_empty=True)
        for i, item in enumerate(items[1:], start=1)
    )
    return np.stack([first, *rest])


def _listed(values: Any, name: str) -> list[Any]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise InputTypeError(
            explain(f"{name} is not a list", expected="several of them", received=f"{values!r:.60}")
        )
    return list(values)


def _pair(shape: Any) -> tuple[int, int]:
    height, width = _two(shape, "shape", "(height, width), such as picture.shape[:2]")
    return integer(height, "height", low=1), integer(width, "width", low=1)


def _two(values: Any, name: str, expected: str) -> tuple[Any, Any]:
    try:
        first, second = values
    except (TypeError, ValueError):
        raise InputTypeError(
            explain(f"{name} is not a pair", expected=expected, received=f"{values!r:.60}")
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
    height, width = _pair(shape)
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
    masks: Iterable[Any] | Mapping[str, Any], remainder: bool = False
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

    Returns
    -------
    list of ndarray
        ``float32 [H, W]`` in [0, 1], in the order of `masks`.

    Examples
    --------
    >>> partition([[[1.0, 0.2, 0.0]], [[1.0, 0.2, 0.0]]])[0]
    array([[0.5, 0.5, 0. ]], dtype=float32)
    """
    values = _stack(masks).astype(np.float64)
    total = values.sum(axis=0)
    if remainder:
        values /= np.maximum(total, 1)
        values = np.concatenate([values, 1 - np.minimum(total, 1)[np.newaxis]])
    else:
        values /= np.where(total > 0, total, 1)
    return list(values.astype(np.float32))


def linear_gradient(
    shape: tuple[int, int], angle: float = 0.0, *, start: float = 0.0, stop: float = 1.0
) -> np.ndarray:
    """Return a ramp that rises from exactly 0 to exactly 1 across the picture.

    Parameters
    ----------
    shape : (int, int)
        Height and width.
    angle : float, optional
        Direction in which the ramp rises, in degrees counter-clockwise: 0 from left to right, 90
        from bottom to top. ``angle + 180`` gives the complement.
    start, stop : float, optional
        Where the ramp leaves 0 and reaches 1, as fractions of the picture's extent along `angle`
        (between the outermost pixel centres); ``0 <= start < stop <= 1``.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].

    Examples
    --------
    >>> linear_gradient((1, 5))
    array([[0.  , 0.25, 0.5 , 0.75, 1.  ]], dtype=float32)
    """
    height, width = _pair(shape)
    radians = np.deg2rad(number(angle, "angle"))
    start = number(start, "start", low=0, high=1)
    stop = number(stop, "stop", low=0, high=1)
    if start >= stop:
        fail(
            "the ramp does not rise",
            expected="start below stop",
            received=f"start={start:g}, stop={stop:g}",
            hint="add 180 to angle for a falling ramp, or use masks.threshold for a hard edge",
        )
    right, up = np.round([np.cos(radians), np.sin(radians)], 12)  # 90 degrees: exactly (0, 1)
    rows, columns = np.ogrid[:height, :width]
    along = (columns - (width - 1) / 2) * right + ((height - 1) / 2 - rows) * up
    extent = along.max() - along.min()
    if extent == 0:
        fail(
            "the picture has no extent along the ramp",
            expected="at least two pixels",
            received=f"shape {(height, width)}, angle {angle:g}",
        )
    ramp = ((along - along.min()) / extent - start) / (stop - start)
    return np.clip(ramp, 0, 1).astype(np.float32)


def radial_gradient(
    shape: tuple[int, int],
    center: tuple[float, float] | None = None,
    radius: float | None = None,
    *,
    inner: float = 0.0,
) -> np.ndarray:
    """Return a cone: 1 at the centre, falling linearly to 0 at `radius`.

    Parameters
    ----------
    shape : (int, int)
        Height and width.
    center : (float, float), optional
        Row and column, counted from 0 at the first pixel's centre; may lie outside the picture.
        Default: the picture's middle, which for even sizes lies between pixels.
    radius : float, optional
        Distance from the centre, in pixels, at which 0 is reached. Default: the farthest corner's.
    inner : float, optional
        Distance up to which the mask stays 1, below `radius`.

    Returns
    -------
    ndarray
        ``float32 [H, W]`` in [0, 1].
    """
    height, width = _pair(shape)
    if center is None:
        center = ((height - 1) / 2, (width - 1) / 2)
    row, column = _two(center, "center", "(row, column)")
    row, column = number(row, "the centre's row"), number(column, "the centre's column")
    rows, columns = np.ogrid[:height, :width]
    distance = np.hypot(rows - row, columns - column)
    radius = number(distance.max() if radius is None else radius, "radius", low=0, open_low=True)
    inner = number(inner, "inner", low=0)
    if inner >= radius:
        fail(
            "the cone does not fall",
            expected=f"inner below the radius, {radius:g}",
            received=f"inner={inner:g}",
        )
    return np.clip((radius - distance) / (radius - inner), 0, 1).astype(np.float32)


def from_image(picture: PictureLike) -> np.ndarray:
    """Return the luminance of a picture as a mask: white is 1, black is 0.

    The Rec. 709 weights (0.2126, 0.7152, 0.0722) are applied to the RGB values as they are stored,
    so that a grey value of 128 becomes 128 / 255.
    """
    return _grey(picture, "picture")


class ColorMasks(NamedTuple):
    """What `from_colors` returns.

    Attributes
    ----------
    masks : dict of str to ndarray
        One mask a colour, ``float32 [H, W]`` of 0 and 1; no pixel is in two of them.
    unmatched : float
        The share of the pixels that are in none.
    """

    masks: dict[str, np.ndarray]
    unmatched: float


def from_colors(
    color_map: PictureLike,
    colors: Iterable[Any] | Mapping[str, Any] | None = None,
    *,
    tolerance: float = 40.0,
    min_share: float = 0.001,
) -> ColorMasks:
    """Turn a map of coloured regions into one mask a colour.

    Each pixel goes to the nearest colour, if that is within `tolerance`.

    Parameters
    ----------
    color_map : array_like, PIL.Image.Image or path
        The map, as a picture.
    colors : iterable, or mapping of names, optional
        The colours wanted. A colour is three integers in 0-255, three floats in 0-1, or a string
        such as ``"#ff0000"``. A mapping names the masks; otherwise they are called by hex string.
        Default: the colours present, most frequent first. Those within `tolerance` of a more
        frequent one join it, and only pixels in flat surroundings (3 x 3 within `tolerance`)
        count, so that the mixed colours of smooth edges and JPEG noise make no regions of their
        own. A region less than three pixels wide must be asked for.
    tolerance : float, optional
        Largest Euclidean distance in 8-bit RGB units; 442 gives every pixel to some colour asked.
    min_share : float, optional
        The share of the picture that a colour's flat pixels must have for it to count as present.

    Returns
    -------
    ColorMasks
        The masks by name or hex string, and the share of the pixels that matched no colour.

    Raises
    ------
    InputError
        If a colour asked for matches no pixel (the message lists those present), is given twice
        or is no colour; or if the map has no region of one colour.

    Examples
    --------
    >>> color_map = np.zeros((4, 4, 3), "uint8")
    >>> color_map[:, 2:] = 255, 0, 0
    >>> {name: mask.mean().item() for name, mask in from_colors(color_map).masks.items()}
    {'#000000': 0.5, '#ff0000': 0.5}
    """
    tolerance = number(tolerance, "tolerance", low=0)
    min_share = number(min_share, "min_share", low=0, high=1)
    pixels = np.rint(as_image(color_map, name="color_map") * 255).astype(np.uint8)
    if colors is None:
        wanted = _colors_present(pixels, tolerance, min_share)
        if not wanted:
            fail(
                "color_map has no region of one colour",
                expected=f"flat areas of at least {min_share:.2%} of the picture",
                hint="name the colours with colors=, or raise tolerance",
            )
        return _split(pixels, wanted, tolerance)
    wanted = _colors_asked(colors)
    result = _split(pixels, wanted, tolerance)
    missing = [name for name, mask in result.masks.items() if not mask.any()]
    if missing:
        present = _split(pixels, _colors_present(pixels, tolerance, min_share), tolerance).masks
        shares = ", ".join(f"{name} ({mask.mean():.1%})" for name, mask in present.items())
        fail(
            "no pixel of color_map has the colour " + ", ".join(_label(n, wanted) for n in missing),
            expected=f"colours that are present within a tolerance of {tolerance:g}",
            received=f"a map of {shares or 'no flat colours'}",
        )
    return result


def _split(pixels: np.ndarray, wanted: dict[str, np.ndarray], tolerance: float) -> ColorMasks:
    """Give each pixel to the nearest of the wanted colours within the tolerance."""
    if not wanted:
        return ColorMasks({}, 1.0)
    palette, index = np.unique(_codes(pixels), return_inverse=True)  # distances once a colour
    distance = cdist(_decode(palette), list(wanted.values()))
    nearest = np.where(distance.min(axis=1) <= tolerance, distance.argmin(axis=1), -1)
    labels = nearest[index].reshape(pixels.shape[:2])
    masks = {name: (labels == i).astype(np.float32) for i, name in enumerate(wanted)}
    return ColorMasks(masks, float(np.mean(labels < 0)))


def _colors_present(
    pixels: np.ndarray, tolerance: float, min_share: float
) -> dict[str, np.ndarray]:
    highest = ndimage.maximum_filter(pixels, (3, 3, 1), mode="nearest").astype(float)
    lowest = ndimage.minimum_filter(pixels, (3, 3, 1), mode="nearest")
    codes = _codes(pixels)
    flat = codes[np.linalg.norm(highest - lowest, axis=-1) <= tolerance]
    values, counts = np.unique(flat, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    palette, counts = _decode(values[order]), counts[order]
    found, least = {}, max(1, min_share * codes.size)
    while counts.sum() >= least:
        color = palette[0]
        near = np.linalg.norm(palette - color, axis=1) <= tolerance
        if counts[near].sum() >= least:
            found[_hex(color)] = color
        palette, counts = palette[~near], counts[~near]
    return found


def _colors_asked(colors: Iterable[Any] | Mapping[str, Any]) -> dict[str, np.ndarray]:
    named = colors if isinstance(colors, Mapping) else dict(enumerate(_listed(colors, "colors")))
    values = [_rgb(color, f"colors[{key!r}]") for key, color in named.items()]
    codes = [_hex(color) for color in values]
    if not codes:
        fail("colors is empty", expected="at least one colour, or None to find those present")
    if len(set(codes)) < len(codes):
        fail("colors has one colour twice", received=", ".join(codes))
    names = map(str, colors) if isinstance(colors, Mapping) else codes
    return dict(zip(names, values, strict=True))


def _rgb(color: Any, name: str) -> np.ndarray:
    """Return a colour as three whole floats in 0-255."""
    values = color
    if isinstance(color, str):
        try:
            values = ImageColor.getrgb(color)[:3]
        except ValueError:
            values = ()
    values = np.asarray(values)
    scale = 1 if values.dtype.kind == "f" else 255
    if (
        values.shape != (3,)
        or values.dtype.kind not in "iuf"
        or not np.all((values >= 0) & (values <= scale))
    ):
        fail(
            f"{name} is not a colour",
            expected='three integers in 0-255, three floats in 0-1 or a string such as "#ff0000"',
            received=f"{color!r:.60}",
        )
    return np.rint(values * (255 / scale)).astype(float)


def _label(name: str, wanted: dict[str, np.ndarray]) -> str:
    code = _hex(wanted[name])
    return name if name == code else f"{code} ({name})"


def _hex(color: np.ndarray) -> str:
    return "#{:02x}{:02x}{:02x}".format(*(int(value) for value in color))


def _codes(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)


def _decode(codes: np.ndarray) -> np.ndarray:
    return np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1).astype(float)
