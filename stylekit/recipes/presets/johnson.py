"""Johnson, Alahi and Fei-Fei: the losses with which feed-forward networks are trained."""

from __future__ import annotations

from stylekit._checks import number
from stylekit._defaults import SIZE
from stylekit.image import PictureLike
from stylekit.losses import ContentLoss, GramStyleLoss, TotalVariationLoss
from stylekit.losses.base import LayersLike
from stylekit.recipes._paint import content_picture, sized_style
from stylekit.recipes.presets._shared import MEAN_COLOR, layer_weights
from stylekit.recipes.recipe import Recipe
from stylekit.transfer import LBFGS, Noise

STYLE = ("conv1_2", "conv2_2", "conv3_3", "conv4_3")
"""``-style_layers 4,9,16,23`` of VGG16: relu1_2, relu2_2, relu3_3 and relu4_3."""

CONTENT = ("conv3_3",)
"""``-content_layers 16``. The first version of the paper says relu2_2."""


def johnson2016_loss(
    content: PictureLike,
    style: PictureLike,
    *,
    size: int | None = SIZE,
    content_weight: float = 1.0,
    style_weight: float = 5.0,
    tv_strength: float = 1e-6,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
) -> Recipe:
    """Return the losses of "Perceptual Losses" as a recipe that optimises the pixels.

    The paper trains a network with these losses. The authors' program ``slow_neural_style.lua`` and
    this recipe optimise a picture instead.

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. None keeps the size of the content.
    content_weight, style_weight, tv_strength : float
        The program's options with the same names, at least 0.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights. Default: relu1_2, relu2_2, relu3_3 and
        relu4_3 for the style, and relu3_3 for the content.

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

    - The program's network is VGG16, which stylekit does not have. VGG19 has convolutions with the
      same names, but its third block has four convolutions, so that relu3_3 is not the last of the
      block.
    - The L-BFGS optimizer is that of stylekit, with 10 pairs and bounds of [0, 1].

    References
    ----------
    Johnson, Alahi, Fei-Fei: Perceptual Losses for Real-Time Style Transfer and Super-Resolution,
    ECCV 2016. The program is ``slow_neural_style.lua`` of fast-neural-style.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.johnson2016_loss("photo.jpg", "starry.jpg")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    content_weight = number(content_weight, "content_weight", low=0)
    style_weight = number(style_weight, "style_weight", low=0)
    tv_strength = number(tv_strength, "tv_strength", low=0)
    styles = layer_weights(style_layers, STYLE, "style_layers")
    contents = layer_weights(content_layers, CONTENT, "content_layers")
    photo = content_picture(content, size)  # -image_size 512
    painting = sized_style(style, photo, 1.0)  # -style_image_size 512
    return Recipe(
        [
            # The program sums over the layers; the losses here are means over the layers.
            ContentLoss(
                photo,
                layers=contents,
                normalize="none",  # nn.MSECriterion
                weight=content_weight * sum(contents.values()),  # -content_weights 1.0
            ),
            GramStyleLoss(
                painting,
                layers=styles,
                normalize="neural-style",  # nn.MSECriterion of G / (C h w)
                weight=style_weight * sum(styles.values()),  # -style_weights 5.0
            ),
            # TotalVariation.lua has the gradient of half the sum of squared differences in 0-255.
            TotalVariationLoss(weight=tv_strength / 2 * 255**2 * photo.size),
        ],
        content=photo,
        styles=[painting],
        start=Noise(1 / 255, color=MEAN_COLOR),  # torch.randn, of pictures less the mean
        steps=500,  # -num_iterations
        layers={"style_layers": styles, "content_layers": contents},
        optimizer=LBFGS(),  # -optimizer lbfgs
    )
