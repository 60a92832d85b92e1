"""The program style-transfer-pytorch of K. Crowson."""

from __future__ import annotations

import itertools

import keras

from stylekit._checks import integer, number
from stylekit._defaults import SIZE
from stylekit.image import PictureLike, as_image
from stylekit.losses import ContentLoss, TotalVariationLoss, WassersteinStyleLoss
from stylekit.losses.base import LayersLike
from stylekit.recipes._paint import content_picture
from stylekit.recipes.presets._shared import GATYS_CONTENT, GATYS_STYLE, layer_weights
from stylekit.recipes.recipe import Recipe, halved
from stylekit.transfer import Pyramid

WEIGHTS = (256, 64, 16, 4, 1)
"""Weights of the style layers: ``style_weights`` of the program's class ``StyleTransfer``."""

INITIAL_ITERATIONS, ITERATIONS = 1000, 500
"""Number of steps at the smallest size, and at each other size: ``initial_iterations`` and
``iterations``."""


def crowsonkb(
    content: PictureLike,
    style: PictureLike,
    *,
    size: int | None = SIZE,
    min_scale: int = 128,
    content_weight: float = 0.015,
    tv_weight: float = 2.0,
    style_scale: float = 1.0,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of style-transfer-pytorch with its default options.

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels, the program's ``end_scale``. None keeps the size of the
        content.
    min_scale : int
        Longer side of the smallest size that is painted, in pixels. Each size is larger than the
        previous one by a factor of the root of 2.
    content_weight, tv_weight : float
        The program's options with the same names, at least 0.
    style_scale : float
        Longer side of the style picture relative to the longer side of the result, above 0; the
        program's ``style_scale_fac``. A style picture that is smaller is not enlarged.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights. Default: relu1_1 to relu5_1 with
        weights of 256, 64, 16, 4 and 1 for the style, and relu4_2 for the content.

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

    - The program's network is torchvision's VGG19, whose weights and feature magnitudes differ from
      those of the Keras network. Here the losses of style and content are relative to the features
      of the references, as if the mean square of each layer were 1. The balance between the layers,
      and between the layers and the total variation, therefore differs somewhat from that of the
      program.
    - The program returns the mean of its iterates, with a decay of 0.99, and continues at the next
      size from that mean and with Adam's state. Here the last iterate is used in both cases, and
      Adam restarts at each size.
    - Between sizes, the difference between the image and the photograph is enlarged. The program
      enlarges the image.
    - The program's first convolution repeats the border pixels. Here pictures are reflected at
      their borders.
    - The program's total variation also includes diagonal differences, weighted so that, on a
      linear slope, it equals the total variation used here.

    References
    ----------
    The program style-transfer-pytorch, ``style_transfer/style_transfer.py``.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.crowsonkb("photo.jpg", "starry.jpg")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    content_weight = number(content_weight, "content_weight", low=0)
    tv_weight = number(tv_weight, "tv_weight", low=0)
    weights = dict(zip(GATYS_STYLE, WEIGHTS, strict=True))
    styles = layer_weights(style_layers, weights, "style_layers")
    contents = layer_weights(content_layers, GATYS_CONTENT, "content_layers")  # content_layers
    least = integer(min_scale, "min_scale", low=1)
    scale = number(style_scale, "style_scale", low=0, open_low=True)
    photo = content_picture(content, size)  # end_scale
    painting = as_image(style, "style")
    wanted = max(1, round(max(photo.shape[:2]) * scale))
    painting = as_image(painting, "style", min(wanted, max(painting.shape[:2])))

    def levels(longer: int, count: int | None = None) -> Pyramid:
        return halved(longer, count) if count is not None else _scales(longer, least)

    return Recipe(
        [
            ContentLoss(photo, layers=contents, weight=content_weight),
            WassersteinStyleLoss(painting, layers=styles),  # its weights sum to 1
            TotalVariationLoss(weight=tv_weight),
        ],
        content=photo,
        styles=[painting],  # the initial image is the content: init = 'content'
        steps=INITIAL_ITERATIONS + ITERATIONS * (len(levels(max(photo.shape[:2])).sizes) - 1),
        levels=levels,
        reflect=True,
        layers={"style_layers": styles, "content_layers": contents},
        # step_size, betas; epsilon is torch.optim.Adam's
        optimizer=keras.optimizers.Adam(0.02, beta_1=0.9, beta_2=0.99, epsilon=1e-8),
    )


def _scales(longer: int, least: int) -> Pyramid:
    """Return the sizes of ``gen_scales``: from `longer` down to `least` by the root of 2."""
    below = (round(longer / 2 ** (k / 2)) for k in itertools.count(1))
    sizes = sorted({longer, *itertools.takewhile(lambda size: size >= least, below)})
    return Pyramid(sizes, [INITIAL_ITERATIONS, *[ITERATIONS] * (len(sizes) - 1)])
