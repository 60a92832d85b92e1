"""Pictures to try the page with, which need no connection."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import numpy as np
from skimage import data

from stylekit.image import drawn

SIZE = 320
"""Side, in pixels, of the styles that are drawn: a second or two of work each, done once."""

PHOTOS: Mapping[str, Callable[[], np.ndarray]] = {
    "cat": data.chelsea,
    "astronaut": data.astronaut,
    "coffee": data.coffee,
    "rocket": data.rocket,
}
"""Photographs that come with scikit-image, arrays ``[H, W, 3]``."""

STYLES: Mapping[str, Callable[[], np.ndarray]] = {
    "night": functools.cache(lambda: drawn.night(SIZE)),
    "meadow": functools.cache(lambda: drawn.meadow(SIZE)),
    "tissue": data.immunohistochemistry,
}
"""Two paintings drawn by code, and a micrograph that comes with scikit-image."""
