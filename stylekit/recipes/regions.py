"""Style region by region: two colour maps say which part of the style goes where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from stylekit._defaults import MIN_SHARE, SIZE
from stylekit.image import PictureLike, with_map
from stylekit.losses import GradientMaskStyleLoss, Loss
from stylekit.losses.base import LayersLike
from stylekit.masks import MatchedRegions, combine, match_regions, resize
from stylekit.recipes._colors import prepared
from stylekit.recipes._paint import check_passed, content_picture, paint, recorded, sized_style
from stylekit.recipes._styles import StylePart
from stylekit.recipes.recipe import Recipe


def regions(
    content: PictureLike,
    content_map: PictureLike,
    style: PictureLike,
    style_map: PictureLike,
    *,
    colors: Iterable[Any] | Mapping[str, Any] | None = None,
    keep: Iterable[Any] = (),
    merge: Iterable[Any] = (),
    tolerance: float = 40.0,
    min_share: float = MIN_SHARE,
    size: int | None = SIZE,
    style_scale: float = 1.0,
    small_regions: str = "error",
    keep_colors: str | None = None,
    **options: Any,
) -> Recipe:
    """Paint each region of a picture in the style of the region of the same colour.

    Each region takes its neighbours from its own region of the style, or has a Gram matrix of its
    own, so that sky is painted as sky and trees as trees.

    Parameters
    ----------
    content, style : path, PIL image or array
    content_map, style_map : path, PIL image or array
        Colour maps of the pictures' own sizes. The same colour, within the tolerance, is the same
        region; black is one like any other.
    colors : iterable, or mapping of names, optional
        The regions to paint; the others stay as the start has them. Default: all.
    keep : iterable, optional
        Colours of regions that stay as the start has them, such as those in one map only.
    merge : iterable, optional
        Colours that are merged with the regions around them, such as the eyes of a face where the
        other map has none.
    tolerance : float
        In 8-bit RGB units; see `stylekit.masks.match_regions`.
    min_share : float
        The share that a colour must have of one of the maps to be a region, in [0, 1]; smaller
        ones are merged, too. Default: 0.001.
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the content's own.
    style_scale : float
        Longer side of the style relative to the result's.
    small_regions : str
        ``"error"`` or ``"skip_layer"``, where a region is less than one cell of a layer; for
        ``style_loss="gram"``. Neighbours need no more than one cell of 4 pixels.
    keep_colors
        See `basic`; each region's style is matched to that region.
    **options
        Those of `basic`: strength, style_loss, style_layers, content_layers and variation.

    Returns
    -------
    Recipe
        The result's manifest has, under "regions", each region's share of both pictures, and under
        "unmatched" the shares of the maps' pixels that had no region's colour, such as smooth
        edges; they went to the region beside them. "merged" and "small" have the shares of the
        colours that were merged as told, and of those too small to be regions.

    Raises
    ------
    InputError, InputTypeError, FileError
        If the maps have not the same regions (the message lists the pairs), a map and its picture
        differ in size, a region is too small, or another argument is unfit.

    References
    ----------
    Gatys, Ecker, Bethge, Hertzmann, Shechtman: Controlling Perceptual Factors in Neural Style
    Transfer, CVPR 2017, section 4. Regions are weighted by their share of the picture.

    Examples
    --------
    >>> import stylekit as sk
    >>> pictures = "coast.jpg", "coast_map.png", "monet.jpg", "monet_map.png"
    >>> sk.recipes.regions(*pictures).run().save("out.png")  # doctest: +SKIP
    """
    check_passed(regions, options)
    photo, parts, matched = matched_parts(
        (content, content_map),
        (style, style_map),
        size,
        style_scale,
        keep_colors,
        colors=colors,
        keep=keep,
        merge=merge,
        tolerance=tolerance,
        min_share=min_share,
    )

    def gram(parts: Sequence[StylePart], weight: float, layers: LayersLike) -> list[Loss]:
        return [
            GradientMaskStyleLoss(
                [(one.style, one.mask, one.style_mask) for one in parts],
                region_names=[one.name for one in parts],
                layers=layers,
                small_regions=small_regions,
                weight=weight,
            )
        ]

    recipe = paint(
        photo,
        parts,
        gram,
        update_mask=combine([one.mask for one in parts], "sum"),
        keep_colors=keep_colors,
        **options,
    )
    return recipe.then(recorded(matched, "content"))


def matched_parts(
    content: tuple[PictureLike, PictureLike],
    style: tuple[PictureLike, PictureLike],
    size: int | None,
    style_scale: float = 1.0,
    keep_colors: str | None = None,
    **how: Any,
) -> tuple[np.ndarray, list[StylePart], MatchedRegions]:
    """Return the photo at the result's size, a part a region, and the regions of both maps.

    Parameters
    ----------
    content, style : (picture, map)
    size, style_scale, keep_colors
        See `regions`.
    **how
        Options of `stylekit.masks.match_regions`.
    """
    _, content_map = with_map(*content, "content")
    painting, style_map = with_map(*style, "style")
    matched = match_regions(content_map, style_map, **how)
    photo = content_picture(content[0], size)
    painting = sized_style(painting, photo, style_scale)
    parts = []
    for name, mask, source in zip(matched.names, matched.content, matched.style, strict=True):
        mask, source = resize(mask, photo.shape[:2]), resize(source, painting.shape[:2])
        colored = prepared(painting, photo, keep_colors, style_mask=source, mask=mask)
        parts.append(StylePart(colored, mask, source, name=name))
    return photo, parts, matched
