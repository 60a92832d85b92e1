"""Style region by region: two colour maps define which region of the style is used where."""

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
    """Return a recipe that paints each region in the style of the region of the same colour.

    With ``style_loss="neighbors"``, neighbours are searched in the same region of the style. With
    ``"gram"``, each region has a separate Gram matrix. The sky is therefore painted like the sky of
    the style, and trees like its trees.

    Parameters
    ----------
    content, style : path, PIL image or array
    content_map, style_map : path, PIL image or array
        Colour maps, each with the height and width of its picture. Colours that are equal, within
        the tolerance, mark the same region. Black has no special meaning.
    colors : iterable, or mapping of names to colours, optional
        The regions to paint. All other regions stay as in the initial image. Default: all regions.
    keep : iterable, optional
        Colours of regions that stay as in the initial image, such as colours that only one map has.
    merge : iterable, optional
        Colours that are merged with the regions around them, such as the eyes of a face where the
        other map has no eyes.
    tolerance : float
        Largest distance between colours that count as equal, in 8-bit RGB units; see
        `stylekit.masks.match_regions`.
    min_share : float
        A colour is a region if it covers at least this share of one of the maps, in [0, 1]. Smaller
        regions are merged with the regions around them. Default: 0.001.
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the size of the content.
    style_scale : float
        Longer side of the style picture relative to the longer side of the result, above 0.
    small_regions : {"error", "skip_layer"}
        What happens if a region is smaller than one cell of a layer, with ``style_loss="gram"``.
        With ``"neighbors"`` a region must cover at least one cell of 4 x 4 pixels.
    keep_colors : str, optional
        See `basic`. The colours of each region of the style are matched to those of the same region
        of the content.
    **options
        Further options of `basic`: strength, style_loss, style_layers, content_layers and
        variation.

    Returns
    -------
    Recipe
        The manifest of its result has four entries. "regions" holds the share of each region in
        both pictures. "unmatched" holds the share of pixels of each map whose colour is not that of
        a region, such as smooth edges; these pixels are assigned to the nearest region. "merged"
        and "small" hold the shares of the colours in `merge` and of the colours that cover less
        than `min_share`.

    Raises
    ------
    InputError, InputTypeError, FileError
        If the maps do not have the same regions (the message lists them), a map and its
        picture differ in size, a region is too small, or another argument cannot be used.

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
    """Return the photo at the size of the result, one part for each region, and the regions.

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
