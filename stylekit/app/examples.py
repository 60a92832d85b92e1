"""Pictures to try the page with, which need no connection."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np
from skimage import data

from stylekit.image import as_image, drawn

SIZE = 320
"""Longer side, in pixels, of the styles that are drawn: a second of work each."""


@functools.cache
def photo(name: str, size: int) -> np.ndarray:
    """Return one of `PHOTOS`, its longer side at most `size`."""
    picture = PHOTOS[name]()
    return as_image(picture, size=min(size, max(picture.shape[:2])))


@functools.cache
def style(name: str) -> np.ndarray:
    """Return one of `STYLES`."""
    return STYLES[name](SIZE)


PHOTOS: Mapping[str, Callable[[], np.ndarray]] = {
    "cat": data.chelsea,
    "astronaut": data.astronaut,
    "coffee": data.coffee,
    "rocket": data.rocket,
}
"""Photographs that come with scikit-image."""

STYLES: Mapping[str, Callable[[int], np.ndarray]] = {
    "night": drawn.night,
    "meadow": drawn.meadow,
    "tissue": lambda size: as_image(data.immunohistochemistry(), size=size),
}
"""Two paintings drawn by code, and a micrograph that comes with scikit-image."""
