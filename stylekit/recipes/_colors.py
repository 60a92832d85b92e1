"""How a recipe keeps the content's colours: in its styles before a run, or in its image after."""

from __future__ import annotations

import dataclasses

import numpy as np

from stylekit._checks import choice
from stylekit.image import match_color, match_histogram, original_colors, resize
from stylekit.transfer import Result

BEFORE = {"match": match_color, "histogram": match_histogram}
WAYS = ("luminance", *BEFORE)


def prepared(
    style: np.ndarray,
    photo: np.ndarray,
    keep_colors: str | None,
    *,
    style_mask: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Return a style picture as a run is to see it: in the photo's colours, if it is so kept.

    Parameters
    ----------
    style : ndarray [h, w, 3]
    photo : ndarray [H, W, 3]
    keep_colors : str or None
        See `stylize`.
    style_mask, mask : ndarray [h, w] and [H, W], optional
        Where the style is taken, and where it goes: there the colours are counted.

    Raises
    ------
    InputError
        If there is no such way.
    """
    if keep_colors is not None:
        choice(keep_colors, "keep_colors", WAYS)
    match = BEFORE.get(keep_colors)
    return style if match is None else match(style, photo, style_mask, mask)


def finished(
    result: Result,
    photo: np.ndarray,
    keep_colors: str | None,
    update_mask: np.ndarray | None = None,
) -> Result:
    """Return a run's result, or what it has come to, as the recipe gives it.

    Its images get the photo's colours, if they are to be kept so; what the mask protects stays as
    it is, bit for bit.
    """
    if keep_colors is None:
        return result
    images = {}
    if keep_colors == "luminance":
        content = resize(photo, result.image.shape)  # rounding may make it a pixel smaller
        free = True if update_mask is None else update_mask[..., None] > 0
        for name in ("image", "best"):
            painted = getattr(result, name)
            images[name] = np.where(free, original_colors(painted, content), painted)
    manifest = result.manifest | {"keep_colors": keep_colors}
    return dataclasses.replace(result, manifest=manifest, **images)
