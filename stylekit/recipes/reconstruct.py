"""A picture that is reconstructed from the features of one layer."""

from __future__ import annotations

from collections.abc import Sequence

from stylekit._checks import number
from stylekit._defaults import SIZE
from stylekit.image import PictureLike, as_image
from stylekit.losses import ContentLoss, Loss, TotalVariationLoss
from stylekit.recipes.recipe import Recipe
from stylekit.transfer import Noise

SMOOTHING = 1.0
"""Weight of the total variation loss, relative to a content loss of weight 1."""


def reconstruct(
    content: PictureLike,
    *,
    layers: Sequence[str] | str | None = None,
    size: int | None = SIZE,
    variation: float = SMOOTHING,
) -> Recipe:
    """Return a recipe that reconstructs a picture from its features at a layer.

    The run starts from noise. The objective is a content loss and a small total variation loss. The
    result shows what information the layer retains. From the features of the first layers the
    photograph is recovered. From deeper layers only the arrangement of objects is recovered,
    without their colours and exact lines.

    Parameters
    ----------
    content : path, PIL image or array
    layers : str or sequence of str, optional
        Layers that are matched. Default: the extractor's content layers.
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the size of the content.
    variation : float
        Weight of the `TotalVariationLoss`, at least 0. Many pictures have the same features; this
        loss selects a smooth one.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or the picture cannot be used.

    References
    ----------
    Mahendran, Vedaldi: Understanding Deep Image Representations by Inverting Them, CVPR 2015. The
    relative error is that of their eq. 2. They add a norm of the pixels to the objective; here the
    pixels are limited to [0, 1].
    Gatys, Ecker, Bethge: Image Style Transfer Using Convolutional Neural Networks, CVPR 2016,
    figure 1, without total variation.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.reconstruct("photo.jpg", layers="conv4_2")  # doctest: +SKIP
    >>> recipe.run().save("seen.png")  # doctest: +SKIP
    """
    smoothing = number(variation, "variation", low=0)
    photo = as_image(content, "content", size)
    terms: list[Loss] = [ContentLoss(photo, layers=layers)]
    if smoothing:
        terms.append(TotalVariationLoss(weight=smoothing))
    return Recipe(terms, content=photo, start=Noise(), layers={"layers": layers})
