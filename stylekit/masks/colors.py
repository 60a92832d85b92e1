"""Masks from a semantic colour map: one a colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import ImageColor
from scipy import ndimage
from scipy.spatial.distance import cdist

from stylekit._checks import fail, number
from stylekit.image import PictureLike, as_image
from stylekit.masks.operations import listed


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
        wanted = colors_present(pixels, tolerance, min_share)
        if not wanted:
            fail(
                "color_map has no region of one colour",
                expected=f"flat areas of at least {min_share:.2%} of the picture",
                hint="name the colours with colors=, or raise tolerance",
            )
        return split_colors(pixels, wanted, tolerance)
    wanted = colors_asked(colors)
    result = split_colors(pixels, wanted, tolerance)
    missing = [name for name, mask in result.masks.items() if not mask.any()]
    if missing:
        present = split_colors(
            pixels, colors_present(pixels, tolerance, min_share), tolerance
        ).masks
        shares = ", ".join(f"{name} ({mask.mean():.1%})" for name, mask in present.items())
        fail(
            "no pixel of color_map has the colour " + ", ".join(_label(n, wanted) for n in missing),
            expected=f"colours that are present within a tolerance of {tolerance:g}",
            received=f"a map of {shares or 'no flat colours'}",
        )
    return result


def split_colors(pixels: np.ndarray, wanted: dict[str, np.ndarray], tolerance: float) -> ColorMasks:
    """Give each pixel to the nearest of the wanted colours within the tolerance."""
    if not wanted:
        return ColorMasks({}, 1.0)
    palette, index = np.unique(_codes(pixels), return_inverse=True)  # distances once a colour
    distance = cdist(_decode(palette), list(wanted.values()))
    nearest = np.where(distance.min(axis=1) <= tolerance, distance.argmin(axis=1), -1)
    labels = nearest[index].reshape(pixels.shape[:2])
    masks = {name: (labels == i).astype(np.float32) for i, name in enumerate(wanted)}
    return ColorMasks(masks, float(np.mean(labels < 0)))


def colors_present(pixels: np.ndarray, tolerance: float, min_share: float) -> dict[str, np.ndarray]:
    """Return the colours of flat areas by hex string, the most frequent first."""
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


def colors_asked(
    colors: Iterable[Any] | Mapping[str, Any], name: str = "colors"
) -> dict[str, np.ndarray]:
    """Return checked colours by their names or hex strings."""
    named = colors if isinstance(colors, Mapping) else dict(enumerate(listed(colors, name)))
    values = [rgb_color(color, f"{name}[{key!r}]") for key, color in named.items()]
    codes = [_hex(color) for color in values]
    if not codes:
        fail(f"{name} is empty", expected="at least one colour, or None to find those present")
    if len(set(codes)) < len(codes):
        fail(f"{name} has one colour twice", received=", ".join(codes))
    names = map(str, colors) if isinstance(colors, Mapping) else codes
    return dict(zip(names, values, strict=True))


def rgb_color(color: Any, name: str) -> np.ndarray:
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
