"""Heitz et al.: texture by sorted projections of features."""

from __future__ import annotations

from stylekit._checks import number
from stylekit._defaults import VGG19_BLOCKS
from stylekit.features import VGG19
from stylekit.image import PictureLike, as_image, fit_shape
from stylekit.losses import SlicedWassersteinLoss
from stylekit.losses.base import LayersLike
from stylekit.recipes.presets._shared import layer_weights
from stylekit.recipes.recipe import Recipe, coarse_to_fine
from stylekit.transfer import LBFGS, Noise, Pyramid

LAYERS = tuple(
    f"conv{block}_{number}"
    for block, (_, count) in enumerate(VGG19_BLOCKS[:4], 1)
    for number in range(1, count + 1)
)
"""``texture_optimization_slicing.py``: every convolution of four blocks."""

ROUNDS, ROUND_STEPS = 64, 64
"""The program's range(64), and its max_iter."""


def heitz2021(
    style: PictureLike,
    *,
    size: int | None = None,
    scaling_factor: float = 1.0,
    style_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of A Sliced Wasserstein Loss for Neural Texture Synthesis.

    Parameters
    ----------
    style : path, PIL image or array
        The sample of the texture.
    size : int, optional
        Longer side of the sample in pixels. Default: None, its own.
    scaling_factor : float
        Sides of the result relative to those of the sample, above 0.
    style_layers : sequence of str, or mapping of str to float, optional
        A mapping holds the layers' weights, too. Default: conv1_1 to conv4_4.

    Returns
    -------
    Recipe

    Raises
    ------
    InputError, InputTypeError, FileError
        If an argument or the sample cannot be used.

    Notes
    -----
    Departures from the program:

    - It draws the random directions anew in each evaluation. Here each of the 64 rounds of 64 steps
      has its own, which are orthonormal, and L-BFGS begins anew with them.
    - It scales the activations of its network, and adds the layers up. Here each layer's distance
      is divided by the mean square of the sample's features, and the layers are weighed as if they
      were added up.
    - Its network reflects the features at the border of each layer. Here pictures are reflected
      before the network, where they are large enough.
    - Pictures of other sizes are compared by their quantile functions; the program repeats the
      sample's values, and so needs a whole number for a scaling factor.
    - L-BFGS is stylekit's. It keeps 10 pairs, the program 100, and stays in [0, 1].

    References
    ----------
    Heitz, Vanhoey, Chambon, Belcour: A Sliced Wasserstein Loss for Neural Texture Synthesis,
    CVPR 2021, and their program.

    Examples
    --------
    >>> import stylekit as sk
    >>> recipe = sk.recipes.presets.heitz2021("gravel.jpg", size=256)  # doctest: +SKIP
    >>> recipe.run().save("out.png")  # doctest: +SKIP
    """
    styles = layer_weights(style_layers, LAYERS, "style_layers")
    scale = number(scaling_factor, "scaling_factor", low=0, open_low=True)
    sample = as_image(style, "style", size)
    shape = fit_shape(sample.shape, max(1, round(max(sample.shape[:2]) * scale)))
    red, green, blue = map(float, sample.mean(axis=(0, 1)))
    return Recipe(
        [SlicedWassersteinLoss(sample, layers=styles, weight=sum(styles.values()))],
        styles=[sample],
        start=Noise(0.01, color=(red, green, blue), shape=shape),  # mean + 0.01 * torch.randn
        shape=shape,
        steps=ROUNDS * ROUND_STEPS,
        levels=_rounds,
        reflect=True,  # padding_mode reflect
        layers={"style_layers": styles},
        optimizer=LBFGS(),
        extractor=VGG19(pooling="average"),  # AvgPool2d
    )


def _rounds(longer: int, levels: int | None = None) -> Pyramid:
    """Return rounds at the full size of equal steps, after coarser levels if they are wanted."""
    sizes = coarse_to_fine(longer, 1 if levels is None else levels).sizes
    return Pyramid([*sizes[:-1], *(longer,) * ROUNDS])
