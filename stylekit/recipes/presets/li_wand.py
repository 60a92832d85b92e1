"""Li and Wand: style as patches of features."""

from __future__ import annotations

from stylekit._checks import number
from stylekit.image import PictureLike
from stylekit.losses import ContentLoss, PatchStyleLoss, TotalVariationLoss
from stylekit.losses.base import LayersLike
from stylekit.losses.patch import PATCH_LAYERS
from stylekit.recipes._paint import content_picture, sized_style
from stylekit.recipes.presets._shared import GATYS_CONTENT, layer_weights
from stylekit.recipes.recipe import Recipe, coarse_to_fine
from stylekit.transfer import LBFGS, Pyramid

SIZE = 384
"""Longer side of the result in pixels: the fourth setting of an example in ``run_trans.lua``."""

RESOLUTIONS = 3
"""Number of sizes, each half the next, with 100 steps each: the fifth and sixth settings."""


def li_wand2016(
    content: PictureLike,
    style: PictureLike,
    *,
    size: int | None = SIZE,
    content_weight: float = 20.0,
    mrf_weight: float = 1e-4,
    tv_weight: float = 1e-3,
    style_scale: float = 1.0,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of CNNMRF, which matches each patch to the nearest patch of the style.

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. Default: 384; None keeps the size of the content.
    content_weight, mrf_weight, tv_weight : float
        The program's options with the same names, at least 0.
    style_scale : float
        Longer side of the style picture relative to the longer side of the result, above 0.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights. Default: relu3_1 and relu4_1 for the
        style, and relu4_2 for the content.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or a picture cannot be used.

    Notes
    -----
    Departures from the program:

    - Every patch of the style is a candidate. The program uses every second row and column. The
      program can also rotate and scale the style, as it does for two of its three example pairs;
      here the style is unchanged.
    - Between levels only the difference between the image and the photograph is enlarged, so that
      the finest details of the photograph reappear. The program enlarges the image.
    - The total variation is a mean over pixels, and is multiplied by the number of pixels at the
      full size. At the two coarser sizes its weight is therefore 4 and 16 times that of the
      program.
    - The L-BFGS optimizer is that of stylekit, with bounds of [0, 1].

    References
    ----------
    Li, Wand: Combining Markov Random Fields and Convolutional Neural Networks for Image Synthesis,
    CVPR 2016, and their program CNNMRF. The content layer is the one in the paper and in
    ``run_trans.lua``; the default of ``cnnmrf.lua`` is relu4_1.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.li_wand2016("photo.jpg", "portrait.jpg")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    styles = layer_weights(style_layers, PATCH_LAYERS, "style_layers")  # mrf_layers 12, 21
    contents = layer_weights(content_layers, GATYS_CONTENT, "content_layers")  # content_layers 23
    photo = content_picture(content, size)
    painting = sized_style(style, photo, style_scale)
    return Recipe(
        [
            ContentLoss(
                photo,
                layers=contents,
                normalize="none",  # mylib/content.lua: nn.MSECriterion
                weight=number(content_weight, "content_weight", low=0) * sum(contents.values()),
            ),
            PatchStyleLoss(
                painting,
                layers=list(styles),
                layer_weights=styles,
                patch=3,  # mrf_patch_size
                stride=2,  # source_sample_stride
                usage_penalty=0,
                normalize="li_wand2016",  # mylib/mrf.lua: gradTO / gradTO_confident
                weight=number(mrf_weight, "mrf_weight", low=0) * sum(styles.values()),
            ),
            # mylib/tv.lua: the gradient of half a sum of squares in 0-255.
            TotalVariationLoss(
                weight=number(tv_weight, "tv_weight", low=0) * 255**2 * photo.size / 2
            ),
        ],
        content=photo,  # ini_method image
        styles=[painting],
        steps=100 * RESOLUTIONS,  # num_iter
        levels=_levels,
        layers={"style_layers": styles, "content_layers": contents},
        optimizer=LBFGS(25),  # nCorrection
    )


def _levels(longer: int, levels: int | None = None) -> Pyramid:
    """Return levels of equal steps, each half the size of the next."""
    return Pyramid(coarse_to_fine(longer, RESOLUTIONS if levels is None else levels).sizes)
