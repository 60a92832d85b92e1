"""The presets that the page offers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from stylekit._checks import fail
from stylekit.features import VGG19, FeatureExtractor
from stylekit.recipes import Recipe, presets

LABELS = {
    "crowsonkb": "style-transfer-pytorch",
    "gatys2016": "Gatys et al. 2016",
    "gatys2017": "Gatys et al. 2017",
    "johnson2016_loss": "Johnson et al. 2016",
    "keras_example": "Keras example",
    "kolkin2019": "Kolkin et al. 2019 (STROTSS)",
    "kolkin2022": "Kolkin et al. 2022 (NNST)",
    "li_wand2016": "Li and Wand 2016",
    "neural_style_pt": "neural-style-pt",
    "realtime_tutorial": "TensorFlow tutorial of 2018",
    "tensorflow_tutorial": "TensorFlow tutorial",
}
"""Labels of the presets that take a content picture and one style picture."""

RELATIVE = ("crowsonkb", "gatys2016", "kolkin2019", "kolkin2022")
"""Presets whose weights do not depend on the magnitude of a network's features. The other presets
are for `VGG19` only. For example, with `CompactVGG` the total variation loss of
``neural_style_pt`` leaves a flat grey picture."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """A preset and the networks that it can run with.

    Attributes
    ----------
    label : str
    function : callable
        One of `stylekit.recipes.presets`.
    steps : int
        Default number of steps, as in the source of the preset.
    networks : tuple of str
        Names of the networks that the preset can run with.
    """

    label: str
    function: Callable[..., Recipe]
    steps: int
    networks: tuple[str, ...]

    def recipe(
        self, photo: np.ndarray, style: np.ndarray, size: int, network: FeatureExtractor
    ) -> Recipe:
        """Return the recipe. Its extractor is `network` with the pooling of the preset."""
        recipe = self.function(photo, style, size=size)
        own = recipe.extractor
        if isinstance(own, VGG19) and isinstance(network, VGG19):
            network = VGG19(network.weights, pooling=own.pooling)
        recipe.extractor = network
        return recipe

    def check_network(self, name: str) -> None:
        """Raise `InputError` if the preset cannot run with the network of this name."""
        if name not in self.networks:
            fail(
                f"The preset {self.label!r} does not run with the network {name!r}",
                hint=f"choose {' or '.join(self.networks)} under Network",
            )


def available(networks: Mapping[str, FeatureExtractor]) -> dict[str, Preset]:
    """Return the presets that at least one of the networks can run, by label."""
    picture = np.zeros((64, 64, 3), np.uint8)
    found = {}
    for name, label in LABELS.items():
        function = getattr(presets, name)
        recipe = function(picture, picture, size=64)
        layers = {layer for loss in recipe.losses.values() for layer in loss.layers or ()}
        fitting = tuple(
            one
            for one, network in networks.items()
            if (name in RELATIVE or isinstance(network, VGG19)) and not network.missing(layers)
        )
        if fitting:
            found[label] = Preset(label, function, recipe.steps, fitting)
    return found
