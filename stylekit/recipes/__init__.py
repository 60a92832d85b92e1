"""Named compositions of terms, each a plain function."""

from stylekit.recipes.stylize import stylize

__all__ = ["stylize"]
