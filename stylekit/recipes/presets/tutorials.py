"""The Keras example and the two TensorFlow tutorials on neural style transfer."""

from __future__ import annotations

import math

import keras

from stylekit._checks import number
from stylekit._defaults import SIZE, STYLE_LAYERS
from stylekit.features import FeatureExtractor
from stylekit.image import PictureLike, as_image, resize
from stylekit.losses import ContentLoss, GramStyleLoss, TotalVariationLoss
from stylekit.losses.base import LayersLike
from stylekit.recipes._paint import content_picture, sized_style
from stylekit.recipes.presets._shared import layer_weights
from stylekit.recipes.recipe import Factor, Recipe
from stylekit.transfer import LaplacianPyramid

CONTENT = ("block5_conv2",)
"""Content layer of the example and both tutorials. Their style layers are those of Gatys et al.
2016."""

ROWS = 400
"""Height of the picture in the Keras example, in pixels: ``img_nrows``."""


def keras_example(
    content: PictureLike,
    style: PictureLike,
    *,
    size: int | None = None,
    content_weight: float = 2.5e-8,
    style_weight: float = 1e-6,
    total_variation_weight: float = 1e-6,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of Keras's example "Neural style transfer".

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. Default: the longer side at which the result is 400
        pixels high.
    content_weight, style_weight, total_variation_weight : float
        The example's variables with the same names, at least 0.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights, which are scaled to sum to 1. Default:
        block1_conv1 to block5_conv1 for the style, and block5_conv2 for the content.

    Returns
    -------
    Recipe
        The recipe has one style loss for each layer, named after the layer. The sum of its losses
        is the loss of the example.

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or a picture cannot be used.

    Notes
    -----
    As in the example, the style is stretched to the content's height and width, and the image may
    leave [0, 1] until the run ends. Departures from the example:

    - Pictures are reduced with anti-aliasing. The example takes the nearest pixels.
    - The total variation includes the last row and column, whose pixels have a neighbour in one
      direction only.
    - If the height is not 400 pixels, the learning rate is multiplied by ``(height / 400)^2``,
      because the gradient of the style loss at a pixel is inversely proportional to this factor.
      With the example's rate, small pictures diverge.

    References
    ----------
    ``examples/generative/neural_style_transfer.py`` of keras.io.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.keras_example("photo.jpg", "starry.jpg")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    content_weight = number(content_weight, "content_weight", low=0)
    style_weight = number(style_weight, "style_weight", low=0)
    total_variation_weight = number(total_variation_weight, "total_variation_weight", low=0)
    styles = layer_weights(style_layers, STYLE_LAYERS, "style_layers")  # style_layer_names
    contents = layer_weights(content_layers, CONTENT, "content_layers")  # content_layer_name
    if size is None:
        height, width = as_image(content, "content").shape[:2]
        size = round(ROWS * max(height, width) / height)
    photo = content_picture(content, size)
    painting = resize(as_image(style, "style"), photo.shape[:2])
    recipe = Recipe(
        [
            ContentLoss(
                photo,
                layers=contents,
                error="half_sse",
                normalize="none",
                weight=2 * content_weight,
            ),
            # The sum of (dx^2 + dy^2)^1.25 over pixels and channels in 0-255.
            TotalVariationLoss(2.5, weight=total_variation_weight * 255**2.5 * photo.size),
        ],
        content=photo,
        styles=[painting],  # the initial image is the content
        steps=4000,  # iterations
        layers={"style_layers": styles, "content_layers": contents},
        # The gradient for pixels in 0-255 is 1/255 of the gradient for pixels in [0, 1], and so is
        # the step.
        optimizer=keras.optimizers.SGD(
            keras.optimizers.schedules.ExponentialDecay(
                100 / 255**2 * (photo.shape[0] / ROWS) ** 2, 100, 0.96
            )
        ),
        parameters=LaplacianPyramid(1),  # pixels without bounds
    )
    for layer, share in styles.items():
        loss = GramStyleLoss(
            painting,
            layers=layer,
            normalize="keras",
            weight=style_weight * share / sum(styles.values()),  # len(style_layer_names)
            name=f"style_{layer}",
        )
        recipe.add(loss, _cells_of_pixels(layer, recipe.shape))
    return recipe


def _cells_of_pixels(layer: str, shape: tuple[int, int]) -> Factor:
    """Return the factor ``(N / pixels)^2`` for a layer of N cells; see `functional.gram_distance`.

    The example's Gram matrices are sums over the cells of a layer, divided by the number of pixels.
    """

    def factor(network: FeatureExtractor) -> float:
        cells = [network.grid(layer, side, axis).cells for axis, side in enumerate(shape)]
        return (math.prod(cells) / math.prod(shape)) ** 2

    return factor


def tensorflow_tutorial(
    content: PictureLike,
    style: PictureLike,
    *,
    size: int | None = SIZE,
    content_weight: float = 1e4,
    style_weight: float = 1e-2,
    total_variation_weight: float = 30.0,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of TensorFlow's tutorial "Neural style transfer".

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. None keeps the size of the content.
    content_weight, style_weight, total_variation_weight : float
        The tutorial's variables with the same names, at least 0. The first run of the tutorial uses
        no total variation.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights, which are scaled to sum to 1. Default:
        block1_conv1 to block5_conv1 for the style, and block5_conv2 for the content.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or a picture cannot be used.

    Notes
    -----
    The losses and steps are those of the tutorial, except the gradient of the total variation at 0:
    the absolute value of a difference d is replaced by ``sqrt(d^2 + 1e-8) - 1e-4``.

    References
    ----------
    ``site/en/tutorials/generative/style_transfer.ipynb`` of tensorflow.org.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.tensorflow_tutorial("photo.jpg", "starry.jpg")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    content_weight = number(content_weight, "content_weight", low=0)
    style_weight = number(style_weight, "style_weight", low=0)
    total_variation_weight = number(total_variation_weight, "total_variation_weight", low=0)
    recipe = _with_adam(
        content,
        style,
        size,
        (content_weight, style_weight),
        (style_layers, content_layers),
        keras.optimizers.Adam(0.02, beta_1=0.99, epsilon=0.1),
    )
    # tf.image.total_variation is a sum over pixels and channels.
    variation = total_variation_weight * math.prod(recipe.shape) * 3
    return recipe.add(TotalVariationLoss(1.0, isotropic=False, weight=variation))


def realtime_tutorial(
    content: PictureLike,
    style: PictureLike,
    *,
    size: int | None = SIZE,
    content_weight: float = 1e3,
    style_weight: float = 1e-2,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of TensorFlow's tutorial of 2018, "with eager execution".

    The table of losses that this tutorial prints appears in many courses and reports.

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. None keeps the size of the content.
    content_weight, style_weight : float
        The tutorial's arguments with the same names, at least 0.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights, which are scaled to sum to 1. Default:
        block1_conv1 to block5_conv1 for the style, and block5_conv2 for the content.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or a picture cannot be used.

    Notes
    -----
    The losses and steps are those of the tutorial. The tutorial's pixels are in 0-255. For pixels
    in [0, 1], the learning rate of 5 becomes 5/255 and the epsilon of 0.1 becomes 0.1 * 255, which
    gives the same steps. The tutorial returns the image with the lowest total, which is
    `Result.best`.

    References
    ----------
    ``research/nst_blogpost/4_Neural_Style_Transfer_with_Eager_Execution.ipynb`` of
    tensorflow/models.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.realtime_tutorial("photo.jpg", "starry.jpg")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    content_weight = number(content_weight, "content_weight", low=0)
    style_weight = number(style_weight, "style_weight", low=0)
    return _with_adam(
        content,
        style,
        size,
        (content_weight, style_weight),
        (style_layers, content_layers),
        keras.optimizers.Adam(5 / 255, beta_1=0.99, epsilon=0.1 * 255),
    )


def _with_adam(content, style, size, weights, layers, optimizer) -> Recipe:
    """Return a recipe with the settings that TensorFlow's two tutorials share."""
    styles = layer_weights(layers[0], STYLE_LAYERS, "style_layers")  # style_layers
    contents = layer_weights(layers[1], CONTENT, "content_layers")  # content_layers
    photo = content_picture(content, size)  # max_dim = 512
    painting = sized_style(style, photo, 1.0)  # load_img resizes both to the same longer side
    return Recipe(
        [
            # Like these losses, both are means over layers: num_style_layers, num_content_layers.
            ContentLoss(photo, layers=contents, normalize="none", weight=weights[0]),
            GramStyleLoss(painting, layers=styles, normalize="pixels", weight=weights[1]),
        ],
        content=photo,
        styles=[painting],  # the initial image is the content
        steps=1000,  # epochs * steps_per_epoch, num_iterations
        layers={"style_layers": styles, "content_layers": contents},
        optimizer=optimizer,
    )
