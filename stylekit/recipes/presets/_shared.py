"""What the presets share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stylekit._checks import fail, renamed
from stylekit.features import FeatureExtractor
from stylekit.image import as_image
from stylekit.losses.base import LayersLike, layer_tuple, weight_tuple
from stylekit.recipes.recipe import Factor

GATYS_STYLE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
"""Layers of the style in Gatys et al. 2016, section 3, and in most programs since."""

GATYS_CONTENT = ("conv4_2",)
"""Layer of the content there."""

MEAN_COLOR = (123.68 / 255, 116.779 / 255, 103.939 / 255)
"""ImageNet's mean as RGB: what is zero to programs that see pictures less the mean."""

SEEN = 512
"""Longer side, in pixels, at most, of a picture from which `unit_activation` measures a network."""


def layer_weights(
    given: LayersLike, own: Sequence[str] | Mapping[str, float], argument: str
) -> dict[str, float]:
    """Return layers and weights: those that were given, or the preset's own.

    Parameters
    ----------
    given
        The value of the preset's argument. Layers without weights have a weight of 1 each.
    own : sequence of str, or mapping of str to float
    argument : str
        The argument's name, for errors.
    """
    layers = own if given is None else given
    with renamed(layers=argument, layer_weights=argument):
        return dict(zip(layer_tuple(layers), weight_tuple(None, layers) or (), strict=True))


def unit_activation(picture: np.ndarray, layer: str, power: int) -> Factor:
    """Return the factor by which a loss is as if a layer's mean activation were 1.

    The published weights of Gatys et al. are those of a network that was scaled so. The mean of the
    run's network is measured on a picture; a linear layer's is that of the absolute values.

    Parameters
    ----------
    picture : ndarray [H, W, 3]
    layer : str
    power : int
        Power of the features in the loss: 2 in squared differences, 4 in those of Gram matrices.

    Returns
    -------
    callable
        From a network to ``mean(|F|)**-power``.
    """

    def factor(network: FeatureExtractor) -> float:
        small = as_image(picture, "content", min(SEEN, max(picture.shape[:2])))
        features = network.network([layer])(small[None])[network.resolve(layer)]
        mean = float(np.mean(np.abs(features)))
        if not mean:
            fail(
                f"layer {layer!r} is zero everywhere on the content",
                expected="features to scale the weight by",
                hint="take another layer, or another content",
                argument="content",
            )
        return mean**-power

    return factor
