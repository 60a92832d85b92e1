"""A texture that is made from noise by style losses alone."""

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
    """Return a recipe that makes a texture with the colours, strokes and grain of a sample.

    The run starts from noise, and its only objective is the style of the sample. With a single
    layer, the result shows what the Gram matrix of that layer retains of a picture.

    Parameters
    ----------
    style : path, PIL image or array
        The sample. It keeps its height and width, or is reduced so that its longer side is not
        larger than the longer side of the texture.
    size : int or (int, int), optional
        Size of the texture in pixels: the side of a square, or (height, width). Default: 512. None
        uses the height and width of the sample.
    style_loss : str or callable
        See `basic`. ``"neighbors"`` places patches of the sample side by side, with sharp details
        that repeat. ``"gram"`` mixes the patches.
    style_scale : float
        Factor by which the sample is resized, above 0. Larger values give a coarser grain.
    style_layers : sequence of str, or mapping of str to float, optional
        Layers of the extractor, or a mapping of layer names to weights. Default: the extractor's
        default layers.
    layer_weights : sequence of float, or mapping of str to float, optional
        See `GramStyleLoss`. They are only used with ``style_loss="gram"``.
    variation : float, optional
        Weight of the `TotalVariationLoss`, at least 0. Default: 48 for ``"neighbors"``, and
        otherwise a weight that depends on the extractor.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or the sample cannot be used.

    References
    ----------
    Gatys, Ecker, Bethge: Texture Synthesis Using Convolutional Neural Networks, NIPS 2015. They
    start from white noise at the full size, and use a network with average pooling. Here the noise
    has the mean and covariance of the sample's colours, and a pyramid and total variation are
    added.

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
        # The receptive field of a network is a few dozen pixels. Larger forms are arranged at a
        # small size.
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
    """Return the height and width in pixels for `size` and the shape of the sample."""
    if size is None:
        return own[0], own[1]
    if isinstance(size, (tuple, list)):
        if len(size) != 2:
            raise InputTypeError(
                explain(
                    "`size` must be one integer or two",
                    expected="a side, or (height, width)",
                    received=repr(size),
                ),
                argument="size",
            )
        height, width = size
        return (
            integer(height, "height", low=1, argument="size"),
            integer(width, "width", low=1, argument="size"),
        )
    side = integer(size, "size", low=1)
    return side, side
