"""Regions that two semantic colour maps share: the same colour is the same region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial.distance import cdist

from stylekit._checks import fail, number
from stylekit.image import PictureLike, as_image
from stylekit.masks.colors import colors_asked, colors_present, split_colors

Colors = dict[str, np.ndarray]
"""Colours by name or hex string, each three floats in 0-255."""

_MAPS = ("content map", "style map")


class MatchedRegions(NamedTuple):
    """What `match_regions` returns; the tuples run in parallel.

    Attributes
    ----------
    names : tuple of str
        The names given with `colors`, or the hex strings of the content map's colours, from the
        largest region of the content map to the smallest.
    content, style : tuple of ndarray
        Masks, ``float32 [H, W]`` of 0 and 1, each of its map's size; no pixel is in two of them,
        and pixels in none belong to colours that were kept or not asked for.
    unmatched : tuple of float
        The share of the content map's and of the style map's pixels that had no colour of a region
        within the tolerance, such as smooth edges, and went to the region beside them.
    """

    names: tuple[str, ...]
    content: tuple[np.ndarray, ...]
    style: tuple[np.ndarray, ...]
    unmatched: tuple[float, float]


def match_regions(
    content_map: PictureLike,
    style_map: PictureLike,
    colors: Iterable[Any] | Mapping[str, Any] | None = None,
    keep: Iterable[Any] = (),
    *,
    tolerance: float = 40.0,
    min_share: float = 0.002,
) -> MatchedRegions:
    """Find the regions that two maps share, by their colours; black is one like any other.

    A pixel whose colour is of no region, such as on a smooth edge, goes to the region of the
    nearest pixel that is of one. Nearest in place, not in colour: half red and half green is nearer
    to dark red than to either, and a third region's rim would line the edge.

    Parameters
    ----------
    content_map, style_map : array_like, PIL.Image.Image or path
        The maps, as pictures; each of its own size.
    colors : iterable, or mapping of names, optional
        The regions wanted, as for `from_colors`; the others are left out. Default: all.
    keep : iterable, optional
        Colours that are left out: those that one map alone has, or that are to stay as they are.
    tolerance : float, optional
        Largest Euclidean distance, in 8-bit RGB units, within which two colours are the same.
    min_share : float, optional
        The share of a map that a colour's flat pixels must have for it to count as present. More
        than `from_colors` asks, for here a detail that one map alone has, such as an eyebrow, would
        be an error; below, it joins the region around it. Lower it to be told of all.

    Returns
    -------
    MatchedRegions

    Raises
    ------
    InputError
        If a region is in one map only (the message lists the pairs, with their shares), a colour
        asked for or kept is in neither, or no region is left.

    Examples
    --------
    >>> content_map, style_map = np.zeros((2, 4, 6, 3), "uint8")
    >>> content_map[:, 2:] = style_map[:2] = 255, 0, 0
    >>> regions = match_regions(content_map, style_map)
    >>> regions.names
    ('#ff0000', '#000000')
    >>> [mask.mean().item() for mask in regions.style]
    [0.5, 0.5]
    """
    tolerance = number(tolerance, "tolerance", low=0)
    min_share = number(min_share, "min_share", low=0, high=1)
    asked = None if colors is None else colors_asked(colors)
    keep = list(keep) if isinstance(keep, Iterable) and not isinstance(keep, str) else [keep]
    kept = colors_asked(keep, "keep") if keep else {}
    maps = [
        np.rint(as_image(picture, name=name) * 255).astype(np.uint8)
        for picture, name in zip((content_map, style_map), _MAPS, strict=True)
    ]
    found = [colors_present(pixels, tolerance, min_share) for pixels in maps]
    for name, present in zip(_MAPS, found, strict=True):
        if not present and asked is None:
            fail(
                f"the {name} has no region of one colour",
                expected=f"flat areas of at least {min_share:.1%} of the map",
                hint="name the colours with colors=, or raise tolerance",
            )

    twice = [
        name for name, color in kept.items() for c in (asked or {}).values() if (c == color).all()
    ]
    if twice:
        fail("colors and keep both name " + ", ".join(twice), expected="each colour in one of them")

    # Colours named by the caller stand for those found that are the same.
    named = kept if asked is None else kept | asked
    found = [_apart(present, named, tolerance) for present in found]
    if asked is None:
        pairs, lonely = _pairs(*found, tolerance)
    else:
        pairs, lonely = {name: (name, name) for name in asked}, []
    palettes = [named | present for present in found]
    splits = [
        _split_all(pixels, palette, tolerance)
        for pixels, palette in zip(maps, palettes, strict=True)
    ]
    present = [{name for name, mask in masks.items() if mask.any()} for masks, _ in splits]
    unknown = [name for name in kept if not any(name in names for names in present)]
    if unknown:
        fail(
            "keep names a colour that neither map has: " + ", ".join(unknown),
            expected="colours of " + _listing(pairs, lonely, palettes, splits),
        )
    neither: list[str] = []
    if asked is not None:
        neither = [name for name in asked if not any(name in names for names in present)]
        lonely = [
            (side, name)
            for name in pairs
            for side, names in enumerate(present)
            if name in names and name not in present[1 - side]
        ]
    if lonely or neither:
        only = [f"{name} is in the {_MAPS[side]} only" for side, name in lonely]
        gone = [f"{name} is in neither" for name in neither]
        fail(
            "the maps have not the same regions: " + ", ".join(only + gone),
            expected=f"each colour in both maps, within a tolerance of {tolerance:g}",
            received=_listing(pairs, lonely, palettes, splits),
            hint="recolour a map, leave regions out with keep=, or name those wanted with colors=",
        )
    if not pairs:
        fail("no region is left", expected="at least one colour that keep does not name")
    (content, beyond), (style, style_beyond) = splits
    order = sorted(pairs, key=lambda name: -content[pairs[name][0]].sum())
    return MatchedRegions(
        tuple(order),
        tuple(content[pairs[name][0]] for name in order),
        tuple(style[pairs[name][1]] for name in order),
        (beyond, style_beyond),
    )


def _apart(colors: Colors, others: Colors, tolerance: float) -> Colors:
    """Return the colours that are none of the others."""
    return {
        name: color
        for name, color in colors.items()
        if all(np.linalg.norm(color - other) > tolerance for other in others.values())
    }


def _pairs(content: Colors, style: Colors, tolerance: float):
    """Return ``{name: (content name, style name)}``, nearest first, and (side, name) of the rest.

    A colour has one partner: of two that are near it, the nearer.
    """
    names = [(a, b) for a in content for b in style]
    distances = {(a, b): float(np.linalg.norm(content[a] - style[b])) for a, b in names}
    pairs: dict[str, tuple[str, str]] = {}
    taken = set()
    for a, b in sorted(names, key=distances.__getitem__):
        if distances[a, b] <= tolerance and a not in pairs and b not in taken:
            pairs[a] = a, b
            taken.add(b)
    lonely = [(0, name) for name in content if name not in pairs]
    return pairs, lonely + [(1, name) for name in style if name not in taken]


def _split_all(pixels: np.ndarray, colors: Colors, tolerance: float):
    """Give every pixel to a colour: masks by name, and the share that was beyond the tolerance."""
    masks, unmatched = split_colors(pixels, colors, tolerance)
    if 0 < unmatched < 1:
        labels = np.zeros(pixels.shape[:2], int)
        for index, mask in enumerate(masks.values(), 1):
            labels[mask > 0] = index
        rows, columns = ndimage.distance_transform_edt(
            labels == 0, return_distances=False, return_indices=True
        )
        labels = labels[rows, columns]
        masks = {name: np.float32(labels == index) for index, name in enumerate(masks, 1)}
    return masks, unmatched


def _listing(pairs, lonely, palettes, splits) -> str:
    """Return the pairs of colours with their shares, and what is without a partner."""
    shares = [{name: mask.mean() for name, mask in masks.items()} for masks, _ in splits]
    lines = [
        f"{a} ({shares[0][a]:.1%}) with {b} ({shares[1][b]:.1%})"
        for a, b in pairs.values()
        if shares[0][a] and shares[1][b]
    ]
    alone = [[name for at, name in lonely if at == side] for side in (0, 1)]
    for side, (what, palette) in enumerate(zip(_MAPS, palettes, strict=True)):
        paired = {keys[side] for keys in pairs.values()}.difference(alone[side])
        others = {n: c for n, c in palettes[1 - side].items() if shares[1 - side][n]}
        for name, color in palette.items():
            if name in paired or not shares[side][name]:
                continue
            line = f"{name} ({shares[side][name]:.1%}) of the {what} "
            line += "with nothing" if name in alone[side] else "left out"
            if name in alone[side] and others:
                gaps = cdist([color], list(others.values()))[0]
                line += f" (nearest: {list(others)[gaps.argmin()]}, {gaps.min():.0f} away)"
            lines.append(line)
    return "; ".join(lines)
