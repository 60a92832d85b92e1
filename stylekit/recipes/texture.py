"""A texture from noise: the style terms alone."""

from __future__ import annotations

from collections.abc import Sequence

from stylekit._checks import InputTypeError, explain, integer, number
from stylekit._defaults import SIZE
from stylekit.image import PictureLike, as_image
from stylekit.losses import GramStyleLoss, TotalVariationLoss
from stylekit.losses.base import LayersLike
from stylekit.recipes.recipe import Recipe, coarse_to_fine
from stylekit.transfer import StyleStatistics

SMOOTHING = 0.25
"""Weight of the total variation, relative to the extractor's own."""


def texture(
    style: PictureLike,
    *,
    size: int | Sequence[int] | None = SIZE,
    style_scale: float = 1.0,
    style_layers: LayersLike = None,
    layer_weights=None,
    variation: float | None = None,
) -> Recipe:
    """Make a texture of any size like a sample: its colours, strokes and grain, in other places.

    From noise, the Gram matrices of the sample are the only thing that is wanted. With a single
    layer the result shows what that layer's Gram matrix knows of a picture.

    Parameters
    ----------
    style : path, PIL image or array
        The sample. It keeps its own size, but for one that is larger than the texture, which is
        reduced to its longer side.
    size : int or (int, int), optional
        Of the texture in pixels: the side of a square, or (height, width). Default: 512; None
        takes the sample's own height and width.
    style_scale : float
        Size of the sample relative to what is said above: above 1 the grain grows.
    style_layers : sequence of str, optional
        Default: the extractor's own.
    layer_weights : sequence of float or mapping, optional
        See `GramStyleLoss`.
    variation : float, optional
        Weight of a `TotalVariationLoss`, at least 0. Default: a quarter of the extractor's own,
        for without a content there is no flat part that could ripple.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument, the sample or the weights are unfit.

    References
    ----------
    Gatys, Ecker, Bethge: Texture Synthesis Using Convolutional Neural Networks, NIPS 2015. They
    begin with white noise at the full size, and with a network of average pooling. Ours has the
    sample's mean and covariance of colours, and the pyramid and the total variation are ours.

    Examples
    --------
    >>> import stylekit as sk
    >>> sk.recipes.texture("gravel.jpg", size=(600, 900)).run().save("more.png")  # doctest: +SKIP
    """
    scale = number(style_scale, "style_scale", low=0, open_low=True)
    sample = as_image(style, "style")
    shape = _shape(size, sample.shape)
    longer = min(max(sample.shape[:2]), max(shape))
    sample = as_image(sample, "style", max(1, round(longer * scale)))
    recipe = Recipe(
        styles=[sample],
        start=StyleStatistics(sample, shape=shape),
        shape=shape,
        # The network sees a few dozen pixels far: larger forms are arranged at a small size.
        levels=coarse_to_fine,
    )
    recipe.add(
        GramStyleLoss(sample, layers=style_layers, layer_weights=layer_weights),
        lambda network: network.style_factor,
    )
    if variation is None:
        recipe.add(TotalVariationLoss(weight=SMOOTHING), lambda network: network.variation)
    elif number(variation, "variation", low=0):
        recipe.add(TotalVariationLoss(weight=variation))
    return recipe


def _shape(size, own: Sequence[int]) -> tuple[int, int]:
    """Return the height and width that a size stands for."""
    if size is None:
        return own[0], own[1]
    if isinstance(size, (tuple, list)):
        if len(size) != 2:
            raise InputTypeError(
                explain("size is no size", expected="(height, width)", received=repr(size))
            )
        height, width = size
        return integer(height, "height", low=1), integer(width, "width", low=1)
    side = integer(size, "size", low=1)
    return side, side
