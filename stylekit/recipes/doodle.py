"""A painting from a doodle: flat colours mark regions, which are painted like a style picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy import ndimage

from stylekit._checks import number, renamed
from stylekit._defaults import DOODLE_STEPS, MIN_SHARE, SIZE, VARIATION
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

LEVELS = 3
"""Default number of levels. The coarsest level arranges the large forms. A size of 64 to 128 pixels
is suitable for it."""

GRAM_LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1")
"""Default layers of the Gram matrices. They are not deeper than the layers of the patches, which
already arrange the larger forms."""

LEFT_OUT = "left out"
"""Name of the region of the colours, in both maps, that `colors` does not list."""


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
    """Return a recipe that turns a doodle into a painting in the style of another.

    The only content is the map of regions. The run starts from an `Underpainting`, in which each
    region has the colours of the same region of the style. From coarse to fine, each patch of
    features is matched to a patch of the style in the same region, or across the border of the same
    two regions, so that strokes and borders look as in the style. The Gram matrices and mean
    colours of the regions prevent the result from fading.

    Parameters
    ----------
    map : path, PIL image or array
        The doodle, in flat colours. The result has its aspect ratio.
    style, style_map : path, PIL image or array
        The painting and its map, which has the same height and width. Colours that are equal in
        both maps, within the tolerance, mark the same region. Black has no special meaning.
    colors : iterable, or mapping of names to colours, optional
        The regions that are painted from the same region of the style. If both maps have other
        colours, these form one more region, "left out". If only the doodle has other colours, they
        are painted like the nearest region. Default: all colours.
    keep : iterable, optional
        Colours to leave out, such as a background whose colour differs between the maps.
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
        Longer side of the result in pixels. Default: 512; None keeps the size of the doodle.
    style_loss : str or callable
        ``"patches"`` combines `PatchStyleLoss` with `GradientMaskStyleLoss`, which takes the whole
        region of the style into account. ``"neighbors"``, ``"gram"``, or a class or function as in
        `basic`, is used instead of both, with the weight `gram_weight`.
    patch_weight, gram_weight, palette_weight, variation : float
        Weights of `PatchStyleLoss`, `GradientMaskStyleLoss`, `PaletteLoss` and
        `TotalVariationLoss`, at least 0. A loss of weight 0 is omitted. A larger `gram_weight`
        increases contrast and softens borders.
    map_weight, usage_penalty, stride
        See `PatchStyleLoss`.
    noise : float
        Strength of the noise in the underpainting, at least 0. 1 is the standard deviation of the
        region's colours in the style. With 0, all patches of a region would match the same patch of
        the style at first.
    style_scale : float
        Longer side of the style picture relative to the longer side of the result, above 0. Larger
        values give larger strokes.
    patch_layers, style_layers : sequence of str
        Layers of the patches and of the Gram matrices. If a region is too small for a layer of the
        Gram matrices, the layer is skipped for this region, and a note is added to the manifest.
    seed : int
        Seed of the random order in which patches are matched.

    Returns
    -------
    Recipe
        By default it takes 200 steps over three levels. The manifest of its result has four
        entries. "regions" holds the share of each region in both pictures. "unmatched" holds the
        share of pixels of each map whose colour is not that of a region, such as smooth edges;
        these pixels are assigned to the nearest region. "merged" and "small" hold the shares of the
        colours in `merge` and of the colours that cover less than `min_share`.

    Raises
    ------
    InputError, InputTypeError, FileError
        If the maps do not have the same regions (the message lists them), the style and its
        map differ in size, the coarsest level is too small for the layers, or another argument
        cannot be used.

    References
    ----------
    Champandard: Semantic Style Transfer and Turning Two-Bit Doodles into Fine Artworks, 2016.
    Li, Wand: Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis,
    CVPR 2016. Gram matrices, palette and the usage penalty are additions.

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
        # One grain of noise covers one pixel of the coarsest level.
        start=lambda levels: Underpainting(
            painting, pairs, noise, grain=levels.sizes[-1] / levels.sizes[0]
        ),
        shape=shape,
        steps=DOODLE_STEPS,
        levels=lambda longer, levels: halved(longer, LEVELS if levels is None else levels),
        layers={"style_layers": style_layers, "patch_layers": patch_layers},
    )
    return recipe.then(recorded(matched, "map"))


def _covered(matched: MatchedRegions) -> MatchedRegions:
    """Return regions that cover the whole doodle.

    Pixels that no region covers would have no loss, and would fade to the grey mean colour of the
    style.
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
