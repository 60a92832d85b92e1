"""Gatys, Ecker and Bethge: style as Gram matrices."""

from __future__ import annotations

from stylekit._defaults import SIZE
from stylekit.features import VGG19
from stylekit.image import PictureLike
from stylekit.losses import ContentLoss, GramStyleLoss
from stylekit.losses.base import LayersLike
from stylekit.recipes._paint import content_picture, sized_style
from stylekit.recipes.presets._shared import (
    GATYS_CONTENT,
    GATYS_STYLE,
    layer_weights,
    unit_activation,
)
from stylekit.recipes.recipe import Recipe
from stylekit.transfer import LBFGS, Noise


def gatys2016(
    content: PictureLike,
    style: PictureLike,
    *,
    size: int | None = SIZE,
    content_weight: float = 1e-3,
    style_weight: float = 1.0,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of the paper that began neural style transfer.

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. None keeps the content's own.
    content_weight, style_weight : float
        The paper's alpha and beta. Their ratio is from 5e-4 to 5e-3 in its figure 3.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        A mapping holds the layers' weights, too. Default: conv1_1 to conv5_1 with weights of 1/5,
        and conv4_2.

    Returns
    -------
    Recipe
        It has a style loss a layer, by the layer's name.

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or a picture cannot be used.

    Notes
    -----
    Departures from the paper:

    - Its network is scaled to a mean activation of 1 in each filter, over ImageNet. Here the loss
      of a layer is divided by the square (content) or the fourth power (style) of the layer's mean
      activation on the content, so that any network serves with the paper's weights.
    - Equations 1 and 4 are sums over features, with a factor of 1/2 and of 1/4. Here both are means
      without it, as in the authors' program for the scaled network, whose weights 1e6 and 1e9 have
      the ratio of the paper's figures. With the sums that ratio leaves a picture of 256 pixels as
      it is: a content loss of 3300 stands beside a style loss of 0.3.
    - Gram matrices are divided by the number of positions of their own picture. The paper divides
      both by the image's, and resizes the style to the content's size; here its longer side is.
    - The paper names neither steps nor the deviation of the noise. The steps are those of the
      authors' programs. L-BFGS is stylekit's, with 10 pairs and in [0, 1].

    References
    ----------
    Gatys, Ecker, Bethge: Image Style Transfer Using Convolutional Neural Networks, CVPR 2016.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.gatys2016("photo.jpg", "starry.jpg")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    styles = layer_weights(style_layers, dict.fromkeys(GATYS_STYLE, 1 / 5), "style_layers")  # eq. 5
    contents = layer_weights(content_layers, GATYS_CONTENT, "content_layers")  # section 3
    photo = content_picture(content, size)  # 512 pixels: section 4
    painting = sized_style(style, photo, 1.0)
    recipe = Recipe(
        content=photo,
        styles=[painting],
        start=Noise(),  # section 2.3, "a white noise image"
        steps=500,  # NeuralImageSynthesis, BasicStyleTransfer.ipynb: max_iter
        layers={"style_layers": styles, "content_layers": contents},
        optimizer=LBFGS(),  # section 2.3
        extractor=VGG19(pooling="average"),  # section 2
    )
    for layer, share in contents.items():
        loss = ContentLoss(
            photo,
            layers=layer,
            normalize="none",  # eq. 1, as a mean: LossLayers.lua, nn.MSE
            weight=content_weight * share,
            name=f"content_{layer}",
        )
        recipe.add(loss, unit_activation(photo, layer, 2))
    for layer, share in styles.items():
        term = GramStyleLoss(
            painting,
            layers=layer,
            normalize="pixels",  # eq. 4, as a mean: LossLayers.lua, nn.GramMSE
            weight=style_weight * share,
            name=f"style_{layer}",
        )
        recipe.add(term, unit_activation(photo, layer, 4))
    return recipe
