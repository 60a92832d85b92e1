"""Gatys, Ecker and Bethge: style as Gram matrices."""

from __future__ import annotations

from stylekit._checks import choice, number
from stylekit._defaults import SIZE
from stylekit.features import VGG19
from stylekit.image import PictureLike
from stylekit.losses import ContentLoss, GramStyleLoss
from stylekit.losses.base import LayersLike
from stylekit.recipes._colors import finished, prepared
from stylekit.recipes._paint import content_picture, sized_style
from stylekit.recipes.presets._shared import (
    GATYS_CONTENT,
    GATYS_STYLE,
    layer_weights,
    unit_activation,
)
from stylekit.recipes.recipe import Recipe, halved
from stylekit.transfer import LBFGS, Noise, Pyramid


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
    """Return the recipe of the paper that introduced neural style transfer.

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. None keeps the size of the content.
        The paper's alpha and beta. In its figure 3, their ratio is from 5e-4 to 5e-3.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights, which are scaled to sum to 1. Default:
        conv1_1 to conv5_1 for the style, and conv4_2 for the content.

    Returns
    -------
    Recipe
        The recipe has one style loss for each layer, named after the layer.

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or a picture cannot be used.

    Notes
    -----
    Departures from the paper:

    - The paper's network is scaled so that each filter has a mean activation of 1 over ImageNet.
      Here the loss of a layer is divided by the square (content) or the fourth power (style) of its
      mean activation on the content, so that the paper's weights suit any network.
    - Equations 1 and 4 are sums over features, with factors of 1/2 and 1/4. Here both are means
      without these factors, as in the authors' program for the scaled network, whose weights of 1e6
      and 1e9 have the ratio of the paper's figures. If sums were used with that ratio, the content
      would have four million times this weight (64 x 64 cells of 512 channels at 512 pixels), and
      the style would have no visible effect.
    - The Gram matrix of each picture is divided by the number of positions of that picture. The
      paper divides both matrices by the number of positions of the image, and resizes the style to
      the height and width of the content. Here only the longer sides are equal.
    - The paper does not state the number of steps or the deviation of the noise. The number of
      steps is that of the authors' programs. L-BFGS is that of stylekit, with 10 pairs and bounds
      of [0, 1].

    References
    ----------
    Gatys, Ecker, Bethge: Image Style Transfer Using Convolutional Neural Networks, CVPR 2016.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.gatys2016("photo.jpg", "starry.jpg")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    content_weight = number(content_weight, "content_weight", low=0)
    style_weight = number(style_weight, "style_weight", low=0)
    styles = layer_weights(style_layers, GATYS_STYLE, "style_layers")  # section 3
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
            weight=content_weight * share / sum(contents.values()),
            name=f"content_{layer}",
        )
        recipe.add(loss, unit_activation(photo, layer, 2))
    for layer, share in styles.items():
        term = GramStyleLoss(
            painting,
            layers=layer,
            normalize="pixels",  # eq. 4, as a mean: LossLayers.lua, nn.GramMSE
            weight=style_weight * share / sum(styles.values()),  # w = 1/5: section 3
            name=f"style_{layer}",
        )
        recipe.add(term, unit_activation(photo, layer, 4))
    return recipe


def gatys2017(
    content: PictureLike,
    style: PictureLike,
    *,
    size: int | None = 1024,
    content_weight: float = 1.0,
    style_weight: float = 1e3,
    keep_colors: str | None = None,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of "Controlling Perceptual Factors", as in its authors' programs.

    The picture is first painted at half its final size, then at its final size. For the spatial
    control of the paper, see `recipes.regions` and `MaskedGramStyleLoss`.

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. None keeps the size of the content.
    content_weight, style_weight : float
        The programs' ``cw`` and ``sw``.
    keep_colors : str, optional
        The colour control of section 5: ``"match"`` or ``"luminance"``; see `recipes.basic`.
        Default: the result has the colours of the style.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights. Default: relu1_1 to relu5_1 for the
        style, and relu4_2 for the content.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or a picture cannot be used.

    Notes
    -----
    Departures from the programs:

    - In the programs, 512 and 1024 are the square root of the picture's area, and the style has the
      same area. Here they are the longer sides.
    - At the larger size the programs start from the enlarged smaller result. Here only the
      difference between the result and the photograph is enlarged, so that the finest details of
      the photograph remain.
    - For ``"luminance"`` the programs paint a grey content with a grey style of the same mean and
      deviation. Here the finished picture gets the colours of the content.
    - The L-BFGS optimizer is that of stylekit, with 10 pairs and bounds of [0, 1].

    References
    ----------
    Gatys, Ecker, Bethge, Hertzmann, Shechtman: Controlling Perceptual Factors in Neural Style
    Transfer, CVPR 2017. The program is ``ExampleNotebooks/BasicStyleTransfer.ipynb`` in L. Gatys's
    NeuralImageSynthesis. PytorchNeuralStyleTransfer has the same weights.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.gatys2017("photo.jpg", "starry.jpg")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    content_weight = number(content_weight, "content_weight", low=0)
    style_weight = number(style_weight, "style_weight", low=0)
    if keep_colors is not None:
        choice(keep_colors, "keep_colors", ("match", "luminance"))
    styles = layer_weights(style_layers, GATYS_STYLE, "style_layers")  # layers['style']
    contents = layer_weights(content_layers, GATYS_CONTENT, "content_layers")  # layers['content']
    photo = content_picture(content, size)  # hr_img_size = 1024
    painting = prepared(sized_style(style, photo, 1.0), photo, keep_colors)
    recipe = Recipe(
        [
            # The programs sum over the layers; the losses here are means over the layers.
            ContentLoss(
                photo,
                layers=contents,
                normalize="none",  # MSE
                weight=content_weight * sum(contents.values()),  # cw = 1
            ),
            GramStyleLoss(
                painting,
                layers=styles,
                normalize="neural-style",  # GramMSE with weights of sw / C^2
                weight=style_weight * sum(styles.values()),  # sw = 1e3
            ),
        ],
        content=photo,
        styles=[painting],  # the initial image is the content: init = 'image'
        steps=700,  # max_iter = 500, hr_max_iter = 200
        levels=_low_and_high,
        layers={"style_layers": styles, "content_layers": contents},
        optimizer=LBFGS(),
    )
    return recipe.then(lambda result: finished(result, photo, keep_colors), partial=True)


def _low_and_high(longer: int, levels: int | None = None) -> Pyramid:
    """Return half the size with 500 steps and the full size with 200, or `levels` levels."""
    if levels is not None or longer < 2:
        return halved(longer, levels)
    return Pyramid([round(longer / 2), longer], [500, 200])
