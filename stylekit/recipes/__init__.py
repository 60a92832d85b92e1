"""Recipes: functions that return a `Recipe` for given pictures, and sweeps over their options."""

from stylekit._checks import suggest_names
from stylekit.recipes import presets
from stylekit.recipes.basic import basic, stylize
from stylekit.recipes.doodle import doodle
from stylekit.recipes.gradient_mask import gradient_mask
from stylekit.recipes.localized import localized
from stylekit.recipes.patches import patches
from stylekit.recipes.photoreal import photoreal
from stylekit.recipes.recipe import Recipe
from stylekit.recipes.reconstruct import reconstruct
from stylekit.recipes.regions import regions
from stylekit.recipes.sweep.result import Cell, Sweep
from stylekit.recipes.sweep.run import sweep
from stylekit.recipes.texture import texture

__all__ = [
    "Cell",
    "Recipe",
    "Sweep",
    "basic",
    "doodle",
    "gradient_mask",
    "localized",
    "patches",
    "photoreal",
    "presets",
    "reconstruct",
    "regions",
    "stylize",
    "sweep",
    "texture",
]

suggest_names(__name__)
