"""Styles by regions of colour maps: Luan et al., and scripts by Y. Chan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stylekit._checks import number
from stylekit._defaults import MIN_SHARE
from stylekit.image import PictureLike
from stylekit.losses import (
    ContentLoss,
    GradientMaskStyleLoss,
    MattingLaplacianLoss,
    TotalVariationLoss,
)
from stylekit.losses.base import LayersLike
from stylekit.recipes._paint import recorded
from stylekit.recipes._styles import StylePart
from stylekit.recipes.presets._shared import (
    GATYS_CONTENT,
    GATYS_STYLE,
    MEAN_COLOR,
    layer_weights,
)
from stylekit.recipes.recipe import Recipe
from stylekit.recipes.regions import matched_parts
from stylekit.transfer import LBFGS, Noise

SCRIPT_STYLE = ("conv2_1", "conv3_1")
"""Style layers of the scripts by Y. Chan."""

SCRIPT_TOLERANCE = 0.14 * 255
"""``maxdist`` of ``RegionIdxsByColors`` in ``region_style_transfer.py``, in 8-bit units."""


def luan2017(
    content: PictureLike,
    content_map: PictureLike,
    style: PictureLike,
    style_map: PictureLike,
    *,
    size: int | None = 700,
    content_weight: float = 5.0,
    style_weight: float = 100.0,
    tv_weight: float = 1e-3,
    matting_weight: float = 1e4,
    style_scale: float = 1.0,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
    colors: Iterable[Any] | Mapping[str, Any] | None = None,
    keep: Iterable[Any] = (),
    merge: Iterable[Any] = (),
    tolerance: float = 40.0,
    min_share: float = MIN_SHARE,
    small_regions: str = "error",
) -> Recipe:
    """Return the recipe of "Deep Photo Style Transfer".

    Parameters
    ----------
    content, style : path, PIL image or array
        Photographs.
    content_map, style_map : path, PIL image or array
        Colour maps, each with the height and width of its picture; see `stylekit.recipes.regions`.
    size : int, optional
        Longer side of the result in pixels. Default: 700; None keeps the size of the content.
    content_weight, style_weight, tv_weight, matting_weight : float
        The program's options with the same names, at least 0. The program calls `matting_weight`
        ``lambda``.
    style_scale : float
        Longer side of the style picture relative to the longer side of the result, above 0.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights. Default: relu1_1 to relu5_1 for the
        style, and relu4_2 for the content.
    colors, keep, merge, tolerance, min_share, small_regions
        See `stylekit.recipes.regions`. Regions in `keep` may also change: only the content loss
        applies to them.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If the maps do not have the same regions, or another argument or a picture cannot be used.

    Notes
    -----
    Departures from the program:

    - The program takes 1000 steps without the matting Laplacian, and then 1000 steps with it. Here
      all 2000 steps include it.
    - The program multiplies features by the mask, so that positions are weighted by the square of a
      soft mask. It also averages the masks over 3 x 3 cells at each convolution. Here positions are
      weighted by the mask, which is pooled by the strides of the network.
    - The program smooths the result along the edges of the photograph at the end. Here this step is
      omitted; `stylekit.recipes.photoreal` can restore the photograph's gradients.
    - The L-BFGS optimizer is that of stylekit, with bounds of [0, 1].

    References
    ----------
    Luan, Paris, Shechtman, Bala: Deep Photo Style Transfer, CVPR 2017, and their program
    deep-photo-styletransfer: ``neuralstyle_seg.lua`` and ``deepmatting_seg.lua``.

    Examples
    --------
    >>> import stylekit as sk
    >>> pictures = "photo.jpg", "photo_map.png", "dusk.jpg", "dusk_map.png"
    >>> sk.recipes.presets.luan2017(*pictures).run().save("out.png")  # doctest: +SKIP
    """
    styles = layer_weights(style_layers, GATYS_STYLE, "style_layers")  # -style_layers
    contents = layer_weights(content_layers, GATYS_CONTENT, "content_layers")  # -content_layers
    photo, parts, matched = matched_parts(
        (content, content_map),
        (style, style_map),
        size,  # gen_laplacian.m: reshape_img(input, 700)
        style_scale,
        colors=colors,
        keep=keep,
        merge=merge,
        tolerance=tolerance,
        min_share=min_share,
    )
    recipe = Recipe(
        [
            # The program sums over the layers; the losses here are means over the layers.
            ContentLoss(
                photo,
                layers=contents,
                normalize="none",  # nn.MSECriterion
                weight=number(content_weight, "content_weight", low=0) * sum(contents.values()),
            ),
            GradientMaskStyleLoss(
                **_regions(parts),
                layers=styles,
                normalize="neural-style",  # StyleLossWithSeg: MSE of G / (C sum m), times mean(m)
                small_regions=small_regions,
                weight=number(style_weight, "style_weight", low=0) * sum(styles.values()),
            ),
            # TVLoss: the gradient of half a sum of squares in 0-255.
            TotalVariationLoss(
                weight=number(tv_weight, "tv_weight", low=0) * 255**2 * photo.size / 2
            ),
            # Eq. 2 is a sum over pixels, windows of 9 pixels and channels; this loss is a mean.
            MattingLaplacianLoss(
                photo,
                epsilon=1e-7,
                weight=number(matting_weight, "matting_weight", low=0) * 9 * photo.size,
            ),
        ],
        content=photo,
        styles=[one.style for one in parts],
        masks=[one.mask for one in parts],
        style_masks=[one.style_mask for one in parts],
        start=Noise(1e-4 / 255, color=MEAN_COLOR),  # torch.randn * 0.0001
        steps=2000,  # -num_iterations 1000, in each of the two programs
        layers={"style_layers": styles, "content_layers": contents},
        optimizer=LBFGS(),  # optim.lbfgs
    )
    return recipe.then(recorded(matched, "content"))


def region_scripts(
    content: PictureLike,
    content_map: PictureLike,
    style: PictureLike,
    style_map: PictureLike,
    *,
    size: int | None = None,
    content_weight: float = 5.0,
    style_weight: float = 25.0,
    tv_weight: float = 1.0,
    style_scale: float = 1.0,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
    colors: Iterable[Any] | Mapping[str, Any] | None = None,
    keep: Iterable[Any] = (),
    merge: Iterable[Any] = (),
    tolerance: float = SCRIPT_TOLERANCE,
    min_share: float = MIN_SHARE,
    small_regions: str = "error",
) -> Recipe:
    """Return the recipe of the region script in Tensorflow-Implementations.

    Parameters
    ----------
    content, style : path, PIL image or array
    content_map, style_map : path, PIL image or array
        Colour maps, each with the height and width of its picture; see `stylekit.recipes.regions`.
    size : int, optional
        Longer side of the result in pixels. Default: None, which keeps the size of the content.
    content_weight, style_weight, tv_weight : float
        Factors of the script's three losses, at least 0.
    style_scale : float
        Longer side of the style picture relative to the longer side of the result, above 0.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights. Default: conv2_1 and conv3_1 for the
        style, and conv4_2 for the content.
    colors, keep, merge, tolerance, min_share, small_regions
        See `stylekit.recipes.regions`. Regions in `keep` may also change: only the content loss
        applies to them.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If the maps do not have the same regions, or another argument or a picture cannot be used.

    Notes
    -----
    The scripts for the whole picture, for patches, doodles and gradient masks use the same layers,
    weights, scalings and steps.

    Departures from the script:

    - Gram matrices are divided by the area of their region, as the script's notes recommend for
      regions of different sizes. The script uses sums.
    - By default the style is resized so that its longer side equals that of the content. The script
      resizes neither picture.
    - The L-BFGS optimizer is that of stylekit. It keeps the image in [0, 1]; the script clips it at
      the end.

    References
    ----------
    Y. Chan: Tensorflow-Implementations, "Style Transfer Techniques",
    ``region_style_transfer.py``.

    Examples
    --------
    >>> import stylekit as sk
    >>> pictures = "photo.jpg", "photo_map.png", "gogh.jpg", "gogh_map.png"
    >>> sk.recipes.presets.region_scripts(*pictures).run().save("out.png")  # doctest: +SKIP
    """
    styles = layer_weights(style_layers, SCRIPT_STYLE, "style_layers")
    contents = layer_weights(content_layers, GATYS_CONTENT, "content_layers")
    photo, parts, matched = matched_parts(
        (content, content_map),
        (style, style_map),
        size,
        style_scale,
        colors=colors,
        keep=keep,
        merge=merge,
        tolerance=tolerance,
        min_share=min_share,
    )
    recipe = Recipe(
        [
            # Like these losses, the script averages over layers.
            ContentLoss(
                photo,
                layers=contents,
                normalize="none",
                weight=number(content_weight, "content_weight", low=0),
            ),
            GradientMaskStyleLoss(
                **_regions(parts),
                layers=styles,
                normalize="pixels",  # tf.reduce_mean(tf.square(...))
                area_exponent=0,  # each region has its full weight
                small_regions=small_regions,
                weight=number(style_weight, "style_weight", low=0),
            ),
            # (dx^2 + dy^2)^1.25, in 0-1
            TotalVariationLoss(2.5, weight=number(tv_weight, "tv_weight", low=0)),
        ],
        content=photo,
        styles=[one.style for one in parts],
        masks=[one.mask for one in parts],
        style_masks=[one.style_mask for one in parts],
        steps=200,  # ScipyOptimizerInterface: maxiter
        layers={"style_layers": styles, "content_layers": contents},
        optimizer=LBFGS(10),  # L-BFGS-B: SciPy keeps 10 pairs
    )
    return recipe.then(recorded(matched, "content"))


def _regions(parts: Sequence[StylePart]) -> dict[str, Any]:
    """Return the regions and their names as arguments of `GradientMaskStyleLoss`."""
    return {
        "regions": [(one.style, one.mask, one.style_mask) for one in parts],
        "region_names": [one.name for one in parts],
    }
