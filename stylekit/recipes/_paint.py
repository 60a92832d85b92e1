"""Common parts of the recipes that have a content and styles."""

from __future__ import annotations

import dataclasses
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from stylekit._checks import InputTypeError, check_options, explain, number, renamed
from stylekit._defaults import STRENGTH, STYLE_LOSS
from stylekit.image import PictureLike, as_image
from stylekit.losses import ContentLoss, TotalVariationLoss
from stylekit.losses.base import LayersLike
from stylekit.masks import MatchedRegions
from stylekit.recipes._colors import Source, finished
from stylekit.recipes._styles import StyleLossLike, StylePart, Terms, method
from stylekit.recipes.recipe import RUN, Factor, Recipe
from stylekit.transfer import Result

CHROMA = 2.0
"""Weight of the total variation of the chroma, relative to the weight of that of the colours. It
removes colour noise from dark and flat areas and purple fringes beside thin lines, and keeps light
and dark strokes."""

SMALL_STYLE = 300
"""Longer side of a style picture, in pixels, below which the quality of the result decreases. In
30,000 ratings (Kitov), the mean score of results was 5.2 of 10 with a style of 150 pixels, 6.0 with
300 pixels and 6.1 with 500 pixels."""


OPTIONS = ("strength", "style_loss", "style_layers", "content_layers", "variation")
"""Names of the options of `basic` that other recipes pass on to `paint`."""


def check_passed(
    recipe: Callable[..., Recipe], options: Mapping[str, Any], passed: Iterable[str] = OPTIONS
) -> None:
    """Raise `InputTypeError` if ``**options`` has a name that the recipe cannot use."""
    known = [name for name in (*inspect.signature(recipe).parameters, *passed) if name != "options"]
    for name in options:
        if name in RUN and name not in known:
            problem = f"{recipe.__name__} has no option {name!r}"
            message = explain(problem, hint="pass it to the method `run` of the returned recipe")
            raise InputTypeError(message, argument=name)
    check_options(recipe.__name__, options, known)


def paint(
    photo: np.ndarray,
    parts: Sequence[StylePart],
    gram: Terms,
    *,
    strength: float = STRENGTH,
    style_loss: StyleLossLike = STYLE_LOSS,
    style_layers: LayersLike = None,
    content_layers: LayersLike = None,
    variation: float | None = None,
    update_mask: np.ndarray | None = None,
    keep_colors: str | None = None,
) -> Recipe:
    """Return a recipe of a content loss, style losses and total variation losses.

    Parameters
    ----------
    photo : ndarray [H, W, 3]
        The content picture, at the size of the result.
    parts : sequence of StylePart
        The styles, as returned by `_colors.prepared`, and where they are applied.
    gram : callable
        Returns the recipe's Gram losses; see `_styles.Terms`.
    update_mask : ndarray [H, W], optional
        See `StyleTransfer.run`.
    strength, style_loss, style_layers, content_layers, variation, keep_colors
        See `basic`.
    """
    strength = number(strength, "strength", low=0, high=1)
    how = method(style_loss, gram)
    with renamed(layers="content_layers", layer_weights="content_layers"):
        content = ContentLoss(photo, layers=content_layers, weight=1 - strength)
    recipe = Recipe(
        [content],
        content=photo,
        styles=[part.style for part in parts],
        masks=[part.mask for part in parts],
        style_masks=[part.style_mask for part in parts],
        steps=how.steps,
        levels=how.pyramid,
        update_mask=update_mask,
        reflect=True,
        rests=True,
        layers={"style_layers": style_layers, "content_layers": content_layers},
    )
    with renamed(layers="style_layers", layer_weights="style_layers"):
        terms = how.terms(parts, strength, style_layers)
    for loss in terms:
        recipe.add(loss, how.factor)
    smoothing = strength
    factor: Factor | None = how.variation
    if variation is not None:
        smoothing, factor = strength * number(variation, "variation", low=0), None
    if smoothing or factor is not None:
        recipe.add(TotalVariationLoss(weight=smoothing), factor)
        recipe.add(
            TotalVariationLoss(
                weight=CHROMA * smoothing, channels="chroma", name="chroma_variation"
            ),
            factor,
        )
    # At strength 0 the initial image is returned, so no style contributes to a palette.
    sources = [Source(one.style, one.style_mask, one.weight * one.area) for one in parts]
    colors = photo, keep_colors, update_mask, sources if strength else ()
    return recipe.then(lambda result: finished(result, *colors), partial=True)


def content_picture(content: PictureLike, size: int | None) -> np.ndarray:
    """Return the content at the result's size, read-only.

    The same array is used as content and as initial image, and is passed to functions of the user.
    """
    photo = as_image(content, "content", size).view()
    photo.flags.writeable = False
    return photo


def sized_style(style: PictureLike, photo: np.ndarray, style_scale: float) -> np.ndarray:
    """Return a style picture whose longer side is that of the photo times `style_scale`.

    Warns if the picture is enlarged from less than `SMALL_STYLE` pixels, or by a factor of 2 or
    more.
    """
    scale = number(style_scale, "style_scale", low=0, open_low=True)
    wanted = max(1, round(max(photo.shape[:2]) * scale))
    style = as_image(style, "style")
    height, width = style.shape[:2]
    longer = max(height, width)
    if longer < wanted and (longer < SMALL_STYLE or 2 * longer <= wanted):
        warnings.warn(
            f"The style picture has {width}x{height} pixels and is enlarged to {wanted}, which "
            f"blurs its strokes. Use a style of at least {max(SMALL_STYLE, wanted // 2)} pixels "
            "a side, or a smaller `size`.",
            stacklevel=2,
        )
    return as_image(style, "style", wanted)


def recorded(matched: MatchedRegions, content: str) -> Callable[[Result], Result]:
    """Return a function that adds the shares of regions and merged colours to a manifest."""
    maps = content, "style"
    shares = zip(matched.names, matched.content, matched.style, strict=True)
    record: dict[str, dict[str, Any]] = {
        "regions": {
            name: dict(zip(maps, (float(mask.mean()), float(source.mean())), strict=True))
            for name, mask, source in shares
        },
        "unmatched": dict(zip(maps, matched.unmatched, strict=True)),
    }
    for key, colors in (("merged", matched.merged), ("small", matched.small)):
        record[key] = {name: dict(zip(maps, each, strict=True)) for name, each in colors.items()}
    return lambda result: dataclasses.replace(result, manifest=result.manifest | record)
