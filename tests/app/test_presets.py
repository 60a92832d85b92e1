import inspect

import numpy as np

from stylekit.app.presets import LABELS, available
from stylekit.features import VGG19, FeatureExtractor
from stylekit.recipes import presets


class WholeVGG19(VGG19):
    """VGG19 without its weights, of which the choice of presets needs the layers' names only."""

    def missing(self, layers):
        return {}


def test_every_preset_of_a_photo_and_a_style_has_a_label():
    def pictures(name):
        parameters = inspect.signature(getattr(presets, name)).parameters.values()
        return [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]

    assert {*LABELS} == {one for one in presets.__all__ if pictures(one) == ["content", "style"]}


def test_each_network_has_its_presets(networks):
    alone = available(networks)
    assert [*alone] == ["style-transfer-pytorch", "Gatys et al. 2016"]
    assert alone["Gatys et al. 2016"].steps == 500
    both = available(networks | {"VGG19": WholeVGG19()})
    assert {*both} == {*LABELS.values()}
    assert both["Gatys et al. 2016"].networks == ("compact", "VGG19")
    assert both["neural-style-pt"].networks == ("VGG19",)


def test_a_preset_keeps_its_pooling(networks):
    picture = np.zeros((64, 64, 3), np.uint8)
    preset = available(networks)["Gatys et al. 2016"]
    assert preset.recipe(picture, picture, 64, VGG19()).extractor.pooling == "average"
    compact = networks["compact"]
    assert preset.recipe(picture, picture, 64, compact).extractor is compact
    assert isinstance(compact, FeatureExtractor)
