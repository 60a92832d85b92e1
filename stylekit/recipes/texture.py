"""A texture from noise: the style terms alone."""

from __future__ import annotations

from collections.abc import Sequence

from stylekit._checks import InputTypeError, explain, integer, number, renamed
from stylekit._defaults import SIZE
from stylekit.image import PictureLike, as_image
from stylekit.losses import GramStyleLoss, Loss, TotalVariationLoss
from stylekit.losses.base import LayersLike
from stylekit.recipes._styles import StyleLossLike, StylePart, method
from stylekit.recipes.recipe import Recipe
from stylekit.transfer import StyleStatistics


def texture(
    style: PictureLike,
    *,
    size: int | Sequence[int] | None = SIZE,
    style_loss: StyleLossLike = "gram",
    style_scale: float = 1.0,
    style_layers: LayersLike = None,
    layer_weights=None,
    variation: float | None = None,
) -> Recipe:
    """Make a texture of any size like a sample: its colours, strokes and grain, in other places.

    From noise, the style of the sample is the only thing that is wanted. With a single layer the
    result shows what that layer's Gram matrix knows of a picture.

    Parameters
    ----------
    style : path, PIL image or array
        The sample. It keeps its own size, but for one that is larger than the texture, which is
        reduced to its longer side.
    size : int or (int, int), optional
        Of the texture in pixels: the side of a square, or (height, width). Default: 512; None
        takes the sample's own height and width.
    style_loss : str or callable
        As for `basic`. ``"neighbors"`` puts the sample's own patches beside each other, crisp and
        repeating; ``"gram"`` mixes them.
    style_scale : float
        Size of the sample relative to what is said above: above 1 the grain grows.
    style_layers : sequence of str, optional
        Default: the extractor's own.
    layer_weights : sequence of float or mapping, optional
        See `GramStyleLoss`; for ``style_loss="gram"``.
    variation : float, optional
        Weight of a `TotalVariationLoss`, at least 0. Default: 48 by neighbours, else the
        extractor's own.

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

    def gram(parts: Sequence[StylePart], weight: float, layers: LayersLike) -> list[Loss]:
        return [GramStyleLoss(sample, layers=layers, layer_weights=layer_weights, weight=weight)]

    how = method(style_loss, gram)
    recipe = Recipe(
        styles=[sample],
        start=StyleStatistics(sample, shape=shape),
        shape=shape,
        steps=how.steps,
        # The network sees a few dozen pixels far: larger forms are arranged at a small size.
        levels=how.pyramid,
        layers={"style_layers": style_layers},
    )
    with renamed(layers="style_layers"):
        terms = how.terms([StylePart(sample)], 1.0, style_layers)
    for loss in terms:
        recipe.add(loss, how.factor)
    if variation is None:
        recipe.add(TotalVariationLoss(), how.variation)
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
                explain("size is no size", expected="(height, width)", received=repr(size)),
                argument="size",
            )
        height, width = size
        return (
            integer(height, "height", low=1, argument="size"),
            integer(width, "width", low=1, argument="size"),
        )
    side = integer(size, "size", low=1)
    return side, side
