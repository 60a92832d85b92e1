"""Kolkin and others: style by relaxed optimal transport (STROTSS) and by neighbours (NNST)."""

from __future__ import annotations

import keras
import numpy as np

from stylekit._checks import number
from stylekit._defaults import SIZE
from stylekit.image import PictureLike, fit_shape, resize
from stylekit.losses import ContentLoss, NeighborStyleLoss, RelaxedTransportLoss, SelfSimilarityLoss
from stylekit.losses.base import LayersLike
from stylekit.losses.relaxed_transport import SCALE
from stylekit.recipes._colors import Source, finished
from stylekit.recipes._paint import content_picture, sized_style
from stylekit.recipes.presets._shared import layer_weights
from stylekit.recipes.recipe import Recipe, coarse_to_fine, levels_of
from stylekit.transfer import LaplacianPyramid, Mix, Pyramid

STROTSS_LAYERS = (
    *("conv1_1", "conv1_2", "conv2_1", "conv2_2"),
    *("conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv5_1"),
)
"""Section 2.1: all convolutions of VGG16 but the ninth, tenth, twelfth and thirteenth."""

NNST_LAYERS = (
    *("conv1_1", "conv1_2", "conv2_1", "conv2_2"),
    *("conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv4_2", "conv4_3"),
)
"""``featureExtract.py``: all convolutions of VGG16 but those of the fifth block."""

STEPS = 200
"""Steps at each size: section 2.5 of the one, ``max_iter`` of the other."""

FINAL_ROUNDS = 4
"""Rounds of the final pass, in each of which the matches are fixed."""


def kolkin2019(
    content: PictureLike,
    style: PictureLike,
    *,
    size: int | None = SIZE,
    content_weight: float = 1.0,
    style_scale: float = 1.0,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of Style Transfer by Relaxed Optimal Transport and Self-Similarity.

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. None keeps the content's own.
    content_weight : float
        The program's argument, above 0: a sixteenth of the alpha of the coarsest size.
    style_scale : float
        Longer side of the style relative to the result's.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layers of the hypercolumns in the two losses. A mapping holds their weights, too. Default:
        the paper's nine, in both.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or a picture cannot be used.

    Notes
    -----
    Departures from the paper:

    - The network is VGG19, whose layers of the same names follow one convolution more in the third
      block, and one in the fourth. Hypercolumns do not hold the pixels.
    - Its alpha, which is halved at each size, from 16 to 2, also divides the palette's weight, and
      is in the divisor of all. Here these hold the alpha of the finest size.
    - The last size has the learning rate of the others, of which the paper takes half. The details
      of the photograph come back there, too.
    - The departures of `RelaxedTransportLoss` and `SelfSimilarityLoss`, such as a sample of places
      that is drawn once a size, and layers divided by their mean and number of channels.

    References
    ----------
    Kolkin, Salavon, Shakhnarovich: Style Transfer by Relaxed Optimal Transport and Self-Similarity,
    CVPR 2019, and their program STROTSS.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.kolkin2019("photo.jpg", "starry.jpg")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    styles = layer_weights(style_layers, STROTSS_LAYERS, "style_layers")
    contents = layer_weights(content_layers, STROTSS_LAYERS, "content_layers")
    photo = content_picture(content, size)
    painting = sized_style(style, photo, style_scale)
    sizes = levels_of(max(photo.shape))  # section 2.5: from 64 pixels, four to 512
    # styleTransfer.py multiplies by 16, and halves it at each finer size: the last one's alpha.
    alpha = 16 * number(content_weight, "content_weight", low=0, open_low=True) / 2 ** (sizes - 1)
    total = 2 + alpha + 1 / alpha  # eq. 1
    palette = 1 / alpha  # eq. 1

    def start(levels: Pyramid) -> np.ndarray:
        # Section 2.5: the finest band at the coarsest size, added to the style's mean colour. A
        # level adds the photograph's finest band at its own size to what was painted before it.
        coarse = resize(photo, fit_shape(photo.shape, max(1, levels.sizes[0] // 2)))
        bands = photo - resize(coarse, photo.shape[:2])
        return np.clip(painting.mean(axis=(0, 1)) + bands, 0, 1)

    return Recipe(
        [
            SelfSimilarityLoss(
                photo,
                layers=contents,
                samples=1024,  # section 2.5
                coarse_exponent=1,  # section 2.5: alpha is halved as the size is doubled
                weight=alpha / total,
                name="content",
            ),
            # The loss is SCALE times the weighted mean of the paper's three terms.
            RelaxedTransportLoss(
                painting,
                layers=styles,
                moments=1.0,  # eq. 1
                palette=palette,
                samples=1024,  # section 2.5
                weight=(2 + palette) / SCALE / total,
            ),
        ],
        content=photo,
        styles=[painting],
        start=start,
        steps=STEPS * sizes,
        levels=_even,
        layers={"style_layers": styles, "content_layers": contents},
        # Section 2.5, with PyTorch's rho; its epsilon is added to the root, Keras's below it.
        optimizer=keras.optimizers.RMSprop(2e-3, rho=0.99, epsilon=1e-16),
        parameters=LaplacianPyramid(6),  # section 2.5: 5 bands, beside the coarsest picture
    )


def kolkin2022(
    content: PictureLike,
    style: PictureLike,
    *,
    size: int | None = SIZE,
    alpha: float = 0.75,
    rotations: bool = True,
    colorize: bool = True,
    style_scale: float = 1.0,
    style_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of Neural Neighbor Style Transfer, by optimisation (NNST-Opt).

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. None keeps the content's own.
    alpha : float
        Share of the content in what is matched with the style, in [0, 1]; the rest is the image so
        far.
    rotations : bool
        Whether the style turned by 90, 180 and 270 degrees offers more candidates.
    colorize : bool
        Whether the colours are corrected after the run.
    style_scale : float
        Longer side of the style relative to the result's.
    style_layers : sequence of str, or mapping of str to float, optional
        Layers that are matched. A mapping holds the layers' weights, too. Default: conv1_1 to
        conv4_3.

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

    - The network is VGG19, whose layers of the same names follow one convolution more in the third
      block. Layers are divided by their mean, too.
    - The finest band of what is matched is the image's, where the program takes the content's.
    - In the final pass the program matches anew in each of 200 steps, on a sample of 64 x 64
      places. Here the matches are fixed for 50 steps, and are those of all places.
    - At most 16384 candidates of each turn of the style are compared.
    - The content loss that the program has as an option is left out. The `ContentLoss` has no
      weight; it is how the run knows the content.
    - Colours are corrected by `stylekit.image.palette_colors`, which smooths them by another
      filter.

    References
    ----------
    Kolkin, Kucera, Paris, Sykora, Shechtman, Shakhnarovich: Neural Neighbor Style Transfer, 2022,
    and their program NeuralNeighborStyleTransfer.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.kolkin2022("photo.jpg", "starry.jpg")  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    styles = layer_weights(style_layers, NNST_LAYERS, "style_layers")
    photo = content_picture(content, size)
    painting = sized_style(style, photo, style_scale)
    longer = max(photo.shape)
    # stylize.py: the start lacks the three finest bands, and two from 1024 pixels.
    coarse = resize(photo, fit_shape(photo.shape, max(1, longer // (4 if longer >= 1024 else 8))))
    recipe = Recipe(
        [
            NeighborStyleLoss(
                painting,
                layers=styles,
                # The program counts the content's share, and we the image's.
                alpha=1 - number(alpha, "alpha", low=0, high=1),
                distance="cosine",
                turned=rotations,  # flip_aug
            ),
            ContentLoss(photo, layers=list(styles)[-1], weight=0),
        ],
        content=photo,
        styles=[painting],
        start=Mix(resize(coarse, photo.shape[:2]), share=0),
        steps=STEPS * (levels_of(longer) + 1),
        levels=_with_final_pass,
        layers={"style_layers": styles},
        optimizer=keras.optimizers.Adam(2e-3, epsilon=1e-8),  # lr; PyTorch's epsilon
        parameters=LaplacianPyramid(9),  # pyr_levs: 8 bands, beside the coarsest picture
    )
    if colorize:  # the default without --dont_colorize
        source = Source(painting)
        recipe.then(lambda result: finished(result, photo, "palette", None, [source]), partial=True)
    return recipe


def _even(longer: int, levels: int | None = None) -> Pyramid:
    """Return levels from 64 to 127 pixels up, each half the next, of equal steps."""
    return Pyramid(coarse_to_fine(longer, levels).sizes)


def _with_final_pass(longer: int, levels: int | None = None) -> Pyramid:
    """Return such levels, and rounds at the full size that have the steps of one level."""
    sizes = coarse_to_fine(longer, levels).sizes
    shares = [1.0] * len(sizes) + [1 / FINAL_ROUNDS] * FINAL_ROUNDS
    return Pyramid([*sizes, *(longer,) * FINAL_ROUNDS], shares)
