"""Common parts of the presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from stylekit._checks import fail, renamed
from stylekit.features import FeatureExtractor
from stylekit.image import as_image
from stylekit.losses.base import LayersLike, layer_tuple, weight_tuple
from stylekit.recipes.recipe import Factor

GATYS_STYLE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
"""Style layers of Gatys et al. 2016, section 3, and of most later programs."""

GATYS_CONTENT = ("conv4_2",)
"""Content layer of Gatys et al. 2016, section 3."""

MEAN_COLOR = (123.68 / 255, 116.779 / 255, 103.939 / 255)
"""ImageNet's mean colour as RGB in [0, 1]. In programs that subtract the mean, this colour is
zero."""

SEEN = 512
"""Maximum longer side, in pixels, of the picture on which `unit_activation` measures a network."""


def layer_weights(
    given: LayersLike, own: Sequence[str] | Mapping[str, float], argument: str
) -> dict[str, float]:
    """Return the layers and weights given by the user, or else the preset's defaults.

    Parameters
    ----------
    given : sequence of str, mapping of str to float, or None
        The argument of the preset. Layers without weights have a weight of 1 each.
    own : sequence of str, or mapping of str to float
        The preset's default layers, used if `given` is None.
    argument : str
        Name of the argument, for errors.
    """
    layers = own if given is None else given
    with renamed(layers=argument, layer_weights=argument):
        return dict(zip(layer_tuple(layers), weight_tuple(None, layers) or (), strict=True))


def unit_activation(picture: np.ndarray, layer: str, power: int) -> Factor:
    """Return the factor that scales a loss as if the mean activation of a layer were 1.

    The published weights of Gatys et al. are for a network that is normalised in this way. The mean
    activation of the run's network is measured on a picture. For layers without a ReLU, the mean of
    the absolute values is used.

    Parameters
    ----------
    picture : ndarray [H, W, 3]
    layer : str
    power : int
        Power of the features in the loss: 2 for squared differences of features, 4 for squared
        differences of Gram matrices.

    Returns
    -------
    callable
        Takes a network and returns ``mean(|F|)**-power``.
    """

    def factor(network: FeatureExtractor) -> float:
        small = as_image(picture, "content", min(SEEN, max(picture.shape[:2])))
        features = network.network([layer])(small[None])[network.resolve(layer)]
        mean = float(np.mean(np.abs(features)))
        if not mean:
            fail(
                f"layer {layer!r} is zero everywhere on the content, and cannot be normalised",
                hint="use another layer or another content",
                argument="content",
            )
        return mean**-power

    return factor
