"""Settings of papers and programs as recipes: their losses, layers, weights and optimizers."""

from stylekit.recipes.presets.crowson import crowsonkb
from stylekit.recipes.presets.gatys import gatys2016, gatys2017
from stylekit.recipes.presets.heitz import heitz2021
from stylekit.recipes.presets.johnson import johnson2016_loss
from stylekit.recipes.presets.kolkin import kolkin2019, kolkin2022
from stylekit.recipes.presets.li_wand import li_wand2016
from stylekit.recipes.presets.maps import luan2017, region_scripts
from stylekit.recipes.presets.masked import masked_semantic
from stylekit.recipes.presets.neural_style import neural_style_pt
from stylekit.recipes.presets.tutorials import (
    keras_example,
    realtime_tutorial,
    tensorflow_tutorial,
)

__all__ = [
    "crowsonkb",
    "gatys2016",
    "gatys2017",
    "heitz2021",
    "johnson2016_loss",
    "keras_example",
    "kolkin2019",
    "kolkin2022",
    "li_wand2016",
    "luan2017",
    "masked_semantic",
    "neural_style_pt",
    "realtime_tutorial",
    "region_scripts",
    "tensorflow_tutorial",
]
