"""Regions of two semantic colour maps, matched by their colours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from stylekit._checks import InputError, explain, fail, number
from stylekit._defaults import MIN_SHARE
from stylekit.image import PictureLike
from stylekit.masks.color_maps.colors import colors_asked
from stylekit.masks.color_maps.palette import ColorMap, Colors

_TRACE = 1e-4
"""If strokes less than three pixels wide have less than this share of a map's pixels, they are
assumed to be edges."""

_MINOR = 0.01
"""If a colour is missing in the other map and has less than this share of a map's pixels, it is
probably a detail that should be merged."""

_MAPS = ("content map", "style map")

Pair = tuple[str, str]
"""The names of one colour in the content map and in the style map."""

Shares = dict[str, tuple[float, float]]
"""A dict of colour to its shares of the content map and of the style map."""


class MatchedRegions(NamedTuple):
    """The result of `match_regions`.

    Attributes
    ----------
    names : tuple of str
        The names of the regions, by decreasing area in the content map. The names are those in
        `colors`, or the hex strings of the content map's colours.
    content, style : tuple of ndarray
        The masks of each region in the content map and in the style map, in the order of `names`.
        Masks are ``float32 [H, W]`` with values 0 and 1, and have the size of their map. The masks
        of a map are disjoint. Pixels in no mask have a colour of `keep`, or a colour that is not in
        `colors`.
    unmatched : tuple of float
        The share of the content map's pixels and the share of the style map's pixels that have no
        colour within the tolerance, such as smooth edges. These pixels were added to the nearest
        region.
    merged : dict of str to (float, float)
        The colours of `merge`, with their shares of the content map and of the style map.
    small : dict of str to (float, float)
        The colours that were merged because their areas are too small, with their shares of the
        content map and of the style map.
    """

    names: tuple[str, ...]
    content: tuple[np.ndarray, ...]
    style: tuple[np.ndarray, ...]
    unmatched: tuple[float, float]
    merged: Shares
    small: Shares


def match_regions(
    content_map: PictureLike,
    style_map: PictureLike,
    colors: Iterable[Any] | Mapping[str, Any] | None = None,
    keep: Iterable[Any] = (),
    merge: Iterable[Any] = (),
    *,
    tolerance: float = 40.0,
    min_share: float = MIN_SHARE,
) -> MatchedRegions:
    """Return the regions that two colour maps have in common, matched by their colours.

    A colour is a region if three conditions are met: it has a flat area of at least 3 x 3 pixels in
    one of the maps, it has at least `min_share` of the pixels of one of the maps, and it occurs in
    both maps, even if only in a few pixels. A colour with a smaller share is merged with the
    surrounding regions and listed in the result. Black has no special meaning.

    Parameters
    ----------
    content_map, style_map : array_like, PIL.Image.Image or path
        The maps, pictures of any sizes.
    colors : iterable, or mapping of names, optional
        The colours of the regions, as in `from_colors`. They are regions even if they have small
        areas. Other colours are omitted. Default: all colours.
    keep : iterable, optional
        Colours that are not regions. Use this for parts of the content that are not to be stylised,
        or for colours that only one of the maps has.
    merge : iterable, optional
        Colours that are merged with the surrounding regions, such as the colour of the eyes of a
        face if the other map has no eyes.
    tolerance : float, optional
        Maximum Euclidean distance of two colours that are treated as equal, in 8-bit RGB units, at
        least 0.
    min_share : float, optional
        Minimum share of the pixels that a region must have in at least one of the maps, in [0, 1].
        With 0, every flat area is a region.

    Returns
    -------
    MatchedRegions

    Raises
    ------
    InputError
        If a region is in one map only (the message lists the matched colours and their shares), a
        given colour is in neither map, or no region is left.

    Notes
    -----
    Pixels that are merged, or that do not have the colour of a region, such as pixels of a smooth
    edge, are assigned to the region of the nearest pixel in position. Assigning them to the nearest
    colour would be wrong: a mixture of red and green is nearer to dark red than to red or green, so
    the edge would be assigned to a third region. For the same reason, pixels whose colour is a
    mixture of more frequent colours around them have no colour, unless they are in a flat area.

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
    kept, merged = _listed(keep, "keep"), _listed(merge, "merge")
    _check_apart("`colors` and `keep` both name", asked or {}, kept)
    _check_apart("`colors` and `merge` both name", asked or {}, merged)
    _check_apart("`keep` and `merge` both name", kept, merged)
    maps = [
        ColorMap(picture, name, kept | merged | (asked or {}), tolerance)
        for picture, name in zip((content_map, style_map), _MAPS, strict=True)
    ]
    if asked is None:
        least = min_share
        for one in maps:
            one.check_flat()
        wanted = _pairs(maps[0].flat, maps[1].flat, tolerance)
        for one, other in (maps, maps[::-1]):
            other.seek(one.flat)
    else:
        least, wanted = 0.0, [(name, name) for name in asked]
    for one in maps:
        one.label()
    if asked is None:  # omits colours that have no pixel left
        wanted = [pair for pair in wanted if any(_shares(maps, *pair))]
    for option, names in (("keep", kept), ("merge", merged)):
        unknown = [name for name in names if not any(_shares(maps, name, name))]
        if unknown:
            fail(
                f"`{option}` names colours that neither map has: " + ", ".join(unknown),
                expected="colours of the maps: "
                + ", ".join(
                    dict.fromkeys(n for one in maps for n, share in one.shares.items() if share)
                ),
                argument=option,
            )

    pairs = [pair for pair in wanted if max(_shares(maps, *pair)) >= least]
    small = [pair for pair in wanted if 0 < max(_shares(maps, *pair)) < least]
    # Strokes with a small share are edges, and are not reported.
    strokes = _pairs(maps[0].strokes, maps[1].strokes, tolerance)
    small += [pair for pair in strokes if max(_shares(maps, *pair)) >= max(least, _TRACE)]
    apart = [pair for pair in pairs if not all(_shares(maps, *pair))]
    if apart:
        problem = explain(
            "the maps have different regions",
            expected=f"each colour in both maps, within a tolerance of {tolerance:g}",
        )
        hint = "Recolour a map, use `merge` or `keep`, or name the regions to paint with `colors`."
        lines = [_where(maps, pair) for pair in apart] + _listing(maps, pairs)
        raise InputError("\n  ".join([problem, *lines]) + f"\n{hint}")
    if not pairs:
        fail(
            "no region is left",
            expected=f"a colour of at least {least:.1%} of a map that is not in `keep` or `merge`",
            hint="lower `min_share`" if small else "",
        )
    content, style = (
        one.masks([pair[side] for pair in pairs], {*merged, *(pair[side] for pair in small)})
        for side, one in enumerate(maps)
    )
    order = sorted(range(len(pairs)), key=lambda k: -content[k].sum())
    return MatchedRegions(
        tuple(pairs[k][0] for k in order),
        tuple(content[k] for k in order),
        tuple(style[k] for k in order),
        (maps[0].unmatched, maps[1].unmatched),
        {name: _shares(maps, name, name) for name in merged},
        {pair[0]: _shares(maps, *pair) for pair in small},
    )


def _listed(colors: Any, name: str) -> Colors:
    """Return the colours of an option, which may be a single colour or empty."""
    several = isinstance(colors, Iterable) and not isinstance(colors, str)
    colors = list(colors) if several else [colors]
    return colors_asked(colors, name) if colors else {}


def _check_apart(what: str, colors: Colors, others: Colors) -> None:
    """Raise `InputError`, whose message starts with `what`, if two options name the same colour."""
    codes = {color.tobytes() for color in colors.values()}
    twice = [name for name, color in others.items() if color.tobytes() in codes]
    if twice:
        fail(f"{what} " + ", ".join(twice), expected="each colour in one of them")


def _pairs(content: Colors, style: Colors, tolerance: float) -> list[Pair]:
    """Match the colours of two maps, and return for each colour its names in both maps.

    A colour is matched with at most one colour of the other map, the nearest one. For a colour
    without a match, the pair contains its own name twice.
    """
    names = [(a, b) for a in content for b in style]
    distances = {(a, b): float(np.linalg.norm(content[a] - style[b])) for a, b in names}
    pairs: dict[str, str] = {}
    for a, b in sorted(names, key=distances.__getitem__):
        if distances[a, b] <= tolerance and a not in pairs and b not in pairs.values():
            pairs[a] = b
    lonely = [name for name in style if name not in pairs.values()]
    return [(name, pairs.get(name, name)) for name in content] + [(name, name) for name in lonely]


def _shares(maps: list[ColorMap], content: str, style: str) -> tuple[float, float]:
    return maps[0].shares.get(content, 0.0), maps[1].shares.get(style, 0.0)


def _where(maps: list[ColorMap], pair: Pair) -> str:
    """Return a message about a colour that only one map has: which map, and what to do."""
    shares = _shares(maps, *pair)
    if not any(shares):
        return f"{pair[0]} is in neither map"
    side = int(not shares[0])
    one, other = maps[side], maps[1 - side]
    name, share = pair[side], shares[side]
    facts = [f"{share:.1%} of the map"]
    if traces := other.traces.get(name, 0):
        facts.append(
            f"the {other.name} has {traces} pixels of this colour, which may be an edge of other "
            "colours"
        )
    colors = {n: c for n, c in (other.named | other.flat).items() if other.shares.get(n)}
    if colors:
        color = (one.named | one.flat)[name]
        gaps = {n: float(np.linalg.norm(color - c)) for n, c in colors.items()}
        nearest = min(gaps, key=gaps.__getitem__)
        facts.append(f"nearest: {nearest}, {gaps[nearest]:.0f} away")
    advice = (
        "merge it with `merge`" if share < _MINOR else "recolour it, or leave it out with `keep`"
    )
    return f"{name} is in the {one.name} only ({'; '.join(facts)}): {advice}"


def _listing(maps: list[ColorMap], pairs: list[Pair]) -> list[str]:
    """Return lines of text with the shares of the colours in both maps and of omitted colours."""
    lines = []
    for a, b in pairs:
        share, other = _shares(maps, a, b)
        if share and other:
            name = a if a == b else f"{a} or {b}"
            lines.append(
                f"{name} is in both maps: {share:.1%} of the {maps[0].name}, {other:.1%} of the "
                f"{maps[1].name}"
            )
    for side, one in enumerate(maps):
        paired = {pair[side] for pair in pairs}
        lines += [
            f"{name} of the {one.name} ({one.shares[name]:.1%}) is left out or merged"
            for name in one.named | one.flat
            if name not in paired and one.shares.get(name)
        ]
    return lines
