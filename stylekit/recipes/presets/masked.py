"""Wells, Wood and Xiao: style under the mask of a semantic segmentation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stylekit._checks import number
from stylekit._defaults import SIZE
from stylekit.image import PictureLike
from stylekit.losses import ContentLoss, MaskedGramStyleLoss, TotalVariationLoss
from stylekit.losses.base import LayersLike
from stylekit.masks import MaskLike, Segmenter, resize
from stylekit.recipes._paint import content_picture, sized_style
from stylekit.recipes.localized import place_of, put_back
from stylekit.recipes.presets._shared import GATYS_CONTENT, GATYS_STYLE, layer_weights
from stylekit.recipes.recipe import Recipe
from stylekit.transfer import LBFGS


def masked_semantic(
    content: PictureLike,
    style: PictureLike,
    subject: str | Sequence[str] | MaskLike,
    *,
    keep: str = "subject",
    segmenter: Segmenter | None = None,
    refine: Callable[[np.ndarray, Any], np.ndarray] | None = None,
    blend: str | Callable[..., np.ndarray] = "seam",
    size: int | None = SIZE,
    content_weight: float = 5.0,
    style_weight: float = 100.0,
    tv_weight: float = 1e-3,
    style_scale: float = 1.0,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of "Localized Style Transfer", which uses semantic segmentation.

    Parameters
    ----------
    content, style : path, PIL image or array
    subject, keep, segmenter, refine, blend
        See `stylekit.recipes.localized`.
    size : int, optional
        Longer side of the result in pixels. None keeps the size of the content.
    content_weight, style_weight, tv_weight : float
        The report's beta, alpha and gamma, at least 0, on the scale of `neural_style_pt`.
    style_scale : float
        Longer side of the style picture relative to the longer side of the result, above 0.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights. Default: conv1_1 to conv5_1 for the
        style, and conv4_2 for the content.

    Returns
    -------
    Recipe
        The manifest of its result has the method and the hash of the mask under "localized".

    Raises
    ------
    InputError, InputTypeError, FileError
        If a class is not in the picture, or a mask, a picture or another argument cannot be used.
    SetupError
        If the default segmenter is not installed, or cannot be downloaded.

    Notes
    -----
    Departures from the report:

    - The weights, scalings, steps and optimizer are those of neural-style-pt. The losses and layers
      are those of the report, whose numbers are not known to us.
    - Gram matrices are divided by the sum of the mask, and the loss is multiplied by the share of
      the picture that the mask covers, so that the gradient at a pixel does not depend on the
      region's area.
    - The border is a minimum cut in a band around the mask's edge, as in the report. The costs of
      the cut are those of `stylekit.blend.seam`. The report uses distances to a mean colour, which
      fail where the background surrounds the subject.
    - The default segmenter is `DeepLab`.

    References
    ----------
    Wells, Wood, Xiao: Localized Style Transfer, report of the course CS231n, Stanford 2017.

    Examples
    --------
    >>> import stylekit as sk
    >>> mask = sk.read_image("mask.png")[..., 0]  # doctest: +SKIP
    >>> recipe = sk.recipes.presets.masked_semantic("photo.jpg", "wave.jpg", mask)  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    styles = layer_weights(style_layers, GATYS_STYLE, "style_layers")
    contents = layer_weights(content_layers, GATYS_CONTENT, "content_layers")
    photo = content_picture(content, size)
    painting = sized_style(style, photo, style_scale)
    where = place_of(photo, subject, keep, segmenter, refine)
    source = resize(where, painting.shape[:2])  # the report uses one mask for both pictures
    recipe = Recipe(
        [
            ContentLoss(
                photo,
                layers=contents,
                normalize="none",
                weight=number(content_weight, "content_weight", low=0) * sum(contents.values()),
            ),
            MaskedGramStyleLoss(
                painting,
                where,
                source,
                layers=styles,
                normalize="neural-style",
                weight=number(style_weight, "style_weight", low=0) * sum(styles.values()),
            ),
            TotalVariationLoss(
                1.0,
                isotropic=False,
                weight=number(tv_weight, "tv_weight", low=0) * 255 * photo.size,
            ),
        ],
        content=photo,
        styles=[painting],
        masks=[where],
        style_masks=[source],
        steps=1000,
        layers={"style_layers": styles, "content_layers": contents},
        optimizer=LBFGS(),
    )
    return put_back(recipe, photo, where, {"method": "revert", "keep": keep}, blend or "seam")
