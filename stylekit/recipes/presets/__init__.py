"""The settings of papers and programs as recipes: their losses, layers, weights and optimizers."""

from stylekit.recipes.presets.crowson import crowsonkb
from stylekit.recipes.presets.gatys import gatys2016, gatys2017
from stylekit.recipes.presets.johnson import johnson2016_loss
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
    "johnson2016_loss",
    "keras_example",
    "neural_style_pt",
    "realtime_tutorial",
    "tensorflow_tutorial",
]
