"""How a recipe keeps the content's colours: by changing styles before, or images after a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from stylekit._checks import choice
from stylekit.image import (
    match_color,
    match_histogram,
    original_colors,
    palette_colors,
    periodic,
    resize,
)
from stylekit.transfer import Result

BEFORE = {"match": match_color, "histogram": match_histogram}
WAYS = ("luminance", "palette", *BEFORE)


class Source(NamedTuple):
    """A style picture whose colours a result uses, a mask of the pixels used, and a weight."""

    picture: np.ndarray
    mask: np.ndarray | None = None
    weight: float = 1.0


def prepared(
    style: np.ndarray,
    photo: np.ndarray,
    keep_colors: str | None,
    *,
    style_mask: np.ndarray | None = None,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Return a style picture, recoloured if `keep_colors` changes styles before the run.

    Parameters
    ----------
    style : ndarray [h, w, 3]
    photo : ndarray [H, W, 3]
    keep_colors : str or None
        See `recipes.basic`.
    style_mask, mask : ndarray [h, w] and [H, W], optional
        Where the style is taken and where it is applied, in [0, 1]. Colour statistics are computed
        from these pixels only.

    Raises
    ------
    InputError
        If `keep_colors` is unknown.
    """
    if keep_colors is not None:
        choice(keep_colors, "keep_colors", WAYS)
    match = None if keep_colors is None else BEFORE.get(keep_colors)
    return style if match is None else match(style, photo, style_mask, mask)


def finished(
    result: Result,
    photo: np.ndarray,
    keep_colors: str | None,
    update_mask: np.ndarray | None = None,
    sources: Sequence[Source] = (),
) -> Result:
    """Return a result whose images have their colours changed as `keep_colors` says.

    With ``"luminance"`` the images get the photo's colours, and with ``"palette"`` its arrangement
    of colours, in the palette of the sources. Pixels outside `update_mask` stay bit-identical. If
    no source has a weight, nothing was painted, and ``"palette"`` changes nothing.
    """
    if keep_colors is None:
        return result
    images: dict[str, Any] = {}
    tile = result.manifest.get("tile")
    content = periodic(photo, tile) if tile else photo
    content = resize(content, result.image.shape, tile=tile)  # rounding may make it a pixel smaller
    for name in ("image", "best"):
        painted = getattr(result, name)
        if keep_colors == "luminance":
            free = True if update_mask is None else update_mask[..., None] > 0
            images[name] = np.where(free, original_colors(painted, content), painted)
        elif keep_colors == "palette" and any(source.weight for source in sources):
            pictures, masks, weights = zip(*sources, strict=True)
            images[name] = palette_colors(
                painted, content, pictures, weights=weights, style_masks=masks, mask=update_mask
            )
            if update_mask is not None:  # the new colours fade in at soft edges
                change = update_mask[..., None] * (images[name] - painted)
                images[name] = np.clip(painted + change, 0, 1)
    manifest = result.manifest | {"keep_colors": keep_colors}
    return dataclasses.replace(result, manifest=manifest, **images)
