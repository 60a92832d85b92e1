"""A doodle turned into a painting: flat colours say what is where, a style says how it looks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from stylekit._checks import number, renamed
from stylekit._defaults import MIN_SHARE, SIZE, VARIATION
from stylekit.image import PictureLike, as_image, with_map
from stylekit.losses import (
    GradientMaskStyleLoss,
    Loss,
    PaletteLoss,
    PatchStyleLoss,
    TotalVariationLoss,
)
from stylekit.losses.base import LayersLike
from stylekit.losses.patch import PATCH_LAYERS
from stylekit.masks import MatchedRegions, match_regions, resize
from stylekit.recipes._paint import recorded, sized_style
from stylekit.recipes._styles import StyleLossLike, StylePart, method
from stylekit.recipes.recipe import Recipe, halved
from stylekit.transfer import Underpainting

STEPS, LEVELS = 200, 3
"""The coarsest level arranges the large forms: 64 to 128 pixels are a good size for it."""

GRAM_LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1")
"""No deeper than the patches: what a deeper layer would add, the patches arrange."""

LEFT_OUT = "left out"
"""The name of the region of what both maps leave out."""


def doodle(
    map: PictureLike,
    style: PictureLike,
    style_map: PictureLike,
    *,
    colors: Iterable[Any] | Mapping[str, Any] | None = None,
    keep: Iterable[Any] = (),
    merge: Iterable[Any] = (),
    tolerance: float = 40.0,
    min_share: float = MIN_SHARE,
    size: int | None = SIZE,
    style_loss: StyleLossLike = "patches",
    patch_weight: float = 1.0,
    gram_weight: float = 4.0,
    palette_weight: float = 4.0,
    variation: float = VARIATION,
    map_weight: float = 1.0,
    usage_penalty: float = 0.02,
    stride: int = 2,
    noise: float = 1.0,
    style_scale: float = 1.0,
    patch_layers: Sequence[str] = PATCH_LAYERS,
    style_layers: Sequence[str] = GRAM_LAYERS,
    seed: int = 0,
) -> Recipe:
    """Turn a doodle into a painting like another: there is no content but the doodle's regions.

    The start is an `Underpainting`, each region in the colours that it has in the style. Coarse to
    fine, each patch of features is drawn to a patch of the style that lies in the same region, or
    across the same edge of two, so that strokes and boundaries come out as in the style; the
    regions' Gram matrices and mean colours keep the whole from fading.

    Parameters
    ----------
    map : path, PIL image or array
        The doodle, in flat colours, of the result's aspect ratio.
    style, style_map : path, PIL image or array
        The painting and its map, of one size. The same colour in both maps, within the tolerance,
        is the same region; black is one like any other.
    colors : iterable, or mapping of names, optional
        The regions that are painted from their own like. What both maps leave out is one more
        region, "left out"; what the doodle alone leaves out is painted as what is around it.
        Default: all.
    keep : iterable, optional
        Colours left out, such as a background that each map has in a colour of its own.
    merge : iterable, optional
        Colours that are merged with the regions around them, such as the eyes of a face where the
        other map has none.
    tolerance : float
        In 8-bit RGB units; see `stylekit.masks.match_regions`.
    min_share : float
        The share that a colour must have of one of the maps to be a region, in [0, 1]; smaller
        ones are merged, too. Default: 0.001.
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the doodle's own.
    style_loss : str or callable
        ``"patches"``: `PatchStyleLoss` and `GradientMaskStyleLoss`, which spread over all of the
        style's region. ``"neighbors"``, ``"gram"`` or a class or function, as for `basic`: that
        alone, with `gram_weight`.
    patch_weight, gram_weight, palette_weight, variation : float
        Of `PatchStyleLoss`, of `GradientMaskStyleLoss`, of `PaletteLoss` and of
        `TotalVariationLoss`, at least 0; a term of weight 0 is left out. With more of the Gram
        matrices contrasts grow and boundaries soften.
    map_weight, usage_penalty, stride
        See `PatchStyleLoss`.
    noise : float
        Grain of the underpainting, at least 0; 1 is the deviation of a region's colours in the
        style. Without it whole regions begin with one and the same patch.
    style_scale : float
        Longer side of the style relative to the result's: above 1 the strokes grow.
    patch_layers, style_layers : sequence of str
        Of the patches and of the Gram matrices. A region too small for a layer of the latter is
        left out there, and the record's notes say so.
    seed : int
        Of the order in which patches choose.

    Returns
    -------
    Recipe
        Of 200 steps over three levels. The result's manifest has, under "regions", each region's
        share of both pictures, and under "unmatched" the shares of the maps' pixels that had no
        region's colour, such as smooth edges; they went to the region beside them. "merged" and
        "small" have the shares of the colours that were merged as told, and of those too small to
        be regions.

    Raises
    ------
    InputError, InputTypeError, FileError
        If the maps have not the same regions (the message lists the pairs), the style's map differs
        from it in size, the coarsest level is too small for the layers, or another argument is
        unfit.

    References
    ----------
    Champandard: Semantic Style Transfer and Turning Two-Bit Doodles into Fine Artworks, 2016.
    Li, Wand: Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis,
    CVPR 2016. Grams, palette and the penalty on use are ours.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.doodle("doodle.png", "renoir.jpg", "renoir_map.png")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    weights = {"patch_weight": patch_weight, "gram_weight": gram_weight}
    weights |= {"palette_weight": palette_weight, "variation": variation, "noise": noise}
    for name, weight in weights.items():
        number(weight, name, low=0)
    painting, style_map = with_map(style, style_map, "style")
    with renamed(content_map="map"):
        matched = match_regions(
            map, style_map, colors, keep, merge, tolerance=tolerance, min_share=min_share
        )
    matched = _covered(matched)
    shape = as_image(map, "map", size).shape[:2]
    painting = sized_style(painting, np.empty(shape), style_scale)
    masks = [resize(mask, shape) for mask in matched.content]
    sources = [resize(mask, painting.shape[:2]) for mask in matched.style]
    pairs = list(zip(masks, sources, strict=True))

    def gram(weight: float, layers: LayersLike) -> Loss:
        return GradientMaskStyleLoss(
            [(painting, *pair) for pair in pairs],
            region_names=matched.names,
            layers=layers,
            small_regions="skip_layer",
            weight=weight,
        )

    if style_loss == "patches":
        with renamed(layers="patch_layers"):
            patches = PatchStyleLoss(
                painting,
                np.stack(masks, axis=-1),
                np.stack(sources, axis=-1),
                layers=patch_layers,
                stride=stride,
                map_weight=map_weight,
                usage_penalty=usage_penalty,
                seed=seed,
                weight=patch_weight,
            )
        with renamed(layers="style_layers"):
            style_terms = [patches, gram(gram_weight, style_layers)]
    else:
        parts = [
            StylePart(painting, mask, source, name=name)
            for (mask, source), name in zip(pairs, matched.names, strict=True)
        ]
        how = method(style_loss, lambda _, weight, layers: [gram(weight, layers)])
        with renamed(layers="style_layers"):
            style_terms = how.terms(parts, gram_weight, style_layers)
    terms = [
        *style_terms,
        PaletteLoss([(painting, *pair) for pair in pairs], weight=palette_weight),
        TotalVariationLoss(weight=variation),
    ]
    recipe = Recipe(
        [term for term in terms if term.weight],
        styles=[painting],
        # A grain is a pixel of the coarsest level.
        start=lambda levels: Underpainting(
            painting, pairs, noise, grain=levels.sizes[-1] / levels.sizes[0]
        ),
        shape=shape,
        steps=STEPS,
        levels=lambda longer, levels: halved(longer, LEVELS if levels is None else levels),
        layers={"style_layers": style_layers, "patch_layers": patch_layers},
    )
    return recipe.then(recorded(matched, "map"))


def _covered(matched: MatchedRegions) -> MatchedRegions:
    """Return regions that cover the doodle.

    Without a term of its own, what is left out fades to the mean colour of all the style, a grey.
    """
    rest, style_rest = (1 - np.sum(masks, axis=0) for masks in (matched.content, matched.style))
    if not rest.any():
        return matched
    if style_rest.any():
        return matched._replace(
            names=(*matched.names, LEFT_OUT),
            content=(*matched.content, rest),
            style=(*matched.style, style_rest),
        )
    rows, columns = ndimage.distance_transform_edt(
        rest, return_distances=False, return_indices=True
    )
    return matched._replace(content=tuple(mask[rows, columns] for mask in matched.content))
