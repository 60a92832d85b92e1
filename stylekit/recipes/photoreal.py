"""A photograph with the light and colours of another, without brush strokes."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from stylekit import blend
from stylekit._checks import InputTypeError, explain, number
from stylekit._defaults import SIZE, STRENGTH
from stylekit.image import PictureLike, match_color
from stylekit.losses import MattingLaplacianLoss
from stylekit.recipes._paint import check_passed
from stylekit.recipes._styles import StyleLossLike, method
from stylekit.recipes.basic import basic
from stylekit.recipes.recipe import Recipe
from stylekit.recipes.regions import regions
from stylekit.transfer import Result

MATTING = 3000.0
"""Weight of the matting Laplacian relative to the weight of the style."""

RIDGE = 1e-5
"""The `epsilon` of the matting Laplacian. In three skies, the loss of a streak of 12 pixels is 0.49
to 0.72 times the loss of the same streak where the photograph is flat. With the paper's 1e-7 it is
0.39 to 0.64 times, because the fits follow the noise."""

OPTIONS = ("style_layers", "content_layers", "variation", "keep_colors")
OF_REGIONS = ("colors", "keep", "merge", "tolerance", "min_share", "small_regions")
"""Names of the options of `regions` that are only accepted with maps."""


def photoreal(
    content: PictureLike,
    style: PictureLike,
    content_map: PictureLike | None = None,
    style_map: PictureLike | None = None,
    *,
    smoothness: float = 1.0,
    restore: bool = False,
    strength: float = STRENGTH,
    size: int | None = SIZE,
    style_scale: float = 1.0,
    style_loss: StyleLossLike = "gram",
    **options: Any,
) -> Recipe:
    """Return a recipe that gives a photograph the light and colours of another photograph.

    No brush strokes appear. The recipe is that of `regions`, or of `basic` if there are no maps,
    with an additional `MattingLaplacianLoss`. This loss penalises changes of colour that are not
    locally affine functions of the photograph's colours. The run starts from the photograph with
    its colours matched to those of the style, region by region, by `match_color`. Below a strength
    of 0.5 the match is partial, in proportion to the strength.

    Parameters
    ----------
    content, style : path, PIL image or array
    content_map, style_map : path, PIL image or array, optional
        Colour maps of corresponding regions; see `regions`. Without maps, if the style shows other
        things than the content, its colours can appear in the wrong places, such as the light of
        windows in the sky.
    smoothness : float
        Factor of the weight of the matting Laplacian, at least 0. With 0 the loss is omitted.
    restore : bool
        Whether `blend.screened_poisson` restores the gradients of the photograph after the run.
        This restores the full contrast and the finest details of the photograph, and causes slight
        halos along strong edges.
    strength, size, style_scale, style_loss
        See `basic`. At strength 0 the initial image is returned unchanged.
    **options
        Further options of `basic`: style_layers, content_layers, variation and keep_colors. If
        colour maps are given, the following options of `regions` are also accepted: colors, keep,
        merge, tolerance, min_share and small_regions.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If one map is missing, the maps do not have the same regions, or another argument cannot be
        used.

    References
    ----------
    F. Luan, S. Paris, E. Shechtman, K. Bala: Deep Photo Style Transfer, CVPR 2017. They add the
    matting Laplacian to a finished transfer; here it is used from the first step, at every level.
    The epsilon of the loss is 1e-5 instead of 1e-7, so that the fits follow the noise of a sky
    less.
    R. Mechrez, E. Shechtman, L. Zelnik-Manor: Photorealistic Style Transfer with Screened Poisson
    Equation, BMVC 2017.

    Examples
    --------
    >>> import stylekit as sk
    >>> pictures = "photo.jpg", "dusk.jpg", "photo_map.png", "dusk_map.png"
    >>> sk.recipes.photoreal(*pictures).run().save("out.png")  # doctest: +SKIP
    """
    smoothness = number(smoothness, "smoothness", low=0)
    if (content_map is None) != (style_map is None):
        name = "content_map" if content_map is None else "style_map"
        raise InputTypeError(
            explain(
                f"`content_map` and `style_map` must be given together, but `{name}` is missing",
                hint="give both maps or neither",
            ),
            argument=name,
        )
    check_passed(photoreal, options, OPTIONS if content_map is None else OPTIONS + OF_REGIONS)
    options |= {
        "strength": strength,
        "size": size,
        "style_scale": style_scale,
        "style_loss": style_loss,
    }
    if content_map is None or style_map is None:
        recipe = basic(content, style, **options)
    else:
        recipe = regions(content, content_map, style, style_map, **options)
    photo: Any = recipe.content
    if not options.get("keep_colors"):
        recipe.start = recolored(recipe, min(1.0, strength / STRENGTH))
    if weight := smoothness * strength:
        matting = MattingLaplacianLoss(photo, epsilon=RIDGE, weight=MATTING * weight)
        recipe.add(matting, method(style_loss, lambda *_: []).factor)
    if not restore or not strength:
        return recipe

    def restored(result: Result) -> Result:
        images: dict[str, Any] = {}
        for name in ("image", "best"):
            image = blend.screened_poisson(photo, getattr(result, name))
            where = recipe.update_mask
            images[name] = image if where is None else blend.paste(photo, image, where)
        return dataclasses.replace(result, **images)

    return recipe.then(restored)


def recolored(recipe: Recipe, share: float) -> np.ndarray:
    """Return the content with its colours moved by `share` towards those of the styles.

    Parameters
    ----------
    recipe : Recipe
        The recipe. Each of its styles changes the colours under the mask of the style.
    share : float
        In [0, 1]. 1 is a full match by `match_color`.

    Returns
    -------
    ndarray [H, W, 3]
    """
    photo: Any = recipe.content
    everywhere = np.ones(photo.shape[:2], "float32")
    change, covered = np.zeros_like(photo), np.zeros_like(photo[..., :1])
    for style, mask, source in zip(recipe.styles, recipe.masks, recipe.style_masks, strict=True):
        cover = (everywhere if mask is None else mask)[..., np.newaxis]
        change += cover * (match_color(photo, style, mask, source) - photo)
        covered += cover
    return np.clip(photo + share * change / np.maximum(covered, 1), 0, 1)
