"""Make a recipe and run it."""

from stylekit.recipes.recipe import divided


def painted(recipe, *pictures, **options):
    """Return the result of a recipe; each option goes to the recipe function or to its run."""
    technique, how = divided(recipe, options)
    return recipe(*pictures, **technique).run(**how)
