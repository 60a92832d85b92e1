"""Masks from a semantic colour map, one per colour."""

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
    """The result of `from_colors`.

    Attributes
    ----------
    masks : dict of str to ndarray
        One mask per colour, ``float32 [H, W]`` with values 0 and 1. The masks are disjoint.
    unmatched : float
        The share of the map's pixels that are in no mask.
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
    """Return one mask per colour of a colour map.

    Each pixel belongs to the nearest colour, if this colour is within `tolerance`.

    Parameters
    ----------
    color_map : array_like, PIL.Image.Image or path
        The colour map: a picture in which each region has a flat colour.
    colors : iterable, or mapping of names, optional
        The colours of the masks. A colour is three integers in 0-255, three floats in [0, 1], or a
        string such as ``"#ff0000"``. If `colors` is a mapping, its keys are the names of the masks.
        Otherwise the names are hex strings. Default: all colours of the map, by decreasing area;
        see Notes.
    tolerance : float, optional
        Maximum Euclidean distance of a pixel from the colour of its mask in 8-bit RGB units, at
        least 0. With 442, every pixel belongs to one of `colors`.
    min_share : float, optional
        Minimum share of the map's pixels, in [0, 1], that a colour must have to be found. Only used
        if `colors` is None.

    Returns
    -------
    ColorMasks
        The masks by name or hex string, and the share of the map's pixels that match no colour.

    Raises
    ------
    InputError
        If one of `colors` matches no pixel (the message lists the colours of the map), occurs twice
        or is not a colour. Also if `colors` is None and no colour is found.

    Notes
    -----
    If `colors` is None, a colour is found if it has a flat area: 3 x 3 pixels whose range of
    colours is within `tolerance`. A colour within `tolerance` of a more frequent colour is merged
    with that colour. Pixels whose colour is a mixture of more frequent colours around them, as on a
    smooth edge or in JPEG noise, are not counted. Regions less than three pixels wide are found
    only if their colour is in `colors`.

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
                "`color_map` must have regions in flat colours",
                expected=f"flat areas of a colour of at least {min_share:.2%} of the picture",
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
            "`colors` must be in the map, which has no "
            + ", ".join(_label(n, wanted) for n in missing),
            expected=f"colours that are in it within a tolerance of {tolerance:g}",
            received=f"a map of {shares or 'no flat colours'}",
            argument="colors",
        )
    return result


def _present(pixels: np.ndarray, tolerance: float, min_share: float) -> Colors:
    """Return the colours with flat areas and at least `min_share` of the pixels, largest first."""
    present = colors_present(pixels, tolerance)
    shares = label_shares(label_colors(pixels, present, tolerance), present)
    return {name: present[name] for name in shares if 0 < shares[name] >= min_share}


def _split(pixels: np.ndarray, wanted: Colors, tolerance: float) -> ColorMasks:
    """Return one mask for each wanted colour, with the pixels that are nearest to it."""
    labels = nearest_colors(pixels, wanted, tolerance)
    masks = {name: (labels == i).astype(np.float32) for i, name in enumerate(wanted)}
    return ColorMasks(masks, float(np.mean(labels < 0)))


def colors_asked(colors: Iterable[Any] | Mapping[str, Any], name: str = "colors") -> Colors:
    """Check colours, and return them as a dict from name or hex string to colour."""
    named = colors if isinstance(colors, Mapping) else dict(enumerate(listed(colors, name)))
    values = [rgb_color(color, f"{name}[{key!r}]", name) for key, color in named.items()]
    codes = [hex_color(color) for color in values]
    if not codes:
        expected = "at least one colour, or None to find all"
        fail(f"`{name}` must not be empty", expected=expected, argument=name)
    if len(set(codes)) < len(codes):
        fail(f"`{name}` must have distinct colours", received=", ".join(codes), argument=name)
    names = map(str, colors) if isinstance(colors, Mapping) else codes
    return dict(zip(names, values, strict=True))


def rgb_color(color: Any, name: str, argument: str | None = None) -> np.ndarray:
    """Return a colour as three floats in 0-255, rounded to integers."""
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
            f"{name} must be a colour",
            expected='three integers in 0-255, three floats in 0-1 or a string such as "#ff0000"',
            received=f"{color!r:.60}",
            argument=argument,
        )
    return np.rint(values * (255 / scale)).astype(float)


def _label(name: str, wanted: Colors) -> str:
    code = hex_color(wanted[name])
    return name if name == code else f"{code} ({name})"
