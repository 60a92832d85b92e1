"""A picture from what one layer keeps of it."""

from __future__ import annotations

from collections.abc import Sequence

from stylekit._checks import number
from stylekit._defaults import SIZE
from stylekit.image import PictureLike, as_image
from stylekit.losses import ContentLoss, Loss, TotalVariationLoss
from stylekit.recipes.recipe import Recipe
from stylekit.transfer import Noise

SMOOTHING = 1.0
"""Weight of the total variation beside a content of weight 1."""


def reconstruct(
    content: PictureLike,
    *,
    layers: Sequence[str] | str | None = None,
    size: int | None = SIZE,
    variation: float = SMOOTHING,
) -> Recipe:
    """Find a picture that a layer of the network cannot tell from another: what the layer knows.

    From noise, the content's features are the only thing that is wanted, beside a little
    smoothness. The first layers give the photograph back; deeper ones keep what is where, and lose
    the colours and the exact lines.

    Parameters
    ----------
    content : path, PIL image or array
    layers : str or sequence of str, optional
        Default: the extractor's layers of content.
    size : int, optional
        Longer side of the result in pixels. Default: 512; None keeps the content's own.
    variation : float
        Weight of a `TotalVariationLoss`, at least 0: of the many pictures that have these features
        it takes a smooth one.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument, the picture or the weights are unfit.

    References
    ----------
    Mahendran, Vedaldi: Understanding Deep Image Representations by Inverting Them, CVPR 2015, with
    the relative error of their eq. 2; they bound the pixels by a norm, we by [0, 1]. Gatys, Ecker,
    Bethge: Image Style Transfer Using Convolutional Neural Networks, CVPR 2016, figure 1, without
    the total variation.

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
