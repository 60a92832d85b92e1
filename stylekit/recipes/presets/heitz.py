"""Heitz et al.: textures by sorted projections of features."""

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
"""All convolutions of the first four blocks, as in ``texture_optimization_slicing.py``."""

ROUNDS, ROUND_STEPS = 64, 64
"""Numbers of rounds and of steps per round: the program's ``range(64)`` and ``max_iter``."""


def heitz2021(
    style: PictureLike,
    *,
    size: int | None = None,
    scaling_factor: float = 1.0,
    style_layers: LayersLike = None,
) -> Recipe:
    """Return the recipe of "A Sliced Wasserstein Loss for Neural Texture Synthesis".

    Parameters
    ----------
    style : path, PIL image or array
        The sample of the texture.
    size : int, optional
        Longer side of the sample in pixels. Default: None, which keeps the size of the sample.
    scaling_factor : float
        Height and width of the result relative to those of the sample, above 0.
    style_layers : sequence of str, or mapping of str to float, optional
        Layer names, or a mapping of layer names to weights. Default: conv1_1 to conv4_4.

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

    - The program draws new random directions for each evaluation. Here the directions are fixed and
      orthonormal in each of 64 rounds of 64 steps, and L-BFGS restarts with each round.
    - The program scales the activations of its network, and sums over the layers. Here the distance
      of each layer is divided by the mean square of the sample's features, and the mean over layers
      is multiplied by the number of layers.
    - The program's network reflects the features at the border of each layer. Here pictures are
      reflected before they are passed to the network, if they are large enough.
    - Pictures of different sizes are compared by their quantile functions. The program repeats the
      values of the sample, and therefore needs an integer scaling factor.
    - The L-BFGS optimizer is that of stylekit, with 10 pairs instead of 100 and bounds of [0, 1].

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
    """Return rounds of equal steps at the full size, preceded by coarser levels if requested."""
    sizes = coarse_to_fine(longer, 1 if levels is None else levels).sizes
    return Pyramid([*sizes[:-1], *(longer,) * ROUNDS])
