"""The settings of papers and programs as recipes: their losses, layers, weights and optimizers."""

from stylekit.recipes.presets.gatys import gatys2016
from stylekit.recipes.presets.neural_style import neural_style_pt

__all__ = ["gatys2016", "neural_style_pt"]
