"""Kolkin et al.: style by relaxed optimal transport (STROTSS) and by neighbours (NNST)."""

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
"""All convolutions of VGG16 except the ninth, tenth, twelfth and thirteenth: section 2.1."""

NNST_LAYERS = (
    *("conv1_1", "conv1_2", "conv2_1", "conv2_2"),
    *("conv3_1", "conv3_2", "conv3_3", "conv4_1", "conv4_2", "conv4_3"),
)
"""All convolutions of VGG16 except those of the fifth block: ``featureExtract.py``."""

STEPS = 200
"""Number of steps at each size: section 2.5 of STROTSS, and ``max_iter`` of NNST."""

FINAL_ROUNDS = 4
"""Number of rounds of the final pass. The matches are fixed in each round."""


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
    """Return the recipe of "Style Transfer by Relaxed Optimal Transport and Self-Similarity".

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. None keeps the size of the content.
    content_weight : float
        The program's argument, above 0. Alpha at the coarsest size is 16 times this value.
    style_scale : float
        Longer side of the style picture relative to the longer side of the result, above 0.
    style_layers, content_layers : sequence of str, or mapping of str to float, optional
        Layers of the hypercolumns in the two losses, or a mapping of layer names to weights.
        Default: the nine layers of the paper, in both losses.

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

    - The network is VGG19 instead of VGG16. It has one more convolution before conv4_1, in the
      third block, and another before conv5_1, in the fourth block. Hypercolumns do not include the
      pixels.
    - The paper halves alpha at each size, from 16 to 2. It also divides the weight of the palette
      by alpha, and all terms by a divisor that contains alpha. Here the weight of the palette and
      the divisor use the alpha of the finest size at all sizes.
    - At the last size, the paper halves the learning rate. Here the learning rate is not changed.
      The details of the photograph reappear at this size.
    - The recipe has the departures of `RelaxedTransportLoss` and `SelfSimilarityLoss`, such as a
      fixed sample of places for each size, and layers that are divided by their mean and number of
      channels.

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
    sizes = levels_of(max(photo.shape))  # section 2.5: from 64 pixels, four sizes up to 512
    # styleTransfer.py multiplies alpha by 16 and halves it at each finer size. This is alpha at the
    # finest size.
    alpha = 16 * number(content_weight, "content_weight", low=0, open_low=True) / 2 ** (sizes - 1)
    total = 2 + alpha + 1 / alpha  # eq. 1
    palette = 1 / alpha  # eq. 1

    def start(levels: Pyramid) -> np.ndarray:
        # Section 2.5: the finest band at the coarsest size, added to the style's mean colour. Each
        # further level adds the photograph's finest band at the size of the level to the painted
        # image.
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
            # RelaxedTransportLoss is SCALE times the weighted mean of the paper's three terms.
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
        # Section 2.5, with PyTorch's rho. PyTorch adds epsilon to the root, Keras under the root.
        optimizer=keras.optimizers.RMSprop(2e-3, rho=0.99, epsilon=1e-16),
        parameters=LaplacianPyramid(6),  # section 2.5: 5 bands and the coarsest picture
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
    """Return the recipe of "Neural Neighbor Style Transfer" by optimisation (NNST-Opt).

    Parameters
    ----------
    content, style : path, PIL image or array
    size : int, optional
        Longer side of the result in pixels. None keeps the size of the content.
    alpha : float
        Share of the content in the features that are matched with the style, in [0, 1]. The rest is
        the current image.
    rotations : bool
        Whether copies of the style, rotated by 90, 180 and 270 degrees, are additional candidates.
    colorize : bool
        Whether the colours are corrected after the run.
    style_scale : float
        Longer side of the style picture relative to the longer side of the result, above 0.
    style_layers : sequence of str, or mapping of str to float, optional
        Layers that are matched, or a mapping of layer names to weights. Default: conv1_1 to
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

    - The network is VGG19 instead of VGG16. It has one more convolution in the third block. Layers
      are also divided by their mean.
    - The finest band of the matched picture is that of the current image; the program uses the
      finest band of the content.
    - In the final pass the program repeats the matching in each of 200 steps, for a sample of 64 x
      64 places. Here all places are matched, and the matches are fixed for 50 steps.
    - At most 16384 candidates of each rotation of the style are compared.
    - The program's optional content loss is omitted. The `ContentLoss` has a weight of 0; it is
      only there to define the content of the run.
    - Colours are corrected by `stylekit.image.palette_colors`, whose smoothing filter differs.

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
    # stylize.py: the initial image lacks the three finest bands, or the two finest bands from 1024
    # pixels on.
    coarse = resize(photo, fit_shape(photo.shape, max(1, longer // (4 if longer >= 1024 else 8))))
    recipe = Recipe(
        [
            NeighborStyleLoss(
                painting,
                layers=styles,
                # The program's alpha is the share of the content; the alpha of the loss is the
                # share of the image.
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
        parameters=LaplacianPyramid(9),  # pyr_levs: 8 bands and the coarsest picture
    )
    if colorize:  # the program's default; --dont_colorize turns it off
        source = Source(painting)
        recipe.then(lambda result: finished(result, photo, "palette", None, [source]), partial=True)
    return recipe


def _even(longer: int, levels: int | None = None) -> Pyramid:
    """Return levels of equal steps, each half the next; the coarsest has 64 to 127 pixels."""
    return Pyramid(coarse_to_fine(longer, levels).sizes)


def _with_final_pass(longer: int, levels: int | None = None) -> Pyramid:
    """Return the levels of `_even`, and rounds at the full size with the steps of one level."""
    sizes = coarse_to_fine(longer, levels).sizes
    shares = [1.0] * len(sizes) + [1 / FINAL_ROUNDS] * FINAL_ROUNDS
    return Pyramid([*sizes, *(longer,) * FINAL_ROUNDS], shares)
