"""Masks from a semantic colour map: one a colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from PIL import ImageColor

from stylekit._checks import fail, number
from stylekit._defaults import MIN_SHARE
from stylekit.image import PictureLike, as_image
from stylekit.masks.color_maps.palette import (
    Colors,
    colors_present,
    hex_color,
    label_colors,
    label_shares,
    nearest_colors,
)
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
    min_share: float = MIN_SHARE,
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
        Default: the colours present, largest area first. A colour within `tolerance` of a more
        frequent one joins it. A colour counts only if it has a flat area, 3 x 3 pixels within
        `tolerance`, and not where it is a mixture of larger colours that lie around it, as on a
        smooth edge or in JPEG noise. A region less than three pixels wide must be asked for.
    tolerance : float, optional
        Largest Euclidean distance in 8-bit RGB units; 442 gives every pixel to some colour asked.
    min_share : float, optional
        The share of the picture that a colour must have to count as present.

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
        wanted = _present(pixels, tolerance, min_share)
        if not wanted:
            fail(
                "color_map has no region of one colour",
                expected=f"colours of at least {min_share:.2%} of the picture, with flat areas",
                hint="name the colours with `colors`, lower `min_share`, or raise `tolerance`",
                argument="color_map",
            )
        return _split(pixels, wanted, tolerance)
    wanted = colors_asked(colors)
    result = _split(pixels, wanted, tolerance)
    missing = [name for name, mask in result.masks.items() if not mask.any()]
    if missing:
        present = _split(pixels, _present(pixels, tolerance, min_share), tolerance).masks
        shares = ", ".join(f"{name} ({mask.mean():.1%})" for name, mask in present.items())
        fail(
            "no pixel of color_map has the colour " + ", ".join(_label(n, wanted) for n in missing),
            expected=f"colours that are present within a tolerance of {tolerance:g}",
            received=f"a map of {shares or 'no flat colours'}",
            argument="colors",
        )
    return result


def _present(pixels: np.ndarray, tolerance: float, min_share: float) -> Colors:
    """Return the colours that have flat areas and a share of the map, the most frequent first."""
    present = colors_present(pixels, tolerance)
    shares = label_shares(label_colors(pixels, present, tolerance), present)
    return {name: present[name] for name in shares if 0 < shares[name] >= min_share}


def _split(pixels: np.ndarray, wanted: Colors, tolerance: float) -> ColorMasks:
    """Give each pixel to the nearest of the wanted colours within the tolerance."""
    labels = nearest_colors(pixels, wanted, tolerance)
    masks = {name: (labels == i).astype(np.float32) for i, name in enumerate(wanted)}
    return ColorMasks(masks, float(np.mean(labels < 0)))


def colors_asked(colors: Iterable[Any] | Mapping[str, Any], name: str = "colors") -> Colors:
    """Return checked colours by their names or hex strings."""
    named = colors if isinstance(colors, Mapping) else dict(enumerate(listed(colors, name)))
    values = [rgb_color(color, f"{name}[{key!r}]", name) for key, color in named.items()]
    codes = [hex_color(color) for color in values]
    if not codes:
        expected = "at least one colour, or None to find those present"
        fail(f"{name} is empty", expected=expected, argument=name)
    if len(set(codes)) < len(codes):
        fail(f"{name} has one colour twice", received=", ".join(codes), argument=name)
    names = map(str, colors) if isinstance(colors, Mapping) else codes
    return dict(zip(names, values, strict=True))


def rgb_color(color: Any, name: str, argument: str | None = None) -> np.ndarray:
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
            argument=argument,
        )
    return np.rint(values * (255 / scale)).astype(float)


def _label(name: str, wanted: Colors) -> str:
    code = hex_color(wanted[name])
    return name if name == code else f"{code} ({name})"
