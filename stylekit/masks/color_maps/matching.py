"""Regions that two semantic colour maps share: the same colour is the same region."""

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
"""Share of a map below which strokes less than three pixels wide are taken for traces of edges."""

_MINOR = 0.01
"""Share of a map below which a colour that the other map lacks is probably a detail to merge."""

_MAPS = ("content map", "style map")

Pair = tuple[str, str]
"""The names of one colour in the content map and in the style map."""

Shares = dict[str, tuple[float, float]]
"""Shares of the content map and of the style map, by colour."""


class MatchedRegions(NamedTuple):
    """What `match_regions` returns; the first three run in parallel.

    Attributes
    ----------
    names : tuple of str
        The names given with `colors`, or the hex strings of the content map's colours, from the
        largest region of the content map to the smallest.
    content, style : tuple of ndarray
        Masks, ``float32 [H, W]`` of 0 and 1, each of its map's size; no pixel is in two of them,
        and pixels in none belong to colours that were kept or not asked for.
    unmatched : tuple of float
        The share of the content map's and of the style map's pixels that had no colour within the
        tolerance, such as smooth edges, and went to the region beside them.
    merged : dict of str to (float, float)
        The colours of `merge`, with their shares of the content map and of the style map.
    small : dict of str to (float, float)
        The colours that were merged because they are too small to be regions, likewise.
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
    """Find the regions that two maps share, by their colours; black is one like any other.

    A colour is a region if it has a flat area, 3 x 3 pixels or more, in one of the maps, a share of
    at least `min_share` in one of them, and occurs in both, even if only in a few pixels. A smaller
    colour is merged with the regions around it, and the result lists it.

    Pixels that are merged or that have no region's colour, such as those of a smooth edge, go to
    the region of the nearest pixel that has one. Nearest in place, not in colour: half red and half
    green is nearer to dark red than to either, and a third region's rim would line the edge. For
    the same reason a pixel that is a mixture of larger colours around it has no colour, unless it
    is in a flat area.

    Parameters
    ----------
    content_map, style_map : array_like, PIL.Image.Image or path
        The maps, as pictures; each of its own size.
    colors : iterable, or mapping of names, optional
        The regions wanted, as for `from_colors`, however small; the others are left out. Default:
        all.
    keep : iterable, optional
        Colours that are left out: those that one map alone has, or that are to stay as they are.
    merge : iterable, optional
        Colours that are merged with the regions around them, such as the eyes of a face where the
        other map has none.
    tolerance : float, optional
        Largest Euclidean distance, in 8-bit RGB units, within which two colours are the same.
    min_share : float, optional
        The share of one of the maps that a colour must have to be a region. At 0 every flat area
        is one.

    Returns
    -------
    MatchedRegions

    Raises
    ------
    InputError
        If a region is in one map only (the message lists the pairs, with their shares), a colour
        named is in neither, or no region is left.

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
    if asked is None:  # a colour of which others left no pixel
        wanted = [pair for pair in wanted if any(_shares(maps, *pair))]
    for option, names in (("keep", kept), ("merge", merged)):
        unknown = [name for name in names if not any(_shares(maps, name, name))]
        if unknown:
            fail(
                f"{option} names a colour that neither map has: " + ", ".join(unknown),
                expected="colours of the maps: "
                + ", ".join(
                    dict.fromkeys(n for one in maps for n, share in one.shares.items() if share)
                ),
                argument=option,
            )

    pairs = [pair for pair in wanted if max(_shares(maps, *pair)) >= least]
    small = [pair for pair in wanted if 0 < max(_shares(maps, *pair)) < least]
    # Edges leave traces among the strokes: those with a small share are not worth a word.
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
            expected=f"a colour of at least {least:.1%} of a map that neither `keep` nor `merge` "
            "names",
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
    """Return the colours of an option that may be one colour or empty."""
    several = isinstance(colors, Iterable) and not isinstance(colors, str)
    colors = list(colors) if several else [colors]
    return colors_asked(colors, name) if colors else {}


def _check_apart(what: str, colors: Colors, others: Colors) -> None:
    """Raise an error that says what it is if two options name one colour."""
    codes = {color.tobytes() for color in colors.values()}
    twice = [name for name, color in others.items() if color.tobytes() in codes]
    if twice:
        fail(f"{what} " + ", ".join(twice), expected="each colour in one of them")


def _pairs(content: Colors, style: Colors, tolerance: float) -> list[Pair]:
    """Return the names of each colour in both maps, or twice its own where it has no partner.

    A colour has one partner: of two that are near it, the nearer.
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
    """Return in which map a colour without a partner is, its share, and what to do."""
    shares = _shares(maps, *pair)
    if not any(shares):
        return f"{pair[0]} is in neither map"
    side = int(not shares[0])
    one, other = maps[side], maps[1 - side]
    name, share = pair[side], shares[side]
    facts = [f"{share:.1%} of it"]
    if traces := other.traces.get(name, 0):
        facts.append(
            f"the {other.name} has {traces} pixels of it, which may be an edge of other colours"
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
    """Return the colours that are in both maps or left out, with their shares."""
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
